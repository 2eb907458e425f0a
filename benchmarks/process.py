"""Processes of their own for what is measured, and the memory of this one; imports nothing heavy."""

import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def in_new_process(*options: str) -> float:
    """Run Python in a process of its own, and return the number that it prints last."""
    done = subprocess.run([sys.executable, *options], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout.split()[-1])


def peak_memory() -> float:
    """Largest memory of this process so far, in MiB."""
    status = Path("/proc/self/status")
    if status.is_file():  # what getrusage says is inherited from the parent process
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    import resource  # not on Windows

    unit = 1024**2 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
