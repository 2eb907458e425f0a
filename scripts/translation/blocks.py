"""Cut Markdown into the blocks that are translated one by one: paragraphs, headings, items, rows."""

import re
import textwrap
from collections.abc import Callable

from scripts.translation.code import map_python, map_shell
from scripts.translation.words import has_words

WIDTH = 120  # of paragraphs that have line breaks in English
FENCE = re.compile(r"\s*(`{3,}|~{3,})\s*(\w*)")
BADGE = "<!-- badge -->"
HTML = re.compile(r"</?(?:a|br|details|div|figure|h[1-6]|hr|img|p|summary|table|t[dhr])\b|<!--")
TAGS = re.compile(r"(<!--.*?-->|<[^<>]*>)")
ALT = re.compile(r'(?<=\balt=")[^"]+(?=")')
ROW, RULE = re.compile(r"\|(.*)\|\s*"), re.compile(r"\|[\s|:-]+\|\s*")
PREFIX = re.compile(r"#{1,6} +|> ?|\s*(?:[-*+]|\d+[.)]) +|\s*")
MAPPED = {"python": map_python, "py": map_python, "sh": map_shell, "bash": map_shell, "console": map_shell}
Change = Callable[[str], str | None]


def kind_of(line: str) -> str:
    """Return which kind of block a line begins."""
    if not line.strip():
        return "blank"
    if FENCE.match(line):
        return "fence"
    if line.startswith("$$"):
        return "formula"
    if HTML.match(line):
        return "badge" if line.startswith(BADGE) else "html"
    if RULE.fullmatch(line):
        return "rule"
    if ROW.fullmatch(line):
        return "row"
    prefix = PREFIX.match(line)[0]
    return {"#": "heading", ">": "quote"}.get(prefix[:1], "item" if prefix.strip() else "paragraph")


def _end(lines: list[str], begin: int) -> int:
    """Return where the block that begins in a line ends."""
    kind, rest = kind_of(lines[begin]), range(begin + 1, len(lines))
    if kind in ("item", "paragraph"):
        return next((i for i in rest if kind_of(lines[i]) != "paragraph"), len(lines))
    if kind == "formula" and not (len(lines[begin].rstrip()) > 2 and lines[begin].rstrip().endswith("$$")):
        return next((i + 1 for i in rest if lines[i].rstrip().endswith("$$")), len(lines))
    if kind == "fence":
        mark = FENCE.match(lines[begin])[1]
        return next((i + 1 for i in rest if lines[i].strip().startswith(mark)), len(lines))
    if kind == "badge":
        return next((i + 1 for i in rest if "<!-- /badge -->" in lines[i]), len(lines))
    return begin + 1


def split_blocks(text: str) -> list[list[str]]:
    """Return the lines of each block of Markdown, empty lines and blocks of code among them."""
    lines, blocks, begin = text.split("\n"), [], 0
    while begin < len(lines):
        end = _end(lines, begin)
        blocks.append(lines[begin:end])
        begin = end
    return blocks


def shape(text: str) -> list[str]:
    """Return the kinds of a text's blocks in order, with the marks of headings and lists."""
    marks = []
    for block in split_blocks(text):
        kind = kind_of(block[0])
        marked = kind in ("heading", "quote", "item", "fence")
        marks.append(kind + (PREFIX.match(block[0])[0] if marked else ""))
    return marks


def _map_fence(lines: list[str], change: Change) -> list[str]:
    language = FENCE.match(lines[0])[2]
    if language not in MAPPED:
        return lines
    indent, body = PREFIX.match(lines[0])[0], textwrap.dedent("\n".join(lines[1:-1]))
    return [lines[0], *textwrap.indent(MAPPED[language](body, change), indent).split("\n"), lines[-1]]


def _map_html(line: str, change: Change) -> str:
    def new(text: str) -> str:
        made = change(text) if has_words(text) else None
        return text if made is None else made

    parts = TAGS.split(line)
    parts = [ALT.sub(lambda match: new(match[0]), p) if p.startswith("<") else new(p) for p in parts]
    return "".join(parts)


def _map_text(lines: list[str], change: Change) -> list[str]:
    """Translate a block whose line breaks mean nothing, and wrap it where the English one is wrapped."""
    row = ROW.fullmatch(lines[0])
    prefix = "| " if row else PREFIX.match(lines[0])[0]
    first = row[1].strip() if row else lines[0][len(prefix) :]
    text = " ".join([first.strip(), *(line.strip() for line in lines[1:])])
    new = change(text) if has_words(text) else None
    if new is None:
        return lines
    if row:
        return [f"| {new} |"]
    if len(lines) == 1:
        return [prefix + new]
    indent = " " * len(prefix)
    settings = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.wrap(new, WIDTH, initial_indent=prefix, subsequent_indent=indent, **settings)


def map_markdown(text: str, change: Change) -> str:
    """Return Markdown with other words.

    Parameters
    ----------
    text : str
        Markdown.
    change : callable
        Takes the text of a block (without the marks of headings and lists, on one line; a row of a table
        without its outer bars; a comment of a folded solution); returns the new one, or None to keep it.

    Raises
    ------
    SyntaxError
        If a block of Python is no Python.
    """
    made: list[str] = []
    for block in split_blocks(text):
        kind = kind_of(block[0])
        if kind in ("blank", "badge", "rule"):
            made += block
        elif kind == "fence":
            made += _map_fence(block, change)
        elif kind == "html":
            made += [_map_html(block[0], change)]
        elif kind == "formula":
            formula = "\n".join(block)
            made.append((change(formula) if has_words(formula) else None) or formula)
        else:
            made += _map_text(block, change)
    return "\n".join(made)
