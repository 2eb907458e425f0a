"""Make ``.venv`` from requirements.txt, or leave it alone where it is up to date.

Runs on the system's Python with nothing installed. The syntax is that of Python 3.6, so that
an old Python gets as far as saying that it is too old.
"""

import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

OLDEST = (3, 11)
# On Linux torch brings the CUDA libraries with it.
NEEDED_GB = 7 if sys.platform.startswith("linux") else 3
UNFINISHED = "unfinished"


class SetupError(Exception):
    """What went wrong and what to do about it, in one line."""


def venv_python(venv, windows=os.name == "nt"):
    """Return the path of a virtual environment's interpreter."""
    return venv / "Scripts" / "python.exe" if windows else venv / "bin" / "python"


def output_of(command, cwd=None):
    """Run a command; return its exit status and all that it printed."""
    try:
        done = subprocess.run(
            [str(word) for word in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            cwd=None if cwd is None else str(cwd),
        )
    except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
        return 1, str(error)
    return done.returncode, done.stdout


def expected_stamp(venv, requirements):
    """Return what the stamp holds when all is installed, or None where the interpreter does not run."""
    status, version = output_of(
        [venv_python(venv), "-I", "-S", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    )
    if status != 0:
        return None
    return hashlib.sha256(requirements.read_bytes() + version.strip().encode()).hexdigest()


def read_stamp(stamp):
    """Return the stamp's text, or None where there is none."""
    return stamp.read_text().strip() if stamp.is_file() else None


def check_python(version):
    """Raise where this Python is too old for the series."""
    if tuple(version[:2]) < OLDEST:
        raise SetupError(
            "this is Python {}.{}, the series needs {}.{} or newer: install one and name it, "
            "as in `make setup PYTHON=python3.13`".format(*tuple(version[:2]) + OLDEST)
        )


def check_modules():
    """Raise where Python came without what makes virtual environments."""
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        raise SetupError(
            "this Python has no venv module: install it (Debian and Ubuntu: `sudo apt install "
            "python{}.{}-venv`) and run the command again".format(*sys.version_info[:2])
        ) from error


def check_space(folder):
    """Raise where a fresh environment would not fit."""
    free = shutil.disk_usage(str(folder)).free / 1e9
    if free < NEEDED_GB:
        raise SetupError(
            f"the disk has {free:.1f} GB free, the environment needs about {NEEDED_GB} GB: "
            "make room and run the command again"
        )


def full_disk():
    """Return the line for a disk that ran full."""
    return (
        f"the disk is full: the environment needs about {NEEDED_GB} GB, and room in the folder for "
        "temporary files (TMPDIR); make room and run the command again"
    )


def explain(log, folder, advice="run the command again"):
    """Return one line on why pip or venv failed in a folder, from what it printed.

    Parameters
    ----------
    log : str
        What pip or venv printed.
    folder : Path
        The repository.
    advice : str
        What to do about an error that is not among the known ones.
    """
    # What venv prints does not say why its pip could not be unpacked.
    if shutil.disk_usage(str(folder)).free < 1e8:
        return full_disk()
    if re.search(r"No space left on device|Errno 28\b|WinError 112\b|Disk quota exceeded", log):
        return full_disk()
    if re.search(r"connection broken by|Read timed out|ConnectionError|Temporary failure in name", log):
        return "the package index cannot be reached: connect to a network and run the command again"
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")] or lines or ["no message"]
    return f"the environment could not be made (`{errors[-1]}`): {advice}"


def create(venv):
    """Make an empty virtual environment, in the place of a broken one if there is one."""
    # From inside an activated .venv, sys.executable is about to be deleted.
    python = getattr(sys, "_base_executable", None) or sys.executable
    status, log = output_of([python, "-m", "venv", "--clear", venv.name], cwd=venv.parent)
    if status != 0:
        raise SetupError(explain(log, venv.parent))


def install(venv, requirements, stamp):
    """Install the requirements with pip, and show on a terminal what it is at."""
    command = [venv_python(venv), "-I", "-m", "pip", "install", "--no-input", "--progress-bar", "off"]
    command += ["--disable-pip-version-check", "-r", requirements]
    process = subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    log = []
    for line in process.stdout:
        log.append(line)
        if line.startswith("Installing collected packages"):
            # From here to the end a kill leaves packages in halves.
            stamp.write_text(UNFINISHED + "\n")
        if sys.stdout.isatty():
            print("\r\033[K" + line.strip()[: shutil.get_terminal_size().columns - 1], end="", flush=True)
    if sys.stdout.isatty():
        print("\r\033[K", end="", flush=True)
    if process.wait() != 0:
        log_path = venv / "setup.log"
        log_path.write_text("".join(log))
        raise SetupError(explain("".join(log), venv.parent, f"all of it is in {venv.name}/{log_path.name}"))


def set_up(root, version=sys.version_info):
    """Bring ``root/.venv`` up to date with ``root/requirements.txt``.

    Parameters
    ----------
    root : Path
        The repository.
    version : tuple
        The version of the Python that makes the environment.

    Returns
    -------
    bool
        Whether anything had to be done.
    """
    venv, requirements = root / ".venv", root / "requirements.txt"
    stamp = venv / "setup-stamp.txt"
    current, expected = read_stamp(stamp), expected_stamp(venv, requirements)
    if expected is not None and current == expected:
        return False
    broken = expected is None or current == UNFINISHED
    if broken or output_of([venv_python(venv), "-I", "-m", "pip", "--version"])[0] != 0:
        check_python(version)
        check_modules()
        create(venv)
        # Marked at once, so that the next call checks the space again; what was cleared counts as free.
        stamp.write_text(UNFINISHED + "\n")
        check_space(root)
    print("Installing what the series needs into .venv; the first time takes some minutes.", flush=True)
    install(venv, requirements, stamp)
    stamp.write_text(expected_stamp(venv, requirements) + "\n")
    print("Ready.", flush=True)
    return True


def main(root=ROOT, version=sys.version_info):
    """Set up; return the exit status, with one line on stderr where it is not 0."""
    try:
        set_up(root, version)
    except SetupError as error:
        message = str(error)
    except OSError as error:
        message = full_disk() if error.errno == errno.ENOSPC else str(error)
    except KeyboardInterrupt:
        message = "interrupted; run the command again to finish"
    else:
        return 0
    print("setup: " + message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
