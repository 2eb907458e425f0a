"""Animals and machines: snake, crab, snail, owl, robot, dragon."""

from .canvas import Canvas, bitmap, ellipse, line, rect, rows
from .creature_parts import (
    BLACK,
    GLOWS,
    IVORY,
    RED,
    WHITE,
    WOOD,
    _a,
    _both,
    _choose,
    _draw,
    _mirrored,
    _path,
    _variant,
)
from .palette import COLOURS, METALS, make_ramp, pick


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
