"""Build the site: the lessons in every language, the reference of helpers, the cards. Nothing is executed.

    python scripts/build_site.py [--output-dir build]

Open index.html in the output folder; no server and no network are needed.
"""

import argparse
import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from html import escape
from importlib.util import find_spec
from pathlib import Path

from helpers.files import write_file, write_folder
from scripts.run_series import first_line
from scripts.site_pages import CARDS, FOLDERS, LANGUAGES, Pages, SiteError
from scripts.stamp_links import colab_link, read_address

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("sphinx", "myst_nb", "sphinx_book_theme", "numpydoc", "sphinx-mathjax-offline")
START = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Diffusion models, hands on</title>
<script>
const known = {codes}, wanted = (navigator.languages || []).map(name => name.slice(0, 2));
location.replace((wanted.find(name => known.includes(name)) || "en") + "/index.html");
</script>
{links}
"""


def module_lines(folder: Path) -> dict[str, str]:
    """Return the rooms of helpers with the first line of what each says about itself."""
    paths = sorted([*folder.glob("[a-z]*.py"), *folder.glob("[a-z]*/__init__.py")])
    texts = {(p.parent if p.stem == "__init__" else p).stem: p.read_text(encoding="utf-8") for p in paths}
    return {
        name: first_line(ast.get_docstring(ast.parse(text)) or "") for name, text in sorted(texts.items())
    }


def add_reference(pages: Pages) -> None:
    """Add a page for each room of helpers, made by autodoc from its docstrings."""
    rooms = module_lines(pages.root / "helpers")
    titles = {"en": "Reference: helpers", "fr": "Référence : helpers"}
    text = [f"# {titles[pages.language]}\n"]
    text += [f"- [`helpers.{name}`]({name}.md): {line}" for name, line in rooms.items()]
    text += ["\n```{toctree}\n:hidden:", *rooms, "```", "", "```{eval-rst}", ".. automodule:: helpers"]
    pages.write("reference/index.md", "\n".join([*text, "   :members:", "```"]))
    for name in rooms:
        directive = f".. automodule:: helpers.{name}\n   :members:"
        if (pages.root / "helpers" / name).is_dir():  # a package offers what its files define
            directive += "\n   :imported-members:"
        pages.write(f"reference/{name}.md", f"# helpers.{name}\n\n```{{eval-rst}}\n{directive}\n```\n")


def after_series(readme: str) -> str:
    """Return the sections of a README that follow its table of notebooks."""
    sections = re.split(r"^(?=## )", readme, flags=re.MULTILINE)
    last = max((i for i, section in enumerate(sections) if "| [01" in section), default=len(sections))
    return "".join(sections[last + 1 :])


def make_card(pages: Pages, stem: str) -> str:
    """Return the card of a lesson on the landing page: its last drawn pictures, its title, what one makes."""
    notebook = json.loads((pages.target / "notebooks" / f"{stem}.ipynb").read_text(encoding="utf-8"))
    paragraphs = "".join(notebook["cells"][0]["source"]).split("\n\n")
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    figures = [text for o in outputs if "<img" in (text := "".join(o.get("data", {}).get("text/html", "")))]
    grids = [text for text in figures if re.search(r'alt="\d+\s+images', text)]
    picture = re.search(r"figures/[^\"]+", (grids or figures or [""])[-1])
    image = f'<img src="{picture[0]}" alt="" loading="lazy">' if picture else ""
    title = escape(paragraphs[0].lstrip("# "))
    words = next((text for text in paragraphs[1:] if not text.startswith("```")), "")
    summary = escape(re.sub(r"[`*$]|\]\([^)]*\)|\[", "", words.replace("\n", " ")))
    return (
        f'<li><a href="notebooks/{stem}.html">{image}<strong>{title}</strong><span>{summary}</span></a></li>'
    )


def add_landing(pages: Pages) -> None:
    """Add the landing page: its own words, a card for each lesson, what the README says after its table."""
    stems = [stem for stem in pages.stems if f"notebooks/{stem}" in pages.sources]
    cards = "\n".join(make_card(pages, stem) for stem in stems)
    readme = pages.root / "README.md" if pages.language == "en" else pages.translated("README")
    sections = (
        pages.relink(after_series(readme.read_text(encoding="utf-8")), readme, "index") if readme else ""
    )
    pages.add_text("index", "docs/index")
    path = pages.target / "index.md"
    text = path.read_text(encoding="utf-8").replace("<!-- cards -->", f'<ul class="lessons">\n{cards}\n</ul>')
    path.write_text(text.replace("<!-- sections -->", sections), encoding="utf-8")


def stage(root: Path, language: str, folder: Path, executed, address: str) -> Pages:
    """Put what Sphinx reads for one language into a folder."""
    pages = Pages(root, language, folder, executed, address)
    (folder / "extra").mkdir(parents=True)
    for stem in pages.stems:
        pages.add_notebook(stem)
    for page, card in CARDS.items():
        pages.add_text(page, card)
    pages.add_text("contributing", "CONTRIBUTING")
    for path in sorted((root / "docs").glob("*.md")):
        if path.stem != "index":
            pages.add_text(path.stem, f"docs/{path.stem}")
    add_reference(pages)
    add_landing(pages)
    links = {
        page: colab_link(address, source.relative_to(root).as_posix())
        for page, source in pages.sources.items()
        if page.startswith("notebooks/")
    }
    settings = {
        "language": language,
        "languages": LANGUAGES,
        "notebooks": [page for page in pages.sources if page.startswith("notebooks/")],
        "colab": {page: link for page, link in links.items() if link},
        "extra": str(folder / "extra"),
    }
    pages.write("settings.json", json.dumps(settings))
    return pages


def start_sphinx(root: Path, source: Path, target: Path) -> subprocess.Popen:
    """Start Sphinx on a staged folder; each warning is an error."""
    environment = os.environ | {"SITE_SETTINGS": str(source / "settings.json"), "PYTHONPATH": str(root)}
    environment |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-b",
        "html",
        "-c",
        str(root / "docs"),
    ]
    command += ["-d", str(source / "doctrees"), str(source), str(target)]
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=root, env=environment, **pipe)


def write_start(output_dir: Path) -> None:
    """Write the page that sends a reader to the language of the browser."""
    links = " · ".join(f'<a href="{code}/index.html">{name}</a>' for code, name in LANGUAGES.items())
    text = START.replace("{codes}", json.dumps(list(LANGUAGES))).replace("{links}", links)
    write_file(output_dir / "index.html", text.encode())


def report_missing(missing: dict[str, list[str]]) -> None:
    """Say which notebooks are not translated, a line each."""
    for code, stems in missing.items():
        for stem in stems:
            where = f"{LANGUAGES[code]} ({FOLDERS[code]}/{stem}.ipynb)"
            print(f"site: {stem} is not there in {where}: its page is in English, and says so")


def build(output_dir: Path, root: Path = ROOT, executed: dict[Path, Path] | None = None) -> Path:
    """Build the site in every language into a folder; return its first page.

    Parameters
    ----------
    output_dir : Path
        Gets index.html and a folder for each language, all of them or none.
    root : Path
        The repository.
    executed : dict of Path to Path, optional
        Executed copies of committed notebooks, shown in their place.

    Raises
    ------
    SiteError
        If a link leads nowhere, a committed notebook was not run, or Sphinx finds a mistake.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise SiteError(f"{', '.join(missing)} not installed: pip install -r requirements-docs.txt")
    address = read_address(root)
    with tempfile.TemporaryDirectory(prefix="site-") as scratch:
        folders = {code: Path(scratch).resolve() / code for code in LANGUAGES}
        pages = [stage(root, code, folder, executed, address) for code, folder in folders.items()]
        report_missing({page.language: page.missing for page in pages})
        running = {c: start_sphinx(root, f, f.with_name(f"{c}-html")) for c, f in folders.items()}
        said = {code: process.communicate()[0] for code, process in running.items()}
        for code, process in running.items():
            if process.returncode:
                lines = said[code].replace(f"{folders[code]}/", "").strip()
                raise SiteError(f"Sphinx stopped at the pages in {LANGUAGES[code]}:\n{lines}")
        for code, folder in folders.items():
            html = folder.with_name(f"{code}-html")
            write_folder(output_dir / code, lambda place, html=html: copy_pages(html, place))
        write_start(output_dir)
    return output_dir / "index.html"


def copy_pages(source: Path, target: Path) -> None:
    """Copy what Sphinx wrote, without what only builders and debuggers read."""
    ignored = shutil.ignore_patterns(".buildinfo*", "objects.inv", "*.map", "locales", "*webpack-macros.html")
    shutil.copytree(source, target, ignore=ignored, dirs_exist_ok=True)


def main(arguments: list[str] | None = None) -> int:
    """Build the site; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output-dir", type=Path, default=ROOT / "build", help="default: build")
    options = parser.parse_args(arguments)
    try:
        print(f"Open {build(options.output_dir.resolve(), ROOT)} in a browser.")
    except (SiteError, ValueError, OSError) as error:
        print(f"site: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
