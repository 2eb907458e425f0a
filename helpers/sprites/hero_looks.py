"""What a hero can look like: professions, materials, words, and the draw of one look."""

from typing import NamedTuple

from . import hero_parts as parts
from .palette import COLOURS, MATERIALS, METALS, SKINS, Ramp, jitter, make_ramp, pick

NATURAL_HAIR = ("red", "orange", "yellow", "brown", "brown", "black", "white", "grey")


HAIR_COLOURS = (*NATURAL_HAIR, *NATURAL_HAIR, "purple", "blue", "pink")


CLOTH_COLOURS = ("red", "orange", "yellow", "green", "teal", "blue", "indigo", "purple", "pink", "white")


TRIM_COLOURS = (*CLOTH_COLOURS, "white", "yellow")


GEM_COLOURS = ("red", "yellow", "lime", "teal", "blue", "purple", "pink", "orange")


WOMEN = ("long", "bun", "ponytail", "pigtails")


ANYONE = ("short", "spiky", "curly", "bowl", "long", "bun", "ponytail", "pigtails")


AN = ("orange", "indigo", "iron")


GOWNS = ("robe", "dress")


# Colours that would melt into a skin.
CLASHES = {
    "pale": ("white",),
    "tan": ("orange", "brown"),
    "brown": ("orange", "brown", "red"),
    "dark": ("brown", "black", "red"),
}


CLOSED = ("greathelm", "mask", "hood")


FLAME = Ramp((110, 34, 24), (222, 66, 32), (250, 156, 44), (255, 236, 140))


HAT_WORDS = {
    "helmet": "{metal} helmet",
    "greathelm": "closed {metal} helmet",
    "hood": "{hat} hood",
    "pointed": "pointed {hat} hat",
    "crown": "{hat} crown",
    "cap": "{hat} cap",
    "horns": "horned {metal} helmet",
    "band": "{trim} headband",
    "feather": "{hat} hat with {article} {trim} feather",
    "mask": "{hat} mask",
}


HAIR_WORDS = {
    "spiky": "spiky {hair} hair",
    "long": "long {hair} hair",
    "curly": "curly {hair} hair",
    "bun": "{hair} hair in a bun",
    "ponytail": "{hair} hair in a ponytail",
    "pigtails": "{hair} pigtails",
    "mohawk": "a {hair} mohawk",
    "bald": "a bald head",
}


BODY_WORDS = {
    "tunic": "{cloth} tunic",
    "striped": "{cloth} and {trim} striped tunic",
    "cross": "{cloth} tunic with {article} {trim} cross",
    "vest": "{cloth} vest",
    "armour": "{metal} armour",
    "robe": "{cloth} robe",
    "dress": "{cloth} dress",
}


ITEM_WORDS = {"thrust": "sword", "slash": "sword", "shield": "{trim} shield"}


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
    parts.FRONT_FACE,
    parts.FRONT_HAIR,
    parts.FRONT_BEARD,
    parts.FRONT_HATS,
    parts.FRONT_BODY,
    parts.FRONT_ITEMS,
    parts.FRONT_CAPE,
)


SIDE = View(
    True,
    parts.SIDE_FACE,
    parts.SIDE_HAIR,
    parts.SIDE_BEARD,
    parts.SIDE_HATS,
    parts.SIDE_BODY,
    parts.SIDE_ITEMS,
    parts.SIDE_CAPE,
)


class Profession(NamedTuple):
    """What a kind of hero may wear and hold; `beard`, `cape` and `shield` are chances."""

    hats: tuple
    bodies: tuple
    items: tuple
    hairs: tuple = ANYONE
    colours: tuple = CLOTH_COLOURS
    beard: float = 0.0
    cape: float = 0.0
    shield: float = 0.0


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
    hair, beard = _one(rng, hairs), _one(rng, tuple(parts.FRONT_BEARD))
    likely = 0.9 if hair == "bald" else kind.beard
    suits = body != "dress" and hat not in ("greathelm", "mask") and hair not in WOMEN[1:]
    return hair, beard if suits and beard_chance < likely else None


def draw_look(rng, view: View, kind: Profession) -> Look:
    """Choose the parts of one hero of a profession."""
    names, ramps = draw_materials(rng, kind)
    hat, body, item = _one(rng, kind.hats), _one(rng, kind.bodies), _one(rng, kind.items)
    hair, beard = draw_hair(rng, kind, hat, body)
    shield, stride = _one(rng, tuple(parts.FRONT_SHIELDS)), _one(rng, tuple(parts.SIDE_LEGS))
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


def article(words: str) -> str:
    """The words behind "a" or "an"."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def describe(look: Look) -> str:
    """The caption: the parts that can be seen, with the names of their colours."""
    names = look.names | {"article": "an" if look.names["trim"] in AN else "a"}
    words = []
    if look.hat:
        words.append(article(HAT_WORDS[look.hat].format(**names)))
    if look.hat in (None, "crown", "band") or (look.hair == "long" and look.hat not in CLOSED):
        words.append(HAIR_WORDS.get(look.hair, "{hair} hair").format(**names))
    if look.beard:
        words.append(article(f"{names['hair']} beard"))
    body = BODY_WORDS[look.body].format(**names)
    words.append(body if look.body == "armour" else article(body))
    if look.cape:
        words.append(article(f"{names['cape']} cape"))
    if look.item:
        words.append(article(ITEM_WORDS.get(look.item, look.item).format(**names)))
    if look.shield:
        words.append(article(f"{names['trim']} shield"))
    return "hero with " + ", ".join(words[:-1]) + " and " + words[-1]


PROFESSIONS = {
    "knight": Profession(
        hats=("helmet", "greathelm", "greathelm"),
        bodies=("armour", "armour", "cross"),
        items=("sword", "sword", "axe", "spear"),
        cape=0.4,
        shield=0.5,
    ),
    "wizard": Profession(
        hats=("pointed",),
        bodies=("robe",),
        items=("staff", "staff", "wand"),
        hairs=("long", "short"),
        colours=("purple", "blue", "indigo", "red", "teal", "green"),
        beard=0.6,
    ),
    "ranger": Profession(
        hats=("feather", "feather", "hood"),
        bodies=("tunic", "vest"),
        items=("bow", "bow", "bow", "spear"),
        hairs=("short", "long"),
        colours=("green", "lime", "teal", "brown", "orange"),
        cape=0.5,
    ),
    "villager": Profession(
        hats=(None, None, None, "cap"),
        bodies=("tunic", "striped", "vest", "dress"),
        items=(None, "torch", "hammer", "axe", "staff"),
        beard=0.3,
    ),
    "royal": Profession(
        hats=("crown",),
        bodies=("robe", "dress", "tunic"),
        items=(None, "staff", "sword", "wand"),
        hairs=("long", "short", "curly", "bowl"),
        colours=("red", "purple", "blue", "pink", "white", "teal"),
        beard=0.5,
        cape=0.7,
    ),
    "fighter": Profession(
        hats=(None, None, "band"),
        bodies=("tunic", "striped", "cross", "vest"),
        items=("sword", "sword", "axe", None),
        cape=0.35,
        shield=0.35,
    ),
    "viking": Profession(
        hats=("horns",),
        bodies=("tunic", "vest", "armour"),
        items=("axe", "axe", "hammer", "sword"),
        hairs=("long", "short"),
        beard=0.8,
        shield=0.4,
    ),
    "rogue": Profession(
        hats=("mask", "mask", "hood"),
        bodies=("tunic", "vest"),
        items=("sword", "sword", "bow", "torch"),
        hairs=("short",),
        colours=("black", "indigo", "red", "grey", "purple", "green"),
    ),
}
