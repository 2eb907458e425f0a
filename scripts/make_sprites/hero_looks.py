"""What one hero looks like: the draw of its parts, materials and colours."""

from typing import NamedTuple

from . import hero_bodies as bodies
from . import hero_heads as heads
from .hero_professions import CLOTH_COLOURS, WOMEN, Profession
from .palette import COLOURS, MATERIALS, METALS, SKINS, Ramp, jitter, make_ramp, pick

NATURAL_HAIR = ("red", "orange", "yellow", "brown", "brown", "black", "white", "grey")
HAIR_COLOURS = (*NATURAL_HAIR, *NATURAL_HAIR, "purple", "blue", "pink")
TRIM_COLOURS = (*CLOTH_COLOURS, "white", "yellow")
GEM_COLOURS = ("red", "yellow", "lime", "teal", "blue", "purple", "pink", "orange")
GOWNS = ("robe", "dress")
# Colours that would melt into a skin.
CLASHES = {
    "pale": ("white",),
    "tan": ("orange", "brown"),
    "brown": ("orange", "brown", "red"),
    "dark": ("brown", "black", "red"),
}
FLAME = Ramp((110, 34, 24), (222, 66, 32), (250, 156, 44), (255, 236, 140))


class View(NamedTuple):
    """The sheets that a hero is painted from."""

    side: bool
    face: list
    hair: dict
    beard: dict
    hats: dict
    body: dict
    items: dict
    cape: list


FRONT = View(
    False,
    heads.FRONT_FACE,
    heads.FRONT_HAIR,
    heads.FRONT_BEARD,
    heads.FRONT_HATS,
    bodies.FRONT_BODY,
    bodies.FRONT_ITEMS,
    bodies.FRONT_CAPE,
)


SIDE = View(
    True,
    heads.SIDE_FACE,
    heads.SIDE_HAIR,
    heads.SIDE_BEARD,
    heads.SIDE_HATS,
    bodies.SIDE_BODY,
    bodies.SIDE_ITEMS,
    bodies.SIDE_CAPE,
)


class Look(NamedTuple):
    """One hero: a name for each part (None where there is none) and a ramp for each material."""

    view: View
    hat: str | None
    hair: str
    beard: str | None
    body: str
    item: str | None
    shield: str | None
    cape: bool
    low: int
    wide: int
    wave: bool
    stride: str
    names: dict
    ramps: dict


def _one(rng, options):
    """One of the options, all equally likely."""
    return options[int(rng.integers(len(options)))]


def draw_materials(rng, kind: Profession) -> tuple[dict, dict]:
    """Names and ramps of everything that has a colour; neighbours differ in colour."""
    names, ramps = {}, {}

    def choose(part: str, table: dict, options, *unlike: str, **kwargs) -> None:
        avoid = {names.get(other) for other in unlike}
        if part in ("hair", "hat"):
            avoid |= set(CLASHES.get(names["skin"], ()))
        names[part], ramps[part] = pick(rng, table, [name for name in options if name not in avoid], **kwargs)

    choose("skin", SKINS, ("pale", "pale", "fair", "fair", "tan", "brown", "dark"), hue=3, amount=0.04)
    choose("cloth", COLOURS, kind.colours)
    choose("hair", COLOURS, HAIR_COLOURS, "cloth")
    choose("trim", COLOURS, TRIM_COLOURS, "cloth", "hair")
    choose("cape", COLOURS, CLOTH_COLOURS, "cloth", "hair")
    choose("trousers", COLOURS, ("brown", "grey", "blue", "black", "green", "purple"), "cloth")
    choose("boots", COLOURS, ("brown", "brown", "black", "grey", "red"))
    choose("metal", METALS, ("iron", "iron", "steel", "steel", "steel", "steel", "gold", "bronze"))
    choose("gem", COLOURS, GEM_COLOURS)
    choose("hat", COLOURS, kind.colours, "hair")
    if rng.random() < 0.5 and names["cloth"] not in CLASHES.get(names["skin"], ()):
        names["hat"], ramps["hat"] = names["cloth"], ramps["cloth"]
    ramps["wood"] = make_ramp(*jitter(rng, MATERIALS["wood"]))
    ramps["bone"] = make_ramp(*jitter(rng, MATERIALS["bone"]))
    return names, ramps


def draw_hair(rng, kind: Profession, hat: str | None, body: str) -> tuple[str, str | None]:
    """Hair and beard that suit the hat and the clothes."""
    chance, beard_chance = rng.random(2)
    hairs = kind.hairs
    if body == "dress":
        hairs = [name for name in kind.hairs if name in WOMEN]
    elif hat in (None, "band") and chance < 0.2:
        hairs = ("bald", "mohawk")
    hair, beard = _one(rng, hairs), _one(rng, tuple(heads.FRONT_BEARD))
    likely = 0.9 if hair == "bald" else kind.beard
    suits = body != "dress" and hat not in ("greathelm", "mask") and hair not in WOMEN[1:]
    return hair, beard if suits and beard_chance < likely else None


def draw_look(rng, view: View, kind: Profession) -> Look:
    """Choose the parts of one hero of a profession."""
    names, ramps = draw_materials(rng, kind)
    hat, body, item = _one(rng, kind.hats), _one(rng, kind.bodies), _one(rng, kind.items)
    hair, beard = draw_hair(rng, kind, hat, body)
    shield, stride = _one(rng, tuple(bodies.FRONT_SHIELDS)), _one(rng, tuple(bodies.SIDE_LEGS))
    shielded, caped, short, wide, wave = rng.random(5) < (kind.shield, kind.cape, 0.35, 0.3, 0.25)
    if view.side and (shielded or item == "sword"):
        item = "shield" if shielded else _one(rng, ("sword", "thrust", "slash"))
    if hat == "crown":
        names["hat"], ramps["hat"] = "gold", make_ramp(*jitter(rng, METALS["gold"]))
    if item == "torch":
        ramps["gem"] = FLAME
    if body == "armour":
        ramps |= {"cloth": ramps["metal"], "trousers": ramps["metal"], "boots": ramps["metal"]}
    tops = [view.hats[hat][0]] if hat else []
    tops += [view.hair[hair][0]] if hat in (None, "band") else []
    low = short or any(top.strip(".") for top in tops)
    shield = shield if shielded and not view.side else None
    flags = bool(caped), int(low), int(wide), bool(wave)
    return Look(view, hat, hair, beard, body, item, shield, *flags, stride, names, ramps)
