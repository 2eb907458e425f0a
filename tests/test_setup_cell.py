"""The setup cell finds the series, or fetches it on Colab; `make links` puts the address in."""

import json
import os
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
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


COLAB = """import sys, types
sys.modules["google.colab"] = types.ModuleType("google.colab")
def blocking_request(what, timeout_sec):
    assert (what, timeout_sec) == ("get_ipynb", 5)
    return {{"ipynb": {{"metadata": {{"colab": {{"provenance": {provenance}}}}}, "cells": ["{address}"]}}}}
sys.modules["google.colab"]._message = types.SimpleNamespace(blocking_request=blocking_request)
"""
SHOW = "import helpers; print(helpers.here)"


def run_cell(address, cwd, provenance=None, then="import helpers; assert helpers.here", **variables):
    """Run the setup cell, and a line after it, in a fresh IPython; on Colab where there is a provenance."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    environment |= {"IPYTHONDIR": str(cwd / ".ipython"), "COLAB_JUPYTER_IP": "127.0.0.9"} | variables
    before = "" if provenance is None else COLAB.format(provenance=provenance, address=ADDRESS)
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


@pytest.fixture
def published(clone, monkeypatch):
    """Give git the small repository where it asks GitHub for ADDRESS; a commit on each branch."""
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", "init", "-b", "main"], cwd=clone, check=True, capture_output=True)
    for branch in ("main", "colab", "feature/x"):
        (clone / "helpers" / "__init__.py").write_text(f"here = {branch!r}\n")
        for command in (["checkout", "-B", branch], ["add", "."], [*who, "commit", "-m", branch]):
            subprocess.run(["git", *command], cwd=clone, check=True, capture_output=True)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{clone.as_uri()}.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", ADDRESS)


@pytest.fixture
def bare(tmp_path):
    """Return a folder like Colab's, with nothing of the series in it."""
    folder = tmp_path / "bare folder"
    folder.mkdir()
    return folder


class Sessions(BaseHTTPRequestHandler):
    """Answers as Colab's runtime does for a notebook that was opened from a branch on GitHub."""

    def do_GET(self):
        opened = quote(f"{ADDRESS}/blob/feature/x/notebooks/fr/01_a.ipynb", safe="")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps([{"name": "01_a.ipynb", "path": f"fileId={opened}"}]).encode())

    def log_message(self, *args):
        pass


@pytest.fixture
def sessions():
    """Serve one session, at an address and the port that Colab uses; return the address."""
    try:
        server = HTTPServer(("127.0.0.7", 9000), Sessions)
    except OSError as error:
        pytest.skip(f"no port 9000 to stand in for Colab's: {error}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield "127.0.0.7"
    server.shutdown()
    server.server_close()


def test_colab_fetches_what_is_stamped_and_once(bare, published):
    # The second run is that of a restarted kernel, which finds the clone in place.
    for _ in range(2):
        done = run_cell(ADDRESS, bare, [], SHOW)
        assert (done.returncode, done.stdout) == (0, "colab\n"), done.stdout


def test_the_variable_comes_next(bare, published, sessions):
    done = run_cell("", bare, [], SHOW, SERIES_REPOSITORY=ADDRESS, COLAB_JUPYTER_IP=sessions)
    assert (done.returncode, done.stdout) == (0, "main\n"), done.stdout


def test_then_what_the_session_was_opened_from_with_its_branch(bare, published, sessions):
    done = run_cell("", bare, [], SHOW, COLAB_JUPYTER_IP=sessions)
    assert (done.returncode, done.stdout) == (0, "feature/x\n"), done.stdout


def test_then_where_a_copy_comes_from(bare, published):
    provenance = [{"file_id": "1aB"}, {"file_id": f"{ADDRESS}/blob/colab/notebooks/01_a.ipynb"}]
    done = run_cell("", bare, provenance, SHOW)
    assert (done.returncode, done.stdout) == (0, "colab\n"), done.stdout


@pytest.mark.parametrize("provenance", [None, [], [{"file_id": "1aB"}], 3])
def test_without_a_trace_one_line_says_what_to_do(bare, provenance):
    done = run_cell("", bare, provenance)
    assert done.returncode != 0
    assert "no helpers/ here, above or at REPOSITORY='': clone it or edit that" in done.stdout
    assert not done.stderr


def test_what_cannot_be_cloned_is_named(bare, published, tmp_path):
    # git asks for a password where a repository is private; nobody is there to answer.
    done = run_cell("https://github.com/someone/private", bare, [], GIT_CONFIG_KEY_0="url.file:///none/.insteadOf",
                    GIT_CONFIG_VALUE_0="https://github.com/")  # fmt: skip
    assert done.returncode != 0 and "REPOSITORY='https://github.com/someone/private'" in done.stdout
    (tmp_path / "bin").mkdir()
    for tool in ("sh", "bash", "echo", "test"):
        if found := shutil.which(tool):
            (tmp_path / "bin" / tool).symlink_to(found)
    done = run_cell(ADDRESS, bare, [], PATH=str(tmp_path / "bin"))
    assert (
        done.returncode != 0
        and f"REPOSITORY='{ADDRESS}'" in done.stdout
        and "git" in done.stdout + done.stderr
    )


@pytest.mark.parametrize("address", ["https://example.org/a/b", "git@github.com:a/b.git", "/home/a/b"])
def test_only_github_is_cloned(bare, address):
    done = run_cell("", bare, [], SERIES_REPOSITORY=address)
    assert done.returncode != 0 and "REPOSITORY=''" in done.stdout and os.listdir(bare) == [".ipython"]


def test_the_workflow_publishes_a_branch_with_the_forks_address(tmp_path):
    """Run the steps of publish.yml in a bare clone with a stand-in for its remote, without an environment."""
    remote, work = tmp_path / "fork.git", tmp_path / "work"
    root = stamp_links.ROOT
    shutil.copytree(
        root, work, ignore=shutil.ignore_patterns(".git", ".venv", "build", "data", "weights", ".*cache")
    )
    git = partial(subprocess.run, cwd=work, check=True, capture_output=True, text=True)
    git(["git", "init", "--bare", "-b", "main", remote], cwd=tmp_path)
    for command in (["init", "-b", "main"], ["remote", "add", "origin", remote], ["add", "."]):
        git(["git", *command])
    git(["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-m", "main"])
    git(["git", "push", "origin", "main"])
    workflow = yaml.safe_load((root / ".github/workflows/publish.yml").read_text())
    assert workflow["permissions"] == {"contents": "write"}
    steps = [step for step in workflow["jobs"]["colab"]["steps"] if "run" in step]
    python = {"PYTHON": sys.executable, "PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    for _ in range(2):
        git(["git", "checkout", "main"])
        for step in steps:
            settings = {key: value.replace("${{ github.server_url }}/${{ github.repository }}", ADDRESS)
                        for key, value in step.get("env", {}).items()}  # fmt: skip
            git(["bash", "-e", "-c", step["run"]], env=python | settings)
    changed = git(["git", "diff", "--name-only", "main", "colab"]).stdout.split()
    stamped = [*root.glob("README*.md"), *NOTEBOOKS, *root.glob("notebooks/[a-z]*/*.ipynb")]
    assert changed == sorted(path.relative_to(root).as_posix() for path in stamped)
    assert "${{" not in git(["git", "show", "colab:README.md"]).stdout
    assert (
        f"{stamp_links.COLAB}/github/someone/series/blob/colab/notebooks/01"
        in git(["git", "show", "colab:README.md"]).stdout
    )
    assert (
        git(["git", "ls-remote", "origin", "main"]).stdout.split()[0]
        == git(["git", "rev-parse", "main"]).stdout.strip()
    )
    assert git(["git", "rev-list", "--count", "main..colab"]).stdout.strip() == "1"


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
    badge = f"{stamp_links.COLAB}/github/someone/series/blob/colab/notebooks/01_a.ipynb"
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
    with pytest.raises(ValueError, match=r"repository .* is .*, expected a public address"):
        stamp_links.stamp(series)


def test_no_badge_for_a_host_that_colab_does_not_open():
    assert stamp_links.put_badge("# S", "https://example.org/someone/series", "01_a.ipynb") == "# S"


def test_cell_is_short():
    assert len([line for line in stamp_links.setup_cell(ADDRESS).splitlines() if line.strip()]) <= 20


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_opens_with_the_setup_cell(path):
    assert read(path)[1][0]["source"] == stamp_links.setup_cell(stamp_links.read_address(stamp_links.ROOT)), (
        "run `make links`"
    )
