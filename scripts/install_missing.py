"""Install those requirements that this Python does not have yet; meant for Colab.

What Colab's own PyTorch stack brings stays as it is: its packages are pinned to what is installed.
"""

import subprocess
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements.txt"
KEPT = ("torch", "torchvision", "torchaudio", "numpy")
SERVER = ("jupyter", "nb")  # Colab is the notebook server; these run and export notebooks elsewhere


def main() -> int:
    """Install what is missing; return pip's exit status."""
    wanted = [line for line in REQUIREMENTS.read_text().splitlines() if not line.startswith(SERVER)]
    pins = [f"{found.name}=={found.version}" for found in distributions() if found.name in KEPT]
    with tempfile.TemporaryDirectory() as folder:
        requirements, constraints = Path(folder, "requirements.txt"), Path(folder, "constraints.txt")
        requirements.write_text("\n".join(wanted))
        constraints.write_text("\n".join(pins))
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q"]
        command = [*pip, "-r", requirements, "-c", constraints]
        return subprocess.run(command).returncode


if __name__ == "__main__":
    sys.exit(main())
