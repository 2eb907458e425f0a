"""Stamp the repository's public address into the setup cells and the Colab badges.

The address is ``repository`` under ``[tool.series]`` in pyproject.toml or, while that is empty, the
git remote ``origin`` where it points to a public host. While there is none, no badge is shown.
"""

import ipaddress
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent

TEMPLATE = Path(__file__).with_name("setup_cell.txt")
UNSET = 'REPOSITORY = ""'
COLAB = "https://colab.research.google.com"
# README's span stays in place while it is empty; it may name a notebook, else it means the first.
README_SPAN = re.compile(r"(<!-- badge(?: (\S+\.ipynb))? -->).*?(<!-- /?badge -->)", re.DOTALL)
TITLE_SPAN = re.compile(r"\n\n<!-- badge -->.*?<!-- /badge -->", re.DOTALL)


def public_address(text: str) -> str:
    """Return the https address of a repository, or "" where the text names no public host.

    Parameters
    ----------
    text
        An ``https``, ``http`` or ``ssh`` address, or git's short form ``user@host:path``.
    """
    text = text.strip()
    short = re.fullmatch(r"[\w.-]+@([\w.-]+):(?!/)(\S+)", text)
    if short:
        host, path = short.groups()
    else:
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https", "ssh"):
            return ""
        host, path = parts.hostname or "", parts.path
    path = path.strip("/").removesuffix(".git")
    if "." not in host or is_number(host) or not re.fullmatch(r"[\w./~-]+", path):
        return ""
    # User names and tokens of the remote are left behind here.
    return f"https://{host}/{path}"


def is_number(host: str) -> bool:
    """Return whether a host is an IP address, which is nobody's public address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def find_address(root: Path) -> str:
    """Return the repository's public address, or "" while there is none."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("tool", {})
    written = project.get("series", {}).get("repository", "")
    if written:
        address = public_address(written)
        if not address:
            raise ValueError(
                f"pyproject.toml, [tool.series]: repository is {written!r}, expected a public address "
                "such as https://host/owner/name"
            )
        return address
    command = ["git", "-C", str(root), "remote", "get-url", "origin"]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return public_address(done.stdout) if done.returncode == 0 else ""


def setup_cell(address: str) -> str:
    """Return the text of the setup cell with an address in it."""
    template = TEMPLATE.read_text(encoding="utf-8").rstrip("\n")
    return template.replace(UNSET, f'REPOSITORY = "{address}"')


def badge(address: str, name: str) -> str:
    """Return the Markdown of a notebook's Colab badge; "" for a host that Colab does not open."""
    parts = urlsplit(address)
    if parts.hostname != "github.com":
        return ""
    link = f"{COLAB}/github{parts.path}/blob/main/notebooks/{name}"
    return f"[![Open in Colab]({COLAB}/assets/colab-badge.svg)]({link})"


def stamp_notebook(notebook: dict, address: str, name: str) -> None:
    """Put the setup cell and the badge into a notebook, in place.

    Parameters
    ----------
    notebook
        The notebook as JSON has it. Where its first code cell is no setup cell, one is put before it.
    address
        The repository's public address, "" while there is none.
    name
        The notebook's file name.
    """
    cells = notebook["cells"]
    first = next((i for i, cell in enumerate(cells) if cell["cell_type"] == "code"), len(cells))
    opening = TEMPLATE.read_text(encoding="utf-8").partition(":")[0]
    if first == len(cells) or not read_source(cells[first]).startswith(opening):
        cell = {"cell_type": "code", "execution_count": None, "id": "setup", "metadata": {}, "outputs": []}
        cells.insert(first, cell)
    write_source(cells[first], setup_cell(address))
    title = cells[0]
    if title["cell_type"] == "markdown":
        heading, newline, rest = TITLE_SPAN.sub("", read_source(title)).partition("\n")
        link = badge(address, name)
        span = f"\n\n<!-- badge -->\n{link}\n<!-- /badge -->" if link else ""
        write_source(title, heading + span + newline + rest)


def read_source(cell: dict) -> str:
    """Return a cell's text."""
    return "".join(cell.get("source", ""))


def write_source(cell: dict, text: str) -> None:
    """Set a cell's text in the form of the format: a list of lines."""
    if text != read_source(cell):
        cell["source"] = text.splitlines(keepends=True)


def stamp_readme(text: str, address: str, first: str) -> str:
    """Return README's text with its badges filled or emptied."""

    def fill(match: re.Match) -> str:
        link = badge(address, match[2] or first)
        return f"{match[1]}\n{link}\n{match[3]}" if link else f"{match[1]}{match[3]}"

    return README_SPAN.sub(fill, text)


def write_if_changed(path: Path, before: str, after: str) -> bool:
    """Write a text whole where it is new; return whether it was."""
    if before == after:
        return False
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(after, encoding="utf-8", newline="\n")
    os.replace(temporary, path)
    return True


def stamp(root: Path) -> list[Path]:
    """Stamp every notebook and README; return the files that changed."""
    address = find_address(root)
    notebooks = sorted((root / "notebooks").glob("*.ipynb"))
    changed = []
    for path in notebooks:
        before = path.read_text(encoding="utf-8")
        notebook = json.loads(before)
        stamp_notebook(notebook, address, path.name)
        # Where nothing is new, not even the spacing of the file is touched.
        new = notebook != json.loads(before)
        after = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n" if new else before
        if write_if_changed(path, before, after):
            changed.append(path)
    readme = root / "README.md"
    if readme.is_file() and notebooks:
        before = readme.read_text(encoding="utf-8")
        if write_if_changed(readme, before, stamp_readme(before, address, notebooks[0].name)):
            changed.append(readme)
    print(f"address: {address or 'unset (repository under [tool.series] in pyproject.toml)'}")
    return changed


def main() -> int:
    """Stamp this repository; return the exit status."""
    try:
        changed = stamp(ROOT)
    except ValueError as error:
        print(f"links: {error}", file=sys.stderr)
        return 1
    for path in changed:
        print(f"stamped {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
