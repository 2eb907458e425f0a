"""The documents of the series in English and in another language: notebooks, and the README."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from scripts.markdown_links import map_links
from scripts.stamp_links import SETUP
from scripts.translation import TranslationError, name_file
from scripts.translation.blocks import map_markdown, shape
from scripts.translation.code import code_tokens, map_python

README = "README"
COLAB_PAGE = re.compile(r"(?P<before>.*/blob/[\w.-]+/notebooks/)(?P<name>[\w.-]+)\.ipynb")
Change = Callable[[str, str], str | None]  # takes a cell's id and a block


def documents(root: Path) -> list[str]:
    """Return the names of what can be translated: the README, and each notebook of the series."""
    return [README, *sorted(path.stem for path in (root / "notebooks").glob("*.ipynb"))]


def english_path(root: Path, name: str) -> Path:
    """Return where a document is in English."""
    return root / "README.md" if name == README else root / "notebooks" / f"{name}.ipynb"


def translated_path(root: Path, language: str, name: str) -> Path:
    """Return where a document is in another language."""
    if name == README:
        return root / f"README.{language}.md"
    return root / "notebooks" / language / f"{name}.ipynb"


def read_notebook(path: Path, root: Path) -> dict:
    """Read a notebook whose cells have ids.

    Raises
    ------
    TranslationError
        If it is none.
    """
    where = name_file(path, root)
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cells = [(cell.get("id"), cell["cell_type"], cell["source"]) for cell in notebook["cells"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise TranslationError(f"{where}: is no notebook: no cells with ids and sources") from error
    except (OSError, ValueError) as error:
        raise TranslationError(f"{where}: cannot be read as a notebook: {error}") from error
    for number, cell in enumerate(cells, start=1):
        if not cell[0]:
            raise TranslationError(f"{where}: cell {number} has no id; `make notebooks` gives it one")
    return notebook


def notebook_text(notebook: dict) -> str:
    """Return a notebook's file text, as the committed ones are written."""
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def map_notebook(notebook: dict, change: Change, where: str) -> dict:
    """Return a notebook with other words in its text, its comments and the alternative texts of its pictures.

    The setup cell stays as it is: it is the same in every notebook.

    Parameters
    ----------
    notebook : dict
        As its file holds it.
    change : callable
        Takes a cell's id and a block; returns the new block, or None to keep it.
    where : str
        The notebook's name, for messages.

    Raises
    ------
    TranslationError
        If a cell is no Python, or if its code or its outline would change.
    """
    made = json.loads(json.dumps(notebook))
    for cell in made["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] not in ("markdown", "code") or source.startswith(SETUP):
            continue
        is_code = cell["cell_type"] == "code"
        read, map_source = (code_tokens, map_python) if is_code else (shape, map_markdown)
        try:
            new = map_source(source, lambda text, cell=cell: change(cell["id"], text))
            same = read(new) == read(source)
        except SyntaxError as error:
            raise TranslationError(f"{where}: {cell['id']} holds no readable Python: {error}") from error
        if not same:
            what = "code" if is_code else "outline of headings, lists and tables"
            raise TranslationError(f"{where}: {cell['id']}: its translation has another {what}")
        cell["source"] = new.splitlines(keepends=True)
        for output in cell.get("outputs", []):
            about = output.get("metadata", {}).get("image/png", {})
            if about.get("alt"):
                about["alt"] = change(cell["id"], about["alt"]) or about["alt"]
    return made


def translated_places(root: Path, language: str, names: list[str]) -> dict[Path, Path]:
    """Return each English file that a link may name, with the one that takes its place in a language."""
    places = {english_path(root, name): translated_path(root, language, name) for name in names}
    suffix = f".{language}.md"
    for folder in (root, *(path for path in root.iterdir() if path.is_dir() and path.name[0] != ".")):
        places |= {p.with_name(p.name.removesuffix(suffix) + ".md"): p for p in folder.glob(f"*{suffix}")}
    for path in (root / "docs" / language).glob("*.md"):
        places[root / "docs" / path.name] = path
    return places


def move_links(text: str, english: Path, made: Path, places: dict[Path, Path]) -> str:
    """Return Markdown of an English file with links that hold in its translation, and stay in its language.

    Parameters
    ----------
    text : str
        Markdown with links as they are in the English file.
    english, made : Path
        The English file, and the translated one.
    places : dict of Path to Path
        The English files that have a translation, with it.
    """
    notebooks = {path.stem: there for path, there in places.items() if path.suffix == ".ipynb"}

    def place(target: str) -> str:
        if (page := COLAB_PAGE.fullmatch(target)) and page["name"] in notebooks:
            there = notebooks[page["name"]]
            return f"{page['before']}{there.parent.name}/{there.name}"
        if re.match(r"[a-z]+:|#", target):
            return target
        name, mark, anchor = target.partition("#")
        path = Path(os.path.normpath(english.parent / unquote(name)))
        there = places.get(path, path)
        if english.parent == made.parent and there in (path, made):  # a README may name its English self
            return target
        slash = "/" if name.endswith("/") else ""
        return Path(os.path.relpath(there, made.parent)).as_posix() + slash + mark + anchor

    return map_links(text, place)
