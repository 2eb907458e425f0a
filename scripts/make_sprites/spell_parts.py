"""What the items share: drawings, poses and small tools."""

from typing import NamedTuple

import numpy as np

from .canvas import SIZE, Canvas, bitmap, grow, rect
from .palette import COLOURS, MATERIALS, METALS, make_ramp

Y, X = np.mgrid[0:SIZE, 0:SIZE].astype(float)


SHEET = rect(1, 1, 14, 14)  # what a part may cover so that its outline still fits


WHITE = (255, 255, 255)


BRIGHT = ("red", "orange", "yellow", "lime", "green", "teal", "blue", "indigo", "purple", "pink")


CLOTH = ("red", "green", "teal", "blue", "indigo", "purple", "brown", "black", "pink", "orange")


STANDS = METALS | {"wooden": MATERIALS["wood"]}


STRING = make_ramp(*COLOURS["grey"]).shadow


GLASS = make_ramp(200, 0.15, 0.93)


# Drawings on one line, their rows parted by "/".
EMBLEMS = {
    "star": "..xx../..xx../xxxxxx/.xxxx./.xxxx./xx..xx",
    "cross": "..xx../..xx../xxxxxx/xxxxxx/..xx../..xx..",
    "moon": ".xxx../..xxx./...xxx/...xxx/..xxx./.xxx..",
    "skull": ".xxxx./xxxxxx/x.xx.x/xxxxxx/.xxxx./.x..x.",
    "heart": "xx..xx/xxxxxx/xxxxxx/.xxxx./..xx..",
    "bolt": "...xxx/..xxx./.xxxxx/...xx./..xx../.xx...",
    "diamond": "..xx../.xxxx./xxxxxx/xxxxxx/.xxxx./..xx..",
}


WAND_HEADS = {
    "star": "...x.../...x.../xxxxxxx/.xxxxx./..xxx../.xx.xx./.x...x.",
    "heart": ".xx.xx./xxxxxxx/xxxxxxx/.xxxxx./..xxx../...x...",
    "crystal": "...x.../..xxx../.xxxxx./.xxxxx./.xxxxx./..xxx../...x...",
}


CROWNS = {
    "pointed": "x.....xx.....x/xx....xx....xx/xx...xxxx...xx/xxx..xxxx..xxx/xxxx.xxxx.xxxx",
    "ball-tipped": "xx....xx....xx/xx....xx....xx/.x...xxxx...x./.xx..xxxx..xx./xxxxxxxxxxxxxx",
    "cross-tipped": "......xx....../.x...xxxx...x./xxx...xx...xxx/.x....xx....x./xx...xxxx...xx",
}


BREASTPLATE = """
.3332....2221.
33322....22211
332220..022211
32220322220211
22203322220111
11.33222221.11
...32211221...
...21133111...
....322211....
....222211....
....222211....
...33222211...
..3332222111..
..2222211111..
"""


CROOK = "..xxxx../.xx..xx./xx....xx/xx....xx/xx...xx."


PLUME = "..xxxx.../.xxxxxxx./xxxxx.xxx/..xx...xx"


HORN = "x.../xx../xx../xxxx/.xxx/..xx"


# Half widths of symmetric silhouettes, row by row.
FLASKS = {
    "round": (3, 2, 2, 4, 5, 6, 6, 6, 6, 6, 5, 4),
    "tall": (3, 2, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4),
    "conical": (3, 2, 2, 2, 3, 3, 4, 5, 5, 6, 7, 7),
    "squat": (4, 2, 3, 5, 7, 7, 7, 7, 7, 5),
}


SHIELDS = {
    "round": (3, 5, 6, 6, 7, 7, 7, 7, 7, 7, 6, 6, 5, 3),
    "pointed": (7, 7, 7, 7, 7, 7, 7, 6, 6, 5, 5, 4, 3, 1),
    "tall": (4, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 4),
    "kite": (3, 5, 6, 6, 6, 6, 6, 5, 5, 4, 4, 3, 2, 1),
}


GEMS = {
    "diamond": (4, 5, 6, 7, 7, 6, 5, 4, 3, 2, 1),
    "square": (5, 6, 7, 7, 7, 7, 7, 7, 7, 7, 6, 5),
    "tall": (3, 4, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 4, 3),
    "oval": (3, 5, 6, 7, 7, 7, 7, 7, 7, 6, 5, 3),
    "pointed": (1, 2, 3, 4, 5, 6, 6, 6, 5, 5, 4, 3, 2, 1),
}


RING_STONES = {"round": (2, 3, 3, 3, 2), "square": (3, 3, 3, 3), "pointed": (1, 2, 3, 4, 3, 2)}


class Pose(NamedTuple):
    """How a long thing is held: coordinates along and across its axis, about ±13 on the sheet."""

    along: np.ndarray
    across: np.ndarray
    scale: float

    def band(self, low, high, half=1.0, middle=0.0):
        """Strip from `low` to `high` along the axis, `half` wide on either side."""
        return (self.along >= low) & (self.along <= high) & (np.abs(self.across - middle) <= half)

    def rod(self, low, high, middle=0.0):
        """Strip two pixels thin."""
        return self.band(low, high, 1 if self.scale == 2 else 0.6, middle + (self.scale != 2) / 2)

    def disc(self, at, radius, side=0.0):
        """Disc, its radius in pixels."""
        return (self.along - at) ** 2 + (self.across - side) ** 2 <= (self.scale * radius) ** 2

    def beam(self, canvas, mask, ramp, border=False):
        """Paint a part in three strips: light on one side of the axis, shadow on the other."""
        canvas.part(mask, ramp, "flat", border)
        offset = self.across - (self.across[mask].max() + self.across[mask].min()) / 2
        edge = 0.34 * offset[mask].max()
        canvas.paint(mask & (offset < -edge), ramp.light)
        return canvas.paint(mask & (offset > edge), ramp.shadow)


def held(rng, upright=True) -> Pose:
    """Draw a pose: rising to the right, rising to the left or upright."""
    kind = int(rng.integers(3 if upright else 2))
    if kind == 2:
        return Pose(15 - 2 * Y, 2 * X - 15, 2.0)
    x = X if kind == 0 else 15 - X
    return Pose(x - Y, x + Y - 15, 2**0.5)


def choose(rng, options):
    """Draw one of the options."""
    return tuple(options)[int(rng.integers(len(options)))]


def a(words: str) -> str:
    """Put the article before the words."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def small(art: str, x: int, y: int) -> np.ndarray:
    """Mask of a drawing on one line."""
    return bitmap(art.replace("/", "\n"), x, y)


def shrink(mask: np.ndarray) -> np.ndarray:
    """The mask without its border."""
    return ~grow(~mask)


def mark(canvas: Canvas, mask: np.ndarray, ramp) -> Canvas:
    """Paint an emblem: light above, middle below."""
    middle = Y[mask].mean()
    return canvas.paint(mask, ramp.mid).paint(mask & (middle - 0.5 > Y), ramp.light)
