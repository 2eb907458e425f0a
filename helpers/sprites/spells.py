"""Families of the class "spell": magic things and the gear of heroes."""

from typing import NamedTuple

import numpy as np

from .canvas import SIZE, Canvas, bitmap, ellipse, grow, polygon, rect, rows, shift
from .palette import COLOURS, MATERIALS, METALS, make_ramp, pick

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


def potion(rng):
    """A flask: form, liquid and its level, stopper and bubbles vary."""
    form = choose(rng, FLASKS)
    colour, liquid = pick(rng, COLOURS, BRIGHT)
    top = 15 - len(FLASKS[form])
    level = top + 3 + int(rng.integers(3))
    stopper = make_ramp(*(METALS["gold"] if rng.random() < 0.3 else MATERIALS["bread"]))
    glass = rows(top, FLASKS[form])
    inner = shrink(glass) & (level <= Y)
    canvas = Canvas().part(glass, GLASS, "tall").part(inner, liquid)
    canvas.paint(inner & ~shift(inner, 0, 1), liquid.light)
    canvas.part(rows(top - 2, (2, 2)), stopper, "tall")
    bubbles = [(int(rng.integers(6, 11)), int(rng.integers(level + 2, 13))) for _ in range(3)]
    canvas.paint(inner & Canvas().dots(bubbles, WHITE).painted, liquid.light).outline()
    left = int(np.nonzero(inner[level + 2])[0].min())
    canvas.dots([(left, level + 2), (left, level + 3), (6, top + 1), (6, top + 2)], WHITE)
    return canvas, f"{a(colour)} potion in a {form} flask"


def book(rng):
    """A closed book: cover, emblem, metal corners and ribbon vary."""
    colour, cover = pick(rng, COLOURS, CLOTH)
    metal, trim = pick(rng, METALS, ("gold", "steel", "bronze"))
    emblem = choose(rng, EMBLEMS)
    page = make_ramp(*MATERIALS["parchment"])
    canvas = Canvas().part(rect(2, 12, 13, 14), cover, "flat").part(rect(4, 12, 13, 13), page, "flat")
    canvas.paint(rect(4, 12, 13, 12), page.shadow).part(rect(2, 1, 13, 11), cover, "edge")
    canvas.paint(rect(3, 1, 3, 13), cover.mid).paint(rect(2, 1, 2, 13), cover.light)
    canvas.paint(rect(4, 1, 4, 11), cover.outline)
    mark(canvas, small(EMBLEMS[emblem], 6, 3), trim)
    extra = ("", " and metal corners", " and a red ribbon")[int(rng.integers(3))]
    if "corners" in extra:
        canvas.paint(rect(12, 1, 13, 2) | rect(12, 10, 13, 11), trim.mid).dots([(5, 1), (5, 11)], trim.mid)
    elif extra:
        canvas.paint(rect(10, 12, 11, 14), make_ramp(*COLOURS["red"]).mid)
    return canvas.outline(), f"{a(colour)} book with {a(metal)} {emblem}{extra}"


def scroll(rng):
    """A parchment: unrolled with writing and perhaps a seal, or rolled up and tied."""
    colour, seal = pick(rng, COLOURS, ("red", "blue", "green", "purple", "black"))
    paper, wood = make_ramp(*MATERIALS["parchment"]), make_ramp(*MATERIALS["wood"])
    if rng.random() < 0.3:
        pose = held(rng, upright=False)
        canvas = pose.beam(Canvas(), pose.band(-9, 9, 4), paper)
        canvas.paint(pose.band(8, 9, 2), paper.outline)
        pose.beam(canvas, pose.band(-2, 1, 4), seal)
        return canvas.outline(), f"a rolled scroll with {a(colour)} ribbon"
    bottom, sealed = 12 + int(rng.integers(2)), rng.random() < 0.6
    canvas = Canvas().part(rect(3, 2, 12, bottom), paper, "tall")
    words = (Y % 2 == 0) & (Y > 4) & (bottom - 2 > Y) & (X > 4) & (rng.integers(8, 12, (SIZE, 1)) > X)
    canvas.paint(words, paper.outline)
    for y in (1, bottom - 1):
        canvas.part(rect(2, y, 13, y + 2), paper, "drop", border=True)
        canvas.part(rect(1, y, 2, y + 2) | rect(13, y, 14, y + 2), wood, "drop")
    if sealed:
        canvas.part(ellipse(10.5, bottom - 3.5, 2, 2), seal)
    return canvas.outline(), "an open scroll with writing" + f" and {a(colour)} seal" * sealed


def staff(rng):
    """A wizard's staff: its head, colours, rings and pose vary."""
    pose = held(rng, upright=False)
    wood_name, wood = pick(rng, COLOURS, ("brown", "black", "grey", "white"))
    colour, glow = pick(rng, COLOURS, BRIGHT)
    head, flip = choose(rng, ("orb", "crystal", "crook")), rng.random() < 0.5
    if head == "crook":
        crook = small(CROOK, 4, 1) | rect(4, 6, 5, 14)
        crook, bead = (m[:, ::-1] if flip else m for m in (crook, ellipse(8, 4.5, 1, 1)))
        canvas = Canvas().part(crook, wood, "edge").part(bead, glow, border=True)
        return canvas.outline(), f"{a(wood_name)} crooked staff with {a(colour)} bead"
    canvas = pose.beam(Canvas(), pose.rod(-13, 2), wood)
    pose.beam(canvas, pose.rod(-5, -3) | pose.rod(0, 1), glow)
    canvas.part(pose.disc(6, 4.1) & ~pose.disc(8, 3) & SHEET, wood, "edge")
    if head == "orb":
        canvas.part(pose.disc(7.6, 2.2), glow, border=True)
    else:
        stone = 1.4 * np.abs(pose.across) + np.abs(pose.along - 8) <= 5
        pose.beam(canvas, stone & SHEET, glow, border=True)
    return canvas.outline(), f"{a(wood_name)} staff with {a(colour)} {head}"


def wand(rng):
    """A short wand: head, stick and sparkles vary."""
    flip = rng.random() < 0.5
    stick_name, stick = pick(rng, COLOURS, ("brown", "white", "black", "purple", "blue", "pink", "red"))
    colour, glow = pick(rng, COLOURS, ("yellow", "pink", "lime", "teal", "orange"))
    head = choose(rng, WAND_HEADS)
    rod, top = (X + Y >= 15) & (X + Y <= 16) & (Y > 6) & (X > 0) & (Y < 15), small(WAND_HEADS[head], 8, 1)
    rod, top = (rod[:, ::-1], top[:, ::-1]) if flip else (rod, top)
    canvas = Canvas().part(rod, stick, "flat").paint(rod & ~shift(rod, 0, 1), stick.light)
    canvas.part(top, glow, border=True).outline()
    for x, y in rng.integers(1, 15, (7, 2)):
        twinkle = grow(rect(x, y, x, y))
        if not (grow(twinkle) & canvas.painted).any():
            canvas.paint(twinkle, glow.mid)
    return canvas, f"{a(stick_name)} wand with {a(colour)} {head}"


def gem(rng):
    """A cut stone: cut and colour vary."""
    colour, ramp = pick(rng, COLOURS, (*BRIGHT, "white"))
    cut = choose(rng, GEMS)
    half = np.array(GEMS[cut])
    top = (16 - len(half)) // 2
    stone = rows(top, half)
    canvas = Canvas().part(stone, ramp, "flat")
    if cut == "diamond":
        width = np.ones((SIZE, 1))
        width[top : top + len(half), 0] = half
        u, crown = (X - 7.5) / width, top + 4 > Y
        canvas.paint(stone & (u > 0.4), ramp.shadow).paint(stone & (u < 0.4) & crown, ramp.light)
        canvas.paint(stone & (top + 4 == Y), ramp.shadow)
        canvas.paint(stone & (top + 4 < Y) & (np.abs(u) < 0.36), ramp.light)
    else:
        table = shrink(shrink(stone))
        rim, facing = table & ~shrink(table), 0.6 * (X - 7.5) / half.max() + 1.6 * (Y - 7.5) / len(half)
        canvas.paint(stone & ~table & (facing < -0.25), ramp.light)
        canvas.paint(stone & ~table & (facing > 0.3), ramp.shadow)
        canvas.paint(rim & (facing > 0), ramp.light).paint(rim & (facing <= 0), ramp.shadow)
    x = 7 - half.max() // 3
    canvas.dots([(x, top + 2), (x + 1, top + 2), (x, top + 3)], WHITE)
    return canvas.outline(), f"{a(colour)} gem with {a(cut)} cut"


def sword(rng):
    """A sword: blade form, guard, hilt and pose vary."""
    pose = held(rng, upright=False)
    metal, steel = pick(rng, METALS)
    hilt_name, hilt = pick(rng, COLOURS, ("yellow", "brown", "red", "blue", "purple", "green", "black"))
    form = choose(rng, ("straight", "broad", "curved", "leaf-shaped"))
    length = (pose.along + 4) / 17  # 0 at the guard, 1 at the point
    half = {"broad": 2.4, "leaf-shaped": 1.1 + 13 * length**2 * (1 - length)}.get(form, 1.3)
    bend = 6 * length * (1 - length) - 0.5 if form == "curved" else 0
    blade = (np.abs(pose.across + bend) <= np.minimum(half, 13.4 - pose.along)) & (pose.along >= -4) & SHEET
    canvas = pose.beam(Canvas(), blade, steel)
    pose.beam(canvas, pose.band(-13, -4, 1), make_ramp(*MATERIALS["leather"]))
    canvas.paint(pose.band(-8, -8, 1), hilt.outline)
    bow, reach = choose(rng, (-0.35, 0.0, 0.35)), choose(rng, (5, 6))
    guard = (np.abs(pose.across) <= reach) & (np.abs(pose.along + 5 - bow * np.abs(pose.across)) <= 1)
    pose.beam(canvas, guard, hilt, border=True)
    pose.beam(canvas, pose.band(-13, -11, 1), hilt)
    return canvas.outline(), f"{a(form)} {metal} sword with {a(hilt_name)} hilt"


def axe(rng):
    """An axe: one blade or two, their spread, metal, grip and pose vary."""
    double, side, spread = rng.random() < 0.5, choose(rng, (-1, 1)), choose(rng, (0.75, 0.95))
    pose = held(rng)
    if not double:
        pose = Pose(15 - 2 * Y, 2 * X - 15 + 4 * side, 2.0)
    metal, ramp = pick(rng, METALS)
    grip_name, grip = pick(rng, COLOURS, ("red", "blue", "black", "green", "purple"))
    at, unit = (3, 1.0) if pose.scale < 2 else (6, 1.4)
    canvas = pose.beam(Canvas(), pose.rod(-13, at + 6), make_ramp(*MATERIALS["wood"]))
    pose.beam(canvas, pose.rod(-13, -7), grip)
    for out in (pose.across / unit, -pose.across / unit) if double else (side * pose.across / unit,):
        away = np.abs(pose.along - at) / unit
        edge = (7.6 if double else 9) - 0.07 * away**2
        blade = (out > 0) & (out <= edge) & (away <= 0.6 + spread * out) & (away < 5.5) & SHEET
        canvas.part(blade, ramp, "flat", border=True).paint(blade & (out > edge - 2), ramp.light)
        canvas.paint(blade & (out < 3), ramp.shadow)
    pose.beam(canvas, pose.rod(at - 2, at + 2), ramp)
    return canvas.outline(), f"{a(metal)} {'double axe' if double else 'axe'} with {a(grip_name)} grip"


def bow(rng):
    """A bow with its string: curve, colour, grip and pose vary, and an arrow on the upright one."""
    pose = held(rng)
    colour, wood = pick(rng, COLOURS, ("brown", "red", "green", "black", "yellow", "purple", "blue"))
    grip_name, grip = pick(rng, COLOURS, ("brown", "grey", "white", "red", "teal"))
    reach, depth, arrow = (11 if pose.scale < 2 else 13), int(rng.integers(6, 10)), pose.scale == 2
    radius = (reach**2 + depth**2) / (2 * depth) / pose.scale
    centre = 2 - depth + pose.scale * radius
    limb = pose.disc(0, radius + 0.9, centre) & ~pose.disc(0, radius - 0.9, centre)
    limb &= (pose.across < 3) & SHEET
    canvas = Canvas().part(limb, wood).part(limb & (np.abs(pose.along) < 3), grip, "flat")
    if arrow:
        canvas.part(small(".x/xx/.x", 1, 6), make_ramp(*METALS["steel"]), "flat")
    canvas.outline().paint(pose.band(-reach, reach, 0.6, 3) & ~limb & SHEET, STRING)
    if arrow:
        canvas.paint(rect(3, 7, 13, 7), make_ramp(*MATERIALS["wood"]).shadow)
        canvas.dots([(13, 6), (13, 8), (14, 6), (14, 8)], grip.shadow)
    return canvas, f"{a(colour)} bow with {a(grip_name)} grip" + " and an arrow" * arrow


def shield(rng):
    """A shield: form, field, rim and emblem vary."""
    form = choose(rng, SHIELDS)
    colour, field = pick(rng, COLOURS, CLOTH)
    metal, rim = pick(rng, METALS, ("gold", "steel", "iron"))
    emblem = choose(rng, (*EMBLEMS, "stripe", "bar", "boss"))
    face = rows(1, SHIELDS[form])
    inner = shrink(face)
    canvas = Canvas().part(face, rim, "edge").part(inner, field)
    canvas.paint(inner & ~shift(inner, 1, 1), field.outline)
    if emblem in EMBLEMS:
        mark(canvas, small(EMBLEMS[emblem], 5, 5 if form in ("round", "tall") else 4), rim)
    elif emblem == "boss":
        canvas.part(ellipse(7.5, 7.5, 2.6, 2.6), rim, border=True)
    else:
        canvas.part(inner & (np.abs(X - 7.5 if emblem == "stripe" else Y - 7) < 2), rim, "edge")
    return canvas.outline(), f"a {form} {colour} shield with {a(metal)} {emblem}"


def armour(rng):
    """A breastplate: metal, shoulders, belt, badge and skirt vary."""
    colours = {k: COLOURS[k] for k in ("red", "blue", "green", "purple", "black")}
    name, plate = pick(rng, METALS | {"leather": MATERIALS["leather"]} | colours)
    trim_name, trim = pick(rng, COLOURS, ("yellow", "red", "blue", "green", "white", "black"))
    canvas = Canvas().tone_art(BREASTPLATE if rng.random() < 0.5 else BREASTPLATE[:-15], plate, 1, 1)
    canvas.part(rows(11, (3,)), trim, "tall")
    extra = ""
    if rng.random() < 0.5:
        pads = canvas.painted & (Y < 7) & ((X < 4) | (X > 11))
        canvas.part(pads & (X < 8), trim).part(pads & (X > 8), trim)
        extra = " and shoulders"
    elif rng.random() < 0.5:
        canvas.paint(rows(5, (1, 2, 1)), trim.mid).dots([(7, 5), (6, 6)], trim.light)
        extra = " and badge"
    return canvas.outline(), f"{a(name)} breastplate with {a(trim_name)} belt{extra}"


def helmet(rng):
    """A helmet: visor, crest, brow band and metal vary."""
    metal, ramp = pick(rng, METALS)
    colour, feather = pick(rng, COLOURS, ("red", "blue", "purple", "green", "orange", "white"))
    crest, visor = choose(rng, ("plume", "horns", "fan")), choose(rng, ("a slit", "bars", "an open face"))
    bone, band = make_ramp(*MATERIALS["bone"]), make_ramp(*METALS["iron" if metal == "gold" else "gold"])
    canvas = Canvas()
    if crest == "plume":
        plume = small(PLUME, 5, 1)
        canvas.part(plume[:, ::-1] if rng.random() < 0.5 else plume, feather)
    elif crest == "fan":
        canvas.part(rows(1, (3, 5, 6, 6, 6)), feather)
        canvas.paint(canvas.painted & (X % 3 == 1), feather.shadow)
    else:
        canvas.part(small(HORN, 1, 2), bone).part(small(HORN, 1, 2)[:, ::-1], bone)
    canvas.part(rows(4, (3, 4, 5, 5, 5, 5, 5, 5, 5, 5, 4)), ramp, border=True)
    if visor == "a slit":
        canvas.paint(rows(9, (4, 4)), ramp.outline).paint(rect(7, 9, 8, 14), ramp.light)
        canvas.dots([(4, 12), (5, 13), (10, 13), (11, 12)], ramp.outline)
    elif visor == "bars":
        canvas.paint(rows(9, (4, 4, 4, 4)), ramp.outline).paint(rows(9, (4,) * 4) & (X % 3 == 2), ramp.light)
    else:
        canvas.paint(rows(9, (3, 3, 2, 1, 1, 1)), ramp.outline).paint(rect(7, 8, 8, 11), ramp.light)
    canvas.part(rows(8, (5,)), band, "tall")
    extra = {"plume": f"{a(colour)} plume", "horns": "horns", "fan": f"{a(colour)} crest"}[crest]
    return canvas.outline(), f"{a(metal)} helmet with {extra} and {visor}"


def ring(rng):
    """A finger ring: metal, width, stone and its form vary."""
    metal, band = pick(rng, METALS)
    colour, stone = pick(rng, COLOURS, BRIGHT)
    form, wide = choose(rng, RING_STONES), 5 + int(rng.integers(2))
    hoop = ellipse(7.5, 9.5, wide + 0.4, 5.2) & ~ellipse(7.5, 9.5, wide - 1.6, 3.4)
    canvas = Canvas().part(hoop, band)
    canvas.part(rows(1, RING_STONES[form]), stone, border=True)
    canvas.dots([(6, 2), (7, 2)] if form != "pointed" else [(6, 3), (7, 2)], WHITE)
    return canvas.outline(), f"{a(metal)} ring with a {form} {colour} gem"


def crown(rng):
    """A crown: points, metal and stones vary."""
    metal, ramp = pick(rng, METALS, ("gold", "gold", "steel", "bronze"))
    colour, stone = pick(rng, COLOURS, BRIGHT)
    form, low = choose(rng, CROWNS), int(rng.integers(2))
    points = small(CROWNS[form], 1, 3 + low)
    canvas = Canvas().part(points | rect(1, 8 + low, 14, 13), ramp, "tall")
    canvas.paint(rect(1, 9, 14, 9), ramp.light).paint(rect(1, 10, 14, 10) | rect(1, 13, 14, 13), ramp.shadow)
    canvas.part(rect(7, 11, 8, 12) | rect(3, 11, 4, 12) | rect(11, 11, 12, 12), stone, "flat")
    canvas.dots([(3, 11), (7, 11), (11, 11)], stone.light)
    if form == "ball-tipped":
        canvas.paint(points & (5 + low > Y), stone.mid)
    return canvas.outline(), f"{a(form)} {metal} crown with {colour} gems"


def key(rng):
    """A key: head, teeth, metal and pose vary."""
    pose = held(rng)
    metal, ramp = pick(rng, METALS)
    head, at, unit = choose(rng, ("round", "square", "diamond")), 7.5, pose.scale / 2**0.5
    u, v = np.abs(pose.along - at) / unit, np.abs(pose.across) / unit
    norms = {"round": np.sqrt(u * u + v * v), "square": 1.15 * np.maximum(u, v), "diamond": 0.9 * (u + v)}
    handle = (norms[head] <= 5.1) & (norms[head] > 2.4)
    places = choose(rng, ((-13, -9), (-12, -8), (-13, -10, -7)))
    teeth = [pose.band(place, place + 1, 2.2 * unit, 2.5 * unit) for place in places]
    body = (pose.rod(-13, at - 3 * unit) | handle | np.any(teeth, axis=0)) & SHEET
    return Canvas().part(body, ramp, "edge").outline(), f"{a(metal)} key with a {head} head"


def orb(rng):
    """A crystal ball on a stand: colour, stand and what shines inside vary."""
    colour, ramp = pick(rng, COLOURS, BRIGHT)
    stand_name, stand = pick(rng, STANDS)
    inside = choose(rng, ("nothing", "star", "moon", "heart", "skull"))
    canvas = Canvas().part(rows(11, (4, 4, 5, 6)), stand, "tall")
    canvas.part(ellipse(7.5, 6.5, 5.9, 5.9), ramp, border=True)
    if inside != "nothing":
        canvas.paint(small(EMBLEMS[inside], 5, 4), WHITE)
    canvas.dots([(4, 4), (5, 3), (4, 5)], WHITE)
    shown = "" if inside == "nothing" else f" with {a(inside)} inside"
    return canvas.outline(), f"{a(colour)} crystal ball{shown} on {a(stand_name)} stand"


def hat(rng):
    """A wizard's hat: tip, band and dots vary."""
    colour, cloth = pick(rng, COLOURS, ("blue", "indigo", "purple", "green", "red", "black", "teal"))
    trim_name, trim = pick(rng, COLOURS, ("yellow", "white", "orange", "pink", "lime"))
    bent, flip, dotted = rng.random() < 0.6, rng.random() < 0.5, rng.random() < 0.7
    cone = polygon((7, 1), (3, 12), (12, 12), (8, 1))
    if bent:
        cone = polygon((5, 3), (3, 12), (12, 12), (9, 4), (13, 5), (13, 4), (9, 1), (7, 1))
    cone = cone[:, ::-1] if flip else cone
    canvas = Canvas().part(ellipse(7.5, 12.5, 7.2, 2), cloth, "drop").part(cone & (Y < 12), cloth, "tall")
    canvas.part(cone & (Y > 9) & (Y < 12), trim, "tall")
    if dotted:
        canvas.dots([(6, 7), (8, 4 + int(rng.integers(2))), (9, 8)], trim.mid)
    form = ("bent " if bent else "") + ("dotted " if dotted else "")
    return canvas.outline(), f"{a(form + colour)} wizard hat with {a(trim_name)} band"


def hourglass(rng):
    """An hourglass: frame, sand and how far it has run vary."""
    name, frame = pick(rng, STANDS)
    colour, sand = pick(rng, COLOURS, ("yellow", "orange", "red", "blue", "purple", "green", "pink"))
    run = int(rng.integers(1, 4))
    inner = rows(3, (4, 4, 3, 2, 1, 1, 2, 3, 4, 4))
    canvas = Canvas().part(rows(3, (5, 5, 4, 3, 1, 1, 3, 4, 5, 5)), GLASS, "tall")
    canvas.part(inner & ((Y < 8) & (3 + run <= Y) | (12 - run < Y)), sand, "tall")
    canvas.paint(rect(7, 7, 7, 12), sand.mid)
    for y in (1, 13):
        canvas.part(rows(y, (6, 6)), frame, "tall", border=True)
    return canvas.outline(), f"{a(name)} hourglass with {colour} sand"


SPELLS = {
    family.__name__: family
    for family in (
        *(potion, book, scroll, staff, wand, gem, sword, axe, bow),
        *(shield, armour, helmet, ring, crown, key, orb, hat, hourglass),
    )
}
