"""What each kind of hero may wear and hold."""

from typing import NamedTuple

WOMEN = ("long", "bun", "ponytail", "pigtails")
ANYONE = ("short", "spiky", "curly", "bowl", "long", "bun", "ponytail", "pigtails")
CLOTH_COLOURS = ("red", "orange", "yellow", "green", "teal", "blue", "indigo", "purple", "pink", "white")


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
