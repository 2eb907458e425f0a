"""Scores of generated images, each with an interval: how far, how good, how varied, how new."""

import math
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from .classifier import check_images, extract_features, load_classifier

GROUPS = 10
Z_95 = 1.960  # the same of the normal distribution


class Score(NamedTuple):
    """A measured value with its 95 % interval and the number of samples behind it.

    `f"{score:.1%}"` formats all three numbers, as 68.4% [67.1%, 69.7%].
    """

    value: float
    low: float
    high: float
    num_samples: int

    def __format__(self, spec: str) -> str:
        value, low, high = (format(number, spec or ".3g") for number in self[:3])
        return f"{value} [{low}, {high}]"

    def __str__(self) -> str:
        return format(self)


def _shuffled(rows: torch.Tensor) -> torch.Tensor:
    """The same rows in an order of chance: images often come class by class, and no group may be a class."""
    return rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))]


def _subsample(rows: torch.Tensor, count: int) -> torch.Tensor:
    """So many of the rows at random, or all."""
    return _shuffled(rows)[:count] if count < len(rows) else rows


def _t_quantile(count: int) -> float:
    """97.5 % point of Student's t for the mean of so many values."""
    from scipy.stats import t

    return float(t.ppf(0.975, count - 1))


def mean_score(scores: Sequence[Score]) -> Score:
    """Mean of the same score, measured several times, with Student's interval; of one, itself."""
    if len(scores) == 1:
        return scores[0]
    values = torch.tensor([score.value for score in scores], dtype=torch.float64)
    value, count = float(values.mean()), len(scores)
    error = _t_quantile(count) * float(values.std()) / math.sqrt(count)
    return Score(value, value - error, value + error, sum(score.num_samples for score in scores))


class _Identity(nn.Module):
    """What torchmetrics takes for a feature extractor when the features are there already."""

    def __init__(self, num_features: int):
        super().__init__()
        self.num_features = num_features

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features


def _require_count(features: torch.Tensor, at_least: int, what: str) -> None:
    if len(features) < at_least:
        raise ValueError(f"{what} needs at least {at_least:,} images; got {len(features):,}")


def _frechet(features: torch.Tensor, reference: torch.Tensor) -> float:
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=_Identity(features.shape[1]))
    metric.update(reference.double(), real=True)
    metric.update(features.double(), real=False)
    return float(metric.compute())


def frechet_distance(
    images: torch.Tensor, reference: torch.Tensor, classifier: nn.Module | None = None
) -> Score:
    """Fréchet distance (arXiv 1706.08500) between the features of two sets of images; lower is better.

    |μ₁ - μ₂|² + tr(Σ₁ + Σ₂ - 2 (Σ₁ Σ₂)^½), computed by torchmetrics on features of the sprite
    classifier. They are not Inception features: never compare the number with a published FID. It
    grows as samples get fewer, so compare at equal numbers only.

    Parameters
    ----------
    images, reference : Tensor [n, c, h, w] in [-1, 1], or features [n, d]
        At least 4 · d images (192 for the shipped classifier); 5,000 for a figure worth quoting.

    Returns
    -------
    Score
        With a jackknife interval over ten groups of `images`.

    Raises
    ------
    ValueError
        If there are too few images, or they are not in the project's contract.
    """
    features, others = extract_features(images, classifier), extract_features(reference, classifier)
    for part in (features, others):
        _require_count(part, 4 * features.shape[1], "the Fréchet distance")
    value, left_out = _frechet(features, others), []
    group = _shuffled(torch.arange(len(features))) % GROUPS
    for i in range(GROUPS):
        left_out.append(_frechet(features[group != i], others))
    mean = sum(left_out) / GROUPS
    error = math.sqrt((GROUPS - 1) / GROUPS * sum((x - mean) ** 2 for x in left_out))
    error *= _t_quantile(GROUPS)
    return Score(value, max(0.0, value - error), value + error, len(features))


def kernel_distance(
    images: torch.Tensor, reference: torch.Tensor, classifier: nn.Module | None = None
) -> Score:
    """Kernel distance (KID, arXiv 1801.01401) between features; lower is better.

    The squared maximum mean discrepancy with a cubic kernel, by torchmetrics. Its estimate has no
    bias, so fewer samples make it noisier but not larger; near 0 it may be negative.

    Parameters
    ----------
    images, reference : Tensor [n, c, h, w] in [-1, 1], or features [n, d]
        At least 200 each.

    Returns
    -------
    Score
        The mean over ten disjoint groups, and an interval from their spread.

    Raises
    ------
    ValueError
        If there are too few images, or they are not in the project's contract.
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    features, others = extract_features(images, classifier), extract_features(reference, classifier)
    size = min(len(features), len(others)) // GROUPS
    for part in (features, others):
        _require_count(part, 20 * GROUPS, "the kernel distance")
    features, others = _shuffled(features), _shuffled(others)
    values = []
    with torch.random.fork_rng(), warnings.catch_warnings():
        # It warns that it keeps all features: these are small, and here already.
        warnings.filterwarnings("ignore", message=".*will save all extracted features.*")
        for i in range(GROUPS):
            metric = KernelInceptionDistance(_Identity(features.shape[1]), subsets=1, subset_size=size)
            metric.update(others[i * size : (i + 1) * size].double(), real=True)
            metric.update(features[i * size : (i + 1) * size].double(), real=False)
            value = float(metric.compute()[0])
            values.append(Score(value, value, value, size))
    return mean_score(values)


def share(hits: torch.Tensor) -> Score:
    """Share of True in a boolean tensor [n], with Wilson's interval for a proportion."""
    n, value = len(hits), float(hits.double().mean())
    centre = (value + Z_95**2 / (2 * n)) / (1 + Z_95**2 / n)
    half = Z_95 * math.sqrt(value * (1 - value) / n + Z_95**2 / (4 * n**2)) / (1 + Z_95**2 / n)
    return Score(value, min(value, max(0.0, centre - half)), max(value, min(1.0, centre + half)), n)


def _radii(features: torch.Tensor, k: int) -> torch.Tensor:
    """Distance of each point to its k-th nearest neighbour, itself not counted."""
    parts = [torch.cdist(part, features).kthvalue(k + 1, dim=1).values for part in features.split(1000)]
    return torch.cat(parts)


def _inside(points: torch.Tensor, centres: torch.Tensor, radii: torch.Tensor) -> torch.Tensor:
    """Whether each point lies in at least one of the balls."""
    return torch.cat([(torch.cdist(part, centres) <= radii).any(1) for part in points.split(1000)])


def precision_recall(
    images: torch.Tensor,
    reference: torch.Tensor,
    k: int = 3,
    classifier: nn.Module | None = None,
    num_reference: int | None = None,
) -> tuple[Score, Score]:
    """Improved precision and recall (Kynkäänniemi et al., arXiv 1904.06991); higher is better.

    A set is taken for the union of balls around its features that reach to the k-th neighbour.
    Precision is the share of `images` inside the reference's balls (do they look real?), recall the
    share of `reference` inside the images' balls (is everything there?).

    Parameters
    ----------
    images, reference : Tensor [n, c, h, w] in [-1, 1], or features [n, d]
        At least 100 each. Of the larger set n at random are used, since both scores depend on n.
    num_reference : int, optional
        Use so many of the reference instead. Few images among few real ones look precise, since the
        balls of few are large; among many real ones even a few tell good from bad.

    Returns
    -------
    (Score, Score)

    Raises
    ------
    ValueError
        If there are too few images, or they are not in the project's contract.
    """
    features, others = extract_features(images, classifier), extract_features(reference, classifier)
    n = min(len(features), len(others))
    features, others = (
        (_subsample(features, n), _subsample(others, n))
        if num_reference is None
        else (features, _subsample(others, num_reference))
    )
    for part in (features, others):
        _require_count(part, 100, "precision and recall")
    precision = share(_inside(features, others, _radii(others, k)))
    return precision, share(_inside(others, features, _radii(features, k)))


def label_accuracy(images: torch.Tensor, labels: torch.Tensor, classifier: nn.Module | None = None) -> Score:
    """Share of images that the classifier files under the label that was asked for.

    Parameters
    ----------
    images : Tensor [n, c, h, w] in [-1, 1]
        Any number; 1,000 give an interval of about one point at 98 %.
    labels : int64 Tensor [n], or one-hot [n, num_classes]

    Raises
    ------
    ValueError
        If there is not one label per image, or the images are not in the project's contract.
    """
    classifier = classifier or load_classifier()
    check_images(images, classifier)
    labels = torch.as_tensor(labels)
    labels = labels.argmax(1) if labels.ndim == 2 else labels
    if labels.shape != (len(images),):
        raise ValueError(f"got {len(images)} images and labels of shape {tuple(labels.shape)}")
    with torch.no_grad():
        predicted = torch.cat([classifier(batch)[0].argmax(1) for batch in images.split(1000)])
    return share(predicted == labels)
