"""Pictures that are read from disk each time they are asked for, when memory does not hold them all."""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import one_hot
from torch.utils.data import Dataset

from .online import open_table
from .pictures import CORRUPT, as_rgb, find_pictures


class LazyImages(Dataset):
    """Items (image float32 [3, size, size] in [-1, 1], one-hot label) from `read(index)`, a PIL picture.

    Parameters
    ----------
    read : callable from an index to a PIL picture
    labels : sequence of int, one for each picture
    class_names : sequence of str
    transform : callable from a PIL picture to the image
    identity : str, what tells these pictures from others, for the check of a resumed run
    """

    def __init__(self, read: Callable, labels, class_names, transform: Callable, identity: str):
        self.read, self.labels, self.class_names = read, torch.as_tensor(labels), tuple(class_names)
        self.transform, self.identity = transform, identity

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        try:
            image = self.transform(self.read(int(index)))
        except (*CORRUPT, AttributeError) as error:
            raise ValueError(f"cannot read picture {index}: {error}; mend or remove it") from error
        return image, one_hot(self.labels[index], len(self.class_names)).float()

    def fingerprint(self) -> str:
        """Short hash of the names and sizes of the files, or of the data set's name, and the transform."""
        return hashlib.sha256(f"{self.identity} {self.transform}".encode()).hexdigest()[:16]


def as_precise(picture: Image.Image) -> torch.Tensor:
    """From a PIL picture to float32 [3, height, width] in [0, 1], with all of 16 or 32 bits a channel."""
    if not picture.mode.startswith(("I", "F")):
        return torch.from_numpy(np.asarray(as_rgb(picture)).transpose(2, 0, 1) / np.float32(255))
    values = np.asarray(picture, dtype=np.float32) / (1 if picture.mode == "F" else 65_535)
    return torch.from_numpy(values).expand(3, -1, -1).contiguous()


def make_augmentation(image_size: int, center_crop: bool, flip: bool, precise: bool = False) -> Callable:
    """Resize the shorter side, cut a square out at random or in the middle, maybe mirror, scale to [-1, 1].

    With `precise` pictures of 16 or 32 bits keep them: integers of 0 … 65,535, or floats of 0 … 1.
    """
    from torchvision.transforms import v2  # slow to import, so only when asked for

    if image_size < 1:
        raise ValueError(f"image_size must be a positive number of pixels; got {image_size}")
    crop = (v2.CenterCrop if center_crop else v2.RandomCrop)(image_size)
    steps = [v2.Lambda(as_precise if precise else as_rgb), v2.Resize(image_size, antialias=True), crop]
    steps += [v2.RandomHorizontalFlip()] if flip else []
    scale = v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 3, [0.5] * 3)
    return v2.Compose([*steps, v2.ToImage(), *scale, v2.ToPureTensor()])


def open_image_folder(path: str | Path, transform: Callable) -> LazyImages:
    """Pictures of a folder; each subfolder is a class, as for `load_image_folder`.

    Raises
    ------
    FileNotFoundError
        If the folder is missing, or it or one of its subfolders has no pictures.
    """
    class_names, files = find_pictures(Path(path))
    paths = [Path(file) for file, _ in files]
    identity = " ".join(f"{file.name} {file.stat().st_size}" for file in paths)
    labels = [label for _, label in files]
    return LazyImages(partial(_read_file, paths), labels, class_names, transform, identity)


def open_hub_dataset(
    repo_id: str, transform: Callable, config: str | None = None, cache_dir: str | None = None
) -> LazyImages:
    """The "train" split of a data set on the Hub or in a local folder; errors as of `load_hub_dataset`."""
    table = open_table(repo_id, "train", config, cache_dir)
    columns = {type(column).__name__: name for name, column in reversed(table.features.items())}
    if "Image" not in columns:
        raise ValueError(f"{repo_id} has no column of images; its columns are {', '.join(table.features)}")
    pictures, column = table.select_columns([columns["Image"]]), columns["Image"]
    labels, class_names = [0] * len(table), ["images"]
    if name := columns.get("ClassLabel"):
        labels, class_names = list(table[name]), table.features[name].names
    identity = f"{repo_id} {config} {len(table)}"
    return LazyImages(partial(_read_row, pictures, column), labels, class_names, transform, identity)


# Not inside of the functions above, so that they can be sent to worker processes.


def _read_file(paths: list[Path], index: int) -> Image.Image:
    """Read one file whole."""
    with Image.open(paths[index]) as picture:
        picture.load()
        return picture


def _read_row(table, column: str, index: int) -> Image.Image:
    """Read one row of a `datasets.Dataset`."""
    return table[index][column]
