"""Pictures that come as files: classes, preparation, and files that cannot be read."""

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import datasets as data


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


def test_nothing_but_corrupt_pictures_and_no_size(tmp_path):
    (tmp_path / "a.png").write_bytes(b"hello")
    with pytest.raises(ValueError, match="none of the 1 pictures"):
        data.load_image_folder(tmp_path, 8, skip_corrupt=True)
    for load in (lambda: data.load_image_folder(tmp_path, 0), lambda: data.load_digits(image_size=0)):
        with pytest.raises(ValueError, match="image_size must be a positive number"):
            load()
