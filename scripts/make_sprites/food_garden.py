"""Fruit and vegetables."""

import numpy as np

from .canvas import Canvas, bitmap, ellipse, grow, line, polygon, rect, rows
from .food_parts import DARK, LEAF, WHITE, between, bite, chance, inner, say, shape, soft, taper, tint, turn
from .palette import COLOURS, make_ramp, pick


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
