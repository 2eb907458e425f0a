"""Gear: sword, axe, bow, shield, armour, helmet, crown, key."""

import numpy as np

from .canvas import Canvas, ellipse, rect, rows, shift
from .palette import COLOURS, MATERIALS, METALS, make_ramp, pick
from .spell_parts import (
    BREASTPLATE,
    BRIGHT,
    CLOTH,
    CROWNS,
    EMBLEMS,
    HORN,
    PLUME,
    SHEET,
    SHIELDS,
    STRING,
    Pose,
    X,
    Y,
    a,
    choose,
    held,
    mark,
    shrink,
    small,
)


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
