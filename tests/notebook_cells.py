"""Read notebooks: their cells, and the folded solutions of their exercises."""

import json
import re
from pathlib import Path

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))


def read(path: Path) -> tuple[dict, list[dict]]:
    """Return a notebook and its code cells, with sources as text."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    return notebook, [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def solution(path: Path, number: int) -> str:
    """Return the code of a folded solution."""
    notebook, _ = read(path)
    text = "\n".join(c["source"] for c in notebook["cells"] if c["cell_type"] == "markdown")
    return re.search(rf"\*\*Exercise {number}\b.*?```python\n(.*?)```", text, flags=re.DOTALL)[1]


def defining_cell(path: Path, function: str) -> str:
    """Return the code of the first cell that defines a function."""
    _, code = read(path)
    return next(c["source"] for c in code if f"def {function}(" in c["source"])


def starting_cell(path: Path, start: str) -> str:
    """Return the code of the one cell in which a line starts so: that of an exercise, for example."""
    _, code = read(path)
    (cell,) = [c["source"] for c in code if re.search(rf"^{re.escape(start)}", c["source"], re.MULTILINE)]
    return cell


def check_cell(path: Path, function: str) -> str:
    """Return the code of the self-check that stands below an exercise's stub."""
    return re.split(r"# your lines?\n", defining_cell(path, function))[1]
