"""What the creatures share: colours, eyes, and drawing from text.

Drawn text follows one legend: digits 0-3 are outline, shadow, middle and light of the first ramp,
4-7 of the second, 8, 9, A, B of the third; W is white and K is nearly black. Drawings that stand
side by side in one block are variants of the same part.
"""

import itertools

import numpy as np

from .canvas import SIZE, line
from .palette import MATERIALS, METALS, make_ramp

WHITE, BLACK, RED = (255, 255, 255), (34, 28, 44), (214, 48, 60)


IVORY, LEAF = make_ramp(48, 0.08, 0.96), make_ramp(*MATERIALS["leaf"])


STEEL, WOOD = make_ramp(*METALS["steel"]), make_ramp(*MATERIALS["wood"])


GLOWS = {"red": (255, 74, 66), "yellow": (255, 222, 74), "green": (130, 246, 108), "blue": (104, 216, 255)}


# Half widths, row by row, of discs with a diameter of 8, 10 and 12 pixels.
DISC8 = (1.5, 2.5, 3.5, 3.5, 3.5, 3.5, 2.5, 1.5)


DISC10 = (1.5, 3.5, 3.5, 4.5, 4.5, 4.5, 4.5, 3.5, 3.5, 1.5)


DISC12 = (1.5, 3.5, 4.5, 4.5, 5.5, 5.5, 5.5, 5.5, 4.5, 4.5, 3.5, 1.5)


def _choose(rng, options):
    """One of several options (the keys, for a dict), all equally likely."""
    return tuple(options)[int(rng.integers(len(options)))]


def _variant(rng, names, block):
    """Choose one of the drawings that stand side by side in a block of text: its name and itself."""
    cells = zip(*(row.split() for row in block.strip().split("\n")), strict=True)
    return _choose(rng, list(zip(names.split("/"), ("\n".join(cell) for cell in cells), strict=True)))


def _draw(canvas, drawing, *ramps, x=1, y=1, flip=False):
    """Paint drawn text by the legend at the top of this module; `flip` mirrors it and its place."""
    colours = {"W": (WHITE, IVORY.outline), "K": (BLACK, BLACK)}
    for keys, ramp in zip(("0123", "4567", "89AB"), ramps, strict=False):
        colours |= {key: (tone, ramp.outline) for key, tone in zip(keys, ramp, strict=True)}
    for j, text in enumerate(drawing.strip("\n").split("\n")):
        for i, key in enumerate(text):
            column = SIZE - 1 - x - i if flip else x + i
            if key != ".":
                canvas.pixels[y + j, column], canvas.edges[y + j, column] = colours[key]
                canvas.painted[y + j, column] = True
    return canvas


def _both(mask):
    """A mask and its mirror image."""
    return mask | mask[:, ::-1]


def _path(*points):
    """One-pixel line through several points."""
    return np.any([line(*a, *b) for a, b in itertools.pairwise(points)], axis=0)


def _a(text):
    """The text with its indefinite article."""
    return ("an " if text[0] in "aeio" else "a ") + text


def _mirrored(canvas, flip):
    """The canvas, turned to face the other way if `flip`."""
    canvas.pixels = canvas.pixels[:, ::-1].copy() if flip else canvas.pixels
    return canvas


def _eyes(canvas, style, y, x=5, dark=BLACK):
    """Draw a pair of eyes, mirror images, around row y with the left eye's inner column x."""
    whites, darks = {
        "small": ((), ((x, y), (x, y + 1))),
        "big": (((x - 1, y - 1), (x - 1, y), (x - 1, y + 1), (x, y - 1)), ((x, y), (x, y + 1))),
        "sleepy": ((), ((x - 1, y + 1), (x, y + 1), (x - 2, y), (x + 1, y))),
        "happy": ((), ((x - 1, y), (x - 2, y + 1), (x, y + 1))),
        "angry": (((x - 1, y), (x - 1, y + 1)), ((x - 2, y - 1), (x - 1, y - 1), (x, y), (x, y + 1))),
    }[style]
    canvas.dots([(a, b) for p, b in whites for a in (p, 15 - p)], WHITE)
    canvas.dots([(a, b) for p, b in darks for a in (p, 15 - p)], dark)
