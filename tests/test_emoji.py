"""The bundled emoji: what they hold, and that the same package gives the same bytes."""

import io
import json
import sys
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.datasets import EMOJI_PATH, SPRITES_PATH, load_emoji
from scripts import make_emoji

TWO_GROUPS = ("Smileys & Emotion", "Animals & Nature")
# Name, group, subgroup and colour of what the tiny package holds; the last equals the first in its pixels.
ROWS = [
    ("CAR", "Travel & Places", "transport-ground", "red"),
    ("GHOST", "Smileys & Emotion", "face-costume", "#00000080"),
    ("KEYCAP 1", "Symbols", "keycap", "blue"),
    ("EMOJI MODIFIER FITZPATRICK TYPE-3", "Component", "skin-tone", "brown"),
    ("CAR", "Travel & Places", "transport-ground", "green"),
    ("RED CAR", "Travel & Places", "transport-ground", "red"),
]


def write_package(path, version=make_emoji.PACKAGE_VERSION, picture_size=None):
    """Write a tarball laid out as the npm package, its picture files cut after `picture_size` bytes."""
    table, files = [], {"package/package.json": {"name": make_emoji.PACKAGE, "version": version}}
    for i, (name, category, subcategory, colour) in enumerate(ROWS):
        row = {"name": name, "category": category, "subcategory": subcategory, "short_name": f"thing_{i}"}
        row |= {"sort_order": i, "image": f"{i}.png", "has_img_google": True}
        table.append(row | {"skin_variations": {"1F3FF": {"image": "0.png"}}})
        picture, file = Image.new("RGBA", (64, 64)), io.BytesIO()
        picture.paste(colour, (20, 20, 44, 44))
        picture.save(file, "png")
        files[f"package/img/google/64/{i}.png"] = file.getvalue()[:picture_size]
    with tarfile.open(path, "w:gz") as tarball:
        for name, content in (files | {"package/emoji.json": table}).items():
            content = content if isinstance(content, bytes) else json.dumps(content).encode()
            (info := tarfile.TarInfo(name)).size = len(content)
            tarball.addfile(info, io.BytesIO(content))


def test_bundled_emoji_are_many_small_distinct_and_on_white():
    emoji = load_emoji("all")
    white = (emoji.images == 255).all(-1)
    assert EMOJI_PATH.stat().st_size < 4_000_000 and 1500 <= len(emoji) <= 2000
    assert emoji.images.shape[1:] == (32, 32, 3) and len(emoji.class_names) == 8
    assert white[:, [0, 0, -1, -1], [0, -1, 0, -1]].all(1).float().mean() > 0.97
    assert len({image.numpy().tobytes() for image in emoji.images}) == len(set(emoji.captions)) == len(emoji)
    assert not any("fitzpatrick" in c or "skin tone" in c or c != c.lower() for c in emoji.captions)
    assert emoji.class_names[emoji.labels[emoji.captions.index("octopus")]] == "Animals & Nature"
    assert str(np.load(EMOJI_PATH)["version"]) == make_emoji.VERSION


def test_split_group_and_size_choose_pictures():
    parts = {split: load_emoji(split, 16, TWO_GROUPS) for split in ("train", "test", "all")}
    names = {split: set(part.captions) for split, part in parts.items()}
    assert names["train"] | names["test"] == names["all"] and not names["train"] & names["test"]
    assert names["test"] <= set(load_emoji("test").captions)
    assert torch.bincount(parts["test"].labels).tolist() == [16, 0, 15] and parts["test"][0][1].shape == (8,)
    small, large = parts["all"].as_tensor(), load_emoji("all", group=TWO_GROUPS).as_tensor()
    assert (small - torch.nn.functional.avg_pool2d(large, 2)).abs().max() <= 0.5 / 127.5 + 1e-6


def test_what_cannot_be_loaded_is_named(tmp_path):
    groups = "'Animals'; the classes are 'Smileys & Emotion'.*'Symbols'"
    for options, message in (({"image_size": 24}, "16 or 32.*got 24"), ({"group": "Animals"}, groups)):
        with pytest.raises(ValueError, match=message):
            load_emoji(**options)
    with pytest.raises(FileNotFoundError, match=r"emoji are missing.*make data"):
        load_emoji(path=tmp_path / "emoji.npz")
    (tmp_path / "cut.npz").write_bytes(EMOJI_PATH.read_bytes()[:5000])
    for file, message in ((tmp_path / "cut.npz", "zip"), (SPRITES_PATH, r"32, 3\); got .*\(20000, 16")):
        with pytest.raises(ValueError, match=rf"cannot read .*\.npz.*{message}.*make data"):
            load_emoji(path=file)


def test_same_package_gives_same_bytes_and_only_pictures_of_things(tmp_path):
    write_package(tmp_path / "package.tgz")
    made = [tmp_path / out / "emoji.npz" for out in ("one", "two")]
    for file in made:
        make_emoji.write_all(tmp_path / "package.tgz", file.parent)
    assert made[0].read_bytes() == made[1].read_bytes()
    emoji = load_emoji("all", path=made[0])  # no keycap, swatch, skin tone or second red square
    assert emoji.captions == ["thing 0", "ghost", "thing 4"] and emoji.labels.tolist() == [0, 1, 0]
    assert emoji.images[1, 16, 16].tolist() == [127] * 3 and emoji.images[1, 0, 0].tolist() == [255] * 3


def test_a_package_that_cannot_be_used_ends_in_one_line(tmp_path, monkeypatch):
    (tmp_path / "no.tgz").write_bytes(b"no tarball")
    write_package(tmp_path / "old.tgz", version="1.0.0")
    write_package(tmp_path / "cut.tgz", picture_size=20)
    monkeypatch.setenv("PATH", str(tmp_path))
    cases = {"absent": "no file", "no": "cannot read", "old": "1.0.0; expected", "cut": "picture 0.png"}
    for name, message in (cases | {None: "npm is not installed"}).items():
        package = ["--package", str(tmp_path / f"{name}.tgz")] if name else []
        monkeypatch.setattr(sys, "argv", ["make_emoji", "--output", str(tmp_path / "out"), *package])
        with pytest.raises(SystemExit, match=message) as end:
            make_emoji.main()
        assert "\n" not in str(end.value) and not (tmp_path / "out").exists()
