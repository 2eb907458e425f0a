"""Cake, ice cream, donut and cupcake."""

from .canvas import Canvas, bitmap, ellipse, polygon, rect, rows
from .food_parts import ICING, WHITE, between, bite, chance, say, shape, soft, tint, topping, turn
from .palette import COLOURS, pick


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
