"""Did it draw what the caption says? A judge looks for each property that captions name."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch

from ..datasets.arrays import CLASS_NAMES
from ..datasets.captions import find_properties, split_parts
from .classifier import SpriteClassifier, check_images, load_classifier
from .intervals import proportion

JUDGE_PATH = Path(__file__).resolve().parents[2] / "weights" / "property_judge"
COLOURS = ("red", "orange", "yellow", "lime", "green", "teal", "blue", "indigo", "purple", "pink", "brown")
COLOURS += ("grey", "white", "black", "iron", "steel", "gold", "bronze", "golden")
CLOTHES = ("tunic", "robe", "vest", "dress", "armour")  # a hero's main colour is that of these


@cache
def load_judge() -> SpriteClassifier:
    """Load the shipped judge, a `SpriteClassifier` whose words are things and properties: "red tunic"."""
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
    logits, index = torch.cat([words for _, words in outputs]).cpu(), find_words(tuple(judge.config.words))
    verdicts = {"class_right": [], "colour_right": [], "all_right": [], "properties": []}
    for caption, found, row in zip(captions, classes, logits, strict=True):
        asked, named = split_parts(caption)[0], find_properties(caption)
        shown = {name: shows(row, name, named, index) for name in named if name in index}
        right = judge.config.class_names[found] == asked if asked in CLASS_NAMES else None
        verdicts["class_right"].append(right)
        verdicts["colour_right"].append(shown.get(main_colour(caption)))
        verdicts["all_right"].append(right is not False and all(shown.values()) if shown or right else right)
        verdicts["properties"].append(shown)
    return verdicts


def shares_right(verdicts: dict[str, list]) -> dict[str, dict]:
    """Sum up what `judge_prompts` found: the share that is right, of those asked for, with its interval.

    Of classes, main colours, whole captions ("all_right") and single properties ("property_right"), each as a
    `Score` in a dict; what no caption names is left out.
    """
    rows = {key: verdicts[key] for key in ("class_right", "colour_right", "all_right")}
    rows["property_right"] = [right for shown in verdicts["properties"] for right in shown.values()]
    asked = {key: [right for right in row if right is not None] for key, row in rows.items()}
    return {key: proportion(torch.tensor(row))._asdict() for key, row in asked.items() if row}


@cache
def find_words(words: tuple[str, ...]) -> dict[str, int]:
    """Where each property stands among the judge's words."""
    return {word: i for i, word in enumerate(words)}


def shows(logits: torch.Tensor, name: str, named: Sequence[str], index: dict[str, int]) -> bool:
    """Whether a property is shown: its thing is there, and it is likely, or that thing's likeliest colour.

    A thing that is said to have two colours must have them as its two likeliest.
    """
    *words, thing = name.split()
    if logits[index[thing]] <= 0:
        return False
    if not words or words[0] not in COLOURS:
        return bool(logits[index[name]] > 0)
    rivals = [i for word, i in index.items() if word.endswith(f" {thing}") and word.split()[0] in COLOURS]
    colours = [other for other in named if other in index and index[other] in rivals]
    return int((logits[rivals] > logits[index[name]]).sum()) < max(1, len(colours))
