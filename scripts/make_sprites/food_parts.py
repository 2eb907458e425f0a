"""What the dishes share: colours, bites, toppings, and drawing from text."""

import numpy as np

from .canvas import bitmap, ellipse, grow, polygon, rect
from .palette import COLOURS, MATERIALS, jitter, make_ramp

# Hue, saturation and value of what food is made of.
STUFF = MATERIALS | {
    "crust": (27, 0.66, 0.76),
    "crumb": (40, 0.32, 0.97),
    "cream": (44, 0.14, 0.97),
    "chocolate": (18, 0.56, 0.42),
    "cheese": (44, 0.70, 0.97),
    "yolk": (40, 0.86, 0.98),
    "roast": (20, 0.68, 0.62),
    "raw": (356, 0.58, 0.82),
    "fat": (20, 0.12, 0.98),
    "rind": (132, 0.62, 0.52),
    "lettuce": (96, 0.66, 0.74),
    "tomato": (4, 0.80, 0.84),
    "patty": (16, 0.58, 0.40),
    "cherry": (352, 0.80, 0.78),
    "waffle": (34, 0.60, 0.90),
    "broccoli": (122, 0.64, 0.50),
    "stalk": (88, 0.42, 0.78),
}


ICING = COLOURS | {
    "brown": STUFF["chocolate"],
    "white": STUFF["cream"],
    "yellow": (46, 0.48, 0.96),
    "green": (100, 0.38, 0.80),
}


WHITE, DARK, LEAF = (255, 255, 255), (48, 28, 36), ".###/####/###."


def tint(rng, stuff):
    """A ramp close to the colour of a material."""
    return make_ramp(*jitter(rng, STUFF[stuff], hue=4, amount=0.05))


def soft(ramp):
    """The ramp with half as deep a shadow, for pale or matt things."""
    return ramp._replace(shadow=tuple((a + b) // 2 for a, b in zip(ramp.shadow, ramp.mid, strict=True)))


def chance(rng, p=0.5):
    """True with probability p."""
    return bool(rng.random() < p)


def between(rng, low, high):
    """A whole number, both ends included."""
    return int(rng.integers(low, high + 1))


def turn(mask, mirrored):
    """The mask, mirrored left to right if asked: before shading, so that the light stays."""
    return mask[:, ::-1] if mirrored else mask


def shape(text, x, y, mirrored=False):
    """Mask from text drawn on one line, its rows parted by slashes."""
    return turn(bitmap(text.replace("/", "\n"), x, y), mirrored)


def taper(x0, y0, x1, y1, r0, r1):
    """Round-ended stroke whose radius goes from r0 to r1."""
    steps = np.linspace(0, 1, 12)
    return np.any(
        [ellipse(x0 + t * (x1 - x0), y0 + t * (y1 - y0), *[r0 + t * (r1 - r0)] * 2) for t in steps], 0
    )


def inner(mask):
    """The mask without its own border."""
    return ~grow(~mask)


def say(text, *extras):
    """The caption: article, text, then those extras that are not False."""
    extras = [extra for extra in extras if extra]
    listed = ", ".join(extras[:-1]) + " and " * (len(extras) > 1) + extras[-1] if extras else ""
    return f"{'an' if text[0] in 'aeiou' else 'a'} {text}" + (f" with {listed}" if listed else "")


def bite(canvas, body, hole, ramp=None):
    """Cut `hole` out of what is painted; a ramp shows the inside of `body` along the cut."""
    if ramp:
        near = grow(hole)
        canvas.part(grow(near) & body & ~hole, ramp, "flat").paint(near & body & ~hole, ramp.light)
    canvas.pixels[hole], canvas.painted[hole] = 255, False


def topping(rng, canvas, x, y):
    """Put a cherry, a strawberry, a candle or nothing on a dish; its lowest row is y."""
    kind = between(rng, 0, 3)
    if kind == 0:
        canvas.part(ellipse(x, y - 1, 1.6, 1.6), tint(rng, "cherry"), border=True)
        canvas.dots([(int(x), y - 2)], WHITE)
    elif kind == 1:
        canvas.part(polygon((x - 2, y), (x + 2, y), (x, y - 3)), tint(rng, "tomato"), border=True)
        canvas.dots([(int(x), y - 1)], (255, 232, 150))
    elif kind == 2:
        wax = make_ramp(*jitter(rng, COLOURS["blue"], hue=90))
        canvas.part(rect(int(x), y - 1, int(x), y), wax, "flat", border=True)
        canvas.dots([(int(x), y - 2)], (255, 160, 40)).dots([(int(x), y - 3)], (255, 220, 90))
    return ("a cherry", "a strawberry", "a candle", "")[kind]
