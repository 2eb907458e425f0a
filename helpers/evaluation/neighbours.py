"""Nearest training images, and the share of generated images that merely copy one."""

import torch
from torch import nn

from .classifier import check_images, extract_features
from .metrics import Score, share

NEAR_COPY = 0.05  # root mean square difference, of pixels in [-1, 1]
EXACT_COPY = 8.5 / 127.5  # largest difference of any channel: eight of 255 levels, which nobody sees


def nearest_neighbours(
    images: torch.Tensor,
    reference: torch.Tensor,
    k: int = 1,
    space: str = "pixel",
    classifier: nn.Module | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the k images of `reference` that are most like each image.

    Parameters
    ----------
    images, reference : Tensor [n, c, h, w] in [-1, 1]
        Any number of them.
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
        points, others = extract_features(images, classifier), extract_features(reference, classifier)
        scale = 1.0
    else:
        check_images(images)
        check_images(reference)
        points, others = images.flatten(1), reference.flatten(1)
        scale = points.shape[1] ** 0.5
    found = [torch.cdist(part, others).topk(k, largest=False) for part in points.split(500)]
    return torch.cat([f.values for f in found]) / scale, torch.cat([f.indices for f in found])


def copies(images: torch.Tensor, training_images: torch.Tensor) -> tuple[Score, Score]:
    """Share of images that copy a training image exactly, and of those that nearly do.

    Exact: no channel of any pixel differs by more than 8 of 255 levels. Near: the root mean square
    difference is at most 0.05 of pixels in [-1, 1]. Read it beside the same figures for real images
    that were held out: simple sprites resemble each other without being copied.

    Parameters
    ----------
    images, training_images : Tensor [n, c, h, w] in [-1, 1]
        Any number; all of the training images, or copies go unnoticed.

    Returns
    -------
    exact, near : Score

    Raises
    ------
    ValueError
        If the images are not in the project's contract.
    """
    distances, indices = nearest_neighbours(images, training_images)
    largest = (images - training_images[indices[:, 0]]).abs().flatten(1).amax(1)
    return share(largest <= EXACT_COPY), share(distances[:, 0] <= NEAR_COPY)
