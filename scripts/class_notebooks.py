"""Make a student's, a teacher's and nbgrader's notebook out of one of the series."""

import ast
import copy
import re
import textwrap

SOLUTION = re.compile(
    r"<details><summary>Solutions?</summary>\n(.*?)</details>(?:\s*<br>)?\s*", flags=re.DOTALL
)
CODE = re.compile(r"```python\n(.*?)```", flags=re.DOTALL)
EXERCISE = re.compile(r"^\*\*(?:Exercise|Exercice) (\d+) \((\w+)", flags=re.MULTILINE)
POINTS = {"easy": 1, "facile": 1, "hard": 3, "difficile": 3}  # all others are worth 2
FOLDED = re.compile(r" ?Solutions are folded below the questions\.")


class NotebookError(Exception):
    """What is wrong with a notebook, in one line."""


def exercise_cells(notebook) -> dict[int, tuple[int, int]]:
    """Find the code cell of each exercise.

    Parameters
    ----------
    notebook : nbformat.NotebookNode

    Returns
    -------
    dict of int to (int, int)
        For each exercise that has a cell for the answer: its number, the cell's index, and its points
        (1 for an easy one, 2, or 3 for a hard one).
    """
    found, last = {}, None
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            questions = EXERCISE.findall(cell.source)
            last = questions[-1] if questions else last
        elif last is not None:
            found.setdefault(int(last[0]), (i, POINTS.get(last[1], 2)))
            last = None
    return found


def solutions(notebook) -> dict[int, str]:
    """Return the code of each exercise's folded solution, by the exercise's number."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    parts = EXERCISE.split(text)[1:]
    found = {}
    for number, part in zip(parts[::3], parts[2::3], strict=True):
        folded = SOLUTION.search(part)
        code = CODE.search(folded[1]) if folded else None
        if code:
            found[int(number)] = code[1].rstrip()
    return found


def split_cell(source: str) -> tuple[str, str]:
    """Cut an exercise's cell into what the student changes and the check.

    The answer's part ends with the last statement that holds a placeholder `...`; without one it is the
    first statement.

    Raises
    ------
    NotebookError
        If nothing is left for the check.
    """
    statements = ast.parse(source).body
    compared = (ast.Compare, ast.Subscript)  # `x is ...` and `x[..., 0]` are no placeholders

    def open_places(node) -> bool:
        if isinstance(node, compared):
            return False
        if isinstance(node, ast.Constant) and node.value is ...:
            return True
        return any(open_places(child) for child in ast.iter_child_nodes(node))

    answers = [s for s in statements if not isinstance(s, ast.If) and open_places(s)] or statements[:1]
    if not answers or answers[-1] is statements[-1]:
        raise NotebookError(f"no check below the answer in the cell `{source.splitlines()[0]}`")
    lines = source.splitlines()
    end = answers[-1].end_lineno
    return "\n".join(lines[:end]), "\n".join(lines[end:]).strip("\n")


def _strings(node) -> list[str]:
    """Return the texts in an expression; what an f-string computes becomes an ellipsis."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.JoinedStr):
        return ["".join(v.value if isinstance(v, ast.Constant) else "…" for v in node.values)]
    return [text for child in ast.iter_child_nodes(node) for text in _strings(child)]


def _conditions(node, known: dict[str, str], path: tuple[str, ...] = ()):
    """Yield, for each place where "right" is printed, the conditions that lead there."""
    if isinstance(node, ast.Constant | ast.JoinedStr):
        if any(text.startswith("right") for text in _strings(node)):
            yield path
    elif isinstance(node, ast.If | ast.IfExp):
        test = ast.unparse(node.test)
        yes, no = (x if isinstance(x, list) else [x] for x in (node.body, node.orelse))
        for branch, way in ((yes, (*path, known.get(test, test))), (no, path)):
            for child in branch:
                yield from _conditions(child, known, way)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _conditions(child, known, path)


def describe_check(check: str) -> str:
    """Say in words what a check looks for: when it is content, and which mistakes it names."""
    tree = ast.parse(check)
    assigned = [n for n in ast.walk(tree) if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name)]
    known = {node.targets[0].id: ast.unparse(node.value) for node in assigned}
    mistakes = [
        text.removeprefix("not quite").lstrip(": ") for text in _strings(tree) if text.startswith("not quite")
    ]
    tests = [test for path in _conditions(tree, known) for test in path]
    lines = ["**What this check looks for.**"]
    if tests:
        lines[0] += " It prints *right* if " + " and ".join(f"`{test}`" for test in tests) + "."
    else:
        lines[0] += " It prints *right* if it finds none of the mistakes below."
    named = list(dict.fromkeys(text for text in mistakes if text))
    if named:
        lines[0] += " Mistakes that it names:"
        lines += ["", *(f"- {text}" for text in named)]
    return "\n".join(lines)


def make_teacher(notebook):
    """Return a copy with a line below each check on what it looks for; solutions and outputs stay.

    Parameters
    ----------
    notebook : nbformat.NotebookNode

    Raises
    ------
    NotebookError
        If an exercise's cell has no check.
    """
    made = copy.deepcopy(notebook)
    for number, (i, _) in sorted(exercise_cells(notebook).items(), reverse=True):
        text = describe_check(split_cell(notebook.cells[i].source)[1])
        cell = {"cell_type": "markdown", "id": f"check-{number}", "metadata": {}, "source": text}
        made.cells.insert(i + 1, type(made.cells[i])(cell))
    return made


def make_student(notebook):
    """Return a copy without outputs and folded solutions; checks and all other text stay.

    Raises
    ------
    NotebookError
        If a solution is left over, for example because its `</details>` is missing.
    """
    made, kept = copy.deepcopy(notebook), []
    made.metadata.pop("widgets", None)
    for cell in made.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        elif "<summary>Solution" in cell.source:
            cell.source = SOLUTION.sub("", cell.source).strip()
            if "<summary>Solution" in cell.source:
                raise NotebookError(f"a solution is not closed by </details>: {cell.source[:60]!r}")
        if cell.cell_type == "markdown":
            cell.source = FOLDED.sub("", cell.source)
        if cell.source or cell.cell_type == "code":
            kept.append(cell)
    made.cells = kept
    return made


def _nbgrader_cell(cell, name: str, source: str, points: int | None):
    """Return a copy of a cell with nbgrader's metadata: an answer, or a test that gives points."""
    made = copy.deepcopy(cell)
    made.id, made.source, made.metadata = name, source, type(cell.metadata)()
    graded = points is not None
    made.metadata["nbgrader"] = {
        "grade": graded, "grade_id": name, "locked": graded, "schema_version": 3,
        "solution": not graded, "task": False, "cell_type": "code",
    }  # fmt: skip
    if graded:
        made.metadata["nbgrader"]["points"] = points
    return made


def make_nbgrader(notebook):
    """Return a notebook for nbgrader's `source` folder: answers and tests in cells of their own.

    The answer's cell holds the open lines and, between nbgrader's marks, the solution, which
    `nbgrader generate_assignment` takes out. The test's cell runs the check, and fails unless that prints
    "right".

    Raises
    ------
    NotebookError
        If an exercise's cell has no check, or an exercise with a check no solution.
    """
    made, answers = make_student(notebook), solutions(notebook)
    for number, (i, points) in sorted(exercise_cells(made).items(), reverse=True):
        if number not in answers:
            raise NotebookError(f"exercise {number} has a check and no folded solution")
        cell = made.cells[i]
        stub, check = split_cell(cell.source)
        answer = f"{stub}\n\n\n### BEGIN SOLUTION\n{answers[number]}\n### END SOLUTION"
        test = (
            "import contextlib\nimport io\n\nwith contextlib.redirect_stdout(io.StringIO()) as said:\n"
            f"{textwrap.indent(check, '    ')}\n"
            "answer_is = said.getvalue().strip()\nprint(answer_is)\n"
            'assert answer_is.startswith("right"), answer_is'
        )
        made.cells[i : i + 1] = [
            _nbgrader_cell(cell, f"exercise-{number}", answer, None),
            _nbgrader_cell(cell, f"check-{number}", test, points),
        ]
    return made
