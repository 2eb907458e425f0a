"""Small creatures: slime, ghost, bat, mushroom, spider."""

from .canvas import Canvas, bitmap, line, polygon, rect, rows, shift
from .creature_parts import (
    BLACK,
    DISC8,
    GLOWS,
    IVORY,
    LEAF,
    RED,
    WHITE,
    _a,
    _both,
    _choose,
    _draw,
    _eyes,
    _path,
    _variant,
)
from .palette import COLOURS, MATERIALS, jitter, make_ramp, pick


def slime(rng):
    """A jelly blob: shape, eyes, mouth and what grows on top or floats inside vary."""
    name, ramp = pick(rng, COLOURS, ("green", "teal", "blue", "pink", "purple", "lime", "orange", "red"))
    shapes = {
        "round": (2.5, 4.5, 5.5, 5.5, 6.5, 6.5, 6.5, 6.5, 6.5, 5.5),
        "pointed": (0.5, 0.5, 1.5, 3.5, 4.5, 5.5, 6.5, 6.5, 6.5, 6.5, 5.5),
        "flat": (3.5, 5.5, 5.5, 6.5, 6.5, 6.5, 6.5, 5.5),
        "tall": (2.5, 3.5, 4.5, 4.5, 5.5, 5.5, 5.5, 5.5, 5.5, 6.5, 6.5, 6.5),
    }
    shape, canvas = _choose(rng, shapes), Canvas()
    top = 14 - len(shapes[shape])
    extra = _choose(rng, ("nothing", "nothing", "two horns", "a sprout", "bubbles", "an antenna"))
    if extra == "two horns":
        canvas.part(_both(_path((4, top + 2), (3, top), (3, top - 1))), IVORY, "flat")
    elif extra == "a sprout":
        canvas.part(bitmap("11.11\n.111.\n..1..", 5, max(top - 3, 1)), LEAF)
    elif extra == "an antenna":
        canvas.part(_path((8, top), (8, top - 1), (10, max(top - 2, 1))), ramp, "flat")
    canvas.part(rows(top, shapes[shape]), ramp).outline()
    if extra == "bubbles":
        canvas.dots([(10, 12), (12, 10), (4, 12), (9, top + 2)], ramp.light)
    canvas.dots([(5, top + 2), (4, top + 3)] + [(6, top + 2)] * int(rng.integers(2)), WHITE)
    style = _choose(rng, ("small", "big", "sleepy", "happy", "angry"))
    _eyes(canvas, style, 9, 5, ramp.outline)
    mouths = (((7, 12), (8, 12)), ((6, 11), (7, 12), (8, 12), (9, 11)), ((6, 12), (7, 11), (8, 11), (9, 12)))
    canvas.dots(_choose(rng, mouths), ramp.outline)
    return canvas, f"a {shape} {name} slime with {style} eyes" + f" and {extra}" * (extra != "nothing")


def ghost(rng):
    """A floating sheet: tint, arms, hem or tail, eyes and mouth vary."""
    name = _choose(rng, ("white", "blue", "purple", "pink", "green", "yellow", "teal"))
    hue, saturation, _ = jitter(rng, COLOURS[name])
    ramp, canvas = make_ramp(hue, min(saturation * 0.32, 0.26), 0.95), Canvas()
    body = rows(1, (2.5, 3.5, 4.5, 4.5, 4.5, 4.5, 4.5, 4.5, 5.5, 5.5, 5.5))
    hem, drawing = _variant(
        rng,
        "a wavy hem/a torn hem/a wide hem/a tail",
        """
..22.222.22.. .22.22.222... .2222222222.. ...22222222..
..2...2...2.. ..2..22..2... ..22.222.22.. ......2222.22
............. ............. ............. ........2222.
""",
    )
    arms = {
        "raised": _path((3, 8), (1, 7), (1, 5)) | line(3, 7, 2, 6),
        "spread": rect(1, 8, 4, 9),
        "hidden": body,
    }
    pose = _choose(rng, arms)
    canvas.part(body | bitmap(drawing, 1, 12) | _both(arms[pose]), ramp).outline()
    style = _choose(rng, ("tall", "round", "angry", "sleepy"))
    canvas.paint(_both(rect(5, 4, 5, 6) if style == "tall" else rect(4, 4, 5, 6)), BLACK)
    if style == "angry":
        canvas.dots([(5, 4), (10, 4)], ramp.mid)
    elif style == "sleepy":
        canvas.paint(_both(rect(4, 4, 5, 5)), ramp.mid)
    elif style == "round":
        canvas.dots([(4, 4), (10, 4)], WHITE)
    mouth = _choose(rng, ("open", "smiling", "no"))
    if mouth == "open":
        canvas.paint(rect(7, 8, 8, 9 + int(rng.integers(2))), BLACK).dots([(7, 9), (8, 9)], RED)
    elif mouth == "smiling":
        canvas.dots([(6, 8), (7, 9), (8, 9), (9, 8)], BLACK)
    return canvas, f"a {name} ghost with {pose} arms, {style} eyes, {mouth} mouth and {hem}"


def bat(rng):
    """A bat seen from the front: wing pose, ears, eyes and fangs vary."""
    name, ramp = pick(rng, COLOURS, ("black", "purple", "brown", "indigo", "grey", "red", "teal"))
    pose, wing = _variant(
        rng,
        "raised/spread/lowered",
        """
3.... ..... .....
33... ..... .....
322.. .33.. ..33.
3222. 32233 .3223
32222 32222 32222
22222 22222 32222
22221 22221 22222
2.21. 2.2.1 22221
1..1. 1...1 2.221
..... ..... 2..21
..... ..... 1..1.
""",
    )
    canvas, skin = Canvas(), make_ramp(*jitter(rng, (310, 0.4, 0.5), 60)) if rng.random() < 0.4 else ramp
    for flip in (False, True):
        _draw(canvas, wing, skin, x=1, y=2, flip=flip)
    ear = _choose(rng, (((5, 6), (5, 3), (6, 6)), ((5, 6), (4, 3), (7, 5)), ((4, 6), (5, 4), (6, 5))))
    canvas.part(_both(polygon(*ear)) | rows(5, (1.5, 2.5, 2.5, 2.5, 2.5, 2.5, 1.5)), ramp, border=True)
    feet = rng.random() < 0.5
    canvas.part(_both(rect(6, 12, 6, 12)) if feet else rect(7, 12, 8, 12), ramp, "flat").outline()
    glow, tall, fangs = _choose(rng, GLOWS), int(rng.integers(2)), _choose(rng, ("short", "long"))
    canvas.paint(_both(rect(5, 8 - tall, 6, 8)), GLOWS[glow]).paint(_both(rect(6, 8, 6, 8)), BLACK)
    canvas.paint(_both(rect(6, 10, 6, 10 + (fangs == "long"))), WHITE)
    return canvas, f"{_a(name)} bat with {pose} wings, {glow} eyes and {fangs} fangs"


def mushroom(rng):
    """A walking toadstool: cap shape, spots, face and feet vary."""
    name, cap = pick(rng, COLOURS, ("red", "purple", "brown", "orange", "blue", "pink", "teal", "green"))
    caps = {
        "round": (2.5, 4.5, 5.5, 5.5, 6.5, 6.5, 6.5, 5.5),
        "pointed": (0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 6.5),
        "flat": (3.5, 5.5, 6.5, 6.5, 6.5, 5.5),
    }
    shape, feet, wide = _choose(rng, caps), rng.random() < 0.6, 3.5 + int(rng.integers(2))
    stem, top = make_ramp(*jitter(rng, MATERIALS["parchment"], 8)), 9 - len(caps[shape])
    canvas, hat = Canvas(), rows(top, caps[shape])
    canvas.part(rows(8, (wide,) * 5 + (wide - (0 if feet else 1),)), stem)
    if feet:
        canvas.part(_both(rect(4, 14, 6, 14)), make_ramp(*MATERIALS["leather"]), "flat")
    canvas.part(hat, cap, border=True).outline()
    spots, drawing = _variant(
        rng,
        "big spots/small spots/a stripe/a plain cap",
        """
...............  ...............  ...............  ...............
.......xx......  ......x........  ...............  ...............
...xx..xx......  .........x.....  ...............  ...............
...xx......xx..  ...x........x..  xxxxxxxxxxxxxxx  ...............
......xx...xx..  ......x..x.....  ...............  ...............
......xx.......  ..x.........x..  ...............  ...............
""",
    )
    canvas.paint(bitmap(drawing, 1, 2) & shift(hat, 0, 1), IVORY.mid)
    style = _choose(rng, ("small", "big", "sleepy", "happy", "angry"))
    _eyes(canvas, style, 10, 6 if style == "small" else 5)
    canvas.dots([(7, 12), (8, 12)] if rng.random() < 0.6 else [], stem.outline)
    return canvas, f"a {shape} {name} mushroom with {spots} and {style} eyes"


def spider(rng):
    """A spider: leg pose, body size, mark, number of eyes and thread vary."""
    name, ramp = pick(rng, COLOURS, ("black", "brown", "purple", "red", "grey", "green", "indigo", "orange"))
    _, mark = pick(rng, COLOURS, ("red", "yellow", "white", "lime", "pink"))
    hanging, canvas = rng.random() < 0.3, Canvas()
    canvas.part(rows(4, _choose(rng, (DISC8, (2.5, *DISC8[2:6], *DISC8[4:])))), ramp).outline()
    pattern, drawing = _variant(
        rng,
        "striped/crossed/spotted/plain",
        """
xx..xx ..xx.. ...... ......
...... .xxxx. x....x ......
.xxxx. ..xx.. ..xx.. ......
""",
    )
    canvas.paint(bitmap(drawing, 5, 5), mark.mid)
    pose, legs = _variant(
        rng,
        "arched/raised/crawling",
        """
..... .x... .....
..... x.... .....
..xx. x..x. .....
.x..x .xx.x ..xx.
x.... ..... xx..x
x.xx. x.... .....
.x..x .xxxx xxxxx
x.... ..... .....
x.xxx .xxxx xxxxx
.x... x.... .....
.x.xx ..xxx .xxxx
..x.. .x... x....
..x.. .x... .....
..... ..... .....
""",
    )
    canvas.paint(_both(bitmap(legs, 0, 1)) & ~canvas.painted, ramp.outline)
    canvas.paint(rect(7, 0, 7, 2) & hanging, (150, 154, 168))
    glow, many = _choose(rng, GLOWS), rng.random() < 0.5
    canvas.paint(
        _both(rect(5, 9, 6, 9)) if not many else _both(rect(6, 8, 6, 9) | rect(4, 8, 4, 8)), GLOWS[glow]
    )
    canvas.dots([(6, 12), (9, 12), (6, 11), (9, 11)], WHITE)
    return (
        canvas,
        f"{_a(name)} spider with a {pattern} back, {glow} eyes and {pose} legs" + " on a thread" * hanging,
    )
