"""Captions that text_to_sprite learns from, those kept back, and prompts made of captions for its scores."""

import random
import re

from helpers.datasets import ImageDataset, load_sprites
from helpers.datasets.captions import find_properties, join_parts, split_parts
from helpers.evaluation.prompts import COLOURS
from scripts.train_clip import full_captions

# Each part of a combination is common, the combination is in no caption that the UNet learns from.
UNSEEN = (
    ("purple potion",), ("teal book",), ("orange gem",), ("blue crab",), ("pink ghost",),
    ("orange slime",), ("green dragon",), ("green grapes",), ("teal tunic",),
    ("purple robe",), ("pink cape",), ("pink hair",), ("side-facing hero", "hammer"), ("hero", "torch"),
)  # fmt: skip
PLAIN_COLOURS = COLOURS[:14]  # without the metals


def find_unseen(caption: str) -> list[str]:
    """The combinations in a full caption that training keeps back, each as one string."""
    facts = {split_parts(caption)[0], *find_properties(caption)}
    return [" + ".join(combination) for combination in UNSEEN if facts.issuperset(combination)]


def load_captioned(split: str) -> tuple[ImageDataset, list[str], list[bool]]:
    """Sprites of a split, their full captions, and whether each has a combination that is kept back."""
    dataset = load_sprites(split)
    captions = full_captions(dataset)
    return dataset, captions, [bool(find_unseen(caption)) for caption in captions]


def keep_parts(caption: str, count: int, rng: random.Random) -> str:
    """Keep the class and so many of the other parts, in their order."""
    first, *rest = split_parts(caption)
    kept = sorted(rng.sample(range(len(rest)), count))
    return join_parts([first, *(rest[i] for i in kept)])


def swap(caption: str, combination: tuple, every: list[str], rng: random.Random) -> tuple:
    """Put another colour, or item, for the one that is kept back: (caption, property), or None twice."""
    old = combination[-1]
    if len(combination) == 2:  # a class and an item
        others = ["sword", "axe", "spear", "bow"]
    else:
        thing = old.split()[1]
        others = [f"{w} {thing}" for w in PLAIN_COLOURS if f"{w} {thing}" in every]
    others = [x for x in others if x != old and (x,) not in UNSEEN]
    new = rng.choice(others)
    changed, count = re.subn(
        rf"\b(an? )?{old}\b", lambda m: (m[1] and article(new)) + new if m[1] else new, caption
    )
    return (changed, new) if count == 1 and not find_unseen(changed) else (None, None)


def article(words: str) -> str:
    return "an " if words[0] in "aeiou" else "a "
