"""A small site: two notebooks, one of them in French too, read in headless Chromium as a reader would."""

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from site_browser import PHONE, broken_links, open_page, run_browser, serious_findings, too_wide

from scripts import build_site, site_pages

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WIDGET = "application/vnd.jupyter.widget-view+json"
TITLE = """# 1 · {title}

By the end you will steer a model by *{word}*: see [the cards](../weights/README.md#unconditional),
[`paint`](../helpers/paint.py) and [notebook 02](02_next.ipynb).

$$\\hat\\epsilon = (1 + w)\\,\\epsilon_c - w\\,\\epsilon, \\qquad {long}$$

<details><summary>Solution</summary>

```python
w = 1 + 0.5  # `[no](link.md)` in code
```

</details>
"""
CARD = "# {name}\n\n## unconditional\n\n| a | b |\n| --- | --- |\n| 1 | [code](../helpers/paint.py) |\n"
MODULE = '''"""Paint in words."""


def paint(colour: str) -> str:
    """Say a colour with `paint`.

    Parameters
    ----------
    colour : str
        Its name.
    """
    return colour
'''


def lesson(title: str, word: str, up: str = "") -> str:
    """Make a notebook's text, with a picture, a widget beside its still picture, and a long line."""
    about = {"image/png": {"alt": 'a "blue" pixel', "width": 600}}
    outputs = [
        new_output("display_data", {WIDGET: {"model_id": "0"}, "text/plain": "Run this cell to move it."}),
        new_output("display_data", {"image/png": PIXEL, "text/plain": "<Figure>"}, metadata=about),
        new_output("execute_result", {"text/markdown": "| score |\n| --- |\n| 1 |", "text/plain": "-"}),
    ]
    text = TITLE.format(title=title, word=word, long="+".join(["x_0"] * 40)).replace("](../", f"](../{up}")
    cells = [new_markdown_cell(text), new_code_cell("# @title Setup: makes imports work", execution_count=1)]
    cells.append(new_code_cell("show(" + 110 * "x" + ")", execution_count=2, outputs=outputs))
    return nbformat.writes(new_notebook(cells=cells))


@pytest.fixture(scope="module")
def make_root(tmp_path_factory):
    """Return a function that makes a repository as small as a site can be made of."""

    def make(**changes: str) -> Path:
        root = tmp_path_factory.mktemp("a series") / "of lessons"
        shutil.copytree(ROOT / "docs", root / "docs")
        files = {
            "notebooks/01_first.ipynb": lesson("First", "guidance"),
            "notebooks/02_next.ipynb": lesson("Next", "noise"),
            "notebooks/fr/01_first.ipynb": lesson("Premier", "guidage", up="../"),
            "README.md": "# Series\n\n## Lessons\n\n| [01](x) |\n\n## In a class\n\n[All](notebooks)",
            "CONTRIBUTING.md": "# Contributing\n\nSee the [licence](LICENSE).\n",
            "LICENSE": "MIT",
            "pyproject.toml": '[tool.series]\nrepository = "https://github.com/owner/name"\n',
            "helpers/__init__.py": '"""Help."""\n',
            "helpers/paint.py": MODULE,
        }
        files |= {f"{name}/README.md": CARD.format(name=name) for name in ("data", "weights", "benchmarks")}
        for name, text in (files | changes).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        (root / "weights" / "label_conditioned.png").write_bytes(base64.b64decode(PIXEL))
        return root

    return make


@pytest.fixture(scope="module")
def site(make_root, tmp_path_factory):
    """Build the small site once."""
    return build_site.build(tmp_path_factory.mktemp("build"), make_root()).parent


@pytest.fixture(scope="module")
def browser():
    """Start the browser once."""
    with run_browser() as browser:
        yield browser


@pytest.fixture
def page(browser):
    """Return a new page of a headless browser."""
    page = browser.new_page()
    yield page
    page.close()


def test_both_languages_have_the_same_pages_and_no_broken_link(site):
    names = [
        {path.relative_to(site / code).as_posix() for path in (site / code).rglob("*.html")}
        for code in site_pages.LANGUAGES
    ]
    assert names[0] == names[1]
    assert {"index.html", "notebooks/02_next.html", "reference/paint.html", "weights.html"} < names[0]
    assert broken_links(site) == []


def test_page_shows_committed_outputs_and_the_still_picture_of_a_widget(site):
    text = (site / "en" / "notebooks" / "01_first.html").read_text()
    assert 'alt="a &quot;blue&quot; pixel" width="600" height="600"' in text
    assert "Run this cell to move it." in text and "widget-view" not in text
    assert "<td><p>1</p></td>" in text
    assert "[no](link.md)" in text
    copy = nbformat.read(site / "en" / "notebooks" / "01_first.ipynb", as_version=4)
    assert WIDGET in copy.cells[2].outputs[0].data and "(02_next.ipynb)" in copy.cells[0].source


def test_colab_opens_the_notebook_in_the_language_of_the_page(site):
    blob = "https://colab.research.google.com/github/owner/name/blob/colab/notebooks/"
    links = {"en/notebooks/01_first": "01_first.ipynb", "fr/notebooks/01_first": "fr/01_first.ipynb"}
    links["fr/notebooks/02_next"] = "02_next.ipynb"  # there is no other
    for page, name in links.items():
        assert f'href="{blob}{name}"' in (site / f"{page}.html").read_text()


def test_what_is_not_translated_says_so_once(make_root, tmp_path, capfd, site):
    note = site_pages.UNTRANSLATED["fr"]
    for name, count in {"01_first": 0, "02_next": 1}.items():
        assert (site / "fr" / "notebooks" / f"{name}.html").read_text().count(note) == count
    assert not any(note in path.read_text() for path in (site / "en").rglob("*.html"))
    assert build_site.report_missing({"fr": ["02_next"]}) is None
    assert capfd.readouterr().out == (
        "site: 02_next is not there in Français (notebooks/fr/02_next.ipynb): "
        "its page is in English, and says so\n"
    )


@pytest.mark.parametrize(
    ("language", "word", "found"), [("en", "guidance", "First"), ("fr", "guidages", "Premier")]
)
def test_search_works_from_files(site, page, language, word, found):
    wrong = open_page(page, site / language / "index.html")
    page.keyboard.press("Control+k")
    page.keyboard.type(word)
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results li a")
    assert found in page.inner_text("#search-results")
    page.click(f"#search-results li a:has-text('{found}')")
    page.wait_for_load_state()
    assert "/notebooks/01_first.html" in page.url and wrong == []


def test_language_switch_keeps_the_page_and_the_keyboard_reaches_it(site, page):
    wrong = open_page(page, site / "en" / "notebooks" / "01_first.html")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.language-switch')"):
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/fr/notebooks/01_first.html")
    assert page.get_attribute("html", "lang") == "fr" and "Premier" in page.inner_text("h1")
    page.click(".language-switch")
    page.wait_for_url("**/en/notebooks/01_first.html")
    assert wrong == []


def test_first_page_goes_to_the_language_of_the_browser(site, browser):
    for locale, code in {"fr-CA": "fr", "de-DE": "en"}.items():
        page = browser.new_page(locale=locale)
        page.goto((site / "index.html").as_uri())
        page.wait_for_url(f"**/{code}/index.html")
        page.close()


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_lesson_on_a_phone(site, page, colours):
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme=colours)
    assert open_page(page, site / "fr" / "notebooks" / "01_first.html") == []
    assert not too_wide(page)
    assert page.locator("mjx-container").count() == 1
    solution = page.locator("details:has-text('Solution') pre")
    assert not solution.is_visible()
    page.click("summary:has-text('Solution')")
    assert solution.is_visible()
    assert serious_findings(page) == []


BROKEN = lesson("First", "noise").replace("02_next.ipynb", "03_none.ipynb")
NOT_RUN = lesson("First", "noise").replace('"execution_count": 2', '"execution_count": null')


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"notebooks/01_first.ipynb": BROKEN}, "links to 03_none.ipynb, which is not in the repository"),
        (
            {"weights/README.md": "# W\n\n[out](../../x.md)"},
            "weights/README.md links to ../../x.md, which is",
        ),
        ({"notebooks/01_first.ipynb": NOT_RUN}, "01_first.ipynb: cell 3 was never run; `make notebooks`"),
        ({"notebooks/02_next.ipynb": "{ no json"}, "cannot read 02_next.ipynb as a notebook"),
        ({"pyproject.toml": '[tool.series]\nrepository = "x"\n'}, "expected a public address"),
    ],
    ids=["no such page", "outside", "not run", "no notebook", "address"],
)
def test_bad_input_is_one_line_and_writes_nothing(
    make_root, tmp_path, capsys, monkeypatch, changes, expected
):
    monkeypatch.setattr(build_site, "ROOT", make_root(**changes))
    assert build_site.main(["--output-dir", str(tmp_path / "build")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("site: ") and expected in error and len(error.splitlines()) == 1
    assert not (tmp_path / "build").exists()


def test_a_warning_of_sphinx_keeps_the_old_site(make_root, tmp_path, monkeypatch):
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "index.html").write_text("old")
    program = "print('x.md:1: WARNING: no such page'); raise SystemExit(1)"
    command = [sys.executable, "-c", program]
    monkeypatch.setattr(
        build_site, "start_sphinx", lambda *_: subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    )
    with pytest.raises(site_pages.SiteError, match="WARNING: no such page"):
        build_site.build(tmp_path, make_root())
    assert (tmp_path / "en" / "index.html").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["en"]


def test_missing_packages_are_named(make_root, tmp_path, monkeypatch):
    monkeypatch.setattr(build_site, "PACKAGES", ("sphinx", "no_such_package"))
    with pytest.raises(site_pages.SiteError, match="no_such_package not installed: pip install -r"):
        build_site.build(tmp_path / "build", make_root())


def test_executed_copies_are_shown_in_place_of_committed_ones(make_root, tmp_path):
    copy = tmp_path / "02_next.ipynb"
    copy.write_text(lesson("Next", "fresh").replace('"execution_count": 2', '"execution_count": null'))
    root = make_root()
    executed = {root / "notebooks" / "02_next.ipynb": copy}
    pages = site_pages.Pages(root, "en", tmp_path / "pages", executed)
    for stem in pages.stems:
        pages.add_notebook(stem)
    text = json.loads((tmp_path / "pages" / "notebooks" / "02_next.ipynb").read_text())
    assert "*fresh*" in "".join(text["cells"][0]["source"])
