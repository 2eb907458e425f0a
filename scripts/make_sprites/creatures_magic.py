"""Strange creatures: flame, carnivorous plant, floating eye, golem, skeleton."""

from .canvas import Canvas, bitmap, ellipse, rect, rows, shift
from .creature_parts import (
    BLACK,
    DISC8,
    DISC10,
    DISC12,
    GLOWS,
    IVORY,
    LEAF,
    STEEL,
    WHITE,
    WOOD,
    _a,
    _both,
    _choose,
    _draw,
    _eyes,
    _mirrored,
    _path,
    _variant,
)
from .palette import COLOURS, MATERIALS, METALS, jitter, make_ramp, pick


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
