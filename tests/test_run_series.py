"""One broken notebook stops no other, and only a notebook that succeeded is written back."""

import base64
import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from scripts import run_series

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SHOW = f"import base64\nfrom IPython.display import Image\nImage(base64.b64decode('{PIXEL}'))"
GOOD = [
    "md:# Good\n\nNext: [the bad one](02_bad.ipynb#end), ![a pixel](../pixel.png), $x_0$",
    "import os\nprint(os.path.basename(os.getcwd()))",
    SHOW,
]
BAD = ["md:# Bad", "x = 1", "\n# a comment\nraise KeyError('no such sprite')", "x = 2"]


def write(path, sources):
    """Write a notebook whose Markdown cells are marked by `md:`."""
    cells = [
        new_markdown_cell(source[3:]) if source.startswith("md:") else new_code_cell(source)
        for source in sources
    ]
    path.parent.mkdir(exist_ok=True)
    nbformat.write(new_notebook(cells=cells), path)
    return path


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """Run a good and a bad notebook and one that is none; return the folder and the exit status."""
    folder = tmp_path_factory.mktemp("a series")
    (folder / "pixel.png").write_bytes(base64.b64decode(PIXEL))
    paths = [write(folder / "notebooks" / "02_bad.ipynb", BAD), folder / "notebooks" / "00_none.ipynb"]
    paths.append(write(folder / "notebooks" / "01_good.ipynb", GOOD))
    paths[1].write_text("{ no json")
    return folder, run_series.main([*map(str, paths), "--output-dir", str(folder / "build")])


def test_broken_notebooks_do_not_stop_the_others(series):
    folder, status = series
    assert status == 1
    copy = nbformat.read(folder / "build" / "01_good.ipynb", as_version=4)
    assert copy.cells[1].outputs[0].text == "notebooks\n"
    assert copy.cells[2].outputs[0].data["image/png"].strip() == PIXEL
    bad = (folder / "build" / "02_bad.html").read_text()
    assert "no such sprite" in bad
    index = (folder / "build" / "index.html").read_text()
    assert 'href="01_good.html">Good</a>' in index
    assert "code cell 2, `# a comment`: KeyError" in index
    assert "00_none" in index


def test_slowest_cells_are_named(tmp_path, capsys):
    sources = ["import time", "time.sleep(1.5)", "time.sleep(0.1)", "x = 1", "y = 1", "z = 1"]
    path = write(tmp_path / "notebooks" / "01_slow.ipynb", sources)
    assert run_series.main([str(path), "--output-dir", str(tmp_path / "build")]) == 0
    lines = capsys.readouterr().out.split("where the time went:\n")[1].splitlines()
    assert "code cell 2, `time.sleep(1.5)`" in lines[0] and lines[run_series.SLOWEST] == ""


def test_page_needs_no_other_file(series):
    page = (series[0] / "build" / "01_good.html").read_text()
    assert 'href="02_bad.html#end"' in page
    assert f"data:image/png;base64,{PIXEL}" in page
    assert 'src="../pixel.png"' not in page
    assert "require.min.js" not in page
    assert "<script async" in page


def test_progress_and_table(tmp_path, capsys):
    path = write(tmp_path / "01_good.ipynb", ["1 + 1", SHOW])
    assert run_series.main([str(path), "--output-dir", str(tmp_path / "build")]) == 0
    out = capsys.readouterr().out
    assert "[1/1] 01_good  cells 2/2  " in out
    assert "index.html" in out
    row = out.split("pictures\n")[1].split()
    assert row[:2] == ["01_good", "2/2"]
    assert row[3] == "1"


def test_in_place_writes_a_success_and_does_not_churn(tmp_path):
    path = write(tmp_path / "01_good.ipynb", ["import ipywidgets\nipywidgets.IntSlider()"])
    assert run_series.main([str(path), "--in-place"]) == 0
    first = path.read_text()
    notebook = json.loads(first)
    assert notebook["cells"][0]["execution_count"] == 1
    assert notebook["cells"][0]["metadata"] == {}
    assert "version" not in notebook["metadata"]["language_info"]
    assert first.endswith("}\n")
    assert run_series.main([str(path), "--in-place"]) == 0
    assert path.read_text() == first
    assert [file.name for file in tmp_path.iterdir()] == ["01_good.ipynb"]


def test_in_place_leaves_a_failed_notebook_alone(tmp_path, capsys):
    path = write(tmp_path / "02_bad.ipynb", BAD)
    before = path.read_bytes()
    assert run_series.main([str(path), "--in-place"]) == 1
    assert path.read_bytes() == before
    assert "FAILED 02_bad: code cell 2, `# a comment`: KeyError: 'no such sprite'" in capsys.readouterr().out


def test_timeout_and_dead_kernel(tmp_path, capsys):
    slow = write(tmp_path / "01_slow.ipynb", ["import time\ntime.sleep(60)"])
    dead = write(tmp_path / "02_dead.ipynb", ["import os\nos._exit(1)"])
    assert run_series.main([str(slow), str(dead), "--in-place", "--timeout", "2"]) == 1
    out = capsys.readouterr().out
    assert "TimeoutError" in out
    assert "the kernel died" in out


def test_large_widget_state_is_left_out():
    state = {"a" * 32: {"state": {"value": "x" * run_series.SMALL_STATE}}}
    notebook = new_notebook(cells=[new_code_cell("show()")])
    notebook.metadata.widgets = {"application/vnd.jupyter.widget-state+json": {"state": state}}
    view = {run_series.WIDGET_VIEW: {"model_id": "a" * 32}, "text/plain": "a slider"}
    notebook.cells[0].outputs = [nbformat.v4.new_output("display_data", data=view)]
    text = run_series.tidy(notebook)
    assert "widget" not in text
    assert "a slider" in text


def test_no_such_notebook(tmp_path, capsys):
    assert run_series.main([str(tmp_path / "09_none.ipynb"), "--in-place"]) == 1
    assert "No such file" in capsys.readouterr().out
