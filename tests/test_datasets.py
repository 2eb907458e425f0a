"""Every way to get images: the shared contract, each loader, and each kind of bad input."""

import functools
import gzip
import hashlib
import http.server
import socket
import struct
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import datasets as data
from helpers.datasets.arrays import split_indices
from helpers.datasets.online import ask_server

ROOT = Path(__file__).resolve().parents[1]
NOWHERE = "http://127.0.0.1:9"  # the discard port: nothing listens there


def tiny_dataset(count=12, flip=False, class_names=("cat", "dog", "owl")):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    captions = [f"picture {i}" for i in range(count)]
    return data.ImageDataset(images, np.arange(count) % len(class_names), class_names, captions, flip)


# --- the shared contract ---------------------------------------------------------------------


def test_item_is_a_picture_in_minus_one_to_one_and_a_one_hot_label():
    dataset = tiny_dataset()
    dataset.images[1] = torch.tensor([0, 255, 51], dtype=torch.uint8)
    image, label = dataset[1]
    assert image.shape == (3, 4, 4) and image.dtype == torch.float32
    assert image[:, 0, 0].tolist() == pytest.approx([-1.0, 1.0, -0.6])
    assert label.tolist() == [0.0, 1.0, 0.0] and label.dtype == torch.float32
    assert dataset.images.dtype == torch.uint8 and dataset.labels.dtype == torch.int64


def test_items_read_together_are_the_items_read_one_by_one():
    dataset = tiny_dataset()
    images, labels = next(iter(data.make_dataloader(dataset, 12, shuffle=False)))
    one_by_one = list(dataset)
    assert torch.equal(images, torch.stack([image for image, _ in one_by_one]))
    assert torch.equal(labels, torch.stack([label for _, label in one_by_one]))


def test_any_kind_of_number_picks_an_item():
    dataset = tiny_dataset()
    for index in (3, -9, np.int64(3), torch.tensor(3)):
        assert torch.equal(dataset[index][0], dataset[3][0]) and dataset[index][1].tolist() == [1, 0, 0]
    part = torch.utils.data.Subset(dataset, torch.tensor([3, 5]))
    images, labels = next(iter(torch.utils.data.DataLoader(part, batch_size=2)))
    assert torch.equal(images[0], dataset[3][0]) and labels.argmax(1).tolist() == [0, 2]
    with pytest.raises(IndexError):
        dataset[12]


def test_flip_mirrors_about_half_and_follows_torch_seed():
    dataset = tiny_dataset(400, flip=True)
    plain = torch.stack([image for image, _ in tiny_dataset(400)])
    torch.manual_seed(3)
    first = torch.stack([image for image, _ in dataset.__getitems__(list(range(400)))])
    torch.manual_seed(3)
    again = torch.stack([image for image, _ in dataset.__getitems__(list(range(400)))])
    mirrored = (first == plain.flip(-1)).flatten(1).all(1)
    assert torch.equal(first, again)
    assert 150 < mirrored.sum() < 250
    assert torch.equal(first[~mirrored], plain[~mirrored])


def test_select_keeps_the_numbers_of_the_classes():
    dataset = tiny_dataset()
    owls = dataset.select("owl")
    assert len(owls) == 4 and owls.labels.tolist() == [2] * 4
    assert owls[0][1].tolist() == [0.0, 0.0, 1.0]
    assert owls.captions == ["picture 2", "picture 5", "picture 8", "picture 11"]
    assert len(dataset.select(["cat", "owl"])) == 8


def test_select_names_the_classes_when_one_is_unknown():
    with pytest.raises(ValueError, match=r"unknown class 'Owl'.*'cat', 'dog', 'owl'"):
        tiny_dataset().select(["cat", "Owl"])
    with pytest.raises(ValueError, match="no class given"):
        tiny_dataset().select([])
    with pytest.raises(ValueError, match="no images"):
        tiny_dataset().select("cat").select("dog")


@pytest.mark.parametrize("indices", [[0, 2], slice(0, 3, 2), torch.tensor([0, 2]), np.arange(12) % 10 == 0])
def test_subset_takes_numbers_slices_and_masks(indices):
    part = tiny_dataset().subset(indices)
    assert len(part) == 2 and part.captions[0] == "picture 0"


def test_repr_tells_size_and_classes():
    assert repr(tiny_dataset()) == "ImageDataset(12 images of 4×4×3: cat 4, dog 4, owl 4)"


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (
            np.zeros((2, 4, 4, 3), np.float32),
            np.zeros(2, np.int64),
            r"uint8 of shape \(n, h, w, c\).*float32",
        ),
        (np.zeros((2, 3, 4, 4), np.uint8), np.zeros(2, np.int64), r"got torch.uint8 of shape \(2, 3, 4, 4\)"),
        (np.zeros((2, 4, 4, 3), np.uint8), np.zeros(3, np.int64), r"int64 of shape \(2,\).*got.*\(3,\)"),
        (np.zeros((2, 4, 4, 3), np.uint8), np.array([0, 7]), r"lie in 0 … 1.*got 0 … 7"),
        (np.zeros((0, 4, 4, 3), np.uint8), np.zeros(0, np.int64), "no images"),
    ],
)
def test_wrong_arrays_are_refused(images, labels, message):
    with pytest.raises(ValueError, match=message):
        data.ImageDataset(images, labels, ["a", "b"])


def test_wrong_number_of_captions_is_refused():
    with pytest.raises(ValueError, match="1 captions for 2 images"):
        data.ImageDataset(np.zeros((2, 4, 4, 3), np.uint8), np.zeros(2, np.int64), ["a"], ["one"])


# --- batches ---------------------------------------------------------------------------------


def test_dataloader_is_seeded_and_drops_the_incomplete_batch_when_training():
    def epoch(seed):
        return torch.cat([images for images, _ in data.make_dataloader(tiny_dataset(), 5, seed=seed)])

    assert len(epoch(0)) == 10
    assert torch.equal(epoch(0), epoch(0)) and not torch.equal(epoch(0), epoch(1))
    loader = data.make_dataloader(tiny_dataset(), 5)
    assert not torch.equal(next(iter(loader))[0], next(iter(loader))[0])


def test_dataloader_without_shuffle_gives_every_item_in_order():
    loader = data.make_dataloader(tiny_dataset(), 5, shuffle=False)
    labels = torch.cat([labels for _, labels in loader]).argmax(1)
    assert labels.tolist() == [0, 1, 2] * 4


@pytest.mark.parametrize("batch_size", [13, 0, -1])
def test_impossible_batch_size_is_refused(batch_size):
    with pytest.raises(ValueError, match=rf"from 1 to 12.*got {batch_size}"):
        data.make_dataloader(tiny_dataset(), batch_size)


def test_balanced_batches_hold_rare_classes_as_often_as_common_ones():
    labels = np.repeat([0, 1, 2], [900, 90, 10])
    dataset = data.ImageDataset(np.zeros((1000, 2, 2, 3), np.uint8), labels, "abc")
    drawn = torch.cat([labels for _, labels in data.make_dataloader(dataset, 50, balanced=True)])
    assert len(drawn) == 1000 and drawn.sum(0).min() > 270
    assert list(data.balanced_sampler(dataset, seed=1)) == list(data.balanced_sampler(dataset, seed=1))
    assert list(data.balanced_sampler(dataset, seed=1)) != list(data.balanced_sampler(dataset, seed=2))
    # A class that is not there must not upset the weights of the others.
    assert set(dataset.labels[list(data.balanced_sampler(dataset.select(["a"])))].tolist()) == {0}


# --- sprites ---------------------------------------------------------------------------------


def sprite_arrays(per_class=20):
    labels = np.arange(5 * per_class, dtype=np.int64) % 5
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 16, 16, 3), dtype=np.uint8)
    captions = np.array([f"sprite {i}" for i in range(len(labels))])
    class_names = np.array(data.CLASS_NAMES)
    return dict(
        images=images, labels=labels, captions=captions, class_names=class_names, version=np.array("1")
    )


@pytest.fixture
def sprites_file(tmp_path):
    path = tmp_path / "sprites.npz"
    np.savez_compressed(path, **sprite_arrays())
    return path


def test_splits_are_complete_disjoint_stratified_and_free_of_chance(sprites_file):
    torch.manual_seed(1)
    train = data.load_sprites("train", sprites_file)
    torch.manual_seed(2)
    test = data.load_sprites("test", sprites_file)
    everything = data.load_sprites("all", sprites_file)
    assert torch.bincount(train.labels).tolist() == [18] * 5
    assert torch.bincount(test.labels).tolist() == [2] * 5
    assert sorted(train.captions + test.captions) == sorted(everything.captions)
    assert test.captions == [f"sprite {i}" for i in [*range(45, 50), *range(95, 100)]]
    position = int(test.captions[0].split()[1])
    assert torch.equal(test.images[0], everything.images[position])


def test_sprites_are_not_flipped_unless_asked(sprites_file):
    assert data.load_sprites("train", sprites_file).flip is False
    assert data.load_sprites("train", sprites_file, flip=True).flip is True


def test_unknown_split_and_missing_file(sprites_file, tmp_path):
    with pytest.raises(ValueError, match=r"unknown split 'val'.*train.*test.*all"):
        data.load_sprites("val", sprites_file)
    with pytest.raises(FileNotFoundError, match=r"none\.npz.*make data"):
        data.load_sprites(path=tmp_path / "none.npz")


@pytest.mark.parametrize("keep", [0, 10, 0.3, 0.9, 0.999])
def test_truncated_sprites_file(sprites_file, keep):
    whole = sprites_file.read_bytes()
    sprites_file.write_bytes(whole[: keep if isinstance(keep, int) else int(keep * len(whole))])
    with pytest.raises(ValueError, match=r"sprites\.npz.*Expected.*make data"):
        data.load_sprites(path=sprites_file)


def test_sprites_file_with_damaged_bytes(sprites_file):
    damaged = bytearray(sprites_file.read_bytes())
    damaged[2000:2100] = bytes(100)
    sprites_file.write_bytes(damaged)
    with pytest.raises(ValueError, match=r"sprites\.npz.*make data"):
        data.load_sprites(path=sprites_file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"images": np.zeros((100, 8, 8, 3), np.uint8)},
            r"images must be uint8.*16, 16, 3.*\(100, 8, 8, 3\)",
        ),
        ({"images": np.zeros((100, 16, 16, 3))}, "images must be uint8.*got float64"),
        ({"images": np.zeros((0, 16, 16, 3), np.uint8)}, r"labels must be int64 of shape \(0,\)"),
        ({"images": np.array(1, np.uint8)}, "images must be uint8"),
        (
            {"labels": np.zeros(99, np.int64)},
            r"labels must be int64 of shape \(100,\).*got torch.int64 of shape \(99,\)",
        ),
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
    path = tmp_path / "odd.npz"
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=message) as caught:
        data.load_sprites(path=path)
    assert "odd.npz" in str(caught.value) and "make data" in str(caught.value)


def test_a_single_array_is_not_a_sprites_file(tmp_path):
    np.save(tmp_path / "array.npy", np.zeros((2, 16, 16, 3), np.uint8))
    with pytest.raises(ValueError, match=r"array\.npy.*make data"):
        data.load_sprites(path=tmp_path / "array.npy")


def test_the_bundled_sprites():
    train, test = data.load_sprites("train"), data.load_sprites("test")
    assert train.images.shape == (18_000, 16, 16, 3) and test.images.shape == (2_000, 16, 16, 3)
    assert train.class_names == data.CLASS_NAMES
    assert torch.bincount(train.labels).tolist() == [3_600] * 5
    assert torch.bincount(test.labels).tolist() == [400] * 5
    assert all(isinstance(caption, str) and caption for caption in train.captions)


def test_no_bundled_test_sprite_is_in_the_training_split():
    pixels = {split: data.load_sprites(split).images.flatten(1).numpy() for split in ("train", "test")}
    seen = {row.tobytes() for row in pixels["train"]}
    assert not any(row.tobytes() in seen for row in pixels["test"])


# --- digits ----------------------------------------------------------------------------------


def test_digits():
    train, test = data.load_digits("train"), data.load_digits("test")
    assert len(train) + len(test) == 1797 and train.images.shape[1:] == (16, 16, 3)
    assert train.class_names == tuple("0123456789") and len(test.labels.unique()) == 10
    assert train.images.min() == 0 and train.images.max() > 240
    assert torch.equal(train.images[..., 0], train.images[..., 2])


def test_digits_enlarge_to_what_was_scanned():
    from sklearn.datasets import load_digits

    ours = data.load_digits("all", image_size=8).images[..., 0].numpy()
    assert np.abs(ours - load_digits().images * 255 / 16).max() <= 1
    assert data.load_digits("all", image_size=20).images.shape == (1797, 20, 20, 3)


# --- the course's arrays ---------------------------------------------------------------------


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
    corners = np.ix_([0, 15], [0, 15])
    tiles[0, :4] = tiles[0, -4:] = 255
    tiles[1] = 255
    tiles[1, 15, 15] = (255, 255, 254)
    for tile, white in ((2, 25), (3, 26)):
        tiles[tile][corners] = 255
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


def test_nothing_left_after_cleaning(course):
    tiles, labels = course_tiles()
    with pytest.raises(ValueError, match=r"none of the 1 tiles.*clean=False"):
        data.load_course_sprites(*course(tiles[5:], labels[5:]))


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((3, 16, 16, 3), np.uint8), np.eye(5), r"same number of rows.*\(3, 16, 16, 3\).*\(5, 5\)"),
        (np.zeros((5, 16, 16, 3)), np.eye(5), r"sprites must be uint8.*got sprites float64"),
        (np.zeros((5, 16, 16), np.uint8), np.eye(5), r"\(n, 16, 16, 3\); got sprites uint8 \(5, 16, 16\)"),
        (np.zeros((5, 16, 16, 3), np.uint8), np.arange(5), r"one-hot, \(n, 5\).*labels int64 \(5,\)"),
        (np.zeros((4, 16, 16, 3), np.uint8), np.eye(4), r"one-hot, \(n, 5\).*\(4, 4\)"),
        (np.zeros((5, 16, 16, 3), np.uint8), np.eye(5).astype(str), "labels must be numbers"),
        (np.zeros((5, 16, 16, 3), np.uint8), 2 * np.eye(5), r"row 0 is \[2.0"),
        (np.zeros((5, 16, 16, 3), np.uint8), np.eye(5) + np.eye(5)[[0, 1, 2, 2, 4]] > 0, r"row 3 is"),
        (np.zeros((5, 16, 16, 3), np.uint8), np.diag([1, 1, 1, 1, np.nan]), r"row 4 is .*nan"),
        (np.zeros((0, 16, 16, 3), np.uint8), np.zeros((0, 5)), "at least one"),
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


# --- a folder of pictures --------------------------------------------------------------------


def save_picture(path, colour=(200, 30, 30), size=(20, 10), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


@pytest.fixture
def folder(tmp_path):
    save_picture(tmp_path / "pets" / "dog" / "a.png", (0, 0, 255))
    save_picture(tmp_path / "pets" / "cat" / "deep" / "b.JPG", (255, 0, 0))
    save_picture(tmp_path / "pets" / "cat" / "c.webp", (255, 0, 0))
    return tmp_path / "pets"


def test_subfolders_are_classes(folder):
    dataset = data.load_image_folder(folder, 8)
    assert dataset.class_names == ("cat", "dog") and dataset.labels.tolist() == [0, 0, 1]
    assert dataset.images.shape == (3, 8, 8, 3)
    assert dataset.images[2, 4, 4].tolist() == [0, 0, 255]


def test_flat_folder_is_one_class_and_hidden_things_are_ignored(folder):
    save_picture(folder / "dog" / ".ipynb_checkpoints" / "a-checkpoint.png")
    (folder / "dog" / "._a.png").write_bytes(b"a Mac's notes")
    (folder / "dog" / "notes.txt").write_text("not a picture")
    dataset = data.load_image_folder(folder / "dog", 8)
    assert dataset.class_names == ("images",) and len(dataset) == 1
    save_picture(folder / ".ipynb_checkpoints" / "x.png")
    assert data.load_image_folder(folder, 8).class_names == ("cat", "dog")


def test_proportions_are_kept_and_transparent_becomes_white(tmp_path):
    wide = Image.new("RGB", (30, 10), "red")
    wide.paste("blue", (10, 0, 20, 10))
    wide.save(tmp_path / "a.png")
    save_picture(tmp_path / "b.png", (0, 0, 0, 0), (10, 10), "RGBA")
    Image.new("L", (10, 10), 77).save(tmp_path / "c.png")
    images = data.load_image_folder(tmp_path, 10).images
    assert (images[0] == torch.tensor([0, 0, 255])).all()  # the middle third
    assert (images[1] == 255).all() and (images[2] == 77).all()


def test_a_photo_taken_sideways_stands_upright(tmp_path):
    photo = Image.new("RGB", (8, 8), "red")
    photo.paste("blue", (0, 0, 4, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to view
    photo.save(tmp_path / "a.png", exif=exif)
    image = data.load_image_folder(tmp_path, 8).images[0]
    assert image[0, 4].tolist() == [0, 0, 255] and image[7, 4].tolist() == [255, 0, 0]


def test_transform_does_what_the_loader_does(tmp_path):
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (40, 30, 3), dtype=np.uint8))
    picture.save(tmp_path / "a.png")
    transformed = data.make_transform(16)(picture)
    assert torch.allclose(transformed, data.load_image_folder(tmp_path, 16)[0][0], atol=1e-6)
    torch.manual_seed(0)
    flipping = data.make_transform(16, horizontal_flip=True)
    seen = [flipping(picture) for _ in range(20)]
    assert {torch.equal(image, transformed) for image in seen} == {True, False}
    assert any(torch.equal(image, transformed.flip(-1)) for image in seen)


def test_empty_or_missing_folder(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere.*one subfolder of pictures per class"):
        data.load_image_folder(tmp_path / "nowhere", 8)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no pictures in the folder .*empty.*\.png"):
        data.load_image_folder(tmp_path / "empty", 8)
    (folder / "owl").mkdir()
    with pytest.raises(FileNotFoundError, match="no pictures in the subfolders owl of"):
        data.load_image_folder(folder, 8)


@pytest.mark.parametrize("damage", ["text", "cut", "nothing"])
def test_corrupt_picture_is_named_or_skipped_and_counted(folder, capsys, damage):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    bad = folder / "cat" / "bad.png"
    noise.save(bad)
    bad.write_bytes({"text": b"hello", "cut": bad.read_bytes()[:5000], "nothing": b""}[damage])
    with pytest.raises(ValueError, match=r"bad\.png.*skip_corrupt=True"):
        data.load_image_folder(folder, 8)
    dataset = data.load_image_folder(folder, 8, skip_corrupt=True)
    assert len(dataset) == 3 and dataset.dropped == 1 and dataset.labels.tolist() == [0, 0, 1]
    assert "Skipped 1 of 4 files" in capsys.readouterr().out


def test_nothing_but_corrupt_pictures(tmp_path):
    (tmp_path / "a.png").write_bytes(b"hello")
    with pytest.raises(ValueError, match="none of the 1 pictures"):
        data.load_image_folder(tmp_path, 8, skip_corrupt=True)


def test_image_size_must_be_positive(folder):
    with pytest.raises(ValueError, match="image_size must be a positive number"):
        data.load_image_folder(folder, 0)
    with pytest.raises(ValueError, match="image_size must be a positive number"):
        data.load_digits(image_size=0)


# --- the network -----------------------------------------------------------------------------


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def no_network(monkeypatch):
    """A Hub that nobody answers for, and no proxy in between."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", NOWHERE)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", False)


@pytest.fixture
def hub_library(tmp_path, monkeypatch):
    """The Hub's library, with a cache of its own."""
    import datasets as library

    monkeypatch.setattr(library.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    library.disable_progress_bars()
    return library


@pytest.fixture
def table(hub_library):
    features = hub_library.Features(
        {"picture": hub_library.Image(), "kind": hub_library.ClassLabel(names=["red", "blue"])}
    )
    pictures = [Image.new("RGB", (20, 10), colour) for colour in ("red", "blue", "red")]
    return hub_library.Dataset.from_dict({"picture": pictures, "kind": [0, 1, 0]}, features=features)


def check_table(dataset):
    assert dataset.images.shape == (3, 8, 8, 3) and dataset.class_names == ("red", "blue")
    assert dataset.labels.tolist() == [0, 1, 0]
    assert dataset.images[1, 0, 0].tolist() == [0, 0, 255]


def test_local_copies_of_hub_datasets_need_no_network(no_network, hub_library, table, folder, tmp_path):
    (tmp_path / "parquet").mkdir()
    table.to_parquet(tmp_path / "parquet" / "train.parquet")
    check_table(data.load_hub_dataset(tmp_path / "parquet", 8))
    assert len(data.load_hub_dataset(tmp_path / "parquet", 8, split="train[:2]")) == 2
    table.save_to_disk(tmp_path / "saved")
    check_table(data.load_hub_dataset(tmp_path / "saved", 8))
    with pytest.raises(ValueError, match="holds no splits: leave split"):
        data.load_hub_dataset(tmp_path / "saved", 8, split="train[:2]")
    hub_library.DatasetDict({"train": table}).save_to_disk(tmp_path / "splits")
    check_table(data.load_hub_dataset(tmp_path / "splits", 8))
    with pytest.raises(ValueError, match=r"unknown split 'test'.*train"):
        data.load_hub_dataset(tmp_path / "splits", 8, split="test")
    (folder / "cat" / "deep" / "b.JPG").unlink()  # the library wants all files at one depth
    assert data.load_hub_dataset(folder, 8).class_names == ("cat", "dog")


def test_what_was_downloaded_before_works_offline(no_network, hub_library, table, tmp_path):
    (tmp_path / "flowers").mkdir()
    table.to_parquet(tmp_path / "flowers" / "train.parquet")
    hub_library.load_dataset(str(tmp_path / "flowers"))
    cache = tmp_path / "cache"
    (cache / "flowers").rename(cache / "someone___flowers")  # as if it came from the Hub
    check_table(data.load_hub_dataset("someone/flowers", 8))
    assert hub_library.config.HF_HUB_OFFLINE is False


def test_tables_without_labels_or_pictures(hub_library, table, tmp_path):
    table.remove_columns("kind").save_to_disk(tmp_path / "plain")
    dataset = data.load_hub_dataset(tmp_path / "plain", 8)
    assert dataset.class_names == ("images",) and dataset.labels.tolist() == [0, 0, 0]
    table.remove_columns("picture").save_to_disk(tmp_path / "words")
    with pytest.raises(ValueError, match="no column of images; its columns are kind"):
        data.load_hub_dataset(tmp_path / "words", 8)


def test_unreadable_picture_in_a_table_names_the_row(hub_library, table, tmp_path):
    rows = {"picture": [{"bytes": b"hello", "path": None}], "kind": [0]}
    hub_library.Dataset.from_dict(rows, features=table.features).save_to_disk(tmp_path / "bad")
    with pytest.raises(ValueError, match="image in row 0 of"):
        data.load_hub_dataset(tmp_path / "bad", 8)


def test_missing_local_folder_is_not_sought_on_the_hub(no_network):
    for name in ("./my/pictures", "../pictures", "a/b/c"):
        with pytest.raises(FileNotFoundError, match=r"Expected a local folder or a name on the Hub"):
            data.load_hub_dataset(name, 8)


def assert_offline(load, *words):
    with pytest.raises(ConnectionError) as caught:
        load()
    for word in ("offline", "load_sprites", "load_image_folder", *words):
        assert word in str(caught.value)


def test_hub_without_a_network(no_network, hub_library):
    assert_offline(lambda: data.load_hub_dataset("someone/flowers", 8), NOWHERE, "someone/flowers")


def test_hub_forbidden_by_the_user(hub_library, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert_offline(lambda: data.load_hub_dataset("someone/flowers", 8), "HF_HUB_OFFLINE is set")


def test_hub_behind_a_server_that_never_answers(no_network, hub_library, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(
            "huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}"
        )
        assert_offline(lambda: data.load_hub_dataset("someone/flowers", 8))


def test_a_name_server_that_hangs_is_not_waited_for(monkeypatch):
    hang = threading.Event()

    def never_answers(*args, **kwargs):
        hang.wait(20)
        answered.append(True)
        raise socket.gaierror("no answer")

    answered = []
    monkeypatch.setattr(socket, "getaddrinfo", never_answers)
    assert not ask_server("http://somewhere.example", timeout=0.2)()
    assert not answered  # the look-up still hangs
    hang.set()


@pytest.mark.parametrize(("status", "answers"), [(200, True), (404, True), (502, False)])
def test_a_server_that_answers_is_reachable(monkeypatch, status, answers):
    class Handler(QuietHandler):
        def do_HEAD(self):
            self.send_response(status)
            self.end_headers()

    monkeypatch.setenv("no_proxy", "*")
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert ask_server(f"http://127.0.0.1:{server.server_port}")() is answers


# --- Fashion-MNIST ---------------------------------------------------------------------------


def fashion_files(count=7):
    """The four files of the set, in its own format, with a few pictures."""
    pictures = np.zeros((count, 28, 28), np.uint8)
    pictures[:, :, 14:] = 255
    images = struct.pack(">4i", 2051, count, 28, 28) + pictures.tobytes()
    labels = struct.pack(">2i", 2049, count) + bytes(range(count))
    kinds = {"images-idx3-ubyte": images, "labels-idx1-ubyte": labels}
    return {f"{part}-{kind}": content for part in ("train", "t10k") for kind, content in kinds.items()}


def test_fashion_mnist_that_is_already_there(no_network, tmp_path):
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in fashion_files().items():
        (raw / name).write_bytes(content)
    dataset = data.load_fashion_mnist(tmp_path)
    assert dataset.images.shape == (7, 16, 16, 3) and dataset.labels.tolist() == list(range(7))
    assert dataset.class_names[0] == "T-shirt/top" and len(dataset.class_names) == 10
    assert (dataset.images[:, :, :7] == 0).all() and (dataset.images[:, :, 9:] == 255).all()
    (raw / "t10k-images-idx3-ubyte").write_bytes(b"short")
    with pytest.raises(ValueError, match=r"FashionMNIST.*Delete that folder"):
        data.load_fashion_mnist(tmp_path, train=False)


def test_fashion_mnist_without_a_network(no_network, tmp_path, monkeypatch):
    from torchvision.datasets import FashionMNIST

    monkeypatch.setattr(FashionMNIST, "mirrors", [NOWHERE])
    assert_offline(lambda: data.load_fashion_mnist(tmp_path / "new"), "Fashion-MNIST")
    assert not (tmp_path / "new").exists()


def test_fashion_mnist_download_lands_whole(tmp_path, monkeypatch):
    from torchvision.datasets import FashionMNIST

    served = tmp_path / "served"
    served.mkdir()
    for name, content in fashion_files().items():
        (served / f"{name}.gz").write_bytes(gzip.compress(content))
    sums = [(file.name, hashlib.md5(file.read_bytes()).hexdigest()) for file in served.iterdir()]
    monkeypatch.setattr(FashionMNIST, "resources", sums)
    monkeypatch.setenv("no_proxy", "*")
    handler = functools.partial(QuietHandler, directory=served)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(FashionMNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        monkeypatch.setattr(FashionMNIST, "resources", [(name, "0" * 32) for name, _ in sums])
        with pytest.raises(ConnectionError, match="broke off"):
            data.load_fashion_mnist(tmp_path / "root")
        monkeypatch.setattr(FashionMNIST, "resources", sums)
        assert len(data.load_fashion_mnist(tmp_path / "root")) == 7
        server.shutdown()
    raw = tmp_path / "root" / "FashionMNIST" / "raw"
    assert {file.name: file.read_bytes() for file in raw.iterdir() if not file.suffix} == fashion_files()


# --- weight ----------------------------------------------------------------------------------


def test_importing_the_helpers_stays_light():
    heavy = "'sklearn', 'datasets', 'torchvision', 'diffusers', 'pandas', 'matplotlib'"
    code = f"import sys, helpers.datasets; print([name for name in ({heavy}) if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_split_of_small_classes_leaves_them_in_training():
    labels = np.array([0] * 9 + [1] * 10)
    assert split_indices(labels, "test").tolist() == [18]
    assert len(split_indices(labels, "train")) == 18
