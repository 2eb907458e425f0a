"""Write measured facts into the cards (README files), between a pair of markers."""

import re
from pathlib import Path

from helpers.checkpoints import write_file


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
