"""The classroom kit: no solution for students, whole checks, a zip that runs, a checker with remedies."""

import importlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from notebook_cells import NOTEBOOKS

from scripts import check_setup, make_class
from scripts.class_notebooks import (
    NotebookError,
    describe_check,
    exercise_cells,
    make_nbgrader,
    make_student,
    make_teacher,
    solutions,
    split_cell,
)
from scripts.make_class import CONFIG, ROOT, collect, main, pack

STUB = "def double(x):\n    return ...  # your line"
CHECK = """answer = double(3)
if answer is ...:
    print("not answered yet")
elif answer == 9:
    print("not quite: that is the square")
else:
    print("right" if answer == 6 else "not quite")"""
SOLUTION = "def double(x):\n    return 2 * x"


def folded(code):
    """Fold a solution as the series does."""
    return f"<details><summary>Solution</summary>\n\n```python\n{code}\n```\n\nAs easy as that.\n</details>"


def small_notebook(code=SOLUTION):
    """Return a notebook of one checked exercise, and a second question in the cell of its solution."""
    question = "## 8 · Exercises\n\nEach has a check. Solutions are folded below the questions.\n\n"
    cells = [
        new_markdown_cell("# A lesson"),
        new_code_cell("print(1)", execution_count=1),
        new_markdown_cell(question + "**Exercise 1 (easy).** Double a number."),
        new_code_cell(f"{STUB}\n\n\n{CHECK}"),
        new_markdown_cell(folded(code) + "\n\n<br>\n\n**Exercise 2 (hard).** Why?\n\n" + folded("pass")),
        new_markdown_cell("## Recap\n\n<details><summary>How sure?</summary>\n\nQuite.\n</details>"),
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return new_notebook(cells=cells, metadata=kernel)


@pytest.fixture(scope="module")
def series():
    """Return the notebooks of the series by their names."""
    return {path.stem: nbformat.read(path, as_version=4) for path in NOTEBOOKS}


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    """Return the folder of the kit, made by the command line and unpacked."""
    place = tmp_path_factory.mktemp("kit")
    assert main(["--output", str(place / "class.zip")]) == 0
    with zipfile.ZipFile(place / "class.zip") as archive:
        assert archive.testzip() is None
        archive.extractall(place)
    return place / "class"


class TestStudents:
    def test_small_one_loses_solutions_and_outputs_and_nothing_else(self):
        made = make_student(small_notebook())
        sources = [cell.source for cell in made.cells]
        assert sources[2].startswith("## 8 · Exercises\n\nEach has a check.\n\n**Exercise 1 (easy).**")
        assert sources[3] == f"{STUB}\n\n\n{CHECK}"
        assert sources[4] == "**Exercise 2 (hard).** Why?"
        assert "How sure?" in sources[5]
        assert made.cells[1].execution_count is None and made.cells[1].outputs == []

    def test_of_the_series_keeps_every_code_cell_and_every_other_text(self, series):
        for name, notebook in series.items():
            made = make_student(notebook)
            code, kept = ([c.source for c in n.cells if c.cell_type == "code"] for n in (notebook, made))
            assert kept == code, name
            texts = {c.id: c.source for c in made.cells if c.cell_type == "markdown"}
            for cell in notebook.cells:
                if cell.cell_type == "markdown" and "Solution" not in cell.source:
                    assert texts[cell.id] == cell.source
            assert "<summary>Solution" not in "".join(texts.values())
            for answer in solutions(notebook).values():
                assert answer not in "".join(texts.values())
            nbformat.validate(made)

    def test_keep_all_questions(self, series):
        for notebook in series.values():
            counts = [
                sum(len(re.findall(r"^\*\*Exercise \d", c.source, flags=re.MULTILINE)) for c in n.cells)
                for n in (notebook, make_student(notebook))
            ]
            assert counts[0] == counts[1] >= 5

    def test_solution_without_an_end_is_refused(self):
        notebook = small_notebook()
        notebook.cells[4].source = notebook.cells[4].source.replace("</details>", "")
        with pytest.raises(NotebookError, match="not closed by </details>"):
            make_student(notebook)


class TestTeachers:
    def test_keeps_all_cells_and_says_what_each_check_looks_for(self, series):
        for name, notebook in series.items():
            made = make_teacher(notebook)
            added = [cell for cell in made.cells if cell.id.startswith("check-")]
            assert [cell for cell in made.cells if cell not in added] == notebook.cells
            assert len(added) == len(exercise_cells(notebook)) >= 5, name
            assert all("It prints *right* if" in cell.source for cell in added)
            nbformat.validate(made)

    def test_line_has_the_condition_and_the_mistakes(self):
        text = describe_check(CHECK)
        assert "if `answer == 6`" in text and "- that is the square" in text and "not quite" not in text
        named = describe_check('right = a == 1\nprint(f"right: {a}" if right else f"not quite: {a} is odd")')
        assert "`a == 1`" in named and "- … is odd" in named


class TestSplit:
    def test_answer_ends_with_the_last_placeholder(self):
        assert split_cell(f"{STUB}\n\n\n{CHECK}") == (STUB, CHECK)
        one = "values = {}  # one for each\n\nif not values:\n    print('not answered yet')"
        assert split_cell(one)[0] == "values = {}  # one for each"
        sliced = "a = ...\n\nb = x[..., 0]\nif a is ...:\n    print(b)"
        assert split_cell(sliced)[0] == "a = ..."

    def test_exercise_without_check_is_refused(self):
        with pytest.raises(NotebookError, match="no check below the answer"):
            split_cell("a = ...")


class TestNbgrader:
    def test_every_check_of_the_series_is_a_locked_test_with_points(self, series):
        for name, notebook in series.items():
            made = make_nbgrader(notebook)
            marks = [c.metadata.nbgrader for c in made.cells if "nbgrader" in c.metadata]
            tests = [m for m in marks if m.grade]
            assert len(tests) == len(marks) / 2 == len(exercise_cells(notebook)), name
            assert all(m.locked and not m.solution and 1 <= m.points <= 3 for m in tests)
            ids = [m.grade_id for m in marks]
            assert len(set(ids)) == len(ids) and all(re.fullmatch(r"[\w-]+", i) for i in ids)
            nbformat.validate(made)

    @pytest.mark.parametrize(("code", "passes"), [(SOLUTION, True), ("double = abs", False)])
    def test_its_test_passes_the_solution_and_fails_a_wrong_one(self, code, passes):
        answer, test = (
            c.source for c in make_nbgrader(small_notebook(code)).cells if "nbgrader" in c.metadata
        )
        names = {}
        exec(answer, names)
        if passes:
            exec(test, names)
        else:
            with pytest.raises(AssertionError, match="not quite"):
                exec(test, names)

    def test_exercise_without_solution_is_refused(self):
        notebook = small_notebook()
        notebook.cells[4].source = "**Exercise 2 (hard).** Why?\n\n" + folded("pass")
        with pytest.raises(NotebookError, match="exercise 1 has a check and no folded solution"):
            make_nbgrader(notebook)

    @pytest.mark.slow
    @pytest.mark.skipif(find_spec("nbgrader") is None, reason="nbgrader is not installed")
    def test_nbgrader_takes_solutions_out_and_grades_a_right_and_a_wrong_submission(self, tmp_path):
        (tmp_path / "nbgrader_config.py").write_text(CONFIG)
        source = tmp_path / "source" / "lesson" / "lesson.ipynb"
        source.parent.mkdir(parents=True)
        nbformat.write(make_nbgrader(small_notebook()), source)

        # nbgrader looks for the tool `alembic` on the path.
        tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = os.environ | {"PATH": tools}

        def run(*arguments):
            command = [sys.executable, "-m", "nbgrader", *arguments]
            done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr

        run("generate_assignment", "lesson")
        released = nbformat.read(tmp_path / "release" / "lesson" / "lesson.ipynb", as_version=4)
        answer = next(c for c in released.cells if c.source.startswith(STUB))
        assert "2 * x" not in "".join(c.source for c in released.cells)
        assert "NotImplementedError" not in answer.source
        for student, line in (("right", "2 * x"), ("wrong", "x * x")):
            answer.source = STUB.replace("...  # your line", line)
            place = tmp_path / "submitted" / student / "lesson" / "lesson.ipynb"
            place.parent.mkdir(parents=True)
            nbformat.write(released, place)
        run("autograde", "lesson")
        with closing(sqlite3.connect(tmp_path / "gradebook.db")) as book:
            scores = book.execute(
                "select submitted_assignment.student_id, grade.auto_score from grade"
                " join submitted_notebook on submitted_notebook.id = grade.notebook_id"
                " join submitted_assignment on submitted_assignment.id = submitted_notebook.assignment_id"
                " join base_cell on base_cell.id = grade.cell_id where base_cell.name = 'check-1'"
            ).fetchall()
        assert dict(scores) == {"right": 1.0, "wrong": 0.0}


class TestZip:
    def test_has_a_notebook_for_student_and_teacher_for_each_of_the_series(self, kit, series):
        for folder in ("notebooks", "teacher/notebooks"):
            assert {path.stem for path in (kit / folder).rglob("*.ipynb")} >= set(series)
        assert (kit / "teacher" / "teaching.md").read_text(encoding="utf-8").startswith("# ")
        assert (kit / "README.md").is_file()

    def test_students_part_has_no_solution(self, kit):
        for path in kit.rglob("*.ipynb"):
            if "teacher" not in path.parts:
                assert "<summary>Solution" not in path.read_text(encoding="utf-8")

    @pytest.mark.slow
    def test_unpacked_it_passes_its_checker_and_loads_every_weight(self, kit):
        lines = [
            "import pathlib, sys, check_setup",
            "failed = check_setup.main()",
            "import helpers",
            "from safetensors.torch import load_file",
            "helpers.load_results('samplers')",
            "loaded = sum(bool(load_file(p)) for p in pathlib.Path('weights').rglob('*.safetensors'))",
            "print(failed, loaded, pathlib.Path(helpers.__file__).parents[1])",
        ]
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        command = [sys.executable, "-c", "\n".join(lines)]
        done = subprocess.run(command, cwd=kit, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        said = done.stdout.splitlines()
        assert len(said) == 8 and all(line.startswith("ok    ") for line in said[:6]), said
        assert "a training step of 32 sprites" in said[5] and said[6].startswith("ready")
        weights = len(list((ROOT / "weights").rglob("*.safetensors")))
        assert said[7] == f"0 {weights} {kit}" and weights > 0

    def test_same_contents_give_the_same_bytes(self):
        assert pack({"b": b"2", "a": b"1"}) == pack({"a": b"1", "b": b"2"})

    def test_nbgrader_sources_are_assignments_beside_their_settings(self, monkeypatch):
        monkeypatch.setattr(make_class, "shared_files", lambda root: [root / "scripts" / "check_setup.py"])
        found = collect(ROOT, "nbgrader")
        assert "nbgrader_config.py" in found and not any(name.startswith("notebooks/") for name in found)
        assert {f"source/{p.stem}/{p.stem}.ipynb" for p in NOTEBOOKS} <= set(found)


class TestGuide:
    def test_each_plan_is_of_a_notebook_fills_90_minutes_and_is_whole(self, series):
        text = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
        plans = re.split(r"^## (\d\d) · ", text, flags=re.MULTILINE)[1:]
        assert len(plans) >= 12
        for number, plan in zip(plans[::2], plans[1::2], strict=True):
            plan = plan.split("\n## ")[0]
            assert any(name.startswith(number) for name in series)
            times = [(int(a), int(b)) for a, b in re.findall(r"^\| (\d+)–(\d+) \|", plan, flags=re.MULTILINE)]
            assert [b for _, b in times] == [a for a, _ in times[1:]] + [90] and times[0][0] == 0, number
            assert len(re.findall(r"^\d\. \*", plan, flags=re.MULTILINE)) == 3
            errors = plan.split("| remedy |\n")[1].split("\n\n")[0]
            assert len(errors.splitlines()) == 6  # a rule and five
            assert all(part in plan for part in ("**In 45 minutes:**", "**Homework:**", "**Assess:**"))


class TestBadInput:
    @pytest.fixture
    def small(self, monkeypatch, tmp_path):
        """Let the command pack a repository of next to nothing."""
        root = tmp_path / "repository"
        for name in make_class.FOLDERS:
            (root / name).mkdir(parents=True)
        for name in (*make_class.FILES, "docs/teaching.md", "scripts/check_setup.py"):
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_text("text")
        (root / "notebooks").mkdir()
        nbformat.write(small_notebook(), root / "notebooks" / "01_lesson.ipynb")
        monkeypatch.setattr(make_class, "ROOT", root)
        return root

    def test_target_that_cannot_be_written_leaves_nothing_behind(self, small, tmp_path):
        (tmp_path / "file").write_text("kept")
        for target in (tmp_path / "file" / "class.zip", small):
            before = sorted(tmp_path.rglob("*"))
            said = main(["--output", str(target)])
            assert said.startswith(f"class: cannot write {target} (") and said.endswith("--output")
            assert "\n" not in said and sorted(tmp_path.rglob("*")) == before

    def test_old_zip_stays_when_a_new_one_fails(self, small):
        assert main([]) == 0
        old = (small / "build" / "class.zip").read_bytes()
        (small / "notebooks" / "02_broken.ipynb").write_text("{")
        assert main([]).startswith("class: ") and "02_broken.ipynb is no notebook" in main([])
        assert (small / "build" / "class.zip").read_bytes() == old

    def test_missing_parts_are_named(self, small):
        (small / "docs" / "teaching.md").unlink()
        assert "docs/teaching.md" in main([])
        (small / "docs" / "teaching.md").touch()
        (small / "notebooks" / "01_lesson.ipynb").unlink()
        assert "there is no notebook in" in main([])

    def test_notebook_with_an_open_solution_is_named(self, small):
        notebook = small_notebook()
        notebook.cells[4].source = "<details><summary>Solution</summary>\n\nfor ever"
        nbformat.write(notebook, small / "notebooks" / "01_lesson.ipynb")
        assert re.match(r"class: .*01_lesson.ipynb: a solution is not closed", main([]))


class TestCheckSetup:
    def test_each_failure_is_one_line_with_its_remedy(self, tmp_path):
        (tmp_path / "requirements.txt").write_text("# all\nnumpy>=999  # old\nno-such-package>=1\n")
        little = shutil.disk_usage(tmp_path)._replace(free=1e6)
        failures = {
            "install 3.11 or newer": lambda root: check_setup.check_python(root, (3, 9, 2)),
            "unpack the whole kit again": check_setup.check_files,
            "-m pip install -r requirements.txt": check_setup.check_packages,
            "close other programs": lambda root: check_setup.check_memory(root, lambda: 0.4),
            "make room": lambda root: check_setup.check_disk(root, lambda _: little),
        }
        for remedy, check in failures.items():
            with pytest.raises(check_setup.Failure) as failure:
                check(tmp_path)
            assert remedy in str(failure.value) and "\n" not in str(failure.value)
        with pytest.raises(
            check_setup.Failure, match=r"numpy is .* and not >=999, no-such-package is missing"
        ):
            check_setup.check_packages(tmp_path)

    def test_damaged_weights_are_said_before_the_lesson(self, monkeypatch, tmp_path):
        weights = importlib.import_module("helpers.weights")
        shutil.copytree(ROOT / "weights" / "unconditional", tmp_path / "unconditional")
        file = next((tmp_path / "unconditional").rglob("*.safetensors"))
        file.write_bytes(file.read_bytes()[:1000])
        monkeypatch.setattr(weights, "WEIGHTS", tmp_path)
        with pytest.raises(check_setup.Failure, match=r"a training step failed .* is damaged"):
            check_setup.check_training(ROOT)

    def test_failures_are_counted_and_the_training_waits(self, tmp_path, capsys):
        (tmp_path / "requirements.txt").touch()
        assert check_setup.main(tmp_path) >= 1
        said = capsys.readouterr().out
        assert "FAIL  helpers is missing" in said and "skip  the training step" in said
        assert "not ready: " in said
