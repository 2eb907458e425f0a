"""Run the notebooks of the series in order, headless, and make the site from what comes out.

    python -m scripts.run_series [notebook ...] [--in-place] [--output-dir build] [--timeout 1200]

The notebooks are the English ones, or with ``--language fr`` the French ones, whose code is the same.
Executed copies and the site go to the output folder; with ``--in-place`` each notebook that succeeds is
written back instead. The kernel is this Python, its working directory the notebook's.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from helpers.files import write_file

ROOT = Path(__file__).resolve().parent.parent
SMALL_STATE = 100_000  # characters of widget state that a committed notebook may hold
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"


def first_line(text: str) -> str:
    """Return the first line of a text that says something."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def execute(notebook, folder: Path, timeout: int) -> str:
    """Run a notebook's cells in a fresh kernel; return one line on what went wrong, or ""."""
    where = "the kernel did not start"

    def begin(cell, cell_index):
        nonlocal where
        where = f"cell {cell_index + 1}, `{first_line(cell.source)}`"

    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        # With no folder to look for kernels in, the one that is left is this Python.
        kernel = AsyncKernelManager(kernel_spec_manager=KernelSpecManager(kernel_dirs=[]))
        kernel.connection_file = f"{scratch}/kernel.json"
        if os.name == "posix":  # sockets in files need no network, not even the machine's own
            kernel.transport = "ipc"
        place = {"metadata": {"path": str(folder)}}
        client = NotebookClient(notebook, kernel, resources=place, timeout=timeout, record_timing=False)
        client.on_cell_execute = begin
        try:
            client.execute(cleanup_kc=True)
        except CellExecutionError as error:
            return f"{where}: {error.ename}: {first_line(error.evalue)}"
        except Exception as error:
            return f"{where}: {type(error).__name__}: {first_line(str(error))}"
    return ""


def drop_widgets(notebook) -> None:
    """Leave of each widget what a page can show: its picture or text."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET_VIEW, None)


def make_text(notebook) -> str:
    """Return a notebook's file text without what changes from run to run, or from machine to machine."""
    notebook.metadata.kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata.language_info = {"name": "python", "pygments_lexer": "ipython3"}
    state = notebook.metadata.get("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    if len(str(state)) > SMALL_STATE:
        drop_widgets(notebook)
    text = nbformat.writes(notebook)
    for number, model in enumerate(state):  # their names are random, and the file is sorted by them
        text = text.replace(model, f"{number:032x}")
    return nbformat.writes(nbformat.reads(text, as_version=4)).rstrip("\n") + "\n"


def run_notebook(path: Path, output_dir: Path | None, timeout: int) -> str:
    """Run a notebook, write what comes of it; return one line on what went wrong, or ""."""
    try:
        notebook = nbformat.read(path, as_version=4)
        error = execute(notebook, path.parent, timeout)
        if output_dir or not error:
            write_file(output_dir / path.name if output_dir else path, make_text(notebook).encode())
        return error
    except Exception as error:
        return f"{type(error).__name__}: {first_line(str(error))}"


def series_notebooks(language: str) -> list[Path]:
    """Return the notebooks of the series in a language, and say which they are."""
    folder = ROOT / "notebooks"
    others = sorted(path.name for path in folder.glob("[a-z]*") if path.is_dir() and [*path.glob("*.ipynb")])
    if language not in ("en", *others):
        raise ValueError(f"no notebooks in {language!r}, expected one of {', '.join(['en', *others])}")
    print(
        f"The series in {language!r}.",
        *(f"`make run LANGUAGE={name}` runs that in {name!r}." for name in others),
    )
    return sorted((folder if language == "en" else folder / language).glob("*.ipynb"))


def make_site(paths: list[Path], copies_dir: Path, output_dir: Path) -> str:
    """Make the site from executed copies; return one line on what went wrong, or ""."""
    from scripts.build_site import SiteError, build  # it reads notebooks with what is above

    copies = {path: copies_dir / path.name for path in paths if ROOT / "notebooks" in path.parents}
    if not copies:  # notebooks from elsewhere are no pages of the site
        print(f"The executed copies are in {copies_dir}.")
        return ""
    try:
        print(f"Open {build(output_dir, ROOT, copies)} in a browser.")
    except (SiteError, ValueError, OSError) as error:
        print(f"site: {error}", file=sys.stderr)
        return str(error)
    return ""


def main(arguments: list[str] | None = None) -> int:
    """Run the notebooks; return the exit status, 1 where any of them failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="run only these (default: all)")
    parser.add_argument("--language", default="en", help="en, or a folder of notebooks/ (default: en)")
    parser.add_argument("--in-place", action="store_true", help="write back each notebook that succeeds")
    parser.add_argument("--output-dir", type=Path, default=ROOT / "build", help="default: build")
    parser.add_argument("--timeout", type=int, default=1200, help="seconds for one cell (default: 1200)")
    options = parser.parse_args(arguments)
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # the debugger's warning is not for readers
    os.environ.pop("MPLBACKEND", None)  # pictures belong into the notebook
    output_dir = options.output_dir.resolve()
    copies_dir = output_dir if options.language == "en" else output_dir / f"executed-{options.language}"
    try:
        paths = [path.resolve() for path in options.notebooks] or series_notebooks(options.language)
    except ValueError as error:
        parser.error(str(error))
    errors = []
    for number, path in enumerate(paths, start=1):
        print(f"[{number}/{len(paths)}] {path.stem}", end="  ", flush=True)
        start = time.monotonic()
        errors.append(run_notebook(path, None if options.in_place else copies_dir, options.timeout))
        print(f"{time.monotonic() - start:.0f} s", errors[-1] and f"FAILED {errors[-1]}", flush=True)
    if not options.in_place:
        errors.append(make_site(paths, copies_dir, output_dir))
    return 1 if any(errors) else 0


if __name__ == "__main__":
    sys.exit(main())
