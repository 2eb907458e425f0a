"""One command sets up, a second does nothing, and each thing that can be wrong gives one clear line."""

import ast
import errno
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import setup_env

SCRIPT = Path(setup_env.__file__)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Return a repository in a path with spaces, in which pip is stubbed; its calls are in `calls`."""
    root = tmp_path / "a clone"
    root.mkdir()
    (root / "requirements.txt").write_text("torch\n")
    calls = []

    def install(venv, requirements, stamp):
        calls.append(requirements.read_text())

    monkeypatch.setattr(setup_env, "install", install)
    monkeypatch.setattr(setup_env, "check_space", lambda folder: None)
    return root, calls


def fake_pip(root, script):
    """Put a shell script in the place of a virtual environment's interpreter."""
    python = setup_env.venv_python(root / ".venv")
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)


def one_line(capsys):
    """Return stderr, which must be one line of this script and no traceback."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("setup: ")
    return lines[0]


def test_parses_on_an_old_python():
    ast.parse(SCRIPT.read_text(), feature_version=(3, 6))


def test_installs_once_and_again_when_requirements_change(repository):
    root, calls = repository
    assert setup_env.main(root) == 0
    assert setup_env.main(root) == 0
    assert calls == ["torch\n"]
    (root / "requirements.txt").write_text("torch>=2\n")
    assert setup_env.main(root) == 0
    assert calls == ["torch\n", "torch>=2\n"]
    # An environment that is up to date serves from any Python, and an unfinished one is made anew.
    assert setup_env.main(root, version=(3, 6, 1)) == 0
    (root / ".venv" / "left over").touch()
    (root / ".venv" / "setup-stamp.txt").write_text(setup_env.UNFINISHED)
    assert setup_env.main(root) == 0
    assert not (root / ".venv" / "left over").exists()
    assert len(calls) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for pip is a shell script")
def test_failed_install_is_tried_again(repository, monkeypatch):
    root, calls = repository
    fake_pip(root, "echo 3.11")
    stub = setup_env.install

    def fail(venv, requirements, stamp):
        raise setup_env.SetupError("no")

    monkeypatch.setattr(setup_env, "install", fail)
    assert setup_env.main(root) == 1
    monkeypatch.setattr(setup_env, "install", stub)
    assert setup_env.main(root) == 0
    assert calls == ["torch\n"]


def test_old_python(tmp_path, capsys):
    (tmp_path / "requirements.txt").touch()
    assert setup_env.main(tmp_path, version=(3, 9, 2)) == 1
    assert "this is Python 3.9, the series needs 3.11 or newer" in one_line(capsys)
    assert not (tmp_path / ".venv").exists()


def test_no_venv_module(tmp_path, capsys, monkeypatch):
    (tmp_path / "requirements.txt").touch()
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    assert setup_env.main(tmp_path) == 1
    assert "no venv module: install it" in one_line(capsys)


def test_too_little_space(tmp_path, capsys, monkeypatch):
    (tmp_path / "requirements.txt").touch()
    monkeypatch.setattr(setup_env, "NEEDED_GB", 10**9)
    monkeypatch.setattr(setup_env, "create", lambda venv: venv.mkdir(exist_ok=True))
    for _ in range(2):
        assert setup_env.main(tmp_path) == 1
        assert "GB free, the environment needs about" in one_line(capsys)


def test_disk_full_outside_pip(tmp_path, capsys, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "requirements.txt").touch()
    monkeypatch.setattr(setup_env, "set_up", full)
    assert setup_env.main(tmp_path) == 1
    assert "the disk is full" in one_line(capsys)


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for pip is a shell script")
@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("ERROR: Could not install: [Errno 28] No space left on device", "the disk is full"),
        ("WARNING: Retrying after connection broken by NewConnectionError", "cannot be reached"),
        ("ERROR: No matching distribution found for x", "No matching distribution found for x"),
    ],
)
def test_pip_fails(tmp_path, capsys, printed, expected):
    (tmp_path / "requirements.txt").touch()
    fake_pip(tmp_path, f'case "$*" in *install*) echo "{printed}"; exit 1;; *) echo 3.11;; esac')
    assert setup_env.main(tmp_path) == 1
    assert expected in one_line(capsys)


def test_windows_path():
    assert setup_env.venv_python(Path(".venv"), windows=True) == Path(".venv/Scripts/python.exe")


@pytest.mark.skipif(sys.platform == "win32", reason="needs make")
def test_make_works_in_a_path_with_spaces(tmp_path):
    root = tmp_path / "a clone"
    (root / "scripts").mkdir(parents=True)
    for name in ("Makefile", "scripts/setup_env.py"):
        (root / name).write_bytes((SCRIPT.parent.parent / name).read_bytes())
    (root / "requirements.txt").write_text("\n")
    fake_pip(root, "echo 3.11")
    for _ in range(2):
        subprocess.run(["make", "setup", f"PYTHON={sys.executable}"], cwd=root, check=True)
    assert (root / ".venv" / "setup-stamp.txt").is_file()
    listing = subprocess.run(["make"], cwd=root, check=True, capture_output=True, text=True).stdout
    assert "make test" in listing
