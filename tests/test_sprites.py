"""The bundled sprites: what they hold, and that the generator draws the very same ones again."""

import itertools
import re
import sys

import numpy as np
import pytest
from PIL import Image

from helpers.datasets import SPRITES_PATH
from scripts.make_sprites import CLASS_NAMES, FAMILIES, draw_class, draw_sprite
from scripts.make_sprites import __main__ as make_sprites

PER_CLASS = 4000
REDRAWN = 40


@pytest.fixture(scope="module")
def bundled():
    """The arrays of data/sprites.npz."""
    with np.load(SPRITES_PATH, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module", params=CLASS_NAMES)
def one_class(request, bundled):
    """The name, pictures and captions of one class."""
    chosen = bundled["labels"] == CLASS_NAMES.index(request.param)
    return request.param, bundled["images"][chosen], bundled["captions"][chosen]


@pytest.fixture(scope="module")
def made_twice(tmp_path_factory):
    """Two folders with what scripts/make_sprites makes, 20 sprites of each class."""
    folders = [tmp_path_factory.mktemp(f"made {i}") for i in range(2)]
    for folder in folders:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["make_sprites.py", "--per-class", "20", "--output", str(folder)])
            make_sprites.main()
    return folders


def test_file_holds_4000_different_sprites_of_each_class_in_under_4_mb(bundled):
    count = PER_CLASS * len(CLASS_NAMES)
    assert SPRITES_PATH.stat().st_size < 4_000_000
    assert bundled["images"].shape == (count, 16, 16, 3) and bundled["images"].dtype == np.uint8
    assert bundled["labels"].dtype == np.int64 and len(bundled["captions"]) == count
    assert np.bincount(bundled["labels"]).tolist() == [PER_CLASS] * len(CLASS_NAMES)
    assert tuple(bundled["class_names"]) == CLASS_NAMES
    assert CLASS_NAMES == ("hero", "non-hero", "food", "spell", "side-facing hero")
    assert str(bundled["version"]) == make_sprites.VERSION
    assert len({image.tobytes() for image in bundled["images"]}) == count


def test_drawing_again_gives_the_bundled_sprites(one_class):
    name, images, captions = one_class
    again = draw_class(name, REDRAWN)
    # Pixels and captions differ when the generator has changed since `make data` was last run.
    assert [s.caption for s in again] == captions[:REDRAWN].tolist()
    np.testing.assert_array_equal([s.image for s in again], images[:REDRAWN])


def test_pairs_of_a_class_differ_in_more_than_20_pixels(one_class):
    _, images, _ = one_class
    first, second = np.random.default_rng(1).integers(len(images), size=(2, 10_000))
    pairs = first != second
    different = (images[first[pairs]] != images[second[pairs]]).any(-1).sum((1, 2))
    assert (different > 20).mean() >= 0.95


def test_sprites_stand_on_white(one_class):
    _, images, _ = one_class
    white = (images == 255).all(-1)
    corners = white[:, [0, 0, -1, -1], [0, -1, 0, -1]].all(1)
    assert corners.mean() >= 0.95
    # Something is drawn, and some of the background is still seen.
    assert (~white).sum((1, 2)).min() >= 26 and white.sum((1, 2)).min() >= 16
    # They vary in shape as well as in colour.
    assert len({silhouette.tobytes() for silhouette in white[:400]}) >= 60


COLOURS = (
    r"\b(red|orange|yellow|green|blue|purple|pink|brown|black|white|grey|teal|indigo|lime"
    r"|gold|golden|silver|steel|iron|bronze|wooden|leather)\b"
)
# Families whose captions use another name than the family's own.
ALSO_CALLED = {
    "snake": ("snake", "cobra"),
    "bread": ("bread", "baguette", "loaf", "bun", "roll"),
    "meat": ("meat", "steak", "drumstick", "ham"),
    "ice_cream": ("ice cream", "ice lolly"),
    "armour": ("breastplate",),
    "orb": ("crystal ball",),
}
NAMED_CLASSES = ("non-hero", "food", "spell")


def test_captions_name_class_and_colours(one_class):
    name, _, captions = one_class
    heroes = name not in NAMED_CLASSES
    coloured = [bool(re.search(COLOURS, caption)) for caption in captions]
    # Each hero wears something; a fried egg has the colours that it has.
    assert np.mean(coloured) >= (1 if heroes else 0.75), captions[~np.array(coloured)][:5]
    assert not heroes or all(caption.startswith(f"{name} with ") for caption in captions)
    assert len(set(captions)) >= 400
    assert all(caption == " ".join(caption.replace("_", " ").split()) for caption in captions)


def test_each_class_has_enough_families():
    at_least = {"non-hero": 10, "food": 12, "spell": 12}
    assert all(len(FAMILIES[name]) >= count for name, count in at_least.items())
    drawn = {id(draw) for families in FAMILIES.values() for draw in families.values()}
    assert len(drawn) == sum(len(families) for families in FAMILIES.values())


@pytest.mark.parametrize(
    ("name", "family"), [(name, family) for name, families in FAMILIES.items() for family in families]
)
def test_each_family_draws_pictures_that_differ_and_names_the_thing(name, family):
    drawn = [FAMILIES[name][family](np.random.default_rng(seed)) for seed in range(60)]
    for canvas, caption in drawn[:8]:
        assert canvas.pixels.shape == (16, 16, 3) and canvas.pixels.dtype == np.uint8
        assert caption and len(np.unique(canvas.pixels.reshape(-1, 3), axis=0)) >= 4  # outline, tones, white
    assert len({canvas.pixels.tobytes() for canvas, _ in drawn[:8]}) >= 7
    things = ALSO_CALLED.get(family, (family.replace("_", " "),))
    for _, caption in drawn if name in NAMED_CLASSES else ():
        assert any(thing in caption for thing in things), caption


def test_a_sprite_depends_on_its_seed_and_number_alone_so_a_longer_class_starts_the_same():
    first = draw_sprite("food", 0, 7)
    draw_sprite("food", 0, 8)
    again, other_seed, other_number = (draw_sprite("food", *which) for which in ((0, 7), (1, 7), (0, 9)))
    np.testing.assert_array_equal(first.image, again.image)
    assert first.caption == again.caption
    assert not np.array_equal(first.image, other_seed.image)
    assert not np.array_equal(first.image, other_number.image)
    short, long = draw_class("spell", 10, seed=4), draw_class("spell", 20, seed=4)
    np.testing.assert_array_equal([s.image for s in short], [s.image for s in long[:10]])
    assert not np.array_equal([s.image for s in short], [s.image for s in draw_class("spell", 10, seed=5)])


@pytest.mark.parametrize("draw", [lambda name: draw_sprite(name, 0, 0), lambda name: draw_class(name, 3)])
def test_unknown_class_is_named_with_those_there_are(draw):
    with pytest.raises(ValueError, match=r"unknown class 'dragon'; expected one of hero, non-hero, food"):
        draw("dragon")


def test_making_the_data_twice_gives_the_same_bytes(made_twice):
    first, second = (
        {p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in made_twice
    )
    assert first == second
    sheets = [f"sheets/{name.replace(' ', '-')}.png" for name in CLASS_NAMES]
    assert sorted(map(str, first)) == sorted(["sprites.npz", *sheets])


def test_a_small_file_holds_the_first_of_the_bundled_sprites(made_twice, bundled):
    with np.load(made_twice[0] / "sprites.npz", allow_pickle=False) as file:
        assert set(file.files) == set(bundled)
        images, captions = file["images"], file["captions"]
    for label, name in enumerate(CLASS_NAMES):
        start = bundled["labels"].tolist().index(label)
        expected = bundled["images"][start : start + 20]
        np.testing.assert_array_equal(images[20 * label : 20 * (label + 1)], expected, err_msg=name)
    assert captions[0] == bundled["captions"][0]


def test_contact_sheet_shows_each_sprite_at_four_times_its_size(made_twice):
    with np.load(made_twice[0] / "sprites.npz", allow_pickle=False) as file:
        sprites = file["images"][:20]
    sheet = np.asarray(Image.open(made_twice[0] / "sheets" / "hero.png"))
    for i, (row, column) in enumerate(itertools.product(range(2), range(14))):
        if i < len(sprites):
            y, x = 4 * (2 + 18 * row), 4 * (2 + 18 * column)
            np.testing.assert_array_equal(sheet[y : y + 64 : 4, x : x + 64 : 4], sprites[i])
