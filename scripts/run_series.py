"""Run the notebooks of the series in order, headless, and make a page of each.

    python scripts/run_series.py [notebook ...] [--in-place] [--output-dir build] [--timeout 1200]

Executed copies, pages and index.html go to the output folder; with ``--in-place`` each notebook that
succeeds is written back instead. The kernel is this Python, its working directory the notebook's.
"""

import argparse
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import jupyter_server_mathjax
import nbformat
from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from scripts.pages import WIDGET_VIEW, make_index, make_page

ROOT = Path(__file__).resolve().parent.parent

# A widget's state is kept in a committed notebook up to this many characters.
SMALL_STATE = 100_000
SLOWEST = 4  # cells of each notebook that are named


class ThisPython(KernelSpecManager):
    """Answers with the running interpreter, whatever kernel a notebook names or a machine has."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return the kernel of the running interpreter."""
        return KernelSpec(resource_dir=str(RESOURCES), **get_kernel_dict())


@dataclass
class Result:
    """What came of one notebook; `error` is empty where it succeeded."""

    name: str
    title: str = ""
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    pictures: int = 0
    error: str = ""
    slowest: list[tuple[float, str]] = field(default_factory=list)

    @property
    def cells(self) -> str:
        """How many code cells ran, of how many."""
        return f"{self.done}/{self.total}"


class Progress:
    """A line about the notebook that runs: live on a terminal, once at the end elsewhere."""

    def __init__(self, result: Result, position: str) -> None:
        self.result, self.position = result, position
        self.live = sys.stdout.isatty()
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.refresh, daemon=True)

    def __enter__(self) -> "Progress":
        self.start = time.monotonic()
        if self.live:
            self.thread.start()
        return self

    def line(self) -> str:
        """Return the line as of now."""
        result = self.result
        result.seconds = time.monotonic() - self.start
        return f"{self.position} {result.name}  cells {result.cells}  {result.seconds:.1f} s"

    def refresh(self) -> None:
        """Rewrite the line twice a second until the notebook is through."""
        while not self.stopped.wait(0.5):
            print(f"\r\033[K{self.line()}", end="", flush=True)

    def __exit__(self, *error: object) -> None:
        self.stopped.set()
        if self.live:
            self.thread.join()
            print("\r\033[K", end="")
        print(self.line() + (f"  FAILED\n      {self.result.error}" if self.result.error else ""), flush=True)


def write_whole(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    os.replace(temporary, path)


def make_kernel_manager(scratch: Path) -> AsyncKernelManager:
    """Return the manager of a kernel that runs this Python and keeps its files in `scratch`."""
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=ThisPython())
    manager.connection_file = str(scratch / "kernel.json")
    # File sockets work where not even the loopback network is up; their paths must be short.
    if os.name == "posix" and len(manager.connection_file) < 80:
        manager.transport = "ipc"
    return manager


def kernel_environment() -> dict[str, str]:
    """Return the environment of a kernel: this Python first, its debugger quiet, pictures inline."""
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    environment["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    return environment


def explain(error: Exception, log: Path) -> str:
    """Return one line on why a cell failed; `log` is what the kernel's process wrote to stderr."""
    if isinstance(error, CellTimeoutError):
        return "TimeoutError: the cell ran past the limit (--timeout)"
    if isinstance(error, CellExecutionError):
        first = next(iter(str(error.evalue).splitlines()), "")
        return f"{error.ename}: {first}".rstrip(": ")
    last = next((line for line in reversed(log.read_text(errors="replace").splitlines()) if line.strip()), "")
    if isinstance(error, DeadKernelError):
        return f"the kernel died (out of memory?) {last}".rstrip()
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')} {last}".rstrip()


def first_line(cell: NotebookNode) -> str:
    """Return the first line of a cell that says something."""
    return next((line.strip() for line in cell.source.splitlines() if line.strip()), "")


def execute(notebook: NotebookNode, folder: Path, timeout: int, result: Result) -> None:
    """Run a notebook's cells in a fresh kernel; outputs go into `notebook`, what happened into `result`."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in code:
        cell.outputs, cell.execution_count = [], None
    result.total = len(code)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        log = Path(name) / "kernel.log"
        client = NotebookClient(
            notebook,
            km=make_kernel_manager(Path(name)),
            timeout=timeout,
            resources={"metadata": {"path": str(folder)}},
            shutdown_kernel="immediate",
            record_timing=False,
        )
        client.log.setLevel(logging.CRITICAL)
        where = "the kernel did not start"
        try:
            with (
                log.open("w") as chatter,
                client.setup_kernel(
                    cleanup_kc=True, env=kernel_environment(), stdout=subprocess.DEVNULL, stderr=chatter
                ),
            ):
                for index, cell in enumerate(notebook.cells):
                    if cell.cell_type == "code":
                        where = f"code cell {result.done + 1}, `{first_line(cell)}`"
                        begun = time.monotonic()
                        client.execute_cell(cell, index)
                        result.done += 1
                        result.slowest.append((time.monotonic() - begun, where))
                client.set_widgets_metadata()
        except Exception as error:
            result.error = f"{where}: {explain(error, log)}"


def outputs_of(notebook: NotebookNode) -> list[NotebookNode]:
    """Return all outputs of a notebook that hold data."""
    code = (cell for cell in notebook.cells if cell.cell_type == "code")
    return [output for cell in code for output in cell.outputs if "data" in output]


def tidy(notebook: NotebookNode) -> str:
    """Return a notebook's file text without what changes from run to run, or from machine to machine."""
    notebook.metadata.kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata.language_info = {"name": "python", "pygments_lexer": "ipython3"}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    widgets = notebook.metadata.get("widgets", {})
    state = widgets.get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
    if len(str(state)) > SMALL_STATE:
        del notebook.metadata["widgets"]
        for output in outputs_of(notebook):
            output.data.pop(WIDGET_VIEW, None)
        state = {}
    text = nbformat.writes(notebook)
    # Widgets get random names in each run, by which the file is then sorted; numbers do as well.
    for number, model in enumerate(state):
        text = text.replace(model, f"{number:032x}")
    return nbformat.writes(nbformat.reads(text, as_version=4)).rstrip("\n") + "\n"


def run_notebook(path: Path, output_dir: Path | None, timeout: int, result: Result) -> None:
    """Run one notebook and write what comes of it; whatever fails ends up in ``result.error``.

    Parameters
    ----------
    path
        The notebook.
    output_dir
        The folder for the executed copy and the page; None writes back to `path`, after a success only.
    timeout
        Seconds that one cell may take.
    result
        What happened; filled while the notebook runs.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
        headings = (first_line(cell) for cell in notebook.cells if cell.cell_type == "markdown")
        result.title = next((line.lstrip("# ") for line in headings if line.startswith("#")), path.stem)
        execute(notebook, path.parent, timeout, result)
        result.pictures = sum(any("image/" in kind for kind in out.data) for out in outputs_of(notebook))
        if output_dir is not None:
            write_whole(output_dir / path.name, tidy(notebook))
            write_whole(output_dir / f"{path.stem}.html", make_page(notebook, path.stem, path.parent))
        elif not result.error:
            write_whole(path, tidy(notebook))
    except Exception as error:
        result.error = result.error or f"{type(error).__name__}: {error}"


def print_table(results: list[Result]) -> None:
    """Print a line for each notebook of a run."""
    width = max(len(result.name) for result in results)
    print(f"\n{'notebook':{width}}  {'cells':>7}  {'seconds':>7}  pictures")
    for result in results:
        line = f"{result.name:{width}}  {result.cells:>7}  {result.seconds:7.1f}  {result.pictures:8}"
        print(line + ("  FAILED" if result.error else ""))
    print("\nwhere the time went:")
    for result in results:
        for seconds, where in sorted(result.slowest, reverse=True)[:SLOWEST]:
            print(f"{result.name:{width}}  {seconds:7.1f}  {where}")


def run_all(paths: list[Path], output_dir: Path | None, timeout: int) -> int:
    """Run notebooks one after another; return the exit status, 1 where any of them failed."""
    results = []
    for number, path in enumerate(paths, start=1):
        result = Result(path.stem)
        results.append(result)
        with Progress(result, f"[{number}/{len(paths)}]"):
            run_notebook(path, output_dir, timeout, result)
    print_table(results)
    failed = [result for result in results if result.error]
    for result in failed:
        print(f"\nFAILED {result.name}: {result.error}")
    if output_dir is not None:
        write_whole(output_dir / "index.html", make_index(results))
        mathjax = Path(jupyter_server_mathjax.__file__).parent / "static"
        shutil.copytree(mathjax, output_dir / "mathjax", dirs_exist_ok=True)
        print(f"\nOpen {os.path.relpath(output_dir / 'index.html')} in a browser.")
    return 1 if failed else 0


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, run the notebooks and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="run only these (default: all)")
    parser.add_argument("--in-place", action="store_true", help="write back each notebook that succeeds")
    parser.add_argument("--output-dir", type=Path, default=ROOT / "build", help="default: build")
    parser.add_argument("--timeout", type=int, default=1200, help="seconds for one cell (default: 1200)")
    options = parser.parse_args(arguments)
    paths = [path.resolve() for path in options.notebooks] or sorted((ROOT / "notebooks").glob("*.ipynb"))
    if not paths:
        parser.error("no notebook in notebooks/")
    try:
        return run_all(paths, None if options.in_place else options.output_dir.resolve(), options.timeout)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
