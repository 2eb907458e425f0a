"""All scores of a set of images in one table, beside what real images score."""

from dataclasses import dataclass

import torch

from .classifier import extract_features
from .intervals import Score
from .metrics import colours_per_image, frechet_distance, kernel_distance, label_accuracy, precision_recall
from .neighbours import copy_rates
from .tables import ROWS, markdown_table, show_score


@dataclass(frozen=True)
class Report:
    """Scores of generated images, and of as many real ones (the floor) against the same reference."""

    generated: dict[str, Score]
    real: dict[str, Score]

    def to_markdown(self) -> str:
        """Make a Markdown table: a row per score, with 95 % intervals."""
        count = self.generated["precision"].num_samples
        sides = (self.generated, self.real)
        rows = [
            [name, *(show_score(key, side[key]) if key in side else "–" for side in sides)]
            for key, name in ROWS.items()
            if key in self.generated
        ]
        return markdown_table([f"{count:,} images", "generated", "real"], rows)

    def to_json(self) -> dict:
        """Make plain dictionaries, for a file."""
        sides = {"generated": self.generated, "real": self.real}
        return {side: {key: score._asdict() for key, score in part.items()} for side, part in sides.items()}

    @classmethod
    def from_json(cls, sides: dict) -> "Report":
        """Read back what `to_json` made."""
        return cls(*({k: Score(**v) for k, v in sides[side].items()} for side in ("generated", "real")))


def real_halves(images: torch.Tensor, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Split real images at random into the reference and as many others, which give the floor.

    Parameters
    ----------
    images : Tensor [n, ...]
        Images or features; same n and seed, same split.
    """
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    half = len(images) // 2
    return images[order[:half]], images[order[half : 2 * half]]


def evaluate(
    images: torch.Tensor,
    real_images: torch.Tensor,
    training_images: torch.Tensor,
    held_out_images: torch.Tensor,
    labels: torch.Tensor | None = None,
) -> Report:
    """Compute every score of generated images, and the floor from equally many real ones.

    Parameters
    ----------
    images : Tensor [n, c, h, w] in [-1, 1]
        Generated; n from 200 up to half as many as the real images. 5,000 for figures worth quoting.
    real_images : Tensor
        All real images, or their features. One half is the reference, the other gives the floor.
    training_images, held_out_images : Tensor
        Copies are sought among the first; the second say how alike different sprites are, and how many
        colours they have.
    labels : int64 [n] or one-hot [n, num_classes], optional
        What was asked for, if the model takes labels.

    Raises
    ------
    ValueError
        If there are more images than half the real ones, too few, or any out of the contract.
    """
    features = extract_features(images)
    if len(images) > len(real_images) // 2:
        most = f"at most {len(real_images) // 2:,} can be compared with as many real ones"
        raise ValueError(f"got {len(images):,} images; {most}")
    reference, others = real_halves(extract_features(real_images))
    generated, real = (_distances(points, reference) for points in (features, others[: len(images)]))
    if labels is not None:
        generated["label_accuracy"] = label_accuracy(images, labels)
    for scores, candidates in ((generated, images), (real, held_out_images)):
        scores["exact_copies"], scores["near_copies"] = copy_rates(candidates, training_images)
        scores["colours_per_image"] = colours_per_image(candidates)
    return Report(generated, real)


def _distances(features: torch.Tensor, reference: torch.Tensor) -> dict[str, Score]:
    """The scores that are measured between features."""
    precision, recall = precision_recall(features, reference)
    return {
        "frechet_distance": frechet_distance(features, reference),
        "kernel_distance": kernel_distance(features, reference),
        "precision": precision,
        "recall": recall,
    }
