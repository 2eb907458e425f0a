"""Translations of the series: what is translated, how it is kept, and what must be carried over."""

from pathlib import Path


class TranslationError(Exception):
    """What is wrong with a catalogue or a notebook, in one line that names it."""


def shorten(text: str) -> str:
    """Return the beginning of a block, for a message."""
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}…"


def name_file(path: Path, root: Path) -> str:
    """Return a path as it stands in the repository."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
