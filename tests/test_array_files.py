"""Pictures that come as arrays: the bundled sprites, the digits, the course's files, and damaged ones."""

import tracemalloc

import numpy as np
import pytest
import sklearn.datasets
import torch

from helpers import datasets as data
from helpers.datasets.arrays import split_indices


def sprite_arrays(per_class=20):
    labels = np.arange(5 * per_class, dtype=np.int64) % 5
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 16, 16, 3), dtype=np.uint8)
    texts = {"captions": [f"sprite {i}" for i in range(len(labels))], "class_names": data.CLASS_NAMES}
    return {"images": images, "labels": labels} | {name: np.array(text) for name, text in texts.items()}


@pytest.fixture
def sprites_file(tmp_path):
    path = tmp_path / "sprites.npz"
    np.savez_compressed(path, **sprite_arrays())
    return path


def test_splits_are_complete_disjoint_stratified_and_free_of_chance(sprites_file):
    torch.manual_seed(1)
    train = data.load_sprites("train", sprites_file)
    torch.manual_seed(2)
    test, everything = (data.load_sprites(split, sprites_file) for split in ("test", "all"))
    assert torch.bincount(train.labels).tolist() == [18] * 5
    assert torch.bincount(test.labels).tolist() == [2] * 5
    assert sorted(train.captions + test.captions) == sorted(everything.captions)
    assert test.captions == [f"sprite {i}" for i in [*range(45, 50), *range(95, 100)]]
    assert torch.equal(test.images[0], everything.images[45])
    labels = np.array([0] * 9 + [1] * 10)  # a class of nine stays in training as a whole
    assert split_indices(labels, "test").tolist() == [18] and len(split_indices(labels, "train")) == 18


def test_sprites_are_not_flipped_unless_asked_and_an_unknown_split_or_file_is_named(sprites_file, tmp_path):
    assert data.load_sprites("train", sprites_file).flip is False
    assert data.load_sprites("train", sprites_file, flip=True).flip is True
    with pytest.raises(ValueError, match=r"unknown split 'val'.*train.*test.*all"):
        data.load_sprites("val", sprites_file)
    with pytest.raises(FileNotFoundError, match=r"none\.npz.*make data"):
        data.load_sprites(path=tmp_path / "none.npz")


@pytest.mark.parametrize("keep", [0, 10, 0.3, 0.9, 0.999, "damaged", "array"])
def test_truncated_or_damaged_sprites_file(sprites_file, keep):
    whole = bytearray(sprites_file.read_bytes())
    if keep == "damaged":
        whole[2000:2100] = bytes(100)
        sprites_file.write_bytes(whole)
    elif keep == "array":
        with sprites_file.open("wb") as file:
            np.save(file, np.zeros((2, 16, 16, 3), np.uint8))
    else:
        sprites_file.write_bytes(whole[: keep if isinstance(keep, int) else int(keep * len(whole))])
    with pytest.raises(ValueError, match=r"sprites\.npz.*Expected.*make data"):
        data.load_sprites(path=sprites_file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((100, 8, 8, 3), np.uint8)}, r"must be uint8.*16, 16, 3.*\(100, 8, 8, 3\)"),
        ({"images": np.zeros((100, 16, 16, 3))}, "images must be uint8.*got float64"),
        ({"images": np.zeros((0, 16, 16, 3), np.uint8)}, r"labels must be int64 of shape \(0,\)"),
        ({"images": np.array(1, np.uint8)}, "images must be uint8"),
        ({"labels": np.zeros(99, np.int64)}, r"labels must be int64 of shape \(100,\).*got.*int64.*\(99,\)"),
        ({"labels": np.zeros(100)}, "labels must be int64.*got torch.float64"),
        ({"labels": np.array(["hero"] * 100)}, "odd"),
        ({"labels": np.full(100, 5)}, "lie in 0 … 4.*got 5 … 5"),
        ({"captions": np.array(["one"])}, "1 captions for 100 images"),
        ({"captions": np.zeros(100)}, "captions must be str"),
        ({"class_names": np.arange(5)}, "class_names must be str"),
        ({"captions": np.array([None] * 100)}, "none of them pickled"),
        ({"labels": None}, "labels.*Expected an .npz file with the arrays images, labels"),
    ],
)
def test_sprites_file_with_wrong_arrays(tmp_path, change, message):
    arrays = {name: array for name, array in (sprite_arrays() | change).items() if array is not None}
    np.savez(tmp_path / "odd.npz", **arrays)
    with pytest.raises(ValueError, match=message) as caught:
        data.load_sprites(path=tmp_path / "odd.npz")
    assert "odd.npz" in str(caught.value) and "make data" in str(caught.value)


def test_the_bundled_sprites():
    train, test = data.load_sprites("train"), data.load_sprites("test")
    assert train.images.shape == (18_000, 16, 16, 3) and test.images.shape == (2_000, 16, 16, 3)
    assert train.class_names == data.CLASS_NAMES
    assert torch.bincount(train.labels).tolist() == [3_600] * 5
    assert torch.bincount(test.labels).tolist() == [400] * 5
    assert all(isinstance(caption, str) and caption for caption in train.captions)
    seen = {image.numpy().tobytes() for image in train.images}
    assert not any(image.numpy().tobytes() in seen for image in test.images)


def test_digits():
    train, test = data.load_digits("train"), data.load_digits("test")
    assert len(train) + len(test) == 1797 and train.images.shape[1:] == (16, 16, 3)
    assert train.class_names == tuple("0123456789") and len(test.labels.unique()) == 10
    assert train.images.min() == 0 and train.images.max() > 240
    assert torch.equal(train.images[..., 0], train.images[..., 2])
    scans, ours = sklearn.datasets.load_digits(), data.load_digits("all", image_size=8)
    assert np.abs(ours.images[..., 0].numpy() - scans.images * 255 / 16).max() <= 1
    assert data.load_digits("all", image_size=20).images.shape == (1797, 20, 20, 3)


FIVE = np.zeros((5, 16, 16, 3), np.uint8)


@pytest.fixture
def course(tmp_path):
    """Write the two files; give their paths."""

    def write(images, labels):
        np.save(tmp_path / "sprites.npy", images)
        np.save(tmp_path / "labels.npy", labels)
        return tmp_path / "sprites.npy", tmp_path / "labels.npy"

    return write


def course_tiles():
    """Six tiles: clean, a grey corner, 25 white pixels, 26 white pixels, all white, no white."""
    tiles = np.full((6, 16, 16, 3), 90, np.uint8)
    tiles[0, :4] = tiles[0, -4:] = 255
    tiles[1] = 255
    tiles[1, 15, 15] = (255, 255, 254)
    for tile, white in ((2, 25), (3, 26)):
        tiles[tile][::15, ::15] = 255  # the corners
        tiles[tile].reshape(-1, 3)[20 : 20 + white - 4] = 255
    # The run of white pixels above must not touch a corner again, or the count is wrong.
    assert [(tiles[i] == 255).all(-1).sum() for i in (2, 3)] == [25, 26]
    tiles[4] = 255
    return tiles, np.eye(5)[[0, 1, 2, 3, 4, 1]]


def test_cleaning_drops_what_is_not_a_sprite_on_white_and_says_so(course, capsys):
    dataset = data.load_course_sprites(*course(*course_tiles()))
    assert dataset.labels.tolist() == [0, 3, 4] and dataset.dropped == 3
    assert torch.equal(dataset.images, torch.from_numpy(course_tiles()[0][[0, 3, 4]]))
    assert "Kept 3 of 6 sprites; dropped 3" in capsys.readouterr().out
    assert dataset.class_names == data.CLASS_NAMES
    with pytest.raises(ValueError, match=r"none of the 1 tiles.*clean=False"):
        data.load_course_sprites(*course(*(array[5:] for array in course_tiles())))


@pytest.mark.parametrize("dtype", [np.float64, np.int32, np.uint8, bool])
def test_without_cleaning_all_rows_stay(course, capsys, dtype):
    tiles, labels = course_tiles()
    dataset = data.load_course_sprites(*course(tiles, labels.astype(dtype)), clean=False)
    assert len(dataset) == 6 and dataset.dropped == 0 and capsys.readouterr().out == ""
    assert dataset.labels.tolist() == [0, 1, 2, 3, 4, 1]


def test_the_whole_course_file_is_copied_once_and_can_be_changed(course):
    rng = np.random.default_rng(0)
    tiles = rng.integers(0, 256, (89_400, 16, 16, 3), dtype=np.uint8)
    tiles[:60_000, :2] = tiles[:60_000, -2:] = 255
    paths = course(tiles, np.eye(5)[rng.integers(5, size=len(tiles))])
    tracemalloc.start()
    dataset = data.load_course_sprites(*paths)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * dataset.images.numel()  # copied once
    assert (len(dataset), dataset.dropped) == (60_000, 29_400)
    dataset.images[0] = 7
    assert (np.load(paths[0], mmap_mode="r")[0] != 7).any()  # the file is not what was changed


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (FIVE[:3], np.eye(5), r"same number of rows.*\(3, 16, 16, 3\).*\(5, 5\)"),
        (np.zeros((5, 16, 16, 3)), np.eye(5), r"sprites must be uint8.*got sprites float64"),
        (np.zeros((5, 16, 16), np.uint8), np.eye(5), r"\(n, 16, 16, 3\); got sprites uint8 \(5, 16, 16\)"),
        (FIVE, np.arange(5), r"one-hot, \(n, 5\).*labels int64 \(5,\)"),
        (FIVE[:4], np.eye(4), r"one-hot, \(n, 5\).*\(4, 4\)"),
        (FIVE, np.eye(5).astype(str), "labels must be numbers"),
        (FIVE, 2 * np.eye(5), r"row 0 is \[2.0"),
        (FIVE, np.eye(5) + np.eye(5)[[0, 1, 2, 2, 4]] > 0, r"row 3 is"),
        (FIVE, np.diag([1, 1, 1, 1, np.nan]), r"row 4 is .*nan"),
        (FIVE[:0], np.zeros((0, 5)), "at least one"),
    ],
)
def test_wrong_course_arrays(course, images, labels, message):
    with pytest.raises(ValueError, match=message):
        data.load_course_sprites(*course(images, labels))


def test_course_file_missing_truncated_or_pickled(course, tmp_path):
    images, labels = course(*course_tiles())
    with pytest.raises(FileNotFoundError, match=r"none\.npy.*load_sprites"):
        data.load_course_sprites(tmp_path / "none.npy", labels)
    images.write_bytes(images.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"cannot read .*sprites\.npy"):
        data.load_course_sprites(images, labels)
    np.save(labels, np.array([object()] * 6), allow_pickle=True)
    with pytest.raises(ValueError, match=r"cannot read .*(sprites|labels)\.npy.*plain numbers"):
        data.load_course_sprites(labels, labels)
