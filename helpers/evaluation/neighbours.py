"""Nearest training images, and how many generated images merely copy one."""

import torch

from .classifier import check_images, extract_features
from .intervals import Score, proportion

NUM_CANDIDATES = 10
TOLERANCE = 8.5 / 127.5  # of pixels in [-1, 1]: eight of 255 levels, which nobody sees, and rounding


def nearest_neighbours(
    images: torch.Tensor, reference: torch.Tensor, k: int = 1, space: str = "pixel"
) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the k images of `reference` that are most like each image.

    Parameters
    ----------
    images, reference : Tensor [n, c, h, w] in [-1, 1]
        Any number of them, on the same device.
    k : int
    space : "pixel" or "feature"
        Compare pixels (root mean square difference) or the classifier's features (Euclidean distance).

    Returns
    -------
    distances, indices : Tensors [n, k]
        Nearest first; `reference[indices[i, 0]]` is the one most like `images[i]`.

    Raises
    ------
    ValueError
        If `space` is neither, `k` is not in 1 … len(reference), or images are not in the contract.
    """
    if space not in ("pixel", "feature"):
        raise ValueError(f'space must be "pixel" or "feature"; got {space!r}')
    if not 1 <= k <= len(reference):
        raise ValueError(f"k must be from 1 to {len(reference):,}, the size of the reference; got {k}")
    if space == "feature":
        points, others, scale = extract_features(images), extract_features(reference), 1.0
    else:
        check_images(images)
        check_images(reference)
        points, others = images.flatten(1), reference.flatten(1)
        scale = points.shape[1] ** 0.5
    found = [torch.cdist(part, others).topk(k, largest=False) for part in points.split(500)]
    return torch.cat([f.values for f in found]) / scale, torch.cat([f.indices for f in found])


def copy_rates(images: torch.Tensor, training_images: torch.Tensor) -> tuple[Score, Score]:
    """Proportion of images that copy a training image exactly, and of those that nearly do.

    Exact, to the eye: no channel of any pixel differs by more than 8 of 255 levels from one of the ten
    nearest training images. Near: the root mean square difference from the nearest one is no more than
    that, so an exact copy is a near one too. Read both beside the same figures for real images that
    were held out: simple sprites resemble each other without being copied.

    Parameters
    ----------
    images, training_images : Tensor [n, c, h, w] in [-1, 1]
        Any number; all of the training images, or copies go unnoticed.

    Raises
    ------
    ValueError
        If the images are not in the project's contract.
    """
    count = min(NUM_CANDIDATES, len(training_images))
    distances, indices = nearest_neighbours(images, training_images, count)
    parts = zip(images.split(500), indices.split(500), strict=True)
    differences = [(part[:, None] - training_images[near]).abs().amax((2, 3, 4)) for part, near in parts]
    exact = torch.cat(differences).amin(1) <= TOLERANCE
    return proportion(exact), proportion(exact | (distances[:, 0] <= TOLERANCE))
