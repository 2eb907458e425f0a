"""Rules that every committed notebook keeps, and the folded solutions of its exercises."""

import re

import pytest
from ipython_pygments_lexers import IPython3Lexer
from notebook_cells import NOTEBOOKS, read
from pygments.token import Error


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestEveryNotebook:
    def test_was_run_once_from_top_to_bottom(self, path):
        _, code = read(path)
        assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))

    def test_has_no_stderr_no_error_and_no_absolute_path(self, path):
        _, code = read(path)
        outputs = [output for cell in code for output in cell["outputs"]]
        assert not [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"]
        assert not re.search(r"/(?:root|home|Users|tmp|work)/", path.read_text(encoding="utf-8"))

    def test_cells_are_short_and_compared(self, path):
        _, code = read(path)
        lines = [sum(bool(x.strip()) for x in cell["source"].splitlines()) for cell in code]
        assert max(lines) <= 25 and sorted(lines)[len(lines) // 2] <= 8
        tags = [tag for cell in code for tag in cell["metadata"].get("tags", [])]
        assert set(tags) <= {"nbval-ignore-output"} and len(tags) <= len(code) / 3

    def test_can_be_coloured_as_code(self, path):
        _, code = read(path)
        unread = [
            t for cell in code for kind, t in IPython3Lexer().get_tokens(cell["source"]) if kind is Error
        ]
        assert unread == []

    def test_is_small_and_begins_with_what_a_reader_needs(self, path):
        notebook, _ = read(path)
        assert path.stat().st_size <= 1_500_000
        opening = notebook["cells"][0]["source"]
        assert (
            opening.startswith("# ") and "**You will learn**" in opening and "**Before you start**" in opening
        )

    def test_each_exercise_has_a_folded_solution(self, path):
        notebook, _ = read(path)
        text = "\n".join(c["source"] for c in notebook["cells"] if c["cell_type"] == "markdown")
        exercises = len(re.findall(r"^\*\*Exercise \d+", text, flags=re.MULTILINE))
        assert exercises >= 5 and text.count("<summary>Solution</summary>") == exercises
