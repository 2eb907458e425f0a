"""What a translation must carry over from its English text: formulas, code, links, numbers."""

import re
from collections import Counter

from scripts.markdown_links import CODE

WORDS_IN_FORMULA = re.compile(r"\\text\{[^{}]*\}")
TARGET = re.compile(r"\]\(([^()\s]+)[^()]*\)|(https?://[^\s)>]+)")
TAG = re.compile(r"<!--.*?-->|</?[a-z][^<>]*>", re.DOTALL)
NUMBER = re.compile(r"\d+(?:[.,’'\u00a0\u202f]\d+)*")
GROUPED = re.compile(r"\d{1,3}(?:[.,’'\u00a0\u202f]\d{3})+(?:[.,]\d+)?")


def plain(text: str) -> str:
    """Return the words of a block, without formulas, code, tags and the places where links lead."""
    return TAG.sub(" ", TARGET.sub("] ", CODE.sub(" ", text)))


def has_words(text: str) -> bool:
    """Tell whether there is something to translate in a block."""
    words = " ".join([plain(text), *(found[6:-1] for found in WORDS_IN_FORMULA.findall(text))])
    return re.search(r"[^\W\d_]{2,}", words) is not None


def formulas(text: str) -> Counter:
    """Count the formulas of a block. The words inside of them may change."""
    found = (match[0] for match in CODE.finditer(text) if match[0].startswith("$"))
    return Counter(WORDS_IN_FORMULA.sub(r"\\text{}", formula) for formula in found)


def code_spans(text: str) -> Counter:
    """Count what stands between backticks."""
    return Counter(match[0] for match in CODE.finditer(text) if match[0].startswith("`"))


def links(text: str) -> Counter:
    """Count where the links of a block lead; a page and its translation are the same place."""
    found = (target or address for target, address in TARGET.findall(CODE.sub(" ", text)))
    return Counter(re.sub(r"\.[a-z]{2}\.md\b", ".md", place) for place in found)


def numbers(text: str) -> list[str]:
    """Return the numbers of a block as they are written, without those in code, formulas and links."""
    return NUMBER.findall(plain(text))


def readings(number: str) -> set[str]:
    """Return what a written number may mean: 3,5 is 3.5; 1 000, 1.000 and 1,000 are 1000."""
    spaced = re.sub(r"[’'\u00a0\u202f]", "", number)
    meanings = {spaced, spaced.replace(",", ".")}
    if GROUPED.fullmatch(number):
        whole, mark, rest = re.fullmatch(r"(.*?)(?:([.,])(\d{1,2}|\d{4,}))?", spaced).groups()
        meanings.add(re.sub(r"[.,]", "", whole) + (f".{rest}" if mark else ""))
    return meanings


def check_numbers(english: str, translated: str) -> str:
    """Say which number is lost or new, or ""."""
    left = numbers(translated)
    for number in numbers(english):
        value = number.replace(",", "")
        found = next((other for other in left if value in readings(other)), None)
        if found is None:
            return f"the number {number} is lost"
        left.remove(found)
    return f"the number {left[0]} is not in the English text" if left else ""


def check_block(english: str, translated: str) -> str:
    """Say what a translated block has lost or invented.

    Parameters
    ----------
    english, translated : str
        A block of Markdown, a comment or an alternative text.

    Returns
    -------
    str
        One line on the first thing that is wrong, or "".
    """
    for name, find in {"formula": formulas, "code": code_spans, "link": links}.items():
        before, after = find(english), find(translated)
        if before - after:
            return f"the {name} {next(iter(before - after))} is lost"
        if after - before:
            return f"the {name} {next(iter(after - before))} is not in the English text"
    bars = [len(re.findall(r"(?<!\\)\|", CODE.sub("", text))) for text in (english, translated)]
    if bars[0] != bars[1]:
        return f"{bars[1] + 1} cells of a table's row, expected {bars[0] + 1}"
    if translated.count("**") % 2 != english.count("**") % 2:
        return "a ** is not closed"
    if "\n" not in english and ("\n" in translated or translated != translated.strip()):
        return "it must be one line, without spaces around it"
    return check_numbers(english, translated)
