"""Bread, cheese, egg, fish, meat, pizza and burger."""

import numpy as np

from .canvas import Canvas, ellipse, line, polygon, rect, rows, shift
from .food_parts import DARK, ICING, STUFF, WHITE, between, chance, inner, say, shape, soft, taper, tint, turn
from .palette import COLOURS, jitter, make_ramp, pick


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
