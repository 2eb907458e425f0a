"""The tool that makes translations: what it takes apart, what it checks, what it refuses."""

import json
import re
import shutil
from pathlib import Path

import polib
import pytest

from scripts import stamp_links, translate
from scripts.markdown_links import CODE
from scripts.translation.blocks import map_markdown
from scripts.translation.code import code_tokens, map_python, map_shell
from scripts.translation.documents import english_path, map_notebook, move_links, notebook_text, read_notebook
from scripts.translation.edition import Edition
from scripts.translation.words import check_block

ROOT = Path(__file__).resolve().parent.parent
TEXT = """# 1 · First

Of 1,000 images, `draw` makes $x_0$: see [the next](02_next.ipynb) and [the cards](../weights/README.md).

| step | why |
| --- | --- |
| 1 | because |

$$\\text{mean} = 0$$

<details><summary>Solution</summary>

```python
w = 1  # a weight
```
</details>"""
CODE_CELL = 'def draw():\n    """Draw it."""\n    return "# no comment"  # a comment\n'
README_TEXT = "# Series\n\nEnglish · [Xx](README.xx.md), of\nmany [lessons](notebooks/01_first.ipynb).\n"
PROTECTED = re.compile(rf"{CODE.pattern}|\]\([^)]*\)|<[^>]*>", re.DOTALL | re.MULTILINE)


def make_cell(number: int, source: str, kind: str = "markdown") -> dict:
    """Make a cell as a notebook's file holds it; one of code has drawn a picture."""
    cell = {"cell_type": kind, "id": f"cell-{number:02d}", "metadata": {}}
    about = {"data": {}, "metadata": {"image/png": {"alt": "two curves"}}, "output_type": "display_data"}
    return cell | ({"outputs": [about]} if kind == "code" else {}) | {"source": source.splitlines(True)}


@pytest.fixture
def series(tmp_path) -> Path:
    """Make a series of two notebooks and a README."""
    (tmp_path / "notebooks").mkdir()
    setup = make_cell(1, "# @title Setup\nx = !ls  # never translated", "code")
    first = [make_cell(0, TEXT), setup, make_cell(2, CODE_CELL, "code")]
    for name, cells in {"01_first": first, "02_next": [make_cell(0, "# 2 · Next")]}.items():
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text(notebook_text({"cells": cells}))
    (tmp_path / "README.md").write_text(README_TEXT)
    return tmp_path


def shout(text: str) -> str:
    """Translate into upper case, which leaves alone what a translation has to carry over."""
    made, last = "", 0
    for match in PROTECTED.finditer(text):
        made += text[last : match.start()].upper() + match[0]
        last = match.end()
    return made + text[last:].upper()


def fill(root: Path, translation=shout) -> None:
    """Make and fill every catalogue of the language xx."""
    assert translate.main(["update", "--language", "xx"], root) == 0
    for path in (root / "translations" / "xx").glob("*.po"):
        catalogue = polib.pofile(str(path))
        for entry in catalogue:
            entry.msgstr = translation(entry.msgid)
        catalogue.save()


def snapshot(root: Path) -> dict[Path, bytes]:
    """Return every file with its content."""
    return {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def change_cell(root: Path, old: str, new: str) -> None:
    """Change the English text of the first notebook."""
    path = root / "notebooks" / "01_first.ipynb"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_another_language_is_a_folder_of_catalogues(series):
    fill(series)
    assert translate.main(["build"], series) == 0
    made = read_notebook(series / "notebooks" / "xx" / "01_first.ipynb", series)
    text, setup, code = ("".join(cell["source"]) for cell in made["cells"])
    assert text.startswith("# 1 · FIRST\n\nOF 1,000 IMAGES, `draw` MAKES $x_0$: SEE [THE NEXT](02_next.")
    assert "[THE CARDS](../../weights/README.md)" in text
    assert "| STEP | WHY |\n| --- | --- |\n| 1 | BECAUSE |" in text
    assert "<summary>SOLUTION</summary>\n\n```python\nw = 1  # A WEIGHT\n```\n</details>" in text
    assert setup == "# @title Setup\nx = !ls  # never translated"
    assert code == 'def draw():\n    """DRAW IT."""\n    return "# no comment"  # A COMMENT\n'
    assert made["cells"][2]["outputs"][0]["metadata"]["image/png"]["alt"] == "TWO CURVES"
    readme = (series / "README.xx.md").read_text()
    assert readme == (
        "# SERIES\n\nENGLISH · [XX](README.xx.md), OF MANY [LESSONS](notebooks/xx/01_first.ipynb).\n"
    )


@pytest.mark.slow
def test_the_whole_series_can_be_translated(tmp_path):
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks", ignore=lambda *_: ["fr"])
    shutil.copy(ROOT / "README.md", tmp_path)
    fill(tmp_path)
    edition = Edition(tmp_path, "xx")
    assert edition.names == sorted(edition.english) and len(edition.names) > 5
    for name in edition.names:
        text, said = edition.build(name)
        assert said == []
        path = english_path(tmp_path, name)
        if path.suffix == ".ipynb":
            english, made = read_notebook(path, tmp_path), json.loads(text)
            assert notebook_text(map_notebook(english, lambda *_: None, name)) == path.read_text()
            for before, after in zip(english["cells"], made["cells"], strict=True):
                if before["cell_type"] == "code" and "@title" not in before["source"][0]:
                    assert code_tokens("".join(before["source"])) == code_tokens("".join(after["source"]))


def test_building_twice_writes_once(series, capsys):
    fill(series)
    for command in ("update", "build"):
        translate.main([command], series)
    before = snapshot(series)
    capsys.readouterr()
    assert translate.main(["build"], series) == 0
    assert translate.main(["update"], series) == 0
    assert snapshot(series) == before and "wrote" not in capsys.readouterr().out


def test_what_is_not_translated_is_shown_in_english_and_marked(series, capsys):
    fill(series)
    change_cell(series, "# 1 · First", "# 1 · First of all")
    assert translate.main(["build"], series) == 0
    text = (series / "notebooks" / "xx" / "01_first.ipynb").read_text()
    assert "# 1 · First of all [NOT TRANSLATED YET]" in text and "FIRST" not in text
    out = capsys.readouterr().out
    assert "translations/xx/01_first.po: cell-00 “1 · First of all” is not translated\n" in out
    assert "translations/xx/01_first.po: cell-00 “1 · First”: its English is gone\n" in out
    translate.main(["update"], series)
    translate.main(["build"], series)  # the old words are kept as fuzzy, for the translator only
    assert (series / "notebooks" / "xx" / "01_first.ipynb").read_text() == text
    entry = polib.pofile(str(series / "translations" / "xx" / "01_first.po"))[0]
    assert (entry.fuzzy, entry.msgstr, entry.previous_msgid) == (True, "1 · FIRST", "1 · First")
    translate.main(["status"], series)
    assert "xx 01_first: 1 of 10 blocks missing\n" in capsys.readouterr().out


def test_update_keeps_what_fits(series, capsys):
    fill(series)
    change_cell(series, "cell-00", "cell-77")
    change_cell(series, "# a comment", "# quite another thing, far from it")
    assert translate.main(["update"], series) == 0
    catalogue = polib.pofile(str(series / "translations" / "xx" / "01_first.po"))
    texts = {entry.msgid: (entry.msgctxt, entry.msgstr, entry.obsolete) for entry in catalogue}
    assert texts["1 · First"] == ("cell-77", "1 · FIRST", 0) and "fuzzy" not in str(catalogue)
    assert texts["a comment"] == ("cell-02", "A COMMENT", True)
    assert "01_first.po: cell-02 “a comment”: its English is gone" in capsys.readouterr().out
    change_cell(series, "# quite another thing, far from it", "# a comment")
    translate.main(["update"], series)
    translate.main(["status"], series)
    assert "xx 01_first: 0 of 10 blocks missing\n" in capsys.readouterr().out


def test_a_notebook_without_catalogue_stays_out_and_links_lead_to_the_english_one(series, capsys):
    fill(series)
    (series / "translations" / "xx" / "02_next.po").unlink()
    assert translate.main(["build"], series) == 0
    assert not (series / "notebooks" / "xx" / "02_next.ipynb").exists()
    assert "(../02_next.ipynb)" in (series / "notebooks" / "xx" / "01_first.ipynb").read_text()
    translate.main(["status"], series)
    assert "xx 02_next: no catalogue\n" in capsys.readouterr().out


def test_badges_open_the_translated_notebook(series):
    fill(series)
    address, names = "https://github.com/owner/name", ("01_first.ipynb", "02_next.ipynb")
    for name in names:
        path = series / "notebooks" / name
        path.write_text(stamp_links.stamp_notebook(path.read_text(), address, name))
    readme = series / "README.md"
    readme.write_text(stamp_links.put_badge(readme.read_text(), address, names[0]))
    assert translate.main(["build"], series) == 0
    for name in names:
        text = (series / "notebooks" / "xx" / name).read_text()
        assert f"blob/colab/notebooks/xx/{name}" in text
        assert stamp_links.stamp_notebook(text, address, f"xx/{name}") == text
    text = (series / "README.xx.md").read_text()
    assert stamp_links.put_badge(text, address, f"xx/{names[0]}") == text


BAD = {
    "syntax": ("translations/xx/01_first.po", 'msgid "a\nmsgstr', "cannot be read as a catalogue"),
    "bytes": ("translations/xx/01_first.po", b"\xff", "it is not in UTF-8"),
    "duplicate": (
        "translations/xx/01_first.po",
        2 * '\nmsgctxt "cell-02"\nmsgid "a comment"\nmsgstr "A"\n',
        "cell-02 “a comment” is there twice, in lines",
    ),
    "lost link": (
        "translations/xx/README.po",
        'msgctxt "README"\n'
        'msgid "English · [Xx](README.xx.md), of many [lessons](notebooks/01_first.ipynb)."\n'
        'msgstr "Nothing"\n',
        "README “English · [Xx](README.xx.md), of many [lessons](notebooks…”: the link README.md is lost",
    ),
    "other block": (
        "translations/xx/02_next.po",
        'msgctxt "cell-00"\nmsgid "2 · Next"\nmsgstr "- 2 next"\n',
        "cell-00 “2 · Next”: it begins a item",
    ),
    "no English": ("translations/xx/09_gone.po", "", "its English text, notebooks/09_gone.ipynb, is"),
    "no notebook": ("notebooks/02_next.ipynb", "{ no", "cannot be read as a notebook"),
    "no cells": ("notebooks/02_next.ipynb", "[]", "is no notebook"),
    "no id": (
        "notebooks/02_next.ipynb",
        '{"cells": [{"cell_type": "markdown", "source": "a"}]}',
        "cell 1 has no id",
    ),
    "no Python": (
        "notebooks/02_next.ipynb",
        json.dumps({"cells": [make_cell(3, "def f(:  # a comment", "code")]}),
        "cell-03 holds no readable Python",
    ),
}


@pytest.mark.parametrize("command", ["build", "update"])
@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_writes_nothing(series, capsys, command, case):
    fill(series)
    name, content, expected = BAD[case]
    (series / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    change_cell(series, "First", "Other")  # so that both would have something to write
    before = snapshot(series)
    capsys.readouterr()
    status = translate.main([command], series)
    if command == "update" and case in ("lost link", "other block"):
        assert status == 0  # a wrong translation is no obstacle to new entries
        return
    error = capsys.readouterr().err
    assert status == 1 and error.startswith(f"translate: {name}: ") and expected in error
    assert error.count("\n") == 1 and snapshot(series) == before


def test_an_unknown_document_is_named(series, capsys):
    assert translate.main(["update", "--language", "xx", "03_none"], series) == 1
    assert "no document is called 03_none, expected README, 01_first, 02_next" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["update", "--language", "../xx"], "'../xx' is no language's code"),
        (["build", "--language", "de"], "translations/de is not there"),
        (["status", "--language", "de"], "translations/de is not there"),
    ],
)
def test_a_language_that_is_none_is_refused(series, capsys, arguments, said):
    assert translate.main(arguments, series) == 1
    told = capsys.readouterr()
    assert said in told.err and told.out == "" and not (series / "translations" / "de").exists()


@pytest.mark.parametrize(
    ("english", "translated", "wrong"),
    [
        ("1,000 of 3.5 %", "1\u202f000 de 3,5 %", ""),
        ("about 2,736,099 and 0.5", "2.736.099 und 0,5", ""),
        ("see [a](b.md) and `c`, $d$", "`c`, $d$ : [voir](b.md)", ""),
        ("in [a](README.fr.md)", "dans [a](README.md)", ""),
        ("$\\text{mean} = 1$", "$\\text{moyenne} = 1$", ""),
        ("3.5 steps", "35 pas", "the number 3.5 is lost"),
        ("3 steps", "3 pas de 4", "the number 4 is not in the English text"),
        ("$x_0$ here", "ici", "the formula $x_0$ is lost"),
        ("$x_0$ here", "$x_1$ ici", "the formula $x_0$ is lost"),
        ("`eta` is", "eta est", "the code `eta` is lost"),
        ("it is", "`eta` est", "the code `eta` is not in the English text"),
        ("see [a](b.md)", "voir [a](c.md)", "the link b.md is lost"),
        ("a | b", "a", "1 cells of a table's row, expected 2"),
        ("**a** b", "**a b", "a ** is not closed"),
        ("a", "a\n\nb", "it must be one line, without spaces around it"),
    ],
)
def test_a_translation_carries_over_what_is_no_language(english, translated, wrong):
    assert check_block(english, translated) == wrong


def test_only_comments_and_docstrings_of_code_are_words():
    source = "%matplotlib inline\n!ls  # all\nx = '# no'  # fmt: skip\n# Say it.\n"
    source += 'class A:\n    r"""é\n\n    Go on."""\n'
    found = []
    map_python(source, found.append)
    assert found == ["Say it.", "Go on."]
    assert map_python(source, str.upper).endswith('\n# SAY IT.\nclass A:\n    r"""é\n\n    GO ON."""\n')
    assert code_tokens(source) == code_tokens(map_python(source, str.upper))
    assert code_tokens(source) != code_tokens(source.replace("# no", "# yes"))
    assert map_shell("make run  # once\nls 'a#b' # 1", str.upper) == "make run  # ONCE\nls 'a#b' # 1"


def test_blocks_keep_their_marks_and_wrapped_ones_are_wrapped():
    text = '- one item\n  of two lines\n1. <img src="a.png" alt="a sprite"> here\n\n> said\n\n`x` $y$ 3\n'
    longer = {"one item of two lines": "ONE" + 40 * " ITEM"}
    lines = map_markdown(text, lambda block: longer.get(block, block.upper())).splitlines()
    assert lines[0].startswith("- ONE ITEM") and lines[1].startswith("  ITEM") and max(map(len, lines)) <= 120
    assert lines[-4:] == ["", "> SAID", "", "`x` $y$ 3"]


def test_links_stay_in_the_language(tmp_path):
    english, made = tmp_path / "notebooks" / "01.ipynb", tmp_path / "notebooks" / "xx" / "01.ipynb"
    places = {english: made, tmp_path / "README.md": tmp_path / "README.xx.md"}
    colab = "https://colab.research.google.com/github/a/b/blob/colab/notebooks/"
    text = f"[a](01.ipynb#x) [b](../README.md) [c](../data/) [d](#e) `[f](g)` [h]({colab}01.ipynb) [i](https://j.k)"
    assert move_links(text, english, made, places) == (
        f"[a](01.ipynb#x) [b](../../README.xx.md) [c](../../data/) [d](#e) `[f](g)` [h]({colab}xx/01.ipynb) "
        "[i](https://j.k)"
    )
