"""The committed French edition: complete, the same code, French words and French typography."""

import json
import re
from pathlib import Path

import polib
import pytest
from notebook_cells import NOTEBOOKS, read

from scripts import run_series
from scripts.markdown_links import LINK
from scripts.stamp_links import SETUP
from scripts.translation.code import code_tokens
from scripts.translation.documents import README, english_path, translated_path
from scripts.translation.edition import Edition
from scripts.translation.words import plain

ROOT = Path(__file__).resolve().parent.parent
EDITION = Edition(ROOT, "fr")
TRANSLATED = [translated_path(ROOT, "fr", name) for name in EDITION.names]
FRENCH_NOTEBOOKS = [path for path in TRANSLATED if path.suffix == ".ipynb"]
PROOF = "07_scaling_up"  # the notebook that is executed in French too
GLOSSARY = EDITION.folder / "glossary.md"
ENGLISH_WORDS = re.compile(
    r"\b(?:the|of|and|is|are|was|with|which|that|this|these|from|by|it|its|what|when|not|has|have|you|we|to|their"
    r"|they|than|there|into|would|be|been|how|who|does|your|our|but|only|each|all|in|at|for)\b(?!-)",
    re.IGNORECASE,
)
QUOTED = re.compile(r"(?<![*\w])\*[^*\s](?:[^*]*[^*\s])?\*(?![*\w])|«[^»]*»|“[^”]*”")
VERSIONS = re.compile(r"arXiv \d{4}\.\d{4,5}|(?:Apache|CC0|Python|Stable Diffusion) \d\.\d+")
documents = pytest.mark.parametrize("name", EDITION.names)


def entries(name: str) -> list[polib.POEntry]:
    """Return the entries of a document's catalogue that are in use."""
    return [entry for entry in EDITION.catalogue(name) if not entry.obsolete]


def read_glossary() -> list[tuple[str, list[str]]]:
    """Return the terms of the glossary, longest first, each with the French ones that may stand for it."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \|", GLOSSARY.read_text(encoding="utf-8"), flags=re.MULTILINE)[2:]
    terms = [(english, french.replace("'", "’").split(" / ")) for english, french in rows]
    return sorted(terms, key=lambda term: -len(term[0]))


def words_of(text: str) -> str:
    """Return the words of a block; where it is a reference, without the title in italics."""
    return plain(QUOTED.sub(" ", text) if "](https://arxiv.org" in text else text)


def section_numbers(name: str) -> set[str]:
    """Return the numbers of a notebook's sections, which are written with a point in every language."""
    headings = re.findall(r"#{2,4} (\d+\.\d+)\b", english_path(ROOT, name).read_text(encoding="utf-8"))
    return set(headings)


@documents
def test_every_block_is_translated_and_the_file_is_what_the_catalogue_makes(name):
    text, said = EDITION.build(name)
    assert said == [], "`python scripts/translate.py update`, then translate what is empty or fuzzy"
    assert [entry.msgid for entry in entries(name) if entry.fuzzy or not entry.msgstr] == []
    committed = translated_path(ROOT, "fr", name).read_text(encoding="utf-8")
    assert text == committed, "`make fr` makes it again"


def test_everything_is_there_in_french_and_nothing_without_a_catalogue():
    assert sorted(ROOT.glob("notebooks/fr/*.ipynb")) == FRENCH_NOTEBOOKS
    assert sorted(ROOT.glob("README.fr.md")) == [path for path in TRANSLATED if path not in FRENCH_NOTEBOOKS]
    assert sorted(EDITION.english) == sorted(EDITION.names)


@pytest.mark.parametrize("path", FRENCH_NOTEBOOKS, ids=lambda path: path.stem)
class TestEveryFrenchNotebook:
    def test_has_the_code_and_the_outputs_of_the_english_one(self, path):
        notebook, _ = read(path)
        english, _ = read(english_path(ROOT, path.stem))
        assert len(notebook["cells"]) == len(english["cells"]) and path.stat().st_size <= 1_500_000
        for cell, original in zip(notebook["cells"], english["cells"], strict=True):
            assert [cell[key] for key in ("id", "cell_type", "metadata")] == [
                original[key] for key in ("id", "cell_type", "metadata")
            ]
            if cell["cell_type"] == "code":
                if cell["source"].startswith(SETUP):
                    assert cell["source"] == original["source"]
                else:
                    assert code_tokens(cell["source"]) == code_tokens(original["source"])
                assert [o.get("text") or o.get("data") for o in cell["outputs"]] == [
                    o.get("text") or o.get("data") for o in original["outputs"]
                ]

    def test_links_lead_to_files_and_stay_in_french(self, path):
        notebook, _ = read(path)
        text = "\n".join(cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "markdown")
        for _, _, target, _ in LINK.findall(text):
            if re.match(r"[a-z]+:|#", target):
                continue
            there = (path.parent / target.partition("#")[0]).resolve()
            assert there.exists(), target
            assert there not in {english_path(ROOT, name) for name in EDITION.names}, target

    def test_begins_and_ends_like_the_others(self, path):
        notebook, _ = read(path)
        opening = notebook["cells"][0]["source"]
        assert opening.startswith("# ") and "**Vous allez apprendre**" in opening
        assert "**Avant de commencer**" in opening
        text = "\n".join(cell["source"] for cell in notebook["cells"])
        assert text.count("**À remarquer") > 3 and "## En résumé" in text and "## Références" in text
        exercises = re.findall(r"^\*\*Exercice \d+ \((?:facile|moyen|difficile)\)", text, flags=re.MULTILINE)
        assert len(exercises) == text.count("<summary>Solution</summary>") >= 5


@documents
def test_no_english_is_left(name):
    found = {
        entry.msgstr: words
        for entry in entries(name)
        if (words := ENGLISH_WORDS.findall(QUOTED.sub(" ", plain(entry.msgstr))))
    }
    assert found == {}


@documents
def test_terms_are_those_of_the_glossary(name):
    wrong = []
    for entry in entries(name):
        english, french = words_of(entry.msgid), words_of(entry.msgstr)
        for term, choices in read_glossary():
            pattern = rf"(?<![\w-]){re.escape(term)}(?:s|es)?(?![\w-])"
            if not re.search(pattern, english, re.IGNORECASE):
                continue
            english = re.sub(pattern, " ", english, flags=re.IGNORECASE)  # a longer term is not its parts
            allowed = "|".join(re.escape(choice).replace(r"\ ", r"s?\s") for choice in choices)
            excused = f"glossaire : {term}" in entry.tcomment
            if not excused and not re.search(rf"\b(?:{allowed})(?:s|x)?\b", french, re.IGNORECASE):
                wrong.append(f"{entry.msgctxt}: {term}, expected {' / '.join(choices)}: {entry.msgstr}")
    assert not wrong, "\n".join(wrong)


TYPOGRAPHY = {
    "a narrow no-break space before ; ! ?": r"(?<!\u202f)(?<![!?])[;!?](?!\[)",
    "a no-break space before :": r"(?<!\u00a0):(?!\S)",
    "a no-break space inside « »": r"«(?!\u00a0)|(?<!\u00a0)»",
    "a no-break space before %": r"(?<![\u00a0\u202f])%",
    "no breaking space before : ; ! ? » %": r" [:;!?»%]",
    "a curly apostrophe": r"'",
    "guillemets": r"[\"“”]",
    "a no-break space between thousands": r"\d \d{3}(?!\d)",
}


@documents
def test_typography_is_french(name):
    wrong = []
    for entry in entries(name):
        text = words_of(entry.msgstr)
        wrong += [f"{rule}: {text}" for rule, pattern in TYPOGRAPHY.items() if re.search(pattern, text)]
        points = set(re.findall(r"\d+\.\d+", VERSIONS.sub("", text))) - section_numbers(name)
        wrong += [f"a decimal comma in {point}: {text}" for point in points]
    assert not wrong, "\n".join(wrong)


def test_each_readme_leads_to_the_other():
    if README not in EDITION.names:
        pytest.skip("README.fr.md is not there yet")
    assert "](README.fr.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "](README.md)" in (ROOT / "README.fr.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_french_notebook_prints_what_the_english_one_does(tmp_path):
    path = translated_path(ROOT, "fr", PROOF)
    assert run_series.run_notebook(path, tmp_path, 1200) == ""
    _, made = read(tmp_path / path.name)
    _, english = read(next(other for other in NOTEBOOKS if other.stem == path.stem))
    for cell, original in zip(made, english, strict=True):
        if "nbval-ignore-output" not in original["metadata"].get("tags", []):
            printed = [json.dumps(output.get("text")) for output in cell["outputs"]]
            assert printed == [json.dumps(output.get("text")) for output in original["outputs"]]
