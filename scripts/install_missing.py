"""Install those requirements that this Python does not have yet; meant for Colab.

What Colab's own PyTorch stack brings stays as it is: its packages are pinned to what is installed.
"""

import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements.txt"
KEPT = ("torch", "torchvision", "torchaudio", "numpy")
# Colab is the notebook server; these run, test and export notebooks elsewhere.
TOOLS = ("jupyter-server-mathjax", "jupyterlab", "nbclient", "nbconvert", "nbval", "pytest", "ruff")


def installed(name: str) -> str | None:
    """Return the version of an installed distribution, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def missing(text: str) -> list[str]:
    """Return the requirements that have to be installed.

    Parameters
    ----------
    text
        The text of a requirements file: one requirement a line, comments after ``#``.

    Returns
    -------
    list of str
        Those that are not installed in the range asked for. Tools that notebooks do not import are
        left out, and so is whatever of the PyTorch stack is there in any version.
    """
    wanted = []
    for line in text.splitlines():
        line = line.partition("#")[0].strip()
        if not line:
            continue
        requirement = Requirement(line)
        have = installed(requirement.name)
        kept = have is not None and requirement.name in KEPT
        in_range = have is not None and requirement.specifier.contains(have, prereleases=True)
        if not kept and not in_range and requirement.name not in TOOLS:
            wanted.append(line)
    return wanted


def main() -> int:
    """Install what is missing; return pip's exit status."""
    wanted = missing(REQUIREMENTS.read_text(encoding="utf-8"))
    if not wanted:
        return 0
    print("Installing", ", ".join(wanted), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        pins = Path(folder) / "constraints.txt"
        pins.write_text("".join(f"{name}=={have}\n" for name in KEPT if (have := installed(name))))
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--constraint", str(pins), *wanted]
        return subprocess.run(command).returncode


if __name__ == "__main__":
    sys.exit(main())
