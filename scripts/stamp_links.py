"""Stamp the setup cell with the repository's public address, and Colab badges, into notebooks and README.

The address is ``repository`` under ``[tool.series]`` in pyproject.toml; while it is empty, no badge is shown.
"""

import json
import re
import sys
import tomllib
from pathlib import Path

from helpers.files import write_file

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = Path(__file__).with_name("setup_cell.txt").read_text(encoding="utf-8").rstrip("\n")
BADGE = re.compile(r"\n\n<!-- badge -->.*?<!-- /badge -->", re.DOTALL)
GITHUB = "https://github.com/"
COLAB = "https://colab.research.google.com"


def read_address(root: Path) -> str:
    """Return the repository's public address, or "" while there is none."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    address = project["tool"]["series"]["repository"]
    if address and not re.fullmatch(r"https://[\w-]+(\.[\w-]+)+(/[\w.~-]+)+/?", address):
        raise ValueError(
            f"pyproject.toml, [tool.series]: repository is {address!r}, expected a public address such as "
            "https://github.com/owner/name"
        )
    return address.rstrip("/").removesuffix(".git")


def setup_cell(address: str) -> str:
    """Return the text of the setup cell with an address in it."""
    return TEMPLATE.replace('REPOSITORY = ""', f'REPOSITORY = "{address}"')


def colab_link(address: str, notebook: str) -> str:
    """Return the link that opens a notebook of the repository in Colab, or "" where Colab cannot."""
    if not address.startswith(GITHUB):
        return ""
    return f"{COLAB}/github/{address.removeprefix(GITHUB)}/blob/main/{notebook}"


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
    if first == len(cells) or not "".join(cells[first]["source"]).startswith("# Setup"):
        cell = {"cell_type": "code", "execution_count": None, "id": "setup", "metadata": {}, "outputs": []}
        cells.insert(first, cell)
    cells[first]["source"] = setup_cell(address).splitlines(keepends=True)
    title = put_badge("".join(cells[0]["source"]), address, name)
    cells[0]["source"] = title.splitlines(keepends=True)
    return text if notebook == json.loads(text) else json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def stamp(root: Path) -> list[Path]:
    """Stamp every notebook and README; return the files that changed."""
    address = read_address(root)
    notebooks = sorted((root / "notebooks").glob("*.ipynb"))
    texts = {path: path.read_text(encoding="utf-8") for path in (*notebooks, root / "README.md")}
    stamped = {path: stamp_notebook(texts[path], address, path.name) for path in notebooks}
    stamped[root / "README.md"] = put_badge(texts[root / "README.md"], address, notebooks[0].name)
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
