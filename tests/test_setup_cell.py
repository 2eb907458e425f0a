"""The setup cell finds the series, or fetches it on Colab; `make links` puts the address in."""

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import install_missing, stamp_links

ADDRESS = "https://github.com/someone/series"
NOTEBOOKS = sorted((stamp_links.ROOT / "notebooks").glob("*.ipynb"))


def git(*arguments, cwd):
    """Run git as somebody, with no configuration of this machine."""
    person = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *person, *arguments], cwd=cwd, check=True, capture_output=True)


def run_cell(address, cwd, path=None, then="import helpers"):
    """Run the setup cell, and a line after it, in a fresh interpreter."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    code = f"{stamp_links.setup_cell(address)}\n{then}\n"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.fixture
def clone(tmp_path):
    """Return a small repository with what the cell needs of it."""
    root = tmp_path / "a clone"
    for folder in ("helpers", "notebooks/deeper", "scripts"):
        (root / folder).mkdir(parents=True)
    (root / "helpers" / "__init__.py").write_text("here = 1\n")
    (root / "notebooks" / "01_a.ipynb").write_text("{}\n")
    (root / "requirements.txt").write_text("pytest\npackaging  # there already\n")
    (root / "scripts" / "install_missing.py").write_text(Path(install_missing.__file__).read_text())
    return root


@pytest.fixture
def colab(tmp_path):
    """Return a folder to import a stand-in of `google.colab` from."""
    package = tmp_path / "stand in" / "google" / "colab"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    return package.parent.parent


@pytest.mark.parametrize("folder", [".", "notebooks", "notebooks/deeper"])
def test_silent_in_a_clone(clone, folder):
    done = run_cell("", clone / folder, then="import helpers; assert helpers.here")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_colab_fetches_the_series(tmp_path, clone, colab):
    git("init", cwd=clone)
    git("add", ".", cwd=clone)
    git("commit", "-m", "a", cwd=clone)
    git("clone", "--bare", str(clone), str(tmp_path / "series"), cwd=tmp_path)
    bare = tmp_path / "bare folder"
    bare.mkdir()
    report = "import helpers; print(helpers.__file__); print(os.getcwd())"
    # The second run is that of a restarted kernel, which finds the clone in place.
    for _ in range(2):
        done = run_cell((tmp_path / "series").as_uri(), bare, colab, then=report)
        assert done.returncode == 0, done.stderr
        module, folder = map(Path, done.stdout.splitlines())
        assert module.samefile(bare / "series" / "helpers" / "__init__.py")
        assert folder.samefile(bare / "series" / "notebooks")


def test_colab_without_an_address(tmp_path, colab):
    done = run_cell("", tmp_path, colab)
    assert done.returncode != 0
    assert "RuntimeError: address unset: edit repository in pyproject.toml" in done.stderr
    assert "make links" in done.stderr


def test_neither_clone_nor_colab(tmp_path):
    done = run_cell(ADDRESS, tmp_path)
    assert done.returncode != 0
    assert "FileNotFoundError: no helpers/ here or above: clone the repository" in done.stderr


def test_installs_only_what_is_missing(monkeypatch):
    have = {"torch": "2.0.0+cu118", "numpy": "1.20", "diffusers": "0.30", "pillow": "11.0"}

    def version(name):
        if name in have:
            return have[name]
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(install_missing, "version", version)
    text = (
        "torch>=2.4\nnumpy>=1.26\ndiffusers>=0.35,<1  # too old\n\n# a comment\npillow>=10\ndatasets\nruff\n"
    )
    assert install_missing.missing(text) == ["diffusers>=0.35,<1", "datasets"]


def test_pip_is_told_to_keep_torch(monkeypatch, tmp_path):
    commands = []

    def run(command):
        commands.append((command, Path(command[command.index("--constraint") + 1]).read_text()))
        return subprocess.CompletedProcess(command, 0)

    requirements = tmp_path / "requirements.txt"
    requirements.write_text("torch\nno-such-distribution-here>=1\n")
    monkeypatch.setattr(install_missing, "REQUIREMENTS", requirements)
    monkeypatch.setattr(install_missing.subprocess, "run", run)
    assert install_missing.main() == 0
    [(command, pins)] = commands
    assert command[-1] == "no-such-distribution-here>=1"
    assert f"torch=={importlib.metadata.version('torch')}\n" in pins


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://github.com/someone/series.git", ADDRESS),
        ("https://name:token@github.com/someone/series/", ADDRESS),
        ("git@github.com:someone/series.git\n", ADDRESS),
        ("ssh://git@github.com:22/someone/series.git", ADDRESS),
        ("/home/someone/series", ""),
        ("file:///home/someone/series.git", ""),
        ("C:/Users/someone/series", ""),
        ("../series.git", ""),
        ("http://localhost:3000/someone/series", ""),
        ("http://127.0.0.1:3000/someone/series", ""),
        ('https://github.com/someone/se"ries', ""),
        ("", ""),
    ],
)
def test_public_address(text, expected):
    assert stamp_links.public_address(text) == expected


@pytest.fixture
def series(tmp_path):
    """Return a repository with a notebook, README and pyproject.toml, and no address."""
    cells = [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": ["# Título\n", "\n", "Words."]},
        {"cell_type": "code", "execution_count": 1, "id": "b", "metadata": {}, "outputs": [], "source": []},
    ]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "notebooks").mkdir()
    text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    (tmp_path / "notebooks" / "01_a.ipynb").write_text(text, encoding="utf-8")
    (tmp_path / "README.md").write_text("# S\n\n<!-- badge --><!-- /badge -->\n\nText.\n")
    set_address(tmp_path, "")
    return tmp_path


def set_address(root, address):
    """Write a pyproject.toml with an address."""
    (root / "pyproject.toml").write_text(f'[tool.series]\nrepository = "{address}"\n')


def read_all(root):
    """Return the text of the notebook and of README."""
    return [(root / name).read_text(encoding="utf-8") for name in ("notebooks/01_a.ipynb", "README.md")]


def test_stamping_is_idempotent_and_reversible(series):
    stamp_links.stamp(series)
    unset = read_all(series)
    assert "colab" not in unset[1]
    assert "badge" not in unset[0]
    set_address(series, ADDRESS)
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


def test_address_comes_from_the_remote_where_pyproject_has_none(series):
    assert stamp_links.find_address(series) == ""
    git("init", cwd=series)
    git("remote", "add", "origin", "git@github.com:someone/series.git", cwd=series)
    assert stamp_links.find_address(series) == ADDRESS
    git("remote", "set-url", "origin", str(series), cwd=series)
    assert stamp_links.find_address(series) == ""
    set_address(series, "not an address")
    with pytest.raises(ValueError, match="repository is 'not an address'"):
        stamp_links.find_address(series)


def test_no_badge_for_a_host_that_colab_does_not_open():
    assert stamp_links.badge("https://example.org/someone/series", "01_a.ipynb") == ""


def test_cell_is_short():
    lines = [line for line in stamp_links.setup_cell(ADDRESS).splitlines() if line.strip()]
    assert len(lines) <= 20


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_opens_with_the_setup_cell(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    first = "".join(next(cell for cell in cells if cell["cell_type"] == "code")["source"])
    address = first.partition('REPOSITORY = "')[2].partition('"')[0]
    assert first == stamp_links.setup_cell(address), "run `make links`"
