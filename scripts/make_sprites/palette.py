"""Colour ramps for pixel art: one outline and three tones per material, with shifted hues.

Shadows lean towards blue and gain saturation, lights lean towards yellow and lose it: the
habit of pixel artists known as hue shifting.
"""

import colorsys
from typing import NamedTuple

RGB = tuple[int, int, int]


class Ramp(NamedTuple):
    """Four RGB colours of one material, from dark to bright."""

    outline: RGB
    shadow: RGB
    mid: RGB
    light: RGB


# Hue in degrees, saturation and value in 0..1 of the middle tone; captions use the names.
COLOURS = {
    "red": (357, 0.78, 0.82),
    "orange": (24, 0.82, 0.92),
    "yellow": (47, 0.76, 0.95),
    "lime": (84, 0.66, 0.78),
    "green": (128, 0.62, 0.62),
    "teal": (172, 0.66, 0.66),
    "blue": (214, 0.72, 0.82),
    "indigo": (240, 0.58, 0.70),
    "purple": (277, 0.58, 0.72),
    "pink": (330, 0.52, 0.90),
    "brown": (24, 0.58, 0.55),
    "grey": (215, 0.12, 0.60),
    "white": (45, 0.05, 0.93),
    "black": (235, 0.24, 0.30),
}
SKINS = {
    "pale": (24, 0.26, 0.96),
    "fair": (24, 0.38, 0.92),
    "tan": (26, 0.48, 0.80),
    "brown": (22, 0.54, 0.60),
    "dark": (18, 0.52, 0.44),
}
METALS = {
    "iron": (212, 0.13, 0.66),
    "steel": (205, 0.20, 0.78),
    "gold": (44, 0.74, 0.90),
    "bronze": (28, 0.62, 0.72),
}
MATERIALS = {
    "wood": (26, 0.56, 0.56),
    "leather": (20, 0.52, 0.46),
    "bone": (46, 0.16, 0.90),
    "leaf": (112, 0.64, 0.62),
    "stem": (96, 0.52, 0.46),
    "parchment": (40, 0.34, 0.90),
    "bread": (32, 0.58, 0.82),
    "stone": (220, 0.08, 0.58),
    "glass": (196, 0.14, 0.94),
}


def _rgb(hue: float, saturation: float, value: float) -> RGB:
    clip = lambda x: min(max(x, 0.0), 1.0)  # noqa: E731
    return tuple(round(255 * c) for c in colorsys.hsv_to_rgb(hue % 360 / 360, clip(saturation), clip(value)))


def _towards(hue: float, target: float, degrees: float) -> float:
    """Turn `hue` by at most `degrees` towards `target`, the short way round."""
    gap = (target - hue + 180) % 360 - 180
    return hue + max(-degrees, min(degrees, gap))


def make_ramp(hue: float, saturation: float, value: float) -> Ramp:
    """Build the four tones around a middle tone.

    Parameters
    ----------
    hue : float
        Degrees, 0 is red, 120 green, 240 blue.
    saturation, value : float
        In 0..1, of the middle tone.
    """
    cool, warm = _towards(hue, 255, 20), _towards(hue, 55, 14)
    return Ramp(
        outline=_rgb(_towards(hue, 255, 32), min(saturation * 1.05 + 0.08, 0.85), min(value * 0.34, 0.27)),
        shadow=_rgb(cool, saturation * 1.12, value * 0.70),
        mid=_rgb(hue, saturation, value),
        light=_rgb(warm, saturation * 0.66, value * 1.08 + 0.13),
    )


def jitter(rng, hsv, hue: float = 7, amount: float = 0.07) -> tuple[float, float, float]:
    """Move a colour a little: hue by up to ±`hue` degrees, saturation and value by ±`amount`."""
    h, s, v = hsv
    draws = 2 * rng.random(3) - 1
    return h + hue * draws[0], s * (1 + amount * draws[1]), v * (1 + amount * draws[2])


def pick(rng, table: dict, names=None, **kwargs) -> tuple[str, Ramp]:
    """Draw a name from a table of colours (or from `names`) and a ramp close to it.

    Examples
    --------
    >>> name, ramp = pick(rng, COLOURS, ("red", "blue"))
    """
    names = tuple(names or table)
    name = names[int(rng.integers(len(names)))]
    return name, make_ramp(*jitter(rng, table[name], **kwargs))
