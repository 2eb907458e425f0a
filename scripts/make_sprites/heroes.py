"""Heroes seen from the front ("hero") and in profile ("side-facing hero").

A hero is a profession (which hats, clothes and weapons to choose from) and a view (which sheets
of `hero_heads` and `hero_bodies` to paint them from). A profile always looks to the right.
"""

from functools import partial

from . import hero_bodies as bodies
from . import hero_heads as heads
from .canvas import Canvas
from .hero_looks import FRONT, GOWNS, SIDE, Look, View, draw_look
from .hero_professions import PROFESSIONS, Profession
from .hero_sheets import make_inks, sketch
from .hero_words import describe


def paint_head(canvas: Canvas, look: Look, inks: dict, x: int, y: int) -> None:
    """Skull and face, then hair (as far as the hat leaves it visible), beard and hat."""
    view, hidden = look.view, heads.HAT_HIDES.get(look.hat, 0)
    top = min(hidden, 4)
    sketch(canvas, view.face[top:], inks, x, y + top)
    sketch(canvas, view.hair[look.hair][hidden:], inks, x, y + hidden)
    if look.beard:
        sketch(canvas, view.beard[look.beard], inks, x, y + 7)
    if look.hat:
        sketch(canvas, view.hats[look.hat], inks, x, y)


def widen(rows: list[str]) -> list[str]:
    """A broader body: the two middle columns of each row are drawn twice."""
    return [text[:6] + text[5:7] + text[6:] for text in rows]


def paint_front_body(canvas: Canvas, look: Look, inks: dict, x: int, y: int) -> None:
    """Torso, legs and arms; the right arm reaches out where there is something to hold."""
    rows = list(look.view.body[look.body])
    if look.low:
        del rows[3 if look.body in GOWNS else 4]
    sketch(canvas, widen(rows) if look.wide else rows, inks, x - look.wide, y)
    left = bodies.LEFT_ARM["raised" if look.wave and not look.shield else "down"]
    right = bodies.RIGHT_ARM["holding" if look.item else "down"]
    sketch(canvas, left, inks, x - look.wide, y - 2)
    sketch(canvas, right, inks, x + (look.wide and not look.item), y - 2)


def paint_side_body(canvas: Canvas, look: Look, inks: dict, x: int, y: int) -> None:
    """Torso in profile on stepping legs; `paint_side` adds the near arm, over what it holds."""
    rows = list(look.view.body[look.body])
    if look.body in GOWNS:
        del rows[3 : 3 + look.low]
    else:
        rows = rows[:4] + bodies.SIDE_LEGS[look.stride][look.low :]
    sketch(canvas, rows, inks, x, y)


def paint_front(canvas: Canvas, look: Look, inks: dict) -> None:
    """A hero who looks at us."""
    x, y = 1 if look.item else 2, look.low
    if look.cape:
        sketch(canvas, look.view.cape[: 5 - look.low], inks, x, y + 9)
    paint_front_body(canvas, look, inks, x, y + 9)
    paint_head(canvas, look, inks, x, y)
    if look.item:
        sketch(canvas, look.view.items[look.item], inks, 10, y)
        sketch(canvas, ["5", "4"], inks, 12, y + 10)
    if look.shield:
        sketch(canvas, bodies.FRONT_SHIELDS[look.shield], inks, 1, y + 8)


def paint_side(canvas: Canvas, look: Look, inks: dict) -> None:
    """A hero who walks to the right."""
    x, y = 0 if look.item else 1, look.low
    if look.cape:
        sketch(canvas, look.view.cape, inks, x, y + 9)
    paint_side_body(canvas, look, inks, x, y + 9)
    paint_head(canvas, look, inks, x, y)
    reach = bodies.SIDE_ARM[bodies.REACH.get(look.item, "far")]
    if look.item:
        sketch(canvas, look.view.items[look.item], inks, 10, y)
    sketch(canvas, reach, inks, x, y + 10)
    if look.item == "shield":
        sketch(canvas, look.view.items["shield"], inks, 10, y)


def draw_hero(view: View, kind: Profession, rng) -> tuple[Canvas, str]:
    """Draw one hero of a profession in a view, with the caption."""
    look = draw_look(rng, view, kind)
    inks, canvas = make_inks(look.ramps), Canvas()
    (paint_side if view.side else paint_front)(canvas, look, inks)
    return canvas.outline(), ("side-facing " if view.side else "") + describe(look)


HEROES = {name: partial(draw_hero, FRONT, kind) for name, kind in PROFESSIONS.items()}


SIDE_HEROES = {name: partial(draw_hero, SIDE, kind) for name, kind in PROFESSIONS.items()}
