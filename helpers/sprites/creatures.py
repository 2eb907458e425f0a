"""Creature families of the class "non-hero": monsters and small animals.

Drawn text follows one legend: digits 0-3 are outline, shadow, middle and light of the first ramp,
4-7 of the second, 8, 9, A, B of the third; W is white and K is nearly black. Drawings that stand
side by side in one block are variants of the same part.
"""

import itertools

import numpy as np

from .canvas import SIZE, Canvas, bitmap, ellipse, line, polygon, rect, rows, shift
from .palette import COLOURS, MATERIALS, METALS, jitter, make_ramp, pick

WHITE, BLACK, RED = (255, 255, 255), (34, 28, 44), (214, 48, 60)
IVORY, LEAF = make_ramp(48, 0.08, 0.96), make_ramp(*MATERIALS["leaf"])
STEEL, WOOD = make_ramp(*METALS["steel"]), make_ramp(*MATERIALS["wood"])
GLOWS = {"red": (255, 74, 66), "yellow": (255, 222, 74), "green": (130, 246, 108), "blue": (104, 216, 255)}
# Half widths, row by row, of discs with a diameter of 8, 10 and 12 pixels.
DISC8 = (1.5, 2.5, 3.5, 3.5, 3.5, 3.5, 2.5, 1.5)
DISC10 = (1.5, 3.5, 3.5, 4.5, 4.5, 4.5, 4.5, 3.5, 3.5, 1.5)
DISC12 = (1.5, 3.5, 4.5, 4.5, 5.5, 5.5, 5.5, 5.5, 4.5, 4.5, 3.5, 1.5)


def _choose(rng, options):
    """One of several options (the keys, for a dict), all equally likely."""
    return tuple(options)[int(rng.integers(len(options)))]


def _variant(rng, names, block):
    """Choose one of the drawings that stand side by side in a block of text: its name and itself."""
    cells = zip(*(row.split() for row in block.strip().split("\n")), strict=True)
    return _choose(rng, list(zip(names.split("/"), ("\n".join(cell) for cell in cells), strict=True)))


def _draw(canvas, drawing, *ramps, x=1, y=1, flip=False):
    """Paint drawn text by the legend at the top of this module; `flip` mirrors it and its place."""
    colours = {"W": (WHITE, IVORY.outline), "K": (BLACK, BLACK)}
    for keys, ramp in zip(("0123", "4567", "89AB"), ramps, strict=False):
        colours |= {key: (tone, ramp.outline) for key, tone in zip(keys, ramp, strict=True)}
    for j, text in enumerate(drawing.strip("\n").split("\n")):
        for i, key in enumerate(text):
            column = SIZE - 1 - x - i if flip else x + i
            if key != ".":
                canvas.pixels[y + j, column], canvas.edges[y + j, column] = colours[key]
                canvas.painted[y + j, column] = True
    return canvas


def _both(mask):
    """A mask and its mirror image."""
    return mask | mask[:, ::-1]


def _path(*points):
    """One-pixel line through several points."""
    return np.any([line(*a, *b) for a, b in itertools.pairwise(points)], axis=0)


def _a(text):
    """The text with its indefinite article."""
    return ("an " if text[0] in "aeio" else "a ") + text


def _mirrored(canvas, flip):
    """The canvas, turned to face the other way if `flip`."""
    canvas.pixels = canvas.pixels[:, ::-1].copy() if flip else canvas.pixels
    return canvas


def _eyes(canvas, style, y, x=5, dark=BLACK):
    """Draw a pair of eyes, mirror images, around row y with the left eye's inner column x."""
    whites, darks = {
        "small": ((), ((x, y), (x, y + 1))),
        "big": (((x - 1, y - 1), (x - 1, y), (x - 1, y + 1), (x, y - 1)), ((x, y), (x, y + 1))),
        "sleepy": ((), ((x - 1, y + 1), (x, y + 1), (x - 2, y), (x + 1, y))),
        "happy": ((), ((x - 1, y), (x - 2, y + 1), (x, y + 1))),
        "angry": (((x - 1, y), (x - 1, y + 1)), ((x - 2, y - 1), (x - 1, y - 1), (x, y), (x, y + 1))),
    }[style]
    canvas.dots([(a, b) for p, b in whites for a in (p, 15 - p)], WHITE)
    canvas.dots([(a, b) for p, b in darks for a in (p, 15 - p)], dark)


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


def skeleton(rng):
    """A bony warrior: arms, weapon, cape, eye glow and bone tint vary."""
    bone, canvas = make_ramp(*jitter(rng, MATERIALS["bone"], 14)), Canvas()
    cloth_name, cloth = pick(rng, COLOURS, ("red", "purple", "blue", "green", "indigo"))
    cape, weapon = rng.random() < 0.35, _choose(rng, ("nothing", "a sword", "a club", "a spear"))
    if cape:
        canvas.part(rows(8, (4.5, 5.5, 5.5, 5.5, 5.5, 5.5)), cloth)
    if weapon == "a sword":
        canvas.part(rect(13, 4, 13, 10), STEEL, "flat").part(
            rect(12, 9, 14, 9), make_ramp(*METALS["gold"]), "flat"
        )
    elif weapon == "a spear":
        canvas.part(rect(13, 4, 13, 14), WOOD, "flat").part(rect(13, 2, 13, 4), STEEL, "flat")
    elif weapon == "a club":
        canvas.part(rect(13, 4, 14, 7) | rect(13, 8, 13, 11), WOOD, "tall")
    lowered, raised = _path((3, 9), (2, 10), (2, 12)), _path((3, 9), (1, 8), (1, 6))
    left = _choose(rng, (lowered, raised))
    right = _path((12, 9), (13, 10)) if weapon != "nothing" else _choose(rng, (lowered, raised))[:, ::-1]
    canvas.part(left | right, bone, "flat")
    _draw(
        canvas,
        """
..332222..
.33222221.
.32222221.
.2KK22KK1.
.2KK22KK1.
.222KK221.
..2K22K1..
...K22K...
.22222222.
..KK22KK..
..222221..
..KK22KK..
..222221..
.22K..K21.
""",
        bone,
        x=3,
    ).outline()
    glow = _choose(rng, GLOWS)
    canvas.dots([(6, 5), (9, 5)], GLOWS[glow])
    return canvas, f"a skeleton with {glow} eyes" + f" and {weapon}" * (
        weapon != "nothing"
    ) + f" in a {cloth_name} cape" * cape


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


def flame(rng):
    """A living flame: shape, direction, eyes and mouth vary."""
    name, inner = _choose(
        rng,
        (
            ("red", "orange yellow"),
            ("orange", "yellow white"),
            ("blue", "teal white"),
            ("green", "lime yellow"),
            ("purple", "pink white"),
        ),
    )
    ramps = [make_ramp(*jitter(rng, COLOURS[colour], 5)) for colour in (name, *inner.split())]
    shape, drawing = _variant(
        rng,
        "tall/forked/curled",
        """
......2....... ....2......... .....22.......
......22...... ....22...2.... ......222.....
.....222...... ...222...22... .......222....
.....2222..... ...222.2222... ...2...2222...
....22222..2.. ..222222222.2. ..22..22222.2.
.2..222622.22. ..226222262.2. ..22.222222.22
.22222662222.. .2226622662222 .222226622222.
.22226662222.. 22266666666222 .222666662222.
22226666662222 22266666666222 22266666666222
22266666666222 222666AA666622 2226666AA66622
222666AA666222 2266AAAAAA6622 22666AAAAA6622
22266AAAA66222 .266AAAAAA662. .2666AAAAA662.
.226AAAAAA622. .226AAAAAA622. .226AAAAAA622.
...22AAAA22... ...22AAAA22... ...22AAAA22...
""",
    )
    canvas = _draw(Canvas(), drawing, *ramps, flip=rng.random() < 0.5).outline()
    style = _choose(rng, ("small", "big", "angry", "happy"))
    _eyes(canvas, style, 10, 6 if style == "small" else 5)
    canvas.dots(_choose(rng, (((7, 13), (8, 13)), ((6, 12), (7, 13), (8, 13), (9, 12)), ())), BLACK)
    return canvas, f"a {shape} {name} flame with {style} eyes"


def plant(rng):
    """A carnivorous plant: jaws, colour, eye, spots, leaves and pot vary."""
    name, head = pick(rng, COLOURS, ("red", "purple", "pink", "orange", "green", "blue", "yellow"))
    leaf, canvas = make_ramp(*jitter(rng, MATERIALS["leaf"], 12)), Canvas()
    in_pot, looks, spots = rng.random() < 0.4, rng.random() < 0.5, rng.random() < 0.5
    stem = _choose(
        rng, (_path((8, 9), (8, 14)), _path((8, 9), (7, 11), (7, 14)), _path((8, 9), (9, 11), (8, 14)))
    )
    canvas.part(stem | shift(stem, 1, 0), leaf, "tall")
    _, leaves = _variant(
        rng,
        "wide/tall/low",
        """
22.........22 .22.......22. .............
222.......222 2222.....2222 .22.......22.
.2222...2222. .2222...2222. 222222.222222
...222.222... ...222.222... ..222222222..
""",
    )
    canvas.part(bitmap(leaves, 2, 11 - in_pot), leaf)
    if in_pot:
        canvas.part(rect(4, 12, 12, 12) | rect(5, 13, 11, 14), make_ramp(22, 0.62, 0.72), "tall", border=True)
    jaws, drawing = _variant(
        rng,
        "open/closed/wide open",
        """
...33222... ........... ....33222..
.333222222. ..3332222.. ..33222222.
33322222221 .3332222221 33322222221
32222222221 33222222221 32222222221
2W2W2W22221 32222222221 2W2WW222221
45455422221 22222222221 W4W44422221
2W2W2W22221 KWKWKWK2221 44455442221
22222222221 W2W2W222221 W4W44422221
.222222211. .2222222211 2W2WW222221
...11111... ...111111.. .22222211..
""",
    )
    _draw(canvas, drawing, head, make_ramp(350, 0.7, 0.55), x=2, y=0 + 1).outline()
    canvas.dots([(9, 3), (11, 4), (11, 7), (7, 2)] if spots else [], WHITE)
    if looks:
        canvas.paint(rect(6, 3, 7, 4), WHITE).dots([(6, 4)], BLACK)
    text = (
        f"{_a(name)} carnivorous plant with {jaws} jaws" + " and an eye" * looks + " and white spots" * spots
    )
    return _mirrored(canvas, rng.random() < 0.5), text + " in a pot" * in_pot


def eye(rng):
    """A floating eyeball: iris, pupil, gaze, lid, veins and what it carries vary."""
    name, iris = pick(rng, COLOURS, ("red", "green", "blue", "purple", "yellow", "orange", "teal", "pink"))
    skin_name, skin = pick(rng, COLOURS, ("purple", "green", "red", "brown", "blue", "grey", "pink"))
    extra, drawing = _variant(
        rng,
        "tentacles/horns/wings/stalks/nothing",
        """
...... 2..... 2..... ....2. ......
...... 22.... 22.2.. ....2. ......
...... 222... 22222. .2..22 ......
...... .222.. 22222. .2...2 ......
...... ..22.. .22222 .22..2 ......
...... ...... 2.222. ..22.2 ......
...... ...... ..2.2. ...222 ......
...... ...... ...... ...... ......
...... ...... ...... ...... ......
....22 ...... ...... ...... ......
.2..2. ...... ...... ...... ......
.22.22 ...... ...... ...... ......
..2..2 ...... ...... ...... ......
..2.2. ...... ...... ...... ......
""",
    )
    top, disc = {
        "horns": (3, DISC12),
        "nothing": (2, DISC12),
        "wings": (4, DISC8),
        "stalks": (5, DISC10),
    }.get(extra, (1, DISC10))
    canvas, ball, middle = Canvas(), rows(top, disc), top + len(disc) // 2 - 0.5
    canvas.part(_both(bitmap(drawing, 1, 1)), IVORY if extra == "horns" else skin)
    canvas.part(ball, make_ramp(30, 0.07, 0.97), border=True)
    canvas.dots(
        [(4, 7), (5, 6), (11, 10), (10, 11), (4, 9), (11, 6)] if rng.random() < 0.6 else [], (240, 140, 136)
    )
    wide, cx, cy = len(disc) > 8, 7 + int(rng.integers(-1, 2)), int(middle + 0.5 * int(rng.integers(3)))
    halves = (1.5, 2.5, 2.5, 2.5, 2.5, 1.5) if wide else (0.5, 1.5, 1.5, 0.5)
    canvas.part(rows(cy - 1 - wide, halves, cx + 0.5) & ball, iris, border=wide)
    pupil = _choose(rng, ("round", "slit"))
    canvas.paint(rect(cx, cy, cx + 1, cy + 1) if pupil == "round" else rect(cx, cy - 1, cx, cy + 2), BLACK)
    canvas.dots([(cx - wide, cy - 1)], WHITE)
    lid = int(rng.integers(3)) * {8: 1, 10: 1, 12: 2}[len(disc)] * (extra != "stalks")
    canvas.part(ball & rect(0, 0, 15, top + lid - 1), skin, border=True).outline()
    lid_text = f", a {skin_name} lid" if lid else ""
    return canvas, f"{_a(name)} floating eye with a {pupil} pupil{lid_text}" + f" and {extra}" * (
        extra != "nothing"
    )


def golem(rng):
    """A walking heap of rock: head, arms, rune, moss and kind of rock vary."""
    rocks = {
        "stone": (220, 0.10, 0.60),
        "clay": (22, 0.48, 0.62),
        "ice": (200, 0.30, 0.90),
        "sand": (42, 0.42, 0.82),
    }
    name, rock = pick(rng, rocks | {"lava": (350, 0.20, 0.34), "crystal": (285, 0.36, 0.74)})
    canvas, glow, pose = Canvas(), _choose(rng, GLOWS), _choose(rng, ("hanging", "raised"))
    canvas.part(_both(rect(4, 12, 6, 14)), rock, "edge")
    canvas.part(rows(5, (4.5, 4.5, 4.5, 3.5, 3.5, 3.5, 3.5, 2.5)), rock, "edge", border=True)
    fist, shoulder = rect(1, 9, 3, 12) if pose == "hanging" else rect(1, 1, 3, 4), ellipse(2.5, 6, 1.9, 2.4)
    for side in (1, -1):
        canvas.part(shoulder[:, ::side], rock, "round", border=True)
        canvas.part(fist[:, ::side], rock, "edge", border=True)
    heads = ((1, (2.5,) * 6), (2, (1.5, 2.5, 2.5, 2.5, 1.5)), (1, (0.5, 1.5, 2.5, 2.5, 2.5, 2.5)))
    canvas.part(rows(*_choose(rng, heads)), rock, "edge", border=True).outline()
    canvas.paint(rect(5, 4, 10, 4), rock.outline).dots([(6, 4), (9, 4)], GLOWS[glow])
    feature = _choose(rng, ("moss", "cracks", "a rune", "a gem"))
    if feature == "moss":
        moss = shift(~canvas.painted, 0, 2) & bitmap("x.xx.xxx.xx.xx.x\n" * 9) & rect(1, 1, 14, 9)
        canvas.paint(moss & canvas.painted & ~rect(5, 4, 10, 4), LEAF.mid)
    elif feature == "cracks":
        cracks = [(5, 8), (6, 9), (6, 10), (10, 7), (9, 8), (2, 6), (3, 7), (13, 6)]
        canvas.dots(cracks, GLOWS[glow] if name == "lava" else rock.outline)
    else:
        canvas.paint(
            bitmap(".xx.\nxxxx\n.xx." if feature == "a gem" else ".xx.\nx..x\n.xx.", 6, 8), GLOWS[glow]
        )
    return canvas, f"{_a(name)} golem with {pose} arms, {glow} eyes and {feature}"


def snake(rng):
    """A coiled snake: head or hood, pattern, tongue and tail vary."""
    name, ramp = pick(rng, COLOURS, ("green", "lime", "red", "orange", "purple", "blue", "brown", "teal"))
    _, belly = pick(rng, COLOURS, ("yellow", "white", "orange", "pink"))
    kind, drawing = _variant(
        rng,
        "snake/cobra/fanged snake",
        """
..33222... ...3322... ..33222...
.33222222. ..332222.. .33222222.
32WK222221 .32222221. 32WK222221
2222222221 32WK22KW21 2222222221
.666622221 3222222221 .WK44W2221
....66221. 3226666221 ..44442221
....62221. 2226556221 .666622221
....66221. .22666621. ....62221.
....62221. ..225521.. ....66221.
""",
    )
    canvas, pattern = Canvas(), _choose(rng, ("stripes", "diamonds", "no marks"))
    tail = _path((13, 11), (14, 9), (14, 8)) if rng.random() < 0.5 else _path((2, 11), (1, 9), (2, 8))
    canvas.part(tail, ramp, "flat")
    _draw(canvas, drawing, ramp, belly, x=3)
    canvas.part(rows(9, (3.5, 4.5, 4.5)), ramp, "drop", border=True)
    canvas.part(rows(12, (5.5, 6.5, 5.5)), ramp, "drop", border=True)
    drawn = {
        "stripes": "x..x..x..x..\n" * 5,
        "diamonds": ".x...x...x..\nxxx.xxx.xxx.\n.x...x...x..",
        "no marks": ".",
    }
    canvas.paint(
        bitmap(drawn[pattern], 2, 12 if pattern == "diamonds" else 10) & rows(10, (3.5, -1, 4.5, 6.5, 4.5)),
        belly.mid,
    )
    canvas.outline()
    if kind == "cobra":
        canvas.dots([(7, 5), (8, 6)], RED)
    else:
        canvas.dots([(2, 5), (1, 5), (0, 4), (0, 6)] if rng.random() < 0.8 else [], RED)
    return _mirrored(canvas, rng.random() < 0.5), f"{_a(name)} {kind} with {pattern}"


def crab(rng):
    """A crab: each claw, eye height, shell spots and mouth vary."""
    name, ramp = pick(rng, COLOURS, ("red", "orange", "blue", "purple", "teal", "pink", "brown"))
    canvas, claws = Canvas(), []
    for flip in (False, True):
        claw, drawing = _variant(
            rng,
            "raised/open/huge",
            """
..... 33... 33..3
3..3. 3..2. 322.2
32.2. 32.2. 32222
3222. 3222. 32221
.221. .22.. .221.
.22.. .2... .22..
.2... .22.. .22..
.22.. ..22. .222.
""",
        )
        claws.append(claw)
        _draw(canvas, drawing, ramp, flip=flip)
    text = f"{claws[0]} claws" if claws[0] == claws[1] else f"one {claws[0]} and one {claws[1]} claw"
    canvas.part(rows(8, (4.5, 5.5, 6.5, 5.5, 4.5)), ramp, border=True)
    top = 6 if "huge" in claws else 5 + int(rng.integers(2))
    canvas.paint(_both(rect(5, top, 6, top + 1)), WHITE).part(
        _both(rect(5, 7, 6, 7) & (top == 5)), ramp, "flat"
    )
    canvas.outline().paint(_both(rect(6, top + 1, 6, top + 1)), BLACK)
    legs = _path((2, 12), (1, 13), (1, 14)) | _path((5, 13), (4, 14), (4, 15))
    canvas.paint(_both(legs) & ~canvas.painted, ramp.outline)
    spots = rng.random() < 0.5
    canvas.dots([(5, 9), (10, 9), (8, 8), (3, 10), (12, 10)] if spots else [], ramp.light)
    mouths = (((6, 10), (7, 11), (8, 11), (9, 10)), ((7, 10), (8, 10)), ((6, 11), (7, 10), (8, 10), (9, 11)))
    canvas.dots(_choose(rng, mouths), ramp.outline)
    return canvas, f"{_a(name)} crab with {text}" + " and a spotted shell" * spots


def snail(rng):
    """A snail: shell pattern and size, colours, eyestalks and direction vary."""
    shell_name, shell = pick(
        rng, COLOURS, ("red", "orange", "blue", "purple", "pink", "brown", "teal", "yellow")
    )
    body_name, body = pick(rng, COLOURS, ("yellow", "lime", "brown", "grey", "pink", "orange"))
    canvas, stalks, size = Canvas(), _choose(rng, ("straight", "spread")), 4.2 + 0.5 * int(rng.integers(2))
    drawing = "22...........\n222..........\n2222.........\n22222222222..\n2222222222222\n.1222222222222"
    canvas.part(bitmap(drawing, 1, 9), body, "drop")
    tips = ((2, 5), (4, 6)) if stalks == "straight" else ((1, 5), (5, 6))
    canvas.part(line(2, 8, *tips[0]) | line(4, 9, *tips[1]), body, "flat")
    ball = ellipse(9.3, 7.3, size, size)
    lines = {
        "spiral": _path(
            (9, 12), (6, 9), (6, 6), (8, 4), (11, 5), (12, 7), (11, 9), (9, 9), (8, 8), (9, 7), (10, 7)
        ),
        "striped": line(7, 3, 7, 11) | line(10, 3, 10, 11) | line(12, 4, 12, 10),
        "spotted": bitmap("..xx...\n..xx..x\nx.....x\n...xx..\nxx.xx.x", 6, 5),
    }
    pattern = _choose(rng, ("spiral", *lines))
    canvas.part(ball, shell, border=True).paint(
        lines[pattern] & ball, shell.outline if pattern == "spiral" else IVORY.mid
    )
    canvas.outline().dots([*tips, (2, 11)], BLACK).dots([(2, 13), (3, 13)], body.outline)
    text = f"{_a(body_name)} snail with a {pattern} {shell_name} shell and {stalks} eyestalks"
    return _mirrored(canvas, rng.random() < 0.5), text


def owl(rng):
    """An owl: ear tufts, eyes, wings, belly feathers and branch vary."""
    name, ramp = pick(rng, COLOURS, ("brown", "grey", "white", "purple", "orange", "blue", "teal"))
    belly_name, belly = pick(rng, COLOURS, ("white", "yellow", "orange", "pink"))
    canvas, wings, gold = Canvas(), _choose(rng, ("folded", "spread")), make_ramp(*COLOURS["orange"])
    canvas.part(
        _both(bitmap(_choose(rng, ("2...\n22..\n222.", "22..\n222.\n2222", ".2..\n.22.\n.222")), 3, 1)), ramp
    )
    canvas.part(rows(3, (4.5,) * 8 + (3.5, 2.5)), ramp).part(ellipse(7.5, 10.5, 2.7, 2.9), belly)
    wing = (
        bitmap("22\n22\n22\n22\n.2", 2, 7) if wings == "folded" else bitmap("2..\n222\n222\n.22\n..2", 1, 7)
    )
    canvas.part(_both(wing), ramp, border=True)
    perch, look = rng.random() < 0.5, int(rng.integers(2))
    if perch:
        canvas.part(rect(2, 14, 13, 14), WOOD, "flat")
    canvas.part(_both(rect(5, 13, 6, 13)), gold, "flat").outline()
    glow = _choose(rng, GLOWS)
    canvas.part(_both(ellipse(5.5, 5.5, 1.9, 1.9)), IVORY, "flat").paint(_both(rect(5, 5, 6, 6)), GLOWS[glow])
    canvas.paint(_both(rect(5 + look, 5, 5 + look, 6)), BLACK)
    canvas.paint(rect(7, 7, 8, 8), gold.mid).dots([(8, 8)], gold.shadow)
    canvas.dots(
        [(6, 10), (9, 10), (7, 11), (8, 11), (6, 12), (9, 12)] if rng.random() < 0.6 else [], belly.shadow
    )
    text = f"{_a(name)} owl with {glow} eyes, {wings} wings and {_a(belly_name)} belly"
    return canvas, text + " on a branch" * perch


def robot(rng):
    """A robot: antenna, face, arms, panel and legs, treads or wheel vary."""
    name, ramp = pick(rng, COLOURS, ("grey", "blue", "red", "yellow", "teal", "orange", "green", "purple"))
    steel, canvas, glow = make_ramp(*METALS["iron"]), Canvas(), _choose(rng, GLOWS)
    top = _choose(rng, ("one antenna", "two antennas", "ear bolts"))
    base, lowered = _choose(rng, ("legs", "treads", "one wheel")), rng.random() < 0.5
    arm, hand = (
        (_path((3, 9), (2, 10), (2, 11)), rect(1, 12, 2, 12))
        if lowered
        else (_path((3, 9), (1, 9), (1, 7)), rect(1, 5, 1, 6))
    )
    canvas.part(_both(arm), steel, "flat").part(_both(hand), ramp, "flat")
    if base == "legs":
        canvas.part(_both(rect(5, 12, 6, 13) | rect(4, 14, 6, 14)), steel, "tall")
    elif base == "treads":
        canvas.part(rows(12, (4.5, 5.5, 4.5)), make_ramp(*COLOURS["black"]), "drop")
        canvas.dots([(4, 13), (7, 13), (8, 13), (11, 13)], steel.light)
    else:
        canvas.part(rows(12, (1.5, 1.5, 0.5)), make_ramp(*COLOURS["black"]))
    bolt, light = {
        "one antenna": (rect(7, 1, 8, 2), rect(7, 1, 8, 1)),
        "two antennas": (_both(rect(4, 1, 4, 2)), _both(rect(4, 1, 4, 1))),
        "ear bolts": (_both(rect(2, 4, 2, 6)), _both(rect(2, 5, 2, 5))),
    }[top]
    canvas.part(rect(4, 8, 11, 12), ramp, "edge").part(bolt, steel, "flat").paint(light, GLOWS[glow])
    canvas.part(rect(3, 3, 12, 7), ramp, "edge", border=True).outline().paint(rect(4, 4, 11, 6), BLACK)
    face = {
        "square eyes": _both(rect(5, 4, 6, 5)),
        "a visor": rect(5, 5, 10, 5),
        "one lens": rect(7, 4, 8, 6),
    }
    look = _choose(rng, face)
    canvas.paint(face[look], GLOWS[glow])
    panel = _choose(rng, ("xx.x\n....\nxx.x", "xxxx\nxxxx", "x.x.\n.x.x", ".xx.\n.xx."))
    canvas.paint(bitmap(panel, 6, 9), ramp.outline).dots([(6, 9)], GLOWS[glow])
    return canvas, f"{_a(name)} robot with {top}, {look} glowing {glow} and {base}"


def dragon(rng):
    """A small dragon seen from the side: wing pose, horns, back spikes and colours vary."""
    name, ramp = pick(rng, COLOURS, ("red", "green", "blue", "purple", "black", "teal", "orange", "indigo"))
    wing_name, wing = pick(rng, COLOURS, ("yellow", "orange", "white", "pink", "lime"))
    pose, drawing = _variant(
        rng,
        "raised/spread/small",
        """
...7... ....... .......
..77... ....... .......
..766.. ...777. .......
.7766.. .777666 ....77.
.76656. 7766666 ..77766
7766566 7665566 .776666
7665566 7656656 7765566
7656.66 7656.56 .656.56
.6.6..6 .6.6..6 .6..6..
""",
    )
    canvas = _draw(Canvas(), drawing, ramp, wing, x=8)
    _draw(
        canvas,
        """
...3322.......
..3322222.....
3332WK2222....
2K22222221....
2222222211....
.0W0W2221.....
...662222.....
..6622222.....
..662122221..2
..662122221.22
...662222222..
...221.1222...
..3221.3221...
""",
        ramp,
        wing,
        y=2,
    )
    horns = _choose(rng, ("two horns", "one horn", "a crest"))
    if horns == "a crest":
        canvas.paint(_path((7, 1), (10, 4)) | line(9, 6, 9, 9), wing.mid)
    else:
        canvas.part(_path((8, 2), (9, 1)) | (_path((5, 1), (6, 1)) & (horns == "two horns")), IVORY, "flat")
    text = f"{_a(name)} dragon with {pose} {wing_name} wings and {horns}"
    return _mirrored(canvas.outline(), rng.random() < 0.5), text


FAMILIES = (slime, ghost, bat, mushroom, skeleton, spider, flame, plant, eye, golem, snake, crab, snail, owl)
CREATURES = {family.__name__: family for family in (*FAMILIES, robot, dragon)}
