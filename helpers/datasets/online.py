"""Pictures from the network, with a quick and clear answer where there is none."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from .arrays import resize_grey
from .core import ImageDataset
from .pictures import CORRUPT, as_rgb, square_crop

LOCAL = "load_sprites(), load_digits() and load_image_folder(path, image_size) need no network"


def ask_server(url: str, timeout: float = 3.0) -> Callable[[], bool]:
    """Start asking whether a server answers; calling the result waits for the answer."""
    import requests  # with proxies and certificates as the downloads themselves have them

    answers, deadline = [], time.monotonic() + timeout

    def ask():
        with suppress(requests.RequestException):
            answers.append(requests.head(url, timeout=timeout).status_code < 500)

    thread = threading.Thread(target=ask, daemon=True)  # looking up a name can hang past any timeout
    thread.start()

    def wait() -> bool:
        thread.join(max(0.0, deadline - time.monotonic()))
        return any(answers)

    return wait


def load_hub_dataset(
    repo_id: str | Path, image_size: int, split: str = "train", config: str | None = None, flip: bool = False
) -> ImageDataset:
    """A dataset of images from the Hugging Face Hub, e.g. "huggan/smithsonian_butterflies_subset".

    The first column of images is used, and the first column of class labels; without one, all
    are one class, "images". What has been downloaded once works without a network too.

    Parameters
    ----------
    repo_id : str or path
        "user/name" on the Hub, or a local folder, saved with `save_to_disk` or of pictures, parquet files, …
    image_size : int
        Pictures are scaled and cropped to image_size × image_size and held in memory.
    split : str
        For instance "train", or "train[:1000]" for the first thousand.
    config : str, optional
        For datasets that come in several configurations.
    flip : bool
        Mirror items at random.

    Raises
    ------
    ConnectionError
        Within 5 seconds, if the Hub cannot be asked and the dataset has not been downloaded before.
    FileNotFoundError
        If there is no such dataset or local folder.
    ValueError
        If it has no images, an image cannot be read, or the split or configuration is unknown.
    """
    crop = square_crop(image_size)
    table = open_table(str(repo_id), split, config)
    columns = {type(column).__name__: name for name, column in reversed(table.features.items())}
    if "Image" not in columns:
        raise ValueError(f"{repo_id} has no column of images; its columns are {', '.join(table.features)}")
    images = np.empty((len(table), image_size, image_size, 3), dtype=np.uint8)
    pictures = table.select_columns([columns["Image"]])
    for row in range(len(table)):
        try:
            images[row] = np.asarray(crop(as_rgb(pictures[row][columns["Image"]])))
        except (*CORRUPT, AttributeError) as error:
            raise ValueError(f"cannot read the image in row {row} of {repo_id}: {error}") from error
    labels, class_names = np.zeros(len(table), dtype=np.int64), ["images"]
    if column := columns.get("ClassLabel"):
        labels, class_names = np.array(list(table[column]), dtype=np.int64), table.features[column].names
    return ImageDataset(images, labels, class_names, flip=flip)


def open_table(repo_id: str, split: str, config: str | None, cache_dir: str | None = None):
    """The `datasets.Dataset` of a local folder or of the Hub; for errors see `load_hub_dataset`."""
    if not Path(repo_id).is_dir():
        return _open_hub_table(repo_id, split, config, cache_dir)
    import datasets  # slow to import, so only when asked for

    if not any(Path(repo_id, name).is_file() for name in ("state.json", "dataset_dict.json")):
        return datasets.load_dataset(repo_id, config, split=split, cache_dir=cache_dir)
    saved = datasets.load_from_disk(repo_id)
    if isinstance(saved, datasets.Dataset):
        if split not in ("train", str(saved.split)):
            raise ValueError(f'{repo_id} holds no splits: leave split at "train"; got {split!r}')
        return saved
    if split not in saved:
        raise ValueError(f"unknown split {split!r}; {repo_id} has {', '.join(saved)}")
    return saved[split]


def _open_hub_table(repo_id: str, split: str, config: str | None, cache_dir: str | None):
    """The `datasets.Dataset` of the Hub, or what was fetched of it before."""
    if repo_id.count("/") > 1 or repo_id[:1] in "./~\\":
        expected = 'a local folder or a name on the Hub, "user/name"'
        raise FileNotFoundError(f"no folder {repo_id}. Expected {expected}.")
    from huggingface_hub import constants

    forbidden = constants.HF_HUB_OFFLINE
    is_online = (lambda: False) if forbidden else ask_server(constants.ENDPOINT)
    import datasets  # slow, so it is imported while the Hub is being asked

    # Told that it is offline, the library turns to its cache at once; else it tries for half a minute.
    before = datasets.config.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = before or not is_online()
    try:
        return datasets.load_dataset(repo_id, config, split=split, cache_dir=cache_dir)
    except ConnectionError as error:
        why = "HF_HUB_OFFLINE is set" if forbidden else f"{constants.ENDPOINT} does not answer"
        why += f", and {repo_id} has not been downloaded before"
        raise ConnectionError(f"offline: {why}. Try again with a network; {LOCAL}.") from error
    finally:
        datasets.config.HF_HUB_OFFLINE = before


def load_fashion_mnist(
    root: str | Path, train: bool = True, image_size: int = 16, flip: bool = False
) -> ImageDataset:
    """Fashion-MNIST from torchvision: 60,000 grey pictures of clothes, or the 10,000 to test with.

    Parameters
    ----------
    root : path
        The folder with the folder FashionMNIST; 30 MB are downloaded into it if it is not there yet.
    image_size : int
        The originals are 28×28.
    flip : bool
        Mirror items at random.

    Raises
    ------
    ConnectionError
        Within 5 seconds, if it must be downloaded and the server does not answer.
    ValueError
        If the files in `root` are damaged, or `image_size` is not positive.
    """
    from torchvision.datasets import FashionMNIST  # slow to import, so only when asked for

    raw = Path(root) / "FashionMNIST" / "raw"
    server = FashionMNIST.mirrors[0]
    missing = not all((raw / Path(name).stem).is_file() for name, _ in FashionMNIST.resources)
    if missing and not ask_server(server)():
        why = f"{server} does not answer, and Fashion-MNIST is not in {raw}"
        raise ConnectionError(f"offline: {why}. Try again with a network; {LOCAL}.")
    try:
        pictures = FashionMNIST(root, train=train, download=missing)
    except (OSError, ValueError, TypeError, LookupError, RuntimeError, AssertionError) as error:
        if missing:
            raise ConnectionError(f"the download of Fashion-MNIST broke off: {error}. Load again.") from error
        raise ValueError(f"cannot read {raw}: {error!r}. Delete that folder and load again.") from error
    return ImageDataset(resize_grey(pictures.data, image_size), pictures.targets, pictures.classes, flip=flip)
