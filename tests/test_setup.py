"""`make setup` installs once, goes on after a failure, and says in one line what is wrong."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs make")


@pytest.fixture
def clone(tmp_path):
    """Return a repository with what `make setup` reads, in a path with a space."""
    root = tmp_path / "a clone"
    root.mkdir()
    for path in (ROOT / "Makefile", ROOT / "pyproject.toml", *ROOT.glob("requirements*.txt")):
        shutil.copy(path, root)
    return root


def write_program(path, lines):
    """Write a shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)
    return path


def make(root, *arguments):
    """Run make; return its exit status and what it printed, the lines of stderr without make's own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(["make", *arguments], cwd=root, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout, [line for line in done.stderr.splitlines() if line[:4] != "make"]


def test_installs_once_again_after_a_failure_and_when_requirements_change(clone):
    broken, calls = clone / "broken", clone / "calls"
    pip = 'echo "$@" >> calls; test "$3" != install || test ! -e broken || { echo ERROR: no; exit 1; }'
    write_program(clone / ".venv" / "bin" / "python", pip)
    broken.touch()
    status, out, errors = make(clone, "setup")
    assert status != 0 and "ERROR: no" in out
    assert len(errors) == 1 and errors[0].startswith("setup: pip says above what stopped it")
    broken.unlink()
    calls.unlink()
    for _ in range(2):
        assert make(clone, "setup")[0] == 0
    assert calls.read_text().count("-m pip install -r requirements-dev.txt -e .") == 1
    os.utime(clone / ".venv" / "installed", (0, 0))  # older than the requirements
    assert make(clone, "setup")[0] == 0
    assert calls.read_text().count("-m pip install") == 2


def test_environment_without_pip_or_interpreter_is_made_again(clone):
    """As an interrupted first run, or an upgrade of the system's Python, leaves it."""
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "installed").touch()
    (clone / ".venv" / "bin" / "python").symlink_to("/no/such/python")
    python = write_program(clone / "python", 'echo "$@" >> calls')
    assert make(clone, "setup", f"PYTHON={python}")[0] != 0  # this one makes no environment
    assert "-m venv --clear .venv" in (clone / "calls").read_text()


def test_old_python(clone):
    old = f'exec "{sys.executable}" -c "import sys; sys.version_info = (3, 9, 2); exec(sys.argv[1])" "$2"'
    status, _, errors = make(clone, "setup", f"PYTHON={write_program(clone / 'python', old)}")
    assert status != 0 and len(errors) == 1
    assert errors[0].startswith("setup: this is Python 3.9, the series needs 3.11 or newer: install one")
    assert not (clone / ".venv").exists()


def test_python_without_venv(clone):
    partial = 'case "$2" in *ensurepip*) echo Traceback >&2; exit 1;; esac'
    status, _, errors = make(clone, "setup", f"PYTHON={write_program(clone / 'python', partial)}")
    assert status != 0 and len(errors) == 1
    assert errors[0].startswith("setup: this Python cannot make environments: install its venv module")


def test_make_alone_lists_the_targets(clone):
    status, out, _ = make(clone)
    assert status == 0 and "make test " in out and "make test-oldest " in out
