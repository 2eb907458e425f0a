"""The procedural pixel-art generator behind `data/sprites.npz`.

Every sprite is a 16×16 RGB picture on white, drawn from parts by a small function, its
*family* (slime, apple, sword, ...), and described by a caption made from the parts drawn.
"""

import hashlib
from typing import NamedTuple

import numpy as np

from helpers.datasets import CLASS_NAMES

from .creatures import CREATURES
from .food import FOOD
from .heroes import HEROES, SIDE_HEROES
from .spells import SPELLS

FAMILIES = dict(zip(CLASS_NAMES, (HEROES, CREATURES, FOOD, SPELLS, SIDE_HEROES), strict=True))


class Sprite(NamedTuple):
    """One drawn sprite: `image` is uint8 [16, 16, 3], `caption` says what was drawn."""

    image: np.ndarray
    caption: str


def draw_sprite(class_name: str, seed: int, index: int, attempt: int = 0) -> Sprite:
    """Draw sprite number `index` of a class; the same arguments always give the same sprite.

    Raises
    ------
    ValueError
        If `class_name` is not one of `CLASS_NAMES`.
    """
    if class_name not in FAMILIES:
        raise ValueError(f"unknown class {class_name!r}; expected one of {', '.join(CLASS_NAMES)}")
    families = tuple(FAMILIES[class_name].values())
    rng = np.random.default_rng([seed, CLASS_NAMES.index(class_name), index, attempt])
    canvas, caption = families[int(rng.integers(len(families)))](rng)
    return Sprite(canvas.pixels, caption)


def draw_class(class_name: str, count: int, seed: int = 0) -> list[Sprite]:
    """Draw `count` sprites of a class, no two of them the same picture.

    The first n sprites do not depend on `count`, so a part can be drawn again and compared.

    Raises
    ------
    ValueError
        If the class is unknown, or if its families cannot give that many different sprites.
    """
    seen, sprites = set(), []
    for index in range(count):
        for attempt in range(100):
            sprite = draw_sprite(class_name, seed, index, attempt)
            digest = hashlib.sha256(sprite.image.tobytes()).digest()
            if digest not in seen:
                break
        else:
            raise ValueError(f"{class_name}: no new sprite after {index} different ones; ask for fewer")
        seen.add(digest)
        sprites.append(sprite)
    return sprites
