"""What the site is built from: the repository's notebooks and cards, with links that hold on the site.

A page keeps its name in every language, so that a language switch is a link to the same name.
"""

import base64
import os
import re
import struct
from collections.abc import Callable
from html import escape
from pathlib import Path
from urllib.parse import unquote

import nbformat

from scripts.markdown_links import map_links
from scripts.run_series import drop_widgets, first_line
from scripts.stamp_links import BADGE, SETUP

LANGUAGES = {"en": "English", "fr": "Français"}
FOLDERS = {"en": "notebooks", "fr": "notebooks/fr"}
CARDS = {"data": "data/README", "weights": "weights/README", "benchmarks": "benchmarks/README"}
UNTRANSLATED = {"fr": "Cette page n’est pas encore traduite : voici le texte anglais."}


class SiteError(Exception):
    """What keeps the site from being built, in one line."""


def read_notebook(path: Path, need_outputs: bool):
    """Read a notebook, and see that it was run."""
    try:
        notebook = nbformat.read(path, as_version=4)
    except Exception as error:
        raise SiteError(f"cannot read {path.name} as a notebook: {first_line(str(error))}") from error
    for number, cell in enumerate(notebook.cells, start=1):
        if need_outputs and cell.cell_type == "code" and cell.source and not cell.execution_count:
            raise SiteError(f"{path.name}: cell {number} was never run; `make notebooks` runs it")
    return notebook


def figure(png: str, metadata: dict, name: str, folder: Path) -> str:
    """Write an output's picture into a folder; return the HTML that shows it, with its alternative text."""
    content = base64.b64decode(png)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    width, height = struct.unpack(">II", content[16:24])
    shown = metadata.get("width") or width
    alt = escape(metadata.get("alt") or "output of the cell above", quote=True)
    size = f'width="{shown}" height="{round(height * shown / width)}"'
    return f'<img src="../figures/{name}" alt="{alt}" {size} loading="lazy">'


class Pages:
    """The sources of the site in one language, in a folder for Sphinx.

    Parameters
    ----------
    root : Path
        The repository.
    language : str
        "en", or one of the others in `LANGUAGES`.
    target : Path
        An empty folder.
    executed : dict of Path to Path, optional
        Executed copies of committed notebooks, shown in their place.
    address : str
        The repository's public address, or "".
    """

    def __init__(self, root: Path, language: str, target: Path, executed=None, address=""):
        self.root, self.language, self.target = root, language, target
        self.executed: dict[Path, Path] = executed or {}
        self.address = address
        self.sources: dict[str, Path] = {}  # page -> the file that it is made from
        self.missing: list[str] = []  # notebooks without a translation
        self.names: dict[str, str] = {
            "README.md": "index",
            "helpers": "reference/index",
            **dict.fromkeys(FOLDERS.values(), "index"),
        }
        for page, card in CARDS.items():
            self.names |= {f"{card}.md": page, os.path.dirname(card): page}
        self.names["CONTRIBUTING.md"] = "contributing"
        for path in sorted((root / "docs").glob("*.md")):
            self.names[f"docs/{path.name}"] = path.stem
        self.stems = sorted(path.stem for path in (root / FOLDERS["en"]).glob("*.ipynb"))
        if not self.stems:
            raise SiteError(f"no notebooks in {root / FOLDERS['en']}: is this the repository?")
        for stem in self.stems:
            self.names |= {f"{folder}/{stem}.ipynb": f"notebooks/{stem}" for folder in FOLDERS.values()}

    def translated(self, stem: str) -> Path | None:
        """Return a Markdown file's translation, or None."""
        places = [f"{stem}.{self.language}.md", f"docs/{self.language}/{stem.removeprefix('docs/')}.md"]
        return next((self.root / place for place in places if (self.root / place).is_file()), None)

    def link(self, target: str, origin: Path, page: str) -> str | None:
        """Return where a link of a file leads on the site, or None if there is nothing to open.

        Raises
        ------
        SiteError
            If it leads to no file of the repository.
        """
        if re.match(r"[a-z]+:|#", target):
            return target
        if branch := re.fullmatch(r"\.\./\.\./(tree/[\w-]+)", target):  # of the repository that GitHub shows
            return f"{self.address}/{branch[1]}" if self.address else None
        place, mark, anchor = target.partition("#")
        path = Path(os.path.normpath(origin.parent / unquote(place)))
        name = Path(os.path.relpath(path, self.root)).as_posix()
        known = re.sub(rf"\.({'|'.join(LANGUAGES)})\.md$", ".md", name)  # a translation is the same page
        if known not in self.names and (not path.exists() or name.startswith("..")):
            where = origin.relative_to(self.root).as_posix()
            raise SiteError(f"{where} links to {target}, which is not in the repository")
        if known.startswith("helpers/"):
            room = known.split("/")[1].removesuffix(".py")
            return os.path.relpath(f"reference/{room}.md", os.path.dirname(page))
        if known in self.names:
            there = self.names[known]
            suffix = ".ipynb" if there.startswith("notebooks/") else ".md"
            return os.path.relpath(there + suffix, os.path.dirname(page) or ".") + mark + anchor
        if path.is_dir():
            return f"{self.address}/tree/main/{name}" if self.address else None
        copy = self.target / "files" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
        return os.path.relpath(f"files/{name}", os.path.dirname(page) or ".")

    def relink(self, text: str, origin: Path, page: str) -> str:
        """Return Markdown whose links and pictures hold on the site; code and formulas are left alone."""
        return map_links(text, lambda target: self.link(target, origin, page))

    def write(self, page: str, text: str, source: Path | None = None) -> None:
        """Write the source of a page."""
        path = self.target / page
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if source:
            self.sources[str(Path(page).with_suffix(""))] = source

    def note(self, text: str) -> str:
        """Say above a page that it is in English only, below its heading."""
        heading, _, rest = text.partition("\n")
        return f"{heading}\n\n```{{note}}\n{UNTRANSLATED[self.language]}\n```\n{rest}"

    def add_notebook(self, stem: str) -> None:
        """Add the page of a notebook, in English where there is no translation."""
        page, original = f"notebooks/{stem}", self.root / FOLDERS["en"] / f"{stem}.ipynb"
        committed = self.root / FOLDERS[self.language] / f"{stem}.ipynb"
        is_translated = committed.is_file()
        if not is_translated:
            self.missing.append(stem)
            committed = original
        source = self.executed.get(committed, committed)
        notebook = read_notebook(source, need_outputs=source == committed)
        drop_widgets(notebook)
        notebook.metadata.language_info = {"name": "python", "pygments_lexer": "ipython3"}
        for number, cell in enumerate(notebook.cells):
            if cell.cell_type == "markdown":
                cell.source = self.relink(BADGE.sub("", cell.source), committed, page)
            for place, output in enumerate(cell.get("outputs", [])):
                if png := output.get("data", {}).get("image/png"):
                    about = output.metadata.get("image/png", {})
                    name = f"{stem}-{number}-{place}.png"
                    output.data = {"text/html": figure(png, about, name, self.target / "extra" / "figures")}
            if cell.source.startswith(SETUP):
                cell.metadata.tags = [*cell.metadata.get("tags", []), "hide-input"]
        if not is_translated and notebook.cells:
            notebook.cells[0].source = self.note(notebook.cells[0].source)
        self.write(f"{page}.ipynb", nbformat.writes(notebook), committed)
        copy = self.target / "extra" / f"{page}.ipynb"
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(source.read_bytes())

    def add_text(self, page: str, stem: str, change: Callable[[str], str] = str) -> None:
        """Add the page of a Markdown file, in English where there is no translation."""
        english = self.root / f"{stem}.md"
        source = english if self.language == "en" else self.translated(stem) or english
        text = self.relink(change(source.read_text(encoding="utf-8")), source, page)
        self.write(
            f"{page}.md", text if source != english or self.language == "en" else self.note(text), source
        )
