"""The bundled emoji: small pictures of many kinds of thing, to fine-tune a model of sprites on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .arrays import BROKEN_FILE, split_indices
from .core import ImageDataset

EMOJI_PATH = Path(__file__).resolve().parents[2] / "data" / "emoji.npz"


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
    split : "train", "test" or "all"
        A fixed 90/10 split within each group.
    image_size : 32 or 16
        They are stored at 32×32; for 16×16 each 2×2 block of pixels is averaged.
    group : str or sequence of str, optional
        Only these groups, e.g. "Smileys & Emotion". As in `ImageDataset.select`, `class_names` and
        the numbers of the labels stay those of all eight.
    flip : bool
        Mirror items at random. Off by default: clocks, arrows and notes would be drawn the wrong way.
    path : path, optional
        Another file of the same layout; `EMOJI_PATH` if not given.

    Raises
    ------
    FileNotFoundError
        If the file is missing.
    ValueError
        If the file is damaged or holds something else, or `split`, `image_size` or `group` is unknown.
    """
    if image_size not in (16, 32):
        raise ValueError(f"image_size must be 16 or 32, the sizes the emoji come in; got {image_size!r}")
    path = EMOJI_PATH if path is None else Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"the emoji are missing: no file {path}. Make it with `make data`.")
    try:
        with np.load(path, allow_pickle=False) as file:
            images, labels = file["images"], file["labels"]
            captions, class_names = file["captions"].tolist(), file["class_names"].tolist()
        if images.shape[1:] != (32, 32, 3):
            raise ValueError(f"images must have shape (n, 32, 32, 3); got {images.shape}")
        if image_size == 16:
            images = images.reshape(-1, 16, 2, 16, 2, 3).mean((2, 4)).round().astype(images.dtype)
        dataset = ImageDataset(images, labels, class_names, captions, flip)
    except (*BROKEN_FILE, AttributeError, TypeError) as error:
        raise ValueError(
            f"cannot read {path}: {error}. Expected an .npz file with the arrays images, labels, "
            "captions and class_names, none of them pickled. Make it again with `make data`."
        ) from error
    if group is not None:
        dataset = dataset.select(group)
    return dataset if split == "all" else dataset.subset(split_indices(dataset.labels, split))
