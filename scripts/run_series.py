"""Run the notebooks of the series in order, headless, and make a page of each.

    python -m scripts.run_series [notebook ...] [--in-place] [--output-dir build] [--timeout 1200]

Executed copies, pages and index.html go to the output folder; with ``--in-place`` each notebook that
succeeds is written back instead. The kernel is this Python, its working directory the notebook's.
"""

import argparse
import html
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

import jupyter_server_mathjax
import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer

from helpers.files import write_file

ROOT = Path(__file__).resolve().parent.parent
SMALL_STATE = 100_000  # characters of widget state that a committed notebook may hold
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
MATHJAX = "mathjax/MathJax.js?config=TeX-AMS-MML_HTMLorMML-full,Safe"
# No script comes from the network, and formulas use the font that lies beside the pages.
PAGE = """{% extends 'index.html.j2' %}{% block html_head_js %}{% endblock %}{% block extra_css %}
<script type="text/x-mathjax-config">
MathJax.Hub.Config({"HTML-CSS": {availableFonts: [], preferredFont: null, webFont: "STIX-Web"}});
</script>{% endblock %}"""
embed_images = IPythonRenderer._html_embed_images
# It parses each piece of HTML by itself, and so would close what is folded, <details>, where it opens.
IPythonRenderer._html_embed_images = lambda self, html: embed_images(self, html) if "<img" in html else html
INDEX = '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>The series</title><ol>\n'


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


def make_page(notebook, path: Path) -> str:
    """Return a notebook as one HTML page that needs no other file but MathJax for its formulas."""
    drop_widgets(notebook)
    exporter = HTMLExporter(raw_template=PAGE, embed_images=True, mathjax_url=MATHJAX)
    where = {"metadata": {"name": path.stem, "path": str(path.parent)}}
    page, _ = exporter.from_notebook_node(notebook, resources=where)
    return re.sub(r'(<a\b[^>]*?\bhref="[^"/:]+)\.ipynb(?=[#"])', r"\1.html", page)


def run_notebook(path: Path, output_dir: Path | None, timeout: int) -> str:
    """Run a notebook, write what comes of it; return one line on what went wrong, or ""."""
    try:
        notebook = nbformat.read(path, as_version=4)
        error = execute(notebook, path.parent, timeout)
        if output_dir or not error:
            write_file(output_dir / path.name if output_dir else path, make_text(notebook).encode())
        if output_dir:
            write_file(output_dir / f"{path.stem}.html", make_page(notebook, path).encode())
        return error
    except Exception as error:
        return f"{type(error).__name__}: {first_line(str(error))}"


def main(arguments: list[str] | None = None) -> int:
    """Run the notebooks; return the exit status, 1 where any of them failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="run only these (default: all)")
    parser.add_argument("--in-place", action="store_true", help="write back each notebook that succeeds")
    parser.add_argument("--output-dir", type=Path, default=ROOT / "build", help="default: build")
    parser.add_argument("--timeout", type=int, default=1200, help="seconds for one cell (default: 1200)")
    options = parser.parse_args(arguments)
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # the debugger's warning is not for readers
    os.environ.pop("MPLBACKEND", None)  # pictures belong into the notebook
    output_dir = None if options.in_place else options.output_dir.resolve()
    paths = [path.resolve() for path in options.notebooks] or sorted((ROOT / "notebooks").glob("*.ipynb"))
    errors, rows = [], []
    for number, path in enumerate(paths, start=1):
        print(f"[{number}/{len(paths)}] {path.stem}", end="  ", flush=True)
        start = time.monotonic()
        errors.append(run_notebook(path, output_dir, options.timeout))
        seconds = f"{time.monotonic() - start:.0f} s"
        print(seconds, errors[-1] and f"FAILED {errors[-1]}", flush=True)
        rows.append(f'<li><a href="{path.stem}.html">{path.stem}</a>, {seconds} {html.escape(errors[-1])}')
    if output_dir:
        write_file(output_dir / "index.html", (INDEX + "\n".join(rows)).encode())
        mathjax = Path(jupyter_server_mathjax.__file__).parent / "static"
        shutil.copytree(mathjax, output_dir / "mathjax", dirs_exist_ok=True)
        print(f"Open {output_dir / 'index.html'} in a browser.")
    return 1 if any(errors) else 0


if __name__ == "__main__":
    sys.exit(main())
