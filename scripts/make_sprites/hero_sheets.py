"""How the parts of the heroes are drawn as text, side by side as on an artist's sheet, and painted.

Letters stand for tones, from shadow to light: hair 123, skin 456, cloth 789 (`d` its line),
trim jkl, trousers pqr, boots xyz, hat uvw, metal mno (`M` its line), wood abc, cape STQ,
bone NiI, flame or gem fgG; `e` is an eye, `E` its white, `W` white, `t` a string, `_` a gap.
"""

from .canvas import SIZE, Canvas
from .palette import Ramp


def sheet(names: str, drawing: str) -> dict[str, list[str]]:
    """Cut a sheet whose drawings stand side by side into named lists of rows."""
    lines = [text.split() for text in drawing.strip().split("\n")]
    return {name: [row[i] for row in lines] for i, name in enumerate(names.split())}


# The letters of each material: outline, shadow, middle, light.
MATERIAL_KEYS = {
    "hair": "0123",
    "skin": "#456",
    "cloth": "d789",
    "trim": "Djkl",
    "trousers": "Ppqr",
    "boots": "Xxyz",
    "hat": "Uuvw",
    "metal": "Mmno",
    "wood": "Aabc",
    "cape": "RSTQ",
    "gem": "FfgG",
    "bone": "BNiI",
}


def make_inks(ramps: dict[str, Ramp]) -> dict:
    """The colour that each letter of a drawing stands for, and the outline beside it."""
    inks = {"_": ((255, 255, 255), (70, 70, 80)), "W": ((240, 240, 236), (72, 72, 88))}
    for material, keys in MATERIAL_KEYS.items():
        ramp = ramps[material]
        inks |= {key: (colour, ramp.outline) for key, colour in zip(keys, ramp, strict=True)}
    skin = ramps["skin"]
    inks["e"] = ((34, 26, 44), skin.outline)
    inks["E"] = ((236, 232, 226) if max(skin.mid) < 175 else skin.mid, skin.outline)
    inks["t"] = ((132, 132, 146), (72, 72, 88))
    return inks


def sketch(canvas: Canvas, rows: list[str], inks: dict, x: int, y: int) -> None:
    """Paint a drawing with its corner at (x, y); the border of the sheet stays free for the outline."""
    for j, text in enumerate(rows):
        for i, key in enumerate(text):
            if key != "." and 1 <= x + i < SIZE - 1 and 1 <= y + j < SIZE - 1:
                spot = y + j, x + i
                canvas.pixels[spot], canvas.edges[spot] = inks[key]
                canvas.painted[spot] = True
