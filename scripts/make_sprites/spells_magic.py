"""Magic things: potion, book, scroll, staff, wand, gem, ring, orb, hat, hourglass."""

import numpy as np

from .canvas import SIZE, Canvas, ellipse, grow, polygon, rect, rows, shift
from .palette import COLOURS, MATERIALS, METALS, make_ramp, pick
from .spell_parts import (
    BRIGHT,
    CLOTH,
    CROOK,
    EMBLEMS,
    FLASKS,
    GEMS,
    GLASS,
    RING_STONES,
    SHEET,
    STANDS,
    WAND_HEADS,
    WHITE,
    X,
    Y,
    a,
    choose,
    held,
    mark,
    shrink,
    small,
)


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
