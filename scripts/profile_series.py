"""Where the time of `make test` goes: read from the reports that its last run left in build/.

    make test && python scripts/profile_series.py

Writes benchmarks/results/series.json; the table goes into benchmarks/README.md.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from helpers.checkpoints import write_file  # noqa: E402
from helpers.evaluation.tables import markdown_table  # noqa: E402
from scripts.cards import stamp  # noqa: E402
from scripts.train import describe_device  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "series.json"
SLOWEST = 3  # cells of each notebook, and files of tests, that are named


def read_report(path: Path) -> list[tuple[str, str, float]]:
    """Return (file or notebook, test, seconds) for each test of a report that pytest wrote.

    Raises
    ------
    FileNotFoundError
        If there is no report.
    ValueError
        If a test in it failed: its time says nothing.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run `make test` first, it writes this report")
    cases = list(ElementTree.parse(path).getroot().iter("testcase"))
    failed = [case.get("name") for case in cases if {"failure", "error"} & {part.tag for part in case}]
    if failed or not cases:
        what = f"{len(failed)} tests that failed ({failed[0]}, ...)" if failed else "no tests"
        raise ValueError(f"{path} holds {what}: run `make test` again, to the end")
    return [(case.get("classname"), case.get("name"), float(case.get("time"))) for case in cases]


def wall_seconds(path: Path) -> float:
    """How long a run took from begin to end: less than its tests add up to when workers share them."""
    return float(next(ElementTree.parse(path).getroot().iter("testsuite")).get("time"))


def add_up(cases: list[tuple[str, str, float]]) -> dict[str, float]:
    """Sum the seconds of each file of tests, the slowest first."""
    seconds = {}
    for file, _, time in cases:
        name = file.split(".")[1]  # a test's class follows its module: tests.test_x.TestY
        seconds[name] = seconds.get(name, 0.0) + time
    return dict(sorted(seconds.items(), key=lambda item: -item[1]))


def notebook_times(path: Path, cases: list[tuple[str, str, float]]) -> dict:
    """The cells of one notebook: how many, their seconds, and the slowest with their first lines."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    times = [(seconds, int(re.search(r"\d+", test)[0])) for file, test, seconds in cases if path.stem in file]
    if len(times) != len(code):
        raise ValueError(
            f"the report has {len(times)} cells of {path.name}, which has {len(code)}: run again"
        )
    slowest = [
        {"seconds": round(seconds, 1), "cell": number + 1, "line": code[number].splitlines()[0]}
        for seconds, number in sorted(times, reverse=True)[:SLOWEST]
    ]
    return {"cells": len(code), "seconds": round(sum(t for t, _ in times), 1), "slowest": slowest}


def collect(reports: Path, notebooks: list[Path]) -> dict:
    """Read both reports; return what goes into the file."""
    tests, cells = read_report(reports / "tests.xml"), read_report(reports / "notebooks.xml")
    files = {name: round(seconds, 1) for name, seconds in add_up(tests).items()}
    seconds = round(wall_seconds(reports / "tests.xml"), 1)
    return {
        "device": describe_device(torch.device("cpu")),
        "tests": {"count": len(tests), "seconds": seconds, "files": files},
        "notebooks": {path.stem: notebook_times(path, cells) for path in notebooks},
    }


def table(result: dict) -> str:
    """Make the Markdown table: a line for the unit tests, and one for each notebook."""
    tests, rows = result["tests"], []
    slow = ", ".join(f"`{name}` {seconds:.0f}" for name, seconds in list(tests["files"].items())[:SLOWEST])
    rows.append([f"unit tests ({tests['count']})", f"{tests['seconds']:.0f}", slow])
    for name, notebook in result["notebooks"].items():
        slow = ", ".join(f"cell {cell['cell']} {cell['seconds']:.0f}" for cell in notebook["slowest"])
        rows.append([f"`{name}` ({notebook['cells']} cells)", f"{notebook['seconds']:.0f}", slow])
    total = tests["seconds"] + sum(notebook["seconds"] for notebook in result["notebooks"].values())
    rows.append([f"all, on {result['device']}", f"{total:.0f}", ""])
    return markdown_table(["`make test`", "seconds", "of which the slowest"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reports", type=Path, default=ROOT / "build", help="folder of the reports")
    parser.add_argument("--output", type=Path, default=RESULTS)
    args = parser.parse_args()
    result = collect(args.reports, sorted((ROOT / "notebooks").glob("*.ipynb")))
    write_file(args.output, (json.dumps(result, indent=1, ensure_ascii=False) + "\n").encode())
    if args.output == RESULTS:
        stamp(ROOT / "benchmarks" / "README.md", "series", table(result))
    print(table(result))


if __name__ == "__main__":
    main()
