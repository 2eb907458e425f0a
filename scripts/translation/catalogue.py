"""Gettext catalogues: read, looked up, brought up to date."""

from difflib import get_close_matches
from pathlib import Path

import polib

from scripts.translation import TranslationError, name_file, shorten

Key = tuple[str, str]  # a cell's id, and the English text of a block
HEADER = {
    "MIME-Version": "1.0",
    "Content-Type": "text/plain; charset=UTF-8",
    "Content-Transfer-Encoding": "8bit",
}
LINE = 110
COMMON = "common"  # the catalogue of the words that every page may need
MARK = ("mark", "not translated yet")


def name_entry(key: Key) -> str:
    """Return how a message names an entry."""
    return f"{key[0]} “{shorten(key[1])}”"


def key_of(entry: polib.POEntry) -> Key:
    """Return what an entry is looked up by."""
    return entry.msgctxt or "", entry.msgid


def new_catalogue(language: str) -> polib.POFile:
    """Return an empty catalogue."""
    catalogue = polib.POFile(wrapwidth=LINE)
    catalogue.metadata = {"Language": language, **HEADER}
    return catalogue


def read_catalogue(path: Path, root: Path) -> polib.POFile:
    """Read a catalogue.

    Raises
    ------
    TranslationError
        If it cannot be read, or has two entries for one block.
    """
    where = name_file(path, root)
    if not path.is_file():
        raise TranslationError(f"{where}: there is no such catalogue")
    try:
        catalogue = polib.pofile(str(path), encoding="utf-8", wrapwidth=LINE)
    except UnicodeDecodeError as error:
        raise TranslationError(f"{where}: it is not in UTF-8") from error
    except (OSError, ValueError) as error:
        line = str(error).replace(str(path), "").replace("  ", " ")
        raise TranslationError(f"{where}: cannot be read as a catalogue: {shorten(line)}") from error
    seen: dict[Key, int] = {}
    for entry in catalogue:
        key = key_of(entry)
        if not entry.obsolete and key in seen:
            lines = f"lines {seen[key]} and {entry.linenum}"
            raise TranslationError(f"{where}: {name_entry(key)} is there twice, in {lines}")
        if not entry.obsolete:
            seen[key] = entry.linenum
    return catalogue


def catalogue_bytes(catalogue: polib.POFile) -> bytes:
    """Return a catalogue's file content."""
    return (str(catalogue).rstrip("\n") + "\n").encode()


def look_up(catalogue: polib.POFile) -> dict[Key, str]:
    """Return the finished translations; what is empty or fuzzy is none."""
    usable = (entry for entry in catalogue if not entry.obsolete and not entry.fuzzy and entry.msgstr)
    return {key_of(entry): entry.msgstr for entry in usable}


def gone(catalogue: polib.POFile, keys: list[Key]) -> list[Key]:
    """Return the entries whose English text is no longer there."""
    known = set(keys)
    return [key_of(entry) for entry in catalogue if not entry.obsolete and key_of(entry) not in known]


def _closest(key: Key, left: dict[Key, polib.POEntry]) -> polib.POEntry | None:
    """Return the entry of the same cell that was probably this one, before its English was changed."""
    same_cell = {text: left[cell, text] for cell, text in left if cell == key[0] and left[cell, text].msgstr}
    found = get_close_matches(key[1], same_cell, n=1, cutoff=0.6)
    return same_cell[found[0]] if found else None


def update(old: polib.POFile, keys: list[Key], language: str) -> polib.POFile:
    """Bring a catalogue up to date with the English blocks.

    Parameters
    ----------
    old : polib.POFile
        The catalogue as it is.
    keys : list of (str, str)
        Cell and text of each English block, in order.
    language : str
        The language's code, for a catalogue without a header.

    Returns
    -------
    polib.POFile
        What fits is kept, also where only the cell's id is another. A changed block gets its old translation
        as fuzzy, with the old English text beside it. What is left over is kept as obsolete.
    """
    left = {key_of(entry): entry for entry in sorted(old, key=lambda entry: not entry.obsolete)}
    moved = {entry.msgid: entry for entry in left.values() if entry.msgstr and not entry.fuzzy}
    made = new_catalogue(language)
    made.metadata, made.header = old.metadata or made.metadata, old.header
    wanted = list(dict.fromkeys(keys))
    kept = {key: left.pop(key) for key in wanted if key in left}
    for key in wanted:
        entry = kept.get(key) or polib.POEntry(msgctxt=key[0], msgid=key[1])
        entry.obsolete = False
        if key not in kept and key[1] in moved:
            entry.msgstr, entry.tcomment = moved[key[1]].msgstr, moved[key[1]].tcomment
            left.pop(key_of(moved[key[1]]), None)
        elif key not in kept and (before := _closest(key, left)):
            entry.msgstr, entry.previous_msgid, entry.flags = before.msgstr, before.msgid, ["fuzzy"]
            left.pop(key_of(before))
        made.append(entry)
    for entry in left.values():
        entry.obsolete = True
        if entry.msgstr:
            made.append(entry)
    return made
