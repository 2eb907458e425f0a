"""Creature families of the class "non-hero"."""

from .creatures_large import crab, dragon, owl, robot, snail, snake
from .creatures_magic import eye, flame, golem, plant, skeleton
from .creatures_small import bat, ghost, mushroom, slime, spider

FAMILIES = (slime, ghost, bat, mushroom, skeleton, spider, flame, plant, eye, golem, snake, crab, snail, owl)


CREATURES = {family.__name__: family for family in (*FAMILIES, robot, dragon)}
