"""The setup cell finds the series, or fetches it on Colab; `make links` puts the address in."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from notebook_cells import NOTEBOOKS, read

from scripts import install_missing, stamp_links

pytestmark = pytest.mark.slow

ADDRESS = "https://github.com/someone/series"
IPYTHON = """from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell()
for cell in {!r}:
    if not shell.run_cell(cell).success:
        raise SystemExit(1)
"""


def run_cell(address, cwd, on_colab=False, then="import helpers; assert helpers.here"):
    """Run the setup cell, and a line after it, in a fresh IPython."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    environment["IPYTHONDIR"] = str(cwd / ".ipython")
    before = "import sys; sys.modules['google.colab'] = sys" if on_colab else ""
    code = IPYTHON.format([before, stamp_links.setup_cell(address), then])
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.fixture
def clone(tmp_path):
    """Return a small repository with what the cell needs of it."""
    root = tmp_path / "a clone"
    for folder in ("helpers", "notebooks/deeper", "scripts"):
        (root / folder).mkdir(parents=True)
    (root / "helpers" / "__init__.py").write_text("here = __file__\n")
    (root / "requirements.txt").write_text("pytest  # there already\n")
    (root / "scripts" / "install_missing.py").write_text(Path(install_missing.__file__).read_text())
    return root


@pytest.mark.parametrize("folder", [".", "notebooks", "notebooks/deeper"])
def test_silent_in_a_clone(clone, folder):
    done = run_cell("", clone / folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_colab_fetches_the_series(tmp_path, clone):
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init"], ["add", "."], [*who, "commit", "-m", "a"]):
        subprocess.run(["git", *command], cwd=clone, check=True, capture_output=True)
    bare = tmp_path / "bare folder"
    bare.mkdir()
    # The second run is that of a restarted kernel, which finds the clone in place.
    for _ in range(2):
        done = run_cell(clone.as_uri(), bare, True, "import helpers; print(helpers.here)")
        assert done.returncode == 0, done.stdout
        assert Path(done.stdout.strip()).samefile(bare / "series" / "helpers" / "__init__.py")


@pytest.mark.parametrize("on_colab", [False, True])
def test_neither_a_clone_nor_an_address_for_colab(tmp_path, on_colab):
    done = run_cell("" if on_colab else ADDRESS, tmp_path, on_colab)
    assert done.returncode != 0
    assert "no helpers/ here or above: clone the repository" in done.stdout


def test_pip_is_told_to_keep_torch(monkeypatch, tmp_path):
    files = {}

    def run(command):
        files.update(
            {option: Path(command[command.index(option) + 1]).read_text() for option in ("-r", "-c")}
        )
        return subprocess.CompletedProcess(command, 0)

    requirements = tmp_path / "requirements.txt"
    requirements.write_text("torch\njupyterlab>=4\nnbclient\nno-such-distribution-here>=1  # why\n")
    monkeypatch.setattr(install_missing, "REQUIREMENTS", requirements)
    monkeypatch.setattr(install_missing.subprocess, "run", run)
    assert install_missing.main() == 0
    assert files["-r"] == "torch\nno-such-distribution-here>=1  # why"
    kept = {f"{name}=={version(name)}" for name in ("torch", "torchvision", "numpy")}
    assert kept <= set(files["-c"].split("\n"))


@pytest.fixture
def series(tmp_path):
    """Return a repository with a notebook, README and pyproject.toml, and no address."""
    code = {"cell_type": "code", "execution_count": 1, "id": "b", "metadata": {}, "outputs": [], "source": []}
    title = {"cell_type": "markdown", "id": "a", "metadata": {}, "source": ["# Título\n", "\n", "Words."]}
    notebook = {"cells": [title, code], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "notebooks").mkdir()
    text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    (tmp_path / "notebooks" / "01_a.ipynb").write_text(text, encoding="utf-8")
    (tmp_path / "README.md").write_text("# S\n\nText.\n")
    set_address(tmp_path, "")
    return tmp_path


def set_address(root, address):
    """Write a pyproject.toml with an address."""
    (root / "pyproject.toml").write_text(f'[tool.series]\nrepository = "{address}"\n')


def read_all(root):
    """Return the text of the notebook and of README."""
    return [(root / name).read_text(encoding="utf-8") for name in ("notebooks/01_a.ipynb", "README.md")]


@pytest.mark.parametrize("written", [ADDRESS, f"{ADDRESS}.git", f"{ADDRESS}/"])
def test_stamping_is_idempotent_and_reversible(series, written):
    stamp_links.stamp(series)
    unset = read_all(series)
    assert "colab" not in unset[1] and "badge" not in unset[0]
    set_address(series, written)
    assert len(stamp_links.stamp(series)) == 2
    stamped = read_all(series)
    assert stamp_links.stamp(series) == []
    assert read_all(series) == stamped
    cells = json.loads(stamped[0])["cells"]
    title, setup, own = ("".join(cell["source"]) for cell in cells)
    badge = f"{stamp_links.COLAB}/github/someone/series/blob/main/notebooks/01_a.ipynb"
    assert title.startswith("# Título\n\n<!-- badge -->\n[![Open in Colab](")
    assert badge in title and badge in stamped[1]
    assert title.endswith("<!-- /badge -->\n\nWords.")
    assert setup == stamp_links.setup_cell(ADDRESS)
    assert (own, cells[2]["execution_count"]) == ("", 1)
    set_address(series, "")
    stamp_links.stamp(series)
    assert read_all(series) == unset


@pytest.mark.parametrize(
    "written",
    [
        *("/home/someone/series", "git@github.com:someone/series.git", "http://github.com/someone/series"),
        *("https://name:token@github.com/someone/series", "https://localhost:3000/someone/series"),
        "https://github.com/someone/se'ries",
    ],
)
def test_an_address_that_is_not_public_is_refused(series, written):
    set_address(series, written)
    with pytest.raises(ValueError, match=r"repository is .*, expected a public address"):
        stamp_links.stamp(series)


def test_no_badge_for_a_host_that_colab_does_not_open():
    assert stamp_links.put_badge("# S", "https://example.org/someone/series", "01_a.ipynb") == "# S"


def test_cell_is_short():
    assert len([line for line in stamp_links.setup_cell(ADDRESS).splitlines() if line.strip()]) <= 10


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_opens_with_the_setup_cell(path):
    assert read(path)[1][0]["source"] == stamp_links.setup_cell(stamp_links.read_address(stamp_links.ROOT)), (
        "run `make links`"
    )
