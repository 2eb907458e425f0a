"""One broken notebook stops no other, and only a notebook that succeeded is written back."""

import base64
import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from scripts import build_site, run_series

pytestmark = pytest.mark.slow

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SHOW = f"import base64\nfrom IPython.display import Image\nImage(base64.b64decode('{PIXEL}'))"
GOOD = [
    "md:# Good\n\nNext: [the bad one](02_bad.ipynb#end), ![a pixel](pixel.png), $x_0$",
    "import os\nprint(os.path.basename(os.getcwd()))",
    SHOW,
    "import ipywidgets\nipywidgets.IntSlider()",
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
    paths = [write(folder / "notebooks" / "02_bad.ipynb", BAD), folder / "notebooks" / "00_none.ipynb"]
    paths.append(write(folder / "notebooks" / "01_good.ipynb", GOOD))
    paths[1].write_text("{ no json")
    (folder / "notebooks" / "pixel.png").write_bytes(base64.b64decode(PIXEL))
    return folder, run_series.main([*map(str, paths), "--output-dir", str(folder / "build")])


def test_broken_notebooks_do_not_stop_the_others(series):
    folder, status = series
    assert status == 1
    copy = nbformat.read(folder / "build" / "01_good.ipynb", as_version=4)
    assert copy.cells[1].outputs[0].text == "notebooks\n"
    assert copy.cells[2].outputs[0].data["image/png"].strip() == PIXEL
    assert "no such sprite" in (folder / "build" / "02_bad.ipynb").read_text()


def test_ends_with_the_site_made_from_the_copies(tmp_path, monkeypatch, capsys):
    built = []
    monkeypatch.setattr(run_series, "ROOT", tmp_path)
    monkeypatch.setattr(build_site, "build", lambda *arguments: built.append(arguments) or "build/index.html")
    path = write(tmp_path / "notebooks" / "01_good.ipynb", ["print(1)"])
    output_dir = tmp_path / "build"
    assert run_series.main(["--output-dir", str(output_dir)]) == 0
    assert built == [(output_dir, tmp_path, {path: output_dir / "01_good.ipynb"})]
    assert capsys.readouterr().out.endswith("Open build/index.html in a browser.\n")


def test_runs_the_english_series_unless_another_language_is_asked_for(tmp_path, monkeypatch, capsys):
    built = []
    monkeypatch.setattr(run_series, "ROOT", tmp_path)
    monkeypatch.setattr(build_site, "build", lambda *arguments: built.append(arguments[2]))
    monkeypatch.setattr(run_series, "run_notebook", lambda path, *_: "")
    english, french = (write(tmp_path / "notebooks" / name, []) for name in ("01_a.ipynb", "fr/01_a.ipynb"))
    assert run_series.main(["--output-dir", str(tmp_path)]) == 0
    assert "The series in 'en'. `make run LANGUAGE=fr` runs that in 'fr'.\n" in capsys.readouterr().out
    assert run_series.main(["--output-dir", str(tmp_path), "--language", "fr"]) == 0
    assert built == [{english: tmp_path / "01_a.ipynb"}, {french: tmp_path / "executed-fr" / "01_a.ipynb"}]
    with pytest.raises(SystemExit):
        run_series.main(["--language", "de"])
    assert "no notebooks in 'de', expected one of en, fr" in capsys.readouterr().err


def test_in_place_writes_a_success_and_does_not_churn(tmp_path, capfd):
    path = write(tmp_path / "01_good.ipynb", ["import ipywidgets\nipywidgets.IntSlider()"])
    assert run_series.main([str(path), "--in-place"]) == 0
    out, err = capfd.readouterr()
    assert out.startswith("[1/1] 01_good  ") and len(out.splitlines()) == 1
    assert err == ""
    first = path.read_text()
    notebook = json.loads(first)
    assert notebook["cells"][0]["execution_count"] == 1
    assert notebook["cells"][0]["metadata"] == {}
    assert "version" not in notebook["metadata"]["language_info"]
    assert first.endswith("}\n")
    assert run_series.main([str(path), "--in-place"]) == 0
    assert path.read_text() == first
    assert [file.name for file in tmp_path.iterdir()] == ["01_good.ipynb"]


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (BAD, "FAILED cell 3, `# a comment`: KeyError: 'no such sprite'"),
        (["import time\ntime.sleep(60)"], "FAILED cell 1, `import time`: CellTimeoutError"),
        (["import os\nos._exit(1)"], "FAILED cell 1, `import os`: DeadKernelError: Kernel died"),
        (None, "FAILED FileNotFoundError"),
    ],
    ids=["error", "timeout", "dead kernel", "no file"],
)
def test_in_place_leaves_a_failed_notebook_alone(tmp_path, capsys, sources, expected):
    path = tmp_path / "02_bad.ipynb"
    before = write(path, sources).read_bytes() if sources else None
    assert run_series.main([str(path), "--in-place", "--timeout", "2"]) == 1
    assert expected in capsys.readouterr().out.splitlines()[0]
    assert before is None or path.read_bytes() == before


def test_large_widget_state_is_left_out():
    state = {"a" * 32: {"state": {"value": "x" * run_series.SMALL_STATE}}}
    notebook = new_notebook(cells=[new_code_cell("show()")])
    notebook.metadata.widgets = {run_series.WIDGET_STATE: {"state": state}}
    view = {run_series.WIDGET_VIEW: {"model_id": "a" * 32}, "text/plain": "a slider"}
    notebook.cells[0].outputs = [nbformat.v4.new_output("display_data", data=view)]
    text = run_series.make_text(notebook)
    assert "widget" not in text
    assert "a slider" in text
