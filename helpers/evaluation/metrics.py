"""Scores of generated images, each with an interval: how far, how good, how varied."""

import math
from collections.abc import Sequence

import torch

from .classifier import apply_in_batches, check_images, extract_features
from .intervals import NUM_GROUPS, Score, jackknife, mean_interval, permutation, proportion

NUM_NEIGHBOURS = 3  # k of precision and recall, as in the paper


def _features(*sets: torch.Tensor) -> list[torch.Tensor]:
    """Features of each set, on the CPU: they are small."""
    return [extract_features(part).cpu() for part in sets]


def _require_count(at_least: int, what: str, *parts: torch.Tensor) -> None:
    for part in parts:
        if len(part) < at_least:
            raise ValueError(f"{what} needs at least {at_least:,} images; got {len(part):,}")


def frechet_distance(images: torch.Tensor, reference: torch.Tensor) -> Score:
    """Fréchet distance (arXiv 1706.08500) between the features of two sets of images; lower is better.

    ``|μ₁ - μ₂|² + tr(Σ₁ + Σ₂ - 2 (Σ₁ Σ₂)^½)`` with the features of the sprite classifier. They are
    not Inception features: never compare the number with a published FID. It grows as samples get
    fewer, so compare at equal numbers only.

    Parameters
    ----------
    images, reference : Tensor [n, c, h, w] in [-1, 1], or features [n, d]
        At least 4 · d images (192 for the shipped classifier); 5,000 for a figure worth quoting.

    Returns
    -------
    Score
        With a jackknife interval over `images`. What it covers is the mean of the distance at this n,
        not its limit for many images; at small n it is up to 1.5 times as wide as it need be.

    Raises
    ------
    ValueError
        If there are too few images, or they are not in the project's contract.
    """
    features, others = (part.double() for part in _features(images, reference))
    _require_count(4 * features.shape[1], "the Fréchet distance", features, others)
    moments = others.mean(0), others.T.cov()
    group = permutation(len(features)) % NUM_GROUPS
    left_out = [_frechet(features[group != g], *moments) for g in range(NUM_GROUPS)]
    return jackknife(_frechet(features, *moments), left_out, len(features)).clip()


def _frechet(features: torch.Tensor, mean: torch.Tensor, covariance: torch.Tensor) -> float:
    """Fréchet distance from points to a Gaussian with this mean and covariance."""
    own = features.T.cov()
    # The root of a matrix has the roots of its eigenvalues, and the trace is their sum.
    root_trace = torch.linalg.eigvals(own @ covariance).real.clamp(min=0).sqrt().sum()
    return float((features.mean(0) - mean).square().sum() + own.trace() + covariance.trace() - 2 * root_trace)


def _kernel(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Cubic kernel (x·y / d + 1)³ of all pairs, [len(x), len(y)]."""
    return torch.addmm(torch.ones(1, dtype=x.dtype), x, y.T / x.shape[1]).pow(3)


def kernel_distance(images: torch.Tensor, reference: torch.Tensor) -> Score:
    """Kernel distance (KID, arXiv 1801.01401) between features; lower is better.

    The squared maximum mean discrepancy: the mean of k(x, x') + k(y, y') - 2 k(x, y) over all pairs of
    different points, with the kernel k(x, y) = (x·y / d + 1)³. For independent images it has no bias, so
    fewer make it noisier but not larger; near 0 it may be negative.

    Parameters
    ----------
    images, reference : Tensor [n, c, h, w] in [-1, 1], or features [n, d]
        At least 200 each. The interval is a jackknife over `images`.

    Raises
    ------
    ValueError
        If there are too few images, or they are not in the project's contract.
    """
    x, y = _features(images, reference)
    _require_count(200, "the kernel distance", x, y)
    group = torch.nn.functional.one_hot(permutation(len(x)) % NUM_GROUPS).double()
    # Sums over pairs of groups are enough to leave any group out.
    within = group.T @ torch.cat([_kernel(part, x).double() @ group for part in x.split(500)])
    within -= torch.diag(group.T @ _self_kernel(x))
    across = group.T @ torch.cat([_kernel(part, y).double().mean(1) for part in x.split(500)])
    total = sum(float(_kernel(part, y).double().sum()) for part in y.split(500))
    constant = (total - float(_self_kernel(y).sum())) / (len(y) * (len(y) - 1))
    kept = torch.cat([torch.ones(1, NUM_GROUPS), 1 - torch.eye(NUM_GROUPS)]).double()
    n = kept @ group.sum(0)
    values = ((kept @ within) * kept).sum(1) / (n * (n - 1)) - 2 * kept @ across / n + constant
    return jackknife(float(values[0]), values[1:].tolist(), len(x))


def _self_kernel(x: torch.Tensor) -> torch.Tensor:
    """Kernel of each point with itself, [n]."""
    return (x.double().square().mean(1) + 1).pow(3)


def _radii(features: torch.Tensor, group: torch.Tensor | None = None) -> list[torch.Tensor]:
    """Distance of each point to its k-th neighbour, [n]: among all, then among all but each group.

    Points of the group that is left out get a negative radius: no ball.
    """
    k, count = NUM_NEIGHBOURS, min(len(features), 10 * (NUM_NEIGHBOURS + 1))  # itself is the nearest
    # With one group in twenty left out, k others remain among ten times as many.
    near = [torch.cdist(part, features).topk(count, largest=False) for part in features.split(1000)]
    distances, neighbours = (torch.cat(part) for part in zip(*near, strict=True))
    radii = [distances[:, k]]
    for g in range(NUM_GROUPS if group is not None else 0):
        others = distances.masked_fill(group[neighbours] == g, math.inf)
        radii.append(others.topk(k + 1, largest=False).values[:, k].masked_fill(group == g, -1))
    return radii


def _covered(points: torch.Tensor, centres: torch.Tensor, radii: Sequence[torch.Tensor]) -> torch.Tensor:
    """Whether each point lies in at least one of the balls, for each set of radii: [sets, n]."""
    hits = []
    for part in points.split(500):
        distances = torch.cdist(part, centres)
        hits.append(torch.stack([(distances <= radius).any(1) for radius in radii]))
    return torch.cat(hits, dim=1)


def precision_recall(
    images: torch.Tensor, reference: torch.Tensor, num_reference: int | None = None
) -> tuple[Score, Score]:
    """Improved precision and recall (Kynkäänniemi et al., arXiv 1904.06991); higher is better.

    A set is taken for the union of balls around its features that reach to the third neighbour.
    Precision is the proportion of `images` inside the reference's balls (do they look real?), recall
    that of `reference` inside the images' balls (is everything there?).

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
        Precision with the exact interval of a proportion. Recall's points all depend on the same images,
        so its interval is a jackknife over these, and they are what its `num_samples` counts.

    Raises
    ------
    ValueError
        If there are too few images, or they are not in the project's contract.
    """
    features, others = _features(images, reference)
    n = min(len(features), len(others))
    if num_reference is None:
        features = features[permutation(len(features))[:n]]
    others = others[permutation(len(others))[: num_reference or n]]
    _require_count(100, "precision and recall", features, others)
    precision = proportion(_covered(features, others, _radii(others))[0])
    radii = _radii(features, permutation(len(features)) % NUM_GROUPS)
    recall = _covered(others, features, radii).double().mean(1).tolist()
    return precision, jackknife(recall[0], recall[1:], len(features)).clip(0, 1)


def label_accuracy(images: torch.Tensor, labels: torch.Tensor) -> Score:
    """Proportion of images that the classifier files under the label that was asked for.

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
    labels = torch.as_tensor(labels)
    labels = labels.argmax(1) if labels.ndim == 2 else labels
    if labels.shape != (len(images),):
        raise ValueError(f"got {len(images)} images and labels of shape {tuple(labels.shape)}")
    predicted = apply_in_batches(lambda model, batch: model(batch)[0].argmax(1), images)
    return proportion(predicted.cpu() == labels.cpu())


def colours_per_image(images: torch.Tensor) -> Score:
    """Mean number of distinct colours in an image, at 16 levels a channel, with Student's interval.

    Pixel art has few: the bundled sprites have about 15.6.

    Parameters
    ----------
    images : Tensor [n, c, h, w] in [-1, 1]
        At least 2.

    Raises
    ------
    ValueError
        If the images are not in the project's contract.
    """
    check_images(images)
    levels = ((images + 1) * 127.5).round().long().clamp(0, 255) // 16
    codes = sum(levels[:, c] * 16**c for c in range(levels.shape[1])).flatten(1).sort(dim=1).values
    counts = 1 + (codes.diff(dim=1) != 0).sum(1)
    return mean_interval(counts.double(), len(images))
