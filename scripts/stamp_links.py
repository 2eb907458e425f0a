"""Stamp the setup cell with the repository's public address, and Colab badges, into notebooks and READMEs.

The address is that in the environment variable SERIES_REPOSITORY, else ``repository`` under ``[tool.series]``
in pyproject.toml; while there is none, no badge is shown. Badges open the branch `colab`, which
.github/workflows/publish.yml makes in every repository and fork. Needs the standard library alone.
"""

import json
import os
import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

from helpers.files import write_file

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = Path(__file__).with_name("setup_cell.txt").read_text(encoding="utf-8").rstrip("\n")
SETUP = "# @title Setup"
BADGE = re.compile(r"\n\n<!-- badge -->.*?<!-- /badge -->", re.DOTALL)
GITHUB = "https://github.com/"
COLAB = "https://colab.research.google.com"
BRANCH = "colab"
# Folds the cell to its first line, in JupyterLab and on Colab.
FOLDED = {"cellView": "form", "jupyter": {"source_hidden": True}}


def read_address(root: Path) -> str:
    """Return the repository's public address, or "" while there is none."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    address = os.environ.get("SERIES_REPOSITORY") or project["tool"]["series"]["repository"]
    if address and not re.fullmatch(r"https://[\w-]+(\.[\w-]+)+(/[\w.~-]+)+/?", address):
        raise ValueError(
            f"repository in pyproject.toml, or SERIES_REPOSITORY, is {address!r}, expected a public address "
            "such as https://github.com/owner/name"
        )
    return address.rstrip("/").removesuffix(".git")


def setup_cell(address: str) -> str:
    """Return the text of the setup cell with an address in it."""
    branch = BRANCH if address.startswith(GITHUB) else "main"
    return TEMPLATE.replace(
        'REPOSITORY, BRANCH = "", "main"', f'REPOSITORY, BRANCH = "{address}", "{branch}"'
    )


def colab_link(address: str, notebook: str) -> str:
    """Return the link that opens a notebook of the repository in Colab, or "" where Colab cannot."""
    if not address.startswith(GITHUB):
        return ""
    return f"{COLAB}/github/{address.removeprefix(GITHUB)}/blob/{BRANCH}/{notebook}"


def put_badge(text: str, address: str, notebook: str) -> str:
    """Return a text with a notebook's badge below its heading, if Colab can open it from there."""
    text = BADGE.sub("", text)
    link = colab_link(address, f"notebooks/{notebook}")
    if not link:
        return text
    badge = f"[![Open in Colab]({COLAB}/assets/colab-badge.svg)]({link})"
    heading, newline, rest = text.partition("\n")
    return f"{heading}\n\n<!-- badge -->\n{badge}\n<!-- /badge -->{newline}{rest}"


def stamp_notebook(text: str, address: str, name: str) -> str:
    """Return a notebook's file text with setup cell and badge; the very same where nothing is new."""
    notebook = json.loads(text)
    cells = notebook["cells"]
    first = next((i for i, cell in enumerate(cells) if cell["cell_type"] == "code"), len(cells))
    if first == len(cells) or not "".join(cells[first]["source"]).startswith(SETUP):
        cell = {"cell_type": "code", "execution_count": None, "id": "setup", "metadata": {}, "outputs": []}
        cells.insert(first, cell)
    cells[first]["source"] = setup_cell(address).splitlines(keepends=True)
    cells[first]["metadata"] |= FOLDED
    title = put_badge("".join(cells[0]["source"]), address, name)
    cells[0]["source"] = title.splitlines(keepends=True)
    return text if notebook == json.loads(text) else json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def first_of(notebooks: Iterable[str], readme: str) -> str:
    """Return the first notebook in the language of a README: README.fr.md is of the notebooks in fr/."""
    names, language = list(notebooks), readme.removeprefix("README").removesuffix(".md").lstrip(".")
    return next((name for name in names if language and name.startswith(f"{language}/")), names[0])


def stamp(root: Path) -> list[Path]:
    """Stamp every notebook and README, in every language; return the files that changed."""
    address, folder = read_address(root), root / "notebooks"
    paths = [*sorted(folder.glob("*.ipynb")), *sorted(folder.glob("[a-z]*/*.ipynb"))]
    notebooks = {path: path.relative_to(folder).as_posix() for path in paths}
    readmes = {path: first_of(notebooks.values(), path.name) for path in sorted(root.glob("README*.md"))}
    texts = {path: path.read_text(encoding="utf-8") for path in (*notebooks, *readmes)}
    stamped = {path: stamp_notebook(texts[path], address, name) for path, name in notebooks.items()}
    stamped |= {path: put_badge(texts[path], address, name) for path, name in readmes.items()}
    changed = [path for path in stamped if stamped[path] != texts[path]]
    for path in changed:
        write_file(path, stamped[path].encode())
    return changed


if __name__ == "__main__":
    try:
        for path in stamp(ROOT):
            print(f"stamped {path.relative_to(ROOT)}")
    except ValueError as error:
        sys.exit(f"links: {error}")
