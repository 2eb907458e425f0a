"""The dataset that every loader returns, and how to draw batches from it."""

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import one_hot
from torch.utils.data import DataLoader, Dataset, WeightedRandomSampler


class ImageDataset(Dataset):
    """Labelled pictures, held in memory as one tensor.

    An item is `(image, label)`: float32 [c, h, w] in [-1, 1], and one-hot float32 [num_classes].

    Parameters
    ----------
    images : uint8 array or tensor [n, h, w, c], c = 1 or 3
    labels : int64 array or tensor [n], values in 0 … len(class_names) - 1
    class_names : sequence of str
    captions : sequence of n str, optional
    flip : bool
        Mirror an item left to right with probability 1/2 each time it is read, by torch's global generator.
    dropped : int
        How many inputs the loader left out (cleaning, corrupt files).

    Raises
    ------
    ValueError
        If the arrays do not have these shapes, types and ranges, or there are no images.
    """

    def __init__(
        self,
        images: np.ndarray | torch.Tensor,
        labels: np.ndarray | torch.Tensor,
        class_names: Sequence[str],
        captions: Sequence[str] | None = None,
        flip: bool = False,
        dropped: int = 0,
    ):
        self.images, self.labels = torch.as_tensor(images), torch.as_tensor(labels)
        self.class_names = tuple(class_names)
        self.captions = None if captions is None else list(captions)
        self.flip, self.dropped = flip, dropped
        self._validate_arrays()

    def _validate_arrays(self) -> None:
        """Refuse arrays of other shapes, types or ranges than those promised."""
        images, labels, last = self.images, self.labels, len(self.class_names) - 1
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
            found = f"{images.dtype} of shape {tuple(images.shape)}"
            raise ValueError(f"images must be uint8 of shape (n, h, w, c) with c = 1 or 3; got {found}")
        if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
            found = f"{labels.dtype} of shape {tuple(labels.shape)}"
            raise ValueError(f"labels must be int64 of shape ({len(images)},), one per image; got {found}")
        if len(images) == 0:
            raise ValueError("there are no images in this dataset")
        if labels.min() < 0 or labels.max() > last:
            found = f"{int(labels.min())} … {int(labels.max())}"
            raise ValueError(f"labels must lie in 0 … {last} (one number per class name); got {found}")
        if self.captions is not None and len(self.captions) != len(images):
            raise ValueError(f"got {len(self.captions)} captions for {len(images)} images")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Read several items at once; a DataLoader calls this, and is several times as fast for it."""
        indices = [int(index) for index in indices]  # a Subset may hand over 0-d tensors
        # In NumPy: on so little data, waking torch's threads would take longer than the work.
        images = self.images.numpy()[indices].transpose(0, 3, 1, 2).astype(np.float32, order="C")
        images = images / 127.5 - 1
        if self.flip:
            mirrored = (torch.rand(len(images)) < 0.5).numpy()
            images[mirrored] = images[mirrored, ..., ::-1]
        labels = one_hot(self.labels[indices], len(self.class_names)).float()
        return list(zip(torch.from_numpy(images), labels, strict=True))

    def __repr__(self) -> str:
        counts = torch.bincount(self.labels, minlength=len(self.class_names)).tolist()
        classes = ", ".join(f"{name} {count:,}" for name, count in zip(self.class_names, counts, strict=True))
        height, width, channels = self.images.shape[1:]
        return f"ImageDataset({len(self):,} images of {height}×{width}×{channels}: {classes})"

    def as_tensor(self) -> torch.Tensor:
        """All images, unflipped, as one float32 tensor [n, c, h, w] in [-1, 1]."""
        return self.images.permute(0, 3, 1, 2).float().div_(127.5).sub_(1).contiguous()

    def fingerprint(self) -> str:
        """Short hash of all pixels, labels and whether pictures are flipped: other data, another one."""
        parts = (self.images.numpy().tobytes(), self.labels.numpy().tobytes(), bytes([self.flip]))
        return hashlib.sha256(b"".join(parts)).hexdigest()[:16]

    def subset(self, indices: Sequence[int] | slice | torch.Tensor) -> "ImageDataset":
        """The items at these positions (numbers, a slice or a boolean mask), as a dataset of its own."""
        chosen = torch.arange(len(self))[indices]
        captions = None if self.captions is None else [self.captions[i] for i in chosen.tolist()]
        pictures, labels = self.images[chosen], self.labels[chosen]
        return ImageDataset(pictures, labels, self.class_names, captions, self.flip, self.dropped)

    def select(self, class_names: str | Sequence[str]) -> "ImageDataset":
        """The items of one class or several. Labels keep their numbers and their one-hot width.

        Raises
        ------
        ValueError
            If a name is not one of the dataset's classes, or no image has one of these classes.
        """
        names = [class_names] if isinstance(class_names, str) else list(class_names)
        unknown = [f"unknown class {name!r}" for name in names if name not in self.class_names]
        if unknown or not names:
            problem = unknown[0] if unknown else "no class given"
            raise ValueError(f"{problem}; the classes are {', '.join(map(repr, self.class_names))}")
        return self.subset(np.isin(self.labels, [self.class_names.index(name) for name in names]))


def class_weights(dataset) -> torch.Tensor:
    """Weight of each item, float64 [n], so that every class weighs the same."""
    labels = torch.as_tensor(dataset.labels)
    return 1.0 / torch.bincount(labels).double()[labels]


def balanced_sampler(
    dataset: ImageDataset, seed: int = 0, generator: torch.Generator | None = None
) -> WeightedRandomSampler:
    """Draw every class equally often: `len(dataset)` indices a pass, with replacement.

    The dataset is anything with `labels`, int64 [n]; the seed is used when no generator is given.
    """
    weights = class_weights(dataset)
    generator = generator or torch.Generator().manual_seed(seed)
    return WeightedRandomSampler(weights, len(weights), replacement=True, generator=generator)


def make_dataloader(
    dataset: ImageDataset, batch_size: int, shuffle: bool = True, seed: int = 0, balanced: bool = False
) -> DataLoader:
    """Batches of `(images [b, c, h, w] in [-1, 1], labels [b, num_classes])`.

    For training (`shuffle` or `balanced`) an incomplete last batch is dropped; otherwise all items come,
    in order. The pictures are in memory, so worker processes would only cost time.

    Parameters
    ----------
    shuffle, balanced : bool
        A new order in each pass; balanced, one drawn with `balanced_sampler`.
    seed : int
        Same seed, same batches. The generator is the loader's `generator` attribute.

    Raises
    ------
    ValueError
        If `batch_size` is not in 1 … len(dataset).
    """
    if not 1 <= batch_size <= len(dataset):
        raise ValueError(f"batch_size must be from 1 to {len(dataset):,}, all there is; got {batch_size:,}")
    generator = torch.Generator().manual_seed(seed)
    sampler = balanced_sampler(dataset, generator=generator) if balanced else None
    return DataLoader(
        dataset,
        batch_size=batch_size,
        shuffle=shuffle and sampler is None,
        sampler=sampler,
        generator=generator,
        drop_last=shuffle or balanced,
    )
