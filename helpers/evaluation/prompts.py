"""Did it draw what the caption says? A judge looks for each property that captions name."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch

from ..datasets.captions import CLASSES, find_properties, split_parts
from .classifier import SpriteClassifier, check_images, load_classifier

JUDGE_PATH = Path(__file__).resolve().parents[2] / "weights" / "property_judge"
COLOURS = ("red", "orange", "yellow", "lime", "green", "teal", "blue", "indigo", "purple", "pink", "brown")
COLOURS += ("grey", "white", "black", "iron", "steel", "gold", "bronze", "golden")
CLOTHES = ("tunic", "robe", "vest", "dress", "armour")  # a hero's main colour is that of these


@cache
def load_judge() -> SpriteClassifier:
    """Load the shipped judge, a `SpriteClassifier` whose words are properties such as "red tunic"."""
    return load_classifier(JUDGE_PATH)


def main_colour(caption: str) -> str | None:
    """Return the property that names the main colour: a hero's clothes, else the first with a colour."""
    coloured = [p for p in find_properties(caption) if p.split()[0] in COLOURS and " " in p]
    if caption.startswith(("hero", "side-facing hero")):
        coloured = [p for p in coloured if p.split()[1] in CLOTHES]
    return coloured[0] if coloured else None


def judge_prompts(images: torch.Tensor, captions: Sequence[str], judge=None) -> dict[str, list]:
    """Judge whether each image shows what its caption names.

    Parameters
    ----------
    images : Tensor [n, 3, h, w] in [-1, 1]
    captions : sequence of n str
        With the class, or a kind of hero, as the first part, if that is to be judged.
    judge : SpriteClassifier whose words are properties, optional
        By default `load_judge()`.

    Returns
    -------
    dict of str to list of n
        `class_right`, `colour_right` (main colour) and `all_right` (class and all properties): bool, or None
        where the caption names none; `properties`: a dict of bool by property, those the judge knows.

    Raises
    ------
    ValueError
        If there is not one caption per image, or the images are not in the project's contract.
    """
    judge = judge or load_judge()
    check_images(images)
    if len(images) != len(captions):
        raise ValueError(f"got {len(images)} images and {len(captions)} captions: each needs its own")
    with torch.no_grad():
        outputs = [judge(part.to(judge.device))[:2] for part in images.split(1000)]
    classes = torch.cat([classes for classes, _ in outputs]).argmax(1).tolist()
    shown = (torch.cat([words for _, words in outputs]) > 0).cpu()
    index = {word: i for i, word in enumerate(judge.config.words)}
    verdicts = {"class_right": [], "colour_right": [], "all_right": [], "properties": []}
    for caption, found, row in zip(captions, classes, shown, strict=True):
        asked = split_parts(caption)[0]
        named = {p: bool(row[index[p]]) for p in find_properties(caption) if p in index}
        right = judge.config.class_names[found] == asked if asked in CLASSES else None
        verdicts["class_right"].append(right)
        verdicts["colour_right"].append(named.get(main_colour(caption)))
        verdicts["all_right"].append(right is not False and all(named.values()) if named or right else right)
        verdicts["properties"].append(named)
    return verdicts
