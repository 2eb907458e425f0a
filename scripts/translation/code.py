"""What is translated in code: comments and docstrings. All else stays as it is."""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator

from scripts.translation.words import has_words

# IPython's own lines, which are no Python: %name, and ! with a command of the shell.
MAGIC = re.compile(r"^((?:(?=%)|[ \t]*(?=!(?!=))))[!%].*$", re.MULTILINE)
PRAGMA = re.compile(r"#\s*(?:noqa|fmt:|type:|pragma:|ruff:|@)")  # comments that programs read
QUOTES = re.compile(r'[rRuU]*("""|\'\'\'|"|\')')
SHELL_COMMENT = re.compile(r"(?:^|(?<=\s))# ?(.+)$", re.MULTILINE)
Change = Callable[[str], str | None]
Token = tuple[int, str]


def _tokens(source: str) -> list[tokenize.TokenInfo]:
    return list(tokenize.generate_tokens(io.StringIO(MAGIC.sub(r"\1pass", source)).readline))


def _docstring_places(source: str) -> set[tuple[int, int]]:
    """Return where docstrings of functions and classes begin, as (row, column) of tokenize."""
    readable = MAGIC.sub(r"\1pass", source)
    lines, places = readable.split("\n"), set()
    for node in ast.walk(ast.parse(readable)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                before = lines[first.lineno - 1].encode()[: first.col_offset].decode()  # ast counts bytes
                places.add((first.lineno, len(before)))
    return places


def code_tokens(source: str) -> list[Token]:
    """Return what is left of Python code without comments, docstrings and empty lines.

    Two texts with the same tokens do the same.

    Raises
    ------
    SyntaxError
        If it is no Python.
    """
    left_out, places = (tokenize.COMMENT, tokenize.NL), _docstring_places(source)
    tokens = [t for t in _tokens(source) if t.type not in left_out and t.start not in places]
    magic = [(tokenize.OP, match[0]) for match in MAGIC.finditer(source)]
    return magic + [(t.type, "" if t.type == tokenize.NEWLINE else t.string) for t in tokens]


def _words_in(source: str) -> Iterator[tuple[int, int]]:
    """Yield where a comment's or a docstring paragraph's words begin and end."""
    starts = [0]
    for line in source.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    places = _docstring_places(source)
    for token in _tokens(source):
        begin, end = (starts[row - 1] + column for row, column in (token.start, token.end))
        if token.type == tokenize.COMMENT and not PRAGMA.match(token.string):
            yield begin + len(token.string) - len(token.string.lstrip("# ")), end
        elif token.start in places and token.type == tokenize.STRING:
            opening = QUOTES.match(token.string)
            for part in re.finditer(
                r"\S(?:.|\n(?!\s*\n))*", source[begin + opening.end() : end - len(opening[1])]
            ):
                first = begin + opening.end() + part.start()
                yield first, first + len(part[0].rstrip())


def map_python(source: str, change: Change) -> str:
    """Return Python code with other comments and docstrings.

    Parameters
    ----------
    source : str
        Python, with IPython's lines that begin with ! or %.
    change : callable
        Takes the text of a comment or of a docstring's paragraph; returns the new one, or None to keep it.

    Raises
    ------
    SyntaxError
        If it is no Python.
    """
    made, last = [], 0
    for begin, end in _words_in(source):
        text = source[begin:end]
        new = change(text) if has_words(text) else None
        made += [source[last:begin], text if new is None else new]
        last = end
    return "".join(made) + source[last:]


def map_shell(source: str, change: Change) -> str:
    """Return shell commands with other comments."""

    def replace(match: re.Match) -> str:
        new = change(match[1]) if has_words(match[1]) else None
        return match[0] if new is None else match[0].replace(match[1], new)

    return SHELL_COMMENT.sub(replace, source)
