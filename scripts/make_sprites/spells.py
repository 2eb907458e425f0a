"""Families of the class "spell"."""

from .spells_gear import armour, axe, bow, crown, helmet, key, shield, sword
from .spells_magic import book, gem, hat, hourglass, orb, potion, ring, scroll, staff, wand

SPELLS = {
    family.__name__: family
    for family in (
        *(potion, book, scroll, staff, wand, gem, sword, axe, bow),
        *(shield, armour, helmet, ring, crown, key, orb, hat, hourglass),
    )
}
