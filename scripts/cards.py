"""Write what a training leaves: the weights with their record, and facts in the cards (README files)."""

import json
import re
from pathlib import Path

from helpers.files import write_file, write_folder


def verdict(value: float, limit: float, at_most: bool) -> str:
    """Say whether an aim was met: a value of at most, or at least, the limit."""
    return "met" if (value <= limit if at_most else value >= limit) else "**missed**"


def save_trained(folder: Path, run: dict, *parts) -> None:
    """Write a folder whole: what each part's save_pretrained leaves, and the run as training.json."""

    def write(temporary: Path) -> None:
        for part in parts:
            part.save_pretrained(temporary)
        (temporary / "training.json").write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")

    write_folder(folder, write)


def stamp(card: Path, marker: str, text: str) -> None:
    """Replace what stands between <!-- marker --> and <!-- /marker -->, if the card is there.

    Raises
    ------
    ValueError
        If the card has no such markers: it would go stale unnoticed.
    """
    if not card.is_file():
        return
    pattern = rf"(<!-- {marker} -->\n).*?(<!-- /{marker} -->)"
    old = card.read_text(encoding="utf-8")
    new, count = re.subn(pattern, lambda match: f"{match[1]}{text}\n{match[2]}", old, flags=re.DOTALL)
    if not count:
        raise ValueError(f"{card} lacks the lines <!-- {marker} --> and <!-- /{marker} -->: put them back")
    write_file(card, new.encode())
