"""Families of the class "food"."""

import numpy as np

from .canvas import Canvas, bitmap, ellipse, grow, line, polygon, rect, rows, shift
from .palette import COLOURS, MATERIALS, jitter, make_ramp, pick

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


def apple(rng):
    """Skin, width, height, stem, leaf on either side, and a bite vary."""
    name, skin = pick(rng, COLOURS, ("red", "red", "green", "lime", "yellow"))
    wide, top, mirrored = between(rng, 0, 1), between(rng, 4, 5), chance(rng)
    leaf, bitten = chance(rng, 0.7), chance(rng, 0.3)
    cy, ry = (top + 14) / 2, (14 - top) / 2 + 0.2
    body = ellipse(5.7 - wide / 2, cy, 4.4, ry) | ellipse(9.3 + wide / 2, cy, 4.4, ry)
    canvas = Canvas().part(body, skin).dots([(4, top + 2), (4, top + 3), (5, top + 2)], WHITE)
    if bitten:
        bite(canvas, body, turn(ellipse(15, cy - 0.5, 4.3, 3.2), mirrored), tint(rng, "cream"))
    canvas.part(shape("#./#./.#/.#", 6, top - 2, mirrored), tint(rng, "wood"), "flat")
    if leaf:
        canvas.part(shape(LEAF, 8, 1, mirrored), tint(rng, "leaf"), border=True)
    return canvas.outline(), say(f"{name} apple", leaf and "a leaf", bitten and "a bite taken out")


def cherries(rng):
    """Colour, two or three cherries, their heights, leaf and side vary."""
    name, skin = pick(rng, COLOURS | {"dark red": (348, 0.80, 0.55)}, ("red", "red", "dark red", "pink"))
    three, leaf, mirrored, high = chance(rng, 0.3), chance(rng, 0.7), chance(rng), between(rng, 0, 2)
    spots = [(3.5, 10.5 - high, 2.7), (11.5, 10.5, 2.7), (7.5, 11.5, 2.7)]
    spots = spots if three else [(4.4, 10.7 - high, 3.5), (10.6, 10.7, 3.5)]
    canvas, stem = Canvas(), tint(rng, "stem")
    for cx, cy, r in spots:
        canvas.part(turn(ellipse(cx, cy, r, r), mirrored), skin, border=True)
        canvas.dots([(int(15 - cx if mirrored else cx) - 1, int(cy) - 1)], WHITE)
    if leaf:
        canvas.part(shape(".####./######/.#####/...##.", 9, 1, mirrored), tint(rng, "leaf"))
    canvas.outline()
    for cx, cy, r in spots:
        canvas.paint(turn(line(cx, cy - r + 0.5, 8, 2), mirrored), stem.shadow)
    canvas.paint(turn(rect(7, 1, 8, 1), mirrored), stem.outline)
    return canvas, f"{'three' if three else 'two'} {name} cherries" + (" with a leaf" if leaf else "")


BANANA = (
    "...........##./...........##./...........##./...........###/...........###/..........####/.........#####/"
    "........######/......#######./###########../###########.../.#########..../...#####......"
)


def banana(rng):
    """One, a bunch or a peeled one; ripeness, spots and side vary."""
    ripeness = {"yellow": (48, 0.78, 0.96), "golden": (42, 0.78, 0.92), "green": (66, 0.68, 0.84)}
    name, skin = pick(rng, ripeness, ("yellow", "yellow", "yellow", "golden", "green"), hue=3)
    kind, mirrored, canvas, wood = between(rng, 0, 2), chance(rng), Canvas(), tint(rng, "wood")
    if kind == 2:
        canvas.part(rows(between(rng, 1, 2), [1.5] + [2.5] * 8), soft(tint(rng, "crumb")), "tall")
        flaps = "....#....#..../...##....##.../.#####..#####./######..######/##..######..##/#...######...#"
        canvas.part(shape(flaps + "/#....####....#/......##", 1, 6), skin, "round", border=True)
        canvas.paint(rect(7, 14, 8, 14), wood.shadow)
        return canvas.outline(), f"a peeled {name} banana"
    if kind == 1:
        back = ellipse(2.6, 1.8, 7.6, 8.4) & ~ellipse(-0.4, 0.6, 7.2, 6.6) & rect(2, 1, 12, 10)
        canvas.part(turn(back, mirrored), skin, "edge")
    canvas.part(shape(BANANA, 1, 1, mirrored), skin, "edge", border=True)
    canvas.part(turn(rect(12, 1, 13, 2), mirrored), tint(rng, "stem"), "flat")
    canvas.paint(turn(rect(1, 10, 1, 11), mirrored), wood.shadow)
    if spots := chance(rng, 0.4):
        canvas.paint(shape("...#/..#./#.../", 9, 7, mirrored) | shape("#.#", 5, 11, mirrored), wood.mid)
    return canvas.outline(), say(f"{'bunch of ' * kind}{name} banana{'s' * kind}", spots and "brown spots")


def strawberry(rng):
    """Width, length, seeds, leaves, a stalk and a chocolate dip vary."""
    name, skin = pick(rng, COLOURS, ("red", "red", "red", "pink"))
    wide, dipped, stalk, phase = between(rng, 0, 1), chance(rng, 0.25), chance(rng), between(rng, 0, 1)
    halves = [3.5, 5.5, 5.5, 5.5, 5.5, 4.5, 4.5, 3.5, 2.5, 1.5] + [0.5] * between(rng, 0, 1)
    body = rows(4, [half + wide for half in halves[:-1]] + halves[-1:])
    canvas = Canvas().part(body, skin)
    if dipped:
        canvas.part(body & (rect(0, 10, 15, 15) | bitmap("##..###..##..###", 0, 9)), tint(rng, "chocolate"))
    seeds = [
        (x, y) for y in range(7, 9 if dipped else 14, 2) for x in range(2 + (y // 2 + phase) % 2 * 2, 14, 4)
    ]
    canvas.dots([point for point in seeds if inner(body)[point[::-1]]], (255, 236, 160))
    crown = ("...##.../.######./##.##.##/#..##..#", "..#..#../#.####.#/.######./..#..#..")[phase]
    canvas.part(shape(crown, 4, 2), tint(rng, "leaf"), "drop", border=True)
    if stalk:
        canvas.part(shape("#/#", 8, 1, phase), tint(rng, "stem"), "flat")
    return canvas.outline(), say(f"{name} strawberry", stalk and "a stalk", dipped and "a chocolate dip")


def grapes(rng):
    """Colour, the number of grapes in each row, leaf and side vary."""
    name, skin = pick(rng, COLOURS, ("purple", "purple", "green", "lime", "indigo", "red"))
    layout = ((2, 3, 2, 1), (3, 2, 1), (3, 2, 3, 2), (3, 2, 1, 2), (2, 3, 2))[between(rng, 0, 4)]
    leaf, mirrored, canvas, top = chance(rng, 0.7), chance(rng), Canvas(), 2 if len(layout) == 4 else 4
    canvas.part(turn(line(7, top, 6, 1) | rect(6, 1, 8, 1), mirrored), tint(rng, "wood"), "flat")
    for row in range(len(layout) - 1, -1, -1):
        for x in range(8 - 2 * layout[row], 8 + 2 * layout[row], 4):
            canvas.part(shape(".##./####/####/.##.", x, top + 3 * row), skin, border=True)
            canvas.dots([(x + 1, top + 3 * row + 1)], WHITE)
    if leaf:
        canvas.part(shape("..##./#####/.####", 8, top - 1, mirrored), tint(rng, "leaf"), border=True)
    return canvas.outline(), say(f"bunch of {name} grapes", leaf and "a leaf")


def watermelon(rng):
    """Half a disc or a wedge, level or tilted; flesh, seeds and bites vary."""
    name, flesh = pick(rng, COLOURS | {"red": (354, 0.70, 0.90)}, ("red", "red", "pink"))
    kind, mirrored, rind = between(rng, 0, 2), chance(rng), tint(rng, "rind")
    below = (rect(0, 4, 15, 15), polygon((15, -3), (15, 15), (-3, 15)), polygon((7.5, 1), (15, 14), (0, 14)))[
        kind
    ]
    discs = (
        [ellipse(7.5, 4.2, r, r + 2) for r in (6.9, 5.6, 4.8)],
        [ellipse(6, 6, r, r) for r in (8.6, 7.2, 6.2)],
        [ellipse(7.5, 2, 11, r) for r in (12.4, 9.9, 8.8)],
    )[kind]
    outer, pale, red = (turn(disc & below, mirrored) for disc in discs)
    canvas = Canvas().part(outer, rind).part(pale, make_ramp(84, 0.28, 0.94), "flat").part(red, soft(flesh))
    seeds = [(x, y) for y in range(3, 13, 3) for x in range(2 + y % 2 * 2, 14, 4)]
    seeds = [(x, y) for x, y in seeds if red[y, x] and chance(rng, 0.85)]
    canvas.dots(seeds, DARK)
    bitten = kind != 1 and chance(rng, 0.3)
    if bitten:
        bite(
            canvas,
            outer,
            turn(ellipse(11, 3.5, 2.3, 2.4) if kind == 0 else ellipse(12, 6.5, 2.6, 2), mirrored),
        )
    text = f"{'wedge' if kind == 2 else 'slice'} of {name} watermelon"
    return canvas.outline(), say(text, seeds and "seeds", bitten and "a bite taken out")


def carrot(rng):
    """Colour, slant, thickness, leaves, ridges and side vary."""
    name, skin = pick(rng, COLOURS, ("orange", "orange", "orange", "orange", "yellow"))
    slant, mirrored, leaf, many = between(rng, 0, 2), chance(rng), tint(rng, "leaf"), chance(rng)
    tip, x, y = (7.5, 4.3, 2.0)[slant], (7.5, 8.5, 9.0)[slant], (8.0, 7.6, 7.0)[slant]
    axis, tops = np.array([x - tip, y - 14]) / np.hypot(x - tip, y - 14), np.zeros((16, 16), dtype=bool)
    for angle in (-0.75, -0.25, 0.25, 0.75) if many else (-0.5, 0.1, 0.6):
        away = axis * np.cos(angle) + axis[::-1] * (1, -1) * np.sin(angle)
        tops |= taper(x, y, x + 7.2 * away[0], y + 7.2 * away[1], 0.5, 0.9)
    canvas = Canvas().part(turn(tops & rect(1, 1, 14, 14), mirrored), leaf)
    body = taper(tip, 13.5, x, y, 0.7, 2.9 + 0.8 * rng.random())
    canvas.part(turn(body, mirrored), skin, border=True)
    for t, side in ((0.25, 1), (0.5, -1), (0.72, 1), (0.95, -1)):
        cx, cy = tip + t * (x - tip), 13.5 + t * (y - 13.5)
        mark = line(cx, cy, cx - 2 * side * axis[1], cy + 2 * side * axis[0])
        canvas.paint(turn(mark & body, mirrored), skin.shadow)
    return canvas.outline(), say(f"{name} carrot", "bushy green leaves" if many else "green leaves")


def bread(rng):
    """A loaf, a slice with or without spread, or a baguette; size, cuts and side vary."""
    crust, crumb, canvas = tint(rng, "crust"), soft(tint(rng, "crumb")), Canvas()
    kind, mirrored, cuts, plain = between(rng, 0, 2), chance(rng), between(rng, 2, 3), chance(rng, 0.35)
    if kind == 0:
        high = between(rng, 3, 4)
        canvas.part(ellipse(7.5, high + 4.5, 6.9, 4.6) | rect(1, 9, 14, 12) | rect(2, 13, 13, 13), crust)
        for x in (3, 6, 9) if cuts == 3 else (4, 8):
            canvas.paint(turn(line(x + 1, high + 2, x + 3, high + 5), mirrored), crust.outline)
            canvas.paint(turn(line(x, high + 2, x + 2, high + 5), mirrored), crumb.mid)
        return canvas.outline(), f"a loaf of bread with {('two', 'three')[cuts - 2]} cuts"
    if kind == 1:
        slab = rows(2, [4.5, 6.5, 6.5, 6.5, 5.5] + [5.5] * 8)
        canvas.part(slab, crust).part(inner(slab), crumb, "edge")
        name, spread = pick(rng, ICING, ("red", "purple", "yellow", "brown", "orange"))
        text = {"yellow": "butter", "brown": "chocolate spread"}.get(name, f"{name} jam")
        blob = shape(".####.##/########/########/#######./.######./.##.###/.....#", 4, 4, mirrored)
        canvas.part(shape("#...#/...../..#.../#...#", 5, 5) if plain else blob, crumb if plain else spread)
        return canvas.outline(), say("slice of bread", not plain and text)
    wide = 2.5 + 0.5 * rng.random()
    canvas.part(turn(taper(3, 12, 7, 8, 1.5, wide) | taper(12, 3, 8, 7, 1.5, wide), mirrored), crust)
    for t in np.linspace(4.5, 11, cuts + 1):
        canvas.paint(turn(line(t - 1, 14 - t, t + 1, 15 - t), mirrored), crumb.mid)
    return canvas.outline(), f"a baguette with {('three', 'four')[cuts - 2]} cuts"


def cheese(rng):
    """Colour, height, holes, rind and side vary."""
    colours = {"yellow": STUFF["cheese"], "orange": (32, 0.76, 0.96), "pale yellow": (48, 0.44, 0.97)}
    name, ramp = pick(rng, colours, ("yellow", "yellow", "orange", "pale yellow"))
    wax, rind = pick(rng, COLOURS, ("red", "red", "brown", "green"))
    low, mirrored, waxed, holes = between(rng, 12, 13), chance(rng), chance(rng, 0.4), 0
    side = rect(1, 8, 14, low)
    canvas = (
        Canvas()
        .part(turn(side, mirrored), ramp, "flat")
        .paint(turn(rect(1, low, 14, low), mirrored), ramp.shadow)
    )
    top = polygon((1, 7), (10, 2), (13, 3), (14, 7))
    canvas.part(turn(top, mirrored), ramp._replace(mid=ramp.light), "flat")
    for x, y, r in (
        (4, low, 1.6),
        (9.5, 10.5, 1.6),
        (13, low - 1.5, 1.3),
        (6, 9, 1.0),
        (9, 5, 1.1),
        (1, 9, 1.1),
    ):
        if chance(rng, 0.7) and not (waxed and x > 11):
            holes += 1
            hole = turn(ellipse(x, y, r, r) & (side | top), mirrored)
            canvas.paint(hole, ramp.shadow).paint(
                hole & ~shift(hole, 0, 1) & ~shift(hole, 1, 0), ramp.outline
            )
    if waxed:
        canvas.part(turn((top | side) & ~shift(top | side, -2, 0), mirrored), rind, "drop")
    return canvas.outline(), say(f"wedge of {name} cheese", holes and "holes", waxed and f"a {wax} rind")


def egg(rng):
    """Shape of the white, one or two yolks, and a pan vary."""
    white, yolk, canvas = make_ramp(*jitter(rng, (44, 0.05, 0.98))), soft(tint(rng, "yolk")), Canvas()
    pan, mirrored = chance(rng, 0.35), chance(rng)
    two = not pan and chance(rng, 0.35)
    x, y, r = (6.5, 6.5, 3.7) if pan else (7.5, 7.5, 5.4)
    if pan:
        canvas.part(turn(line(10, 10, 14, 14, 2.2), mirrored), tint(rng, "wood"))
        canvas.part(
            turn(ellipse(x, y, 5.7, 5.7), mirrored), make_ramp(*jitter(rng, COLOURS["black"])), "edge"
        )
    blob = ellipse(x, y, r, r - 0.6)
    for dx, dy in ((-0.6, -0.4), (0.5, -0.5), (-0.4, 0.5), (0.6, 0.4)):
        bump = 0.35 + 0.35 * rng.random()
        blob |= ellipse(x + dx * r, y + dy * r, r * bump + 0.6, r * bump + 0.4)
    canvas.part(turn(blob & rect(1, 1, 14, 14), mirrored), white, "edge", border=True)
    x, r = 15 - x if mirrored else x, 2.2 if two or pan else 3
    for dx, dy in ((-2.5, 1), (2.5, -1)) if two else ((0, 0),):
        canvas.part(ellipse(x + dx, y + dy, r, r), yolk)
        canvas.dots([(int(x + dx - r / 3), int(y + dy - r / 3))], WHITE)
    return canvas.outline(), say("fried egg", two and "two yolks") + " in a black pan" * pan


def fish(rng):
    """Colour, depth, tail, stripes and side vary; some are grilled."""
    name, skin = pick(rng, COLOURS, ("blue", "teal", "orange", "grey", "pink", "green"))
    mirrored, deep, canvas, striped = chance(rng), 3.4 + 1.4 * rng.random(), Canvas(), chance(rng)
    if grilled := chance(rng, 0.25):
        name, skin, striped = "grilled brown", tint(rng, "crust"), False
    tail = polygon((10, 8), (14, 4), (13, 8), (14, 12)) if chance(rng) else polygon((9, 8), (14, 4), (14, 12))
    fins = polygon((5, 5), (8, 2), (10, 3), (10, 6)) | polygon((6, 11), (9, 13), (9, 10))
    body = ellipse(6, 8, 5.3, deep)
    canvas.part(turn(tail | fins, mirrored), skin._replace(mid=skin.shadow, light=skin.mid))
    canvas.part(turn(body, mirrored), skin, "drop")
    belly = body & ~shift(body, 0, -3) & rect(3, 9, 12, 14)
    canvas.paint(turn(belly, mirrored), skin.light if grilled else (250, 240, 222))
    if striped or grilled:
        marks = line(7, 5, 6, 10) | line(9, 5, 8, 10) if grilled else line(7, 5, 6, 8) | line(10, 6, 9, 9)
        canvas.paint(turn(marks & body, mirrored), skin.outline if grilled else skin.light)
    canvas.paint(turn(line(5, 7, 5, 9), mirrored), skin.shadow)
    canvas.paint(turn(rect(2, 6, 3, 7), mirrored), WHITE).paint(turn(rect(2, 7, 2, 7), mirrored), DARK)
    return canvas.outline(), say(f"{name} fish", striped and "stripes", grilled and "grill marks")


def meat(rng):
    """A drumstick, a joint with bone at both ends, or a raw steak; size and side vary."""
    kind, mirrored, canvas, bone = between(rng, 0, 2), chance(rng), Canvas(), tint(rng, "bone")
    name, roast = pick(rng, {"brown": STUFF["roast"], "golden brown": (30, 0.72, 0.80)})
    if kind == 2:
        slab = ellipse(6.5, 6.5, 5.6, 5) | ellipse(10.5, 10, 3.9, 4.2) | ellipse(5, 8.5, 3.6, 4)
        fat, raw = tint(rng, "fat"), soft(tint(rng, "raw"))
        canvas.part(turn(slab, mirrored), fat, "edge").part(turn(inner(slab), mirrored), raw)
        canvas.part(turn(ellipse(6, 6.5, 1.6, 1.6), mirrored), bone, "flat", border=True)
        canvas.paint(turn(line(9, 8, 11, 11) | line(5, 10, 7, 11), mirrored), fat.light)
        return canvas.outline(), "a raw red steak with a bone"
    if kind == 1:
        wide, high = 4.3 + 0.6 * rng.random(), 4.6 + 1.4 * rng.random()
        knob = shape("##/###/.####/.####/###/##", 1, 5)
        canvas.part(knob | knob[:, ::-1], bone, "drop")
        canvas.part(ellipse(7.5, 7.5, wide, high), roast, border=True)
        canvas.paint(shape("#..#/#..#", 8, 8, mirrored), roast.outline).dots(
            [(5, 5), (6, 4)], (255, 226, 190)
        )
        return canvas.outline(), f"a {name} joint of meat on the bone"
    big = 4.1 + 0.7 * rng.random()
    canvas.part(turn(taper(3, 12, 7, 8, 1, 1), mirrored), bone)
    canvas.part(shape(".##../.###./####./.####/..##.", 1, 10, mirrored), bone)
    canvas.part(turn(taper(6, 9, 14 - big, 1 + big, 1.6, big), mirrored), roast, border=True)
    x = round(1 + 0.6 * big if mirrored else 14 - 1.6 * big)
    canvas.dots([(x, round(0.5 * big) + 1), (x - 1, round(0.5 * big) + 2)], (255, 226, 190))
    return canvas.outline(), f"a {name} drumstick"


def cake(rng):
    """Icing, sponge, number of layers, topping, drips and side vary."""
    name, icing = pick(rng, ICING, ("pink", "white", "brown", "red", "teal", "purple"))
    flavour, sponge = pick(rng, {"yellow": (42, 0.50, 0.94), "brown": (20, 0.54, 0.50)})
    mirrored, filling = chance(rng), tint(rng, "raw" if name == "white" else "cream")
    canvas = Canvas().part(rect(1, 7, 14, 14), sponge, "flat")
    for y in (9, 12) if chance(rng) else (10, 11):
        canvas.part(rect(1, y, 14, y), filling, "flat")
    drips = (".##...#.##", "#..##..#", "..#.##...#")[between(rng, 0, 2)]
    canvas.part(
        turn(rect(1, 7, 14, 7) | rect(13, 7, 14, 14), mirrored) | shape(drips, 1, 8, mirrored), icing, "flat"
    )
    top = turn(polygon((1, 7), (8, 4), (14, 4), (14, 7)), mirrored)
    canvas.part(top, icing._replace(mid=icing.light), "flat")
    extra = topping(rng, canvas, 5 if mirrored else 10, 4)
    return canvas.outline(), say(f"slice of {flavour} cake", f"{name} icing", extra)


def ice_cream(rng):
    """A cone with one or two scoops, or a lolly on a stick; flavours, topping and bite vary."""
    name, first = pick(rng, ICING, ("pink", "brown", "white", "yellow", "teal", "blue", "green"))
    other, second = pick(rng, ICING, ("pink", "brown", "white", "yellow", "teal", "red"))
    canvas, kind, waffle, mirrored = Canvas(), between(rng, 0, 3), tint(rng, "waffle"), chance(rng)
    if kind == 3:
        body, bitten = ellipse(7.5, 5, 4.3, 4.2) | rect(4, 5, 11, 10), chance(rng)
        canvas.part(rect(7, 11, 8, 14), tint(rng, "bread"), "tall").part(body, soft(first))
        canvas.paint(rect(6, 4, 6, 9) | rect(9, 4, 9, 9), first.shadow)
        if bitten:
            bite(canvas, body, turn(ellipse(11, 1, 3.4, 2.9), mirrored), soft(first))
        return canvas.outline(), say(f"{name} ice lolly", "a stick", bitten and "a bite taken out")
    cone = polygon((3, 8), (12, 8), (8, 14), (7, 14))
    canvas.part(cone, waffle)
    weave = [(x, y) for y in range(8, 15) for x in range(16) if cone[y, x] and (x + y) % 3 == 0]
    canvas.dots(weave, waffle.shadow)
    scoops = (
        [(7.5, 5.6, 5.3, 4)],
        [(7.5, 3.6, 3.3, 2.8), (7.5, 7, 4.8, 2.8)],
        [(4.6, 5.6, 3.6, 3.4), (10.4, 5.6, 3.6, 3.4)],
    )
    for (x, y, rx, ry), ramp in list(zip(scoops[kind], (first, second), strict=False))[::-1]:
        canvas.part(ellipse(x, y, rx, ry), ramp, border=True).dots(
            [(int(x - rx / 2), int(y - ry / 2) + 1)], WHITE
        )
    canvas.part(shape("#.##..#", 4, 9, mirrored), second if kind == 1 else first, "flat")
    extra = topping(rng, canvas, 7.5, 4 if kind == 2 else 3) if kind != 1 else ""
    flavours = name if kind == 0 or other == name else f"{name} and {other}"
    return canvas.outline(), say(f"{flavours} ice cream cone", "two scoops" if kind else "one scoop", extra)


def pizza(rng):
    """Where the tip points, topping, basil and a drip of cheese vary."""
    melted, crust, tip, canvas = tint(rng, "cheese"), tint(rng, "crust"), between(rng, 4, 11), Canvas()
    body = polygon((1, 3), (14, 3), (tip, 14))
    canvas.part(body, soft(melted), "tall").paint(body & rect(0, 4, 15, 4), melted.shadow)
    canvas.part(rows(1, [4.5, 6.5, 6.5]), crust, "drop")
    name, ramp = pick(
        rng, {"pepperoni": (4, 0.74, 0.76), "olives": (250, 0.2, 0.28), "tomatoes": (10, 0.82, 0.92)}
    )
    radius = 1.1 if name == "olives" else 1.5
    for x, y in [(4.5, 6), (10, 6), (7, 10), (7, 5)][: between(rng, 2, 3) + (name == "olives")]:
        x = round(x + (tip - 7.5) * (y - 3) / 11)
        canvas.part(ellipse(x, y, radius, radius) & body, ramp, "flat").dots([(x, y - 1)], ramp.light)
    basil, drip = chance(rng), chance(rng)
    if basil:
        x = round(7 + (tip - 7.5) / 3)
        canvas.dots([(x, 7), (x + 1, 7), (x + 1, 8), (x, 12)], (52, 140, 62))
    if drip:
        canvas.part(rect(12, 4, 12, 8) if tip < 8 else rect(3, 4, 3, 8), melted, "flat")
    return canvas.outline(), say("slice of pizza", name, basil and "basil", drip and "dripping cheese")


def burger(rng):
    """Bun, seeds and the layers between the halves vary."""
    bun, layers = tint(rng, "waffle"), [name for name in ("lettuce", "tomato", "cheese") if chance(rng, 0.65)]
    layers = layers or ["lettuce"]
    double, seeds = len(layers) < 3 and chance(rng), chance(rng, 0.7)
    top = (6 - len(layers) - 2 - 2 * double) // 2 + 1
    y = top + 5 + len(layers)
    canvas = Canvas().part(rows(y + 2 + 2 * double, [6.5, 6.5, 5.5]), bun, "drop")
    for row in (y, y + 2)[: 1 + double]:
        canvas.part(rows(row, [5.5, 6.5]), tint(rng, "patty"), "drop")
    hanging = {
        "lettuce": "##.###.##.##.#",
        "tomato": ".####....####.",
        "cheese": ".######.###./..####...#./...##.....",
    }
    for i, name in list(enumerate(layers))[::-1]:
        canvas.part(rows(top + 5 + i, [6.5]) | shape(hanging[name], 1, top + 6 + i), tint(rng, name), "flat")
    canvas.part(rows(top, [3.5, 5.5, 6.5, 6.5, 6.5]), bun).paint(rows(top + 4, [6.5]), bun.shadow)
    if seeds:
        canvas.dots([(5, top + 1), (8, top), (10, top + 2), (7, top + 2), (3, top + 3)], (255, 246, 214))
    return canvas.outline(), say("double burger" if double else "burger", *layers, seeds and "sesame seeds")


def donut(rng):
    """Icing, tilt, hole, sprinkles and a bite vary."""
    name, icing = pick(rng, ICING, ("pink", "brown", "white", "teal", "purple", "yellow", "red"))
    dough, canvas, flat = tint(rng, "crust"), Canvas(), between(rng, 0, 1)
    body, hole = ellipse(7.5, 7.5, 6.9, 6.9 - flat), ellipse(7.5, 7.5 - flat, 2.3, 2.3 - flat / 5)
    canvas.part(body & ~hole, dough).part(ellipse(7.5, 7 - flat / 2, 6.1, 5.7 - flat) & ~hole, soft(icing))
    sprinkled, bitten = chance(rng, 0.65), chance(rng, 0.3)
    tints = [WHITE, (250, 210, 70), (90, 190, 240), (230, 70, 90), (110, 205, 100)]
    for x, y in [
        (4, 4),
        (7, 3),
        (11, 4),
        (3, 7),
        (12, 7),
        (4, 10),
        (7, 11),
        (10, 10),
        (9, 3),
        (11, 9),
    ] * sprinkled:
        canvas.dots([(x, y)] * chance(rng, 0.75), tints[between(rng, 0, 4)])
    if bitten:
        bite(canvas, body & ~hole, turn(ellipse(13.6, 3, 3.3, 3.3), chance(rng)), soft(tint(rng, "crumb")))
    return canvas.outline(), say(
        "donut", f"{name} icing", sprinkled and "sprinkles", bitten and "a bite taken out"
    )


def cupcake(rng):
    """Frosting, wrapper, topping and sprinkles vary."""
    name, cream = pick(rng, ICING, ("pink", "white", "brown", "teal", "purple", "blue", "yellow"))
    paper, wrap = pick(rng, COLOURS, ("red", "blue", "yellow", "green", "purple", "brown", "pink"))
    canvas, cup, sprinkled = Canvas(), rows(9, [5.5, 5.5, 5.5, 4.5, 4.5, 4.5]), chance(rng)
    canvas.part(cup, wrap, "tall").paint(cup & bitmap("\n".join([".#" * 8] * 16)), wrap.shadow)
    for y, half in ((7, 6.6), (5, 4.9), (3, 3.1)):
        canvas.part(ellipse(7.5, y + 0.5, half, 1.9), soft(cream), border=True)
    if sprinkled:
        canvas.dots(
            [(5, 6), (10, 8), (3, 8), (8, 4), (10, 6), (7, 8)],
            (240, 84, 120) if name == "yellow" else (250, 212, 80),
        )
    extra = topping(rng, canvas, 7.5, 3)
    return canvas.outline(), say(
        f"cupcake in a {paper} wrapper", f"{name} frosting", sprinkled and "sprinkles", extra
    )


def pumpkin(rng):
    """Tint, width, height, stem, leaf, side and a carved face vary."""
    name, skin = pick(
        rng, COLOURS | {"green": (112, 0.56, 0.50)}, ("orange", "orange", "orange", "orange", "green")
    )
    top, wide, mirrored, leaf = between(rng, 4, 5), between(rng, 0, 1), chance(rng), chance(rng)
    cy, ry, canvas = (top + 14) / 2, (14 - top) / 2 + 0.2, Canvas()
    for dx, rx, low in ((3.6 + wide / 2, 2.9, 0.8), (2, 3, 0.3), (0, 2.3, 0)):
        for cx in (7.5 + dx, 7.5 - dx):
            canvas.part(ellipse(cx, cy, rx, ry - low), skin)
        if dx < 3:
            lobe = ellipse(7.5 - dx, cy, rx, ry - low) | ellipse(7.5 + dx, cy, rx, ry - low)
            canvas.paint(grow(lobe) & ~lobe & canvas.painted, skin.shadow)
    carved = name == "orange" and chance(rng, 0.3)
    if carved:
        face = shape("..#....#../.##....##./........../#.#.##.#.#/.########./..#.##.#..", 3, top + 3)
        canvas.paint(face, skin.outline)
    canvas.part(shape("##./.##/.##", 6, top - 3, mirrored), tint(rng, "stem"), border=True)
    if leaf:
        canvas.part(shape("..##./#####/####.", 9, top - 2, mirrored), tint(rng, "leaf"), border=True)
    return canvas.outline(), say(f"{name} pumpkin", "a stem", leaf and "a leaf", carved and "a carved face")


def broccoli(rng):
    """Green, number and places of the florets, stalk and side vary."""
    green, stalk, mirrored, canvas = tint(rng, "broccoli"), soft(tint(rng, "stalk")), chance(rng), Canvas()
    thick, many = 1.4 + 0.6 * rng.random(), chance(rng)
    stem = taper(7.5, 13, 7.5, 9, thick, thick) | taper(7.5, 12, 4, 8, 1, 1) | taper(7.5, 12, 11, 8, 1, 1)
    canvas.part(turn(stem, mirrored), stalk, "tall")
    florets = (
        [(3.6, 6.6), (11.4, 6.4), (7.5, 7.4), (5.4, 4), (9.8, 4)] if many else [(4, 6.5), (11, 6), (7.2, 4.4)]
    )
    for x, y in florets:
        x, y, r = x + 0.6 * rng.random() - 0.3, y + 0.6 * rng.random() - 0.3, (2.7 if many else 3.3)
        canvas.part(turn(ellipse(x, y, r, r) & rect(1, 1, 14, 14), mirrored), green, border=True)
        canvas.dots(
            [(int(15 - x if mirrored else x) + dx, int(y) + dy) for dx, dy in ((1, 0), (0, 2), (-1, 1))],
            green.shadow,
        )
    return canvas.outline(), say("green broccoli floret", "a thick stalk" if thick > 1.7 else "a stalk")


FAMILIES = (apple, cherries, banana, strawberry, grapes, watermelon, carrot, bread, cheese, egg)
FAMILIES += (fish, meat, cake, ice_cream, pizza, burger, donut, cupcake, pumpkin, broccoli)
FOOD = {family.__name__: family for family in FAMILIES}
