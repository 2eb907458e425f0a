"""Pictures that come as arrays: the bundled sprites and emoji, handwritten digits, the course's sprites."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import interpolate

from .core import ImageDataset

CLASS_NAMES = ("hero", "non-hero", "food", "spell", "side-facing hero")
DATA = Path(__file__).resolve().parents[2] / "data"
SPRITES_PATH, EMOJI_PATH = DATA / "sprites.npz", DATA / "emoji.npz"

# What numpy raises for a file that is cut short, damaged, not an array file, or pickled.
BROKEN_FILE = (OSError, EOFError, ValueError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error)

CHUNK = 8192  # tiles looked at together when cleaning: 6 MB


def split_indices(labels: np.ndarray | torch.Tensor, split: str) -> np.ndarray:
    """Positions of a split: every 10th item of each class is for testing; no chance, so always the same."""
    if split not in ("train", "test", "all"):
        raise ValueError(f'unknown split {split!r}; expected "train", "test" or "all"')
    labels = np.asarray(labels)
    test = np.zeros(len(labels), dtype=bool)
    for number in np.unique(labels):
        test[np.flatnonzero(labels == number)[9::10]] = True
    return np.flatnonzero({"train": ~test, "test": test, "all": test | ~test}[split])


def resize_grey(grey: torch.Tensor, image_size: int) -> torch.Tensor:
    """Resize grey pictures, uint8 [n, h, w], and repeat them in three channels: uint8 [n, s, s, 3]."""
    if image_size < 1:
        raise ValueError(f"image_size must be a positive number of pixels; got {image_size}")
    small = interpolate(grey[:, None].float(), (image_size, image_size), mode="bilinear", antialias=True)
    return small.round().clamp(0, 255).to(torch.uint8)[:, 0, :, :, None].repeat(1, 1, 1, 3)


def load_sprites(split: str = "train", path: str | Path | None = None, flip: bool = False) -> ImageDataset:
    """The sprites that come with the series: 16×16 RGB on white, five classes, with captions.

    Parameters
    ----------
    split : "train", "test" or "all"
        A fixed 90/10 split within each class.
    path : path, optional
        Another file of the same layout; `SPRITES_PATH` if not given.
    flip : bool
        Mirror items at random: a model then learns to draw the light and the side-facing heroes both ways.

    Raises
    ------
    FileNotFoundError
        If the file is missing.
    ValueError
        If the file is damaged, an array is missing or has the wrong shape or type, or `split` is unknown.
    """
    dataset = _read_bundle("sprites", path or SPRITES_PATH, 16, flip)
    return dataset.subset(split_indices(dataset.labels, split))


def load_emoji(
    split: str = "train",
    image_size: int = 32,
    group: str | Sequence[str] | None = None,
    flip: bool = False,
    path: str | Path | None = None,
) -> ImageDataset:
    """The Noto emoji that come with the series: RGB on white, in eight groups, their names as captions.

    Parameters
    ----------
    split, path
        As for `load_sprites`; `EMOJI_PATH` if not given.
    image_size : 32 or 16
        They are stored at 32×32; for 16×16 each 2×2 block of pixels is averaged.
    group : str or sequence of str, optional
        Only these groups, e.g. "Smileys & Emotion". As in `ImageDataset.select`, `class_names` and
        the numbers of the labels stay those of all eight.
    flip : bool
        Mirror items at random: clocks, arrows and notes would be drawn the wrong way.

    Raises
    ------
    FileNotFoundError, ValueError
        As for `load_sprites`; a ValueError also if `image_size` or `group` is unknown.
    """
    if image_size not in (16, 32):
        raise ValueError(f"image_size must be 16 or 32, the sizes the emoji come in; got {image_size!r}")
    dataset = _read_bundle("emoji", path or EMOJI_PATH, 32, flip)
    if image_size == 16:
        blocks = dataset.images.numpy().reshape(-1, 16, 2, 16, 2, 3)
        dataset.images = torch.from_numpy(blocks.mean((2, 4)).round().astype(np.uint8))
    if group is not None:
        dataset = dataset.select(group)
    return dataset.subset(split_indices(dataset.labels, split))


def _read_bundle(what: str, path: str | Path, size: int, flip: bool) -> ImageDataset:
    """Read an .npz file of pictures, uint8 [n, size, size, 3], with labels, captions and class names."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"the {what} are missing: no file {path}. Make it with `make data`.")
    kinds = {"images": (np.uint8, (size, size, 3)), "captions": (np.str_, ()), "class_names": (np.str_, ())}
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in (*kinds, "labels")}
        for name, (kind, shape) in kinds.items():
            found, wanted = arrays[name], ", ".join(["n", *map(str, shape)])
            if not np.issubdtype(found.dtype, kind) or found.ndim == 0 or found.shape[1:] != shape:
                got = f"got {found.dtype} of shape {found.shape}"
                raise ValueError(f"{name} must be {kind.__name__.rstrip('_')} of shape ({wanted}); {got}")
        captions, class_names = arrays["captions"].tolist(), arrays["class_names"].tolist()
        return ImageDataset(arrays["images"], arrays["labels"], class_names, captions, flip)
    except (*BROKEN_FILE, AttributeError, TypeError) as error:
        expected = "the arrays images, labels, captions and class_names, none of them pickled"
        advice = f"Expected an .npz file with {expected}. Make it again with `make data`."
        raise ValueError(f"cannot read {path}: {error}. {advice}") from error


def load_digits(split: str = "train", image_size: int = 16, flip: bool = False) -> ImageDataset:
    """Scikit-learn's 1,797 real handwritten digits, white on black, three channels; no download.

    Parameters
    ----------
    split : "train", "test" or "all"
        As for `load_sprites`.
    image_size : int
        They were scanned at 8×8 and are enlarged smoothly.
    flip : bool
        Mirror items at random; but a mirrored 2 is no digit.

    Raises
    ------
    ValueError
        If `split` is unknown or `image_size` is not positive.
    """
    from sklearn import datasets as sklearn_datasets  # slow to import, so only when asked for

    scans = sklearn_datasets.load_digits()
    grey = torch.from_numpy(np.round(scans.images * (255 / 16)).astype(np.uint8))
    labels = scans.target.astype(np.int64)
    dataset = ImageDataset(resize_grey(grey, image_size), labels, "0123456789", flip=flip)
    return dataset.subset(split_indices(labels, split))


def load_course_sprites(
    images_path: str | Path, labels_path: str | Path, clean: bool = True, flip: bool = False
) -> ImageDataset:
    """The course's two `.npy` files: sprites, uint8 (n, 16, 16, 3), and one-hot labels, (n, 5).

    Parameters
    ----------
    clean : bool
        Drop tiles whose four corners are not all white or that have fewer than 26 white pixels, a third
        of the course's file; how many is printed, and kept in the dataset's `dropped`.
    flip : bool
        Mirror items at random, as for `load_sprites`.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file is damaged or pickled, a shape or type is wrong, the lengths differ, a label is
        not one-hot, or nothing is left after cleaning.
    """
    images, labels = _map_array(images_path), _map_array(labels_path)
    _require_matching_one_hot(images, labels)
    if not clean:
        return ImageDataset(np.array(images), labels.argmax(1), CLASS_NAMES, flip=flip)
    keep = np.concatenate([_is_clean(part) for part in np.array_split(images, 1 + len(images) // CHUNK)])
    dropped, why = int((~keep).sum()), "a corner not white, or fewer than 26 white pixels"
    print(f"Kept {keep.sum():,} of {len(keep):,} sprites; dropped {dropped:,} ({why}).")
    if not keep.any():
        advice = "load them with clean=False if they are not on a white background"
        raise ValueError(f"none of the {len(keep):,} tiles in {images_path} is clean ({why}); {advice}")
    return ImageDataset(images[keep], labels[keep].argmax(1), CLASS_NAMES, flip=flip, dropped=dropped)


def _map_array(path: str | Path) -> np.ndarray:
    """A view of a .npy file, read from disk as it is indexed."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"no file {path}. Expected the course's .npy; load_sprites() needs no file.")
    try:  # a plain view of the map: indexing it gives ordinary arrays
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except BROKEN_FILE as error:
        raise ValueError(f"cannot read {path}: {error}. Expected an .npy file of plain numbers.") from error


def _require_matching_one_hot(images: np.ndarray, labels: np.ndarray) -> None:
    """Refuse arrays that are not sprites and as many one-hot labels."""
    found = f"got sprites {images.dtype} {images.shape} and labels {labels.dtype} {labels.shape}"
    if images.dtype != np.uint8 or images.shape[1:] != (16, 16, 3):
        raise ValueError(f"the sprites must be uint8 (n, 16, 16, 3); {found}")
    if labels.dtype.kind not in "buif" or labels.shape[1:] != (len(CLASS_NAMES),):
        raise ValueError(f"the labels must be numbers, one-hot, (n, {len(CLASS_NAMES)}); {found}")
    if len(images) != len(labels) or len(images) == 0:
        raise ValueError(f"sprites and labels must have the same number of rows, at least one; {found}")
    one_hot = ((labels == 0) | (labels == 1)).all(1) & (labels.sum(1) == 1)
    if not one_hot.all():
        found = f"row {np.argmin(one_hot)} is {labels[np.argmin(one_hot)].tolist()}"
        raise ValueError(f"the labels must be one-hot, a single 1 among zeros in each row; {found}")


def _is_clean(tiles: np.ndarray) -> np.ndarray:
    """Which tiles [n, 16, 16, 3] have white corners and at least 26 white pixels: bool [n]."""
    white = (tiles == 255).all(-1)
    return white[:, [0, 0, -1, -1], [0, -1, 0, -1]].all(1) & (white.sum((1, 2)) >= 26)
