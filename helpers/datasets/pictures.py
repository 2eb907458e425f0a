"""Pictures that come as files, of any size and shape."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from .core import ImageDataset

# What Pillow raises for a file that is not a picture, is cut short, or claims an absurd size.
CORRUPT = (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError)


def make_transform(image_size: int, horizontal_flip: bool = False) -> Callable:
    """The usual preparation of a PIL picture, from torchvision's transforms.

    Resize the shorter side, crop the middle square, maybe mirror, make it a tensor and normalise to
    [-1, 1]. The loaders here do the same, with the slow half done once and kept.

    Returns a callable from a PIL image to float32 [c, image_size, image_size].

    Raises
    ------
    ValueError
        If `image_size` is not positive.
    """
    from torchvision import transforms  # slow to import, so only when asked for

    flip = transforms.RandomHorizontalFlip(0.5 if horizontal_flip else 0.0)
    normalise = transforms.Normalize([0.5], [0.5])
    return transforms.Compose([square_crop(image_size), flip, transforms.ToTensor(), normalise])


def square_crop(image_size: int) -> Callable:
    """From a PIL picture to a PIL picture of image_size × image_size, with its proportions kept."""
    from torchvision import transforms

    if image_size < 1:
        raise ValueError(f"image_size must be a positive number of pixels; got {image_size}")
    return transforms.Compose([transforms.Resize(image_size), transforms.CenterCrop(image_size)])


def as_rgb(picture: Image.Image) -> Image.Image:
    """Turn a photo upright as its camera noted, and put what is transparent on white."""
    picture = ImageOps.exif_transpose(picture)
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


def load_image_folder(
    path: str | Path, image_size: int, skip_corrupt: bool = False, flip: bool = False
) -> ImageDataset:
    """Pictures in a folder, scaled and cropped to image_size × image_size and held in memory.

    As in torchvision's ImageFolder, each subfolder is a class, in alphabetical order. A folder
    without subfolders is one class, "images". Hidden files and folders are ignored.

    Parameters
    ----------
    skip_corrupt : bool
        Leave out files that cannot be read, print their number and keep it in the dataset's `dropped`.
    flip : bool
        Mirror items at random: good for photos, wrong for letters or anything with a handedness.

    Raises
    ------
    FileNotFoundError
        If the folder is missing, or it or one of its subfolders has no pictures.
    ValueError
        If a picture cannot be read, or none can, or `image_size` is not positive.
    """
    crop = square_crop(image_size)
    class_names, files = find_pictures(Path(path))
    images = np.empty((len(files), image_size, image_size, 3), dtype=np.uint8)
    labels, corrupt = [], []
    for file, label in files:
        try:
            with Image.open(file) as picture:
                images[len(labels)] = np.asarray(crop(as_rgb(picture)))
        except CORRUPT as error:
            if not skip_corrupt:
                advice = "Mend or remove it, or leave such files out with skip_corrupt=True."
                raise ValueError(f"cannot read the picture {file}: {error}. {advice}") from error
            corrupt.append(file)
        else:
            labels.append(label)
    if corrupt:
        print(f"Skipped {len(corrupt):,} of {len(files):,} files that could not be read, first {corrupt[0]}.")
    if not labels:
        raise ValueError(f"none of the {len(files):,} pictures in {path} could be read")
    images = images[: len(labels)]
    return ImageDataset(images, np.array(labels), class_names, flip=flip, dropped=len(corrupt))


def find_pictures(folder: Path) -> tuple[list[str], list[tuple[str, int]]]:
    """Names of the classes, and each picture's path with the number of its class."""
    from torchvision.datasets.folder import IMG_EXTENSIONS, make_dataset

    expected = "Expected pictures in it, or one subfolder of pictures per class"
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}. {expected}.")

    def is_picture(file: str) -> bool:
        visible = not any(part.startswith(".") for part in Path(file).relative_to(folder).parts)
        return visible and file.lower().endswith(IMG_EXTENSIONS)

    classes = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != ".")
    numbers = {name: number for number, name in enumerate(classes or [""])}
    try:
        files = make_dataset(str(folder), numbers, is_valid_file=is_picture)
    except FileNotFoundError:
        empty = [name for name in classes if not any(map(is_picture, map(str, (folder / name).rglob("*"))))]
        where = f"the subfolders {', '.join(empty)} of {folder}" if empty else f"the folder {folder}"
        kinds = ", ".join(IMG_EXTENSIONS)
        raise FileNotFoundError(f"no pictures in {where}. {expected} ({kinds}).") from None
    return classes or ["images"], files
