"""Check in under half a minute whether this computer can run the notebooks.

    python check_setup.py

Each line says what was looked at; one that begins with "FAIL" ends with what to do.
It starts without any package.
"""

import os
import re
import shutil
import sys
import time
from importlib import metadata
from pathlib import Path

MEMORY = 1.5  # GB that a running notebook and JupyterLab take
DISK = 0.5  # GB for what the notebooks write
FILES = ("helpers", "data/sprites.npz", "data/emoji.npz", "weights/unconditional", "benchmarks/results")


class Failure(Exception):
    """What is wrong, and what to do about it, in one line."""


def find_root(start):
    """Return the folder of the series: this file's own, or the one above it."""
    found = next((p for p in (start, *start.parents) if (p / "requirements.txt").is_file()), None)
    return found or start


def numbers(version):
    """Return the leading numbers of a version, "2.14.1+cpu" as (2, 14, 1)."""
    return tuple(int(part) for part in re.findall(r"\d+", re.match(r"[\d.]*", version)[0]))


def check_python(root, version=sys.version_info):
    """Look at the version of Python."""
    name = ".".join(str(part) for part in version[:3])
    if version < (3, 11):
        raise Failure(f"this is Python {name}: install 3.11 or newer and make the environment with it")
    return f"Python {name}"


def check_files(root):
    """Look whether the kit is whole."""
    missing = [name for name in FILES if not (root / name).exists()]
    if missing:
        raise Failure(f"{missing[0]} is missing in {root}: unpack the whole kit again")
    return "data, weights and helpers are here"


def check_packages(root):
    """Compare what is installed with requirements.txt."""
    wrong = []
    lines = (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line.split("#")[0].strip() for line in lines]
    for name, bounds in (re.match(r"([\w.-]+)(.*)", line).groups() for line in wanted if line):
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
            continue
        lowest, above = re.search(r">=([\d.]+)", bounds), re.search(r"<([\d.]+)", bounds)
        too_old = lowest and numbers(found) < numbers(lowest[1])
        if too_old or (above and numbers(found) >= numbers(above[1])):
            wrong.append(f"{name} is {found} and not {bounds.strip()}")
    if wrong:
        more = f" and {len(wrong) - 2} more" if len(wrong) > 2 else ""
        raise Failure(
            f"{', '.join(wrong[:2])}{more}: run `{sys.executable} -m pip install -r requirements.txt`"
        )
    return f"{len([line for line in wanted if line])} packages, as requirements.txt asks"


def free_memory():
    """Return the memory that is free, in GB, or None where nobody says."""
    try:
        import psutil

        return psutil.virtual_memory().available / 1e9
    except ImportError:
        return None


def check_memory(root, read=free_memory):
    """Look for enough free memory."""
    free = read()
    if free is not None and free < MEMORY:
        raise Failure(f"{free:.1f} GB of memory are free, {MEMORY} are needed: close other programs")
    return "free memory: " + ("unknown" if free is None else f"{free:.1f} GB")


def check_disk(root, usage=shutil.disk_usage):
    """Look for enough free disk, and whether this folder can be written."""
    free = usage(str(root)).free / 1e9
    if free < DISK:
        raise Failure(f"{free:.1f} GB of disk are free, {DISK} are needed: make room")
    if not os.access(str(root), os.W_OK):
        raise Failure(f"{root} cannot be written: copy the kit to a folder of your own")
    return f"free disk: {free:.0f} GB"


def check_training(root):
    """Load the weights and take steps of a training; the second is timed."""
    sys.path.insert(0, str(root))
    try:
        import torch
        from diffusers import DDPMScheduler, UNet2DModel

        from helpers.datasets import load_sprites
        from helpers.training import diffusion_loss
        from helpers.weights import find_weights

        folder = find_weights("unconditional")
        unet = UNet2DModel.from_pretrained(folder, subfolder="unet")
        scheduler = DDPMScheduler.from_pretrained(folder, subfolder="scheduler")
        images = load_sprites("test").as_tensor()[:32]
        optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-4)
        for _ in range(2):
            begun = time.perf_counter()
            loss = diffusion_loss(unet, scheduler, images)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            seconds = time.perf_counter() - begun
    except Exception as error:
        text = (str(error).strip() or "no message").splitlines()[0]
        reason = f"{type(error).__name__}: {text}"
        raise Failure(f"a training step failed ({reason}): make a new environment, install again") from error
    if not bool(torch.isfinite(loss)):
        raise Failure(f"the loss is {loss.item()}: the weights are damaged, unpack the kit again")
    minutes = f"notebook 01 will train for about {max(1, 500 * seconds / 60):.0f} min"
    slow = "" if seconds < 1 else "; that is slow: close other programs, or work in pairs"
    return f"a training step of 32 sprites takes {seconds:.2f} s: {minutes}{slow}"


CHECKS = (check_python, check_files, check_packages, check_memory, check_disk, check_training)


def main(root=None, checks=CHECKS):
    """Run the checks and print a line for each; return how many failed."""
    root, failed = Path(root) if root else find_root(Path(__file__).resolve().parent), 0
    for check in checks:
        if failed and check is check_training:
            print("skip  the training step: mend the above first")
            continue
        try:
            print(f"ok    {check(root)}", flush=True)
        except Failure as failure:
            failed += 1
            print(f"FAIL  {failure}", flush=True)
    print("ready: open notebook 01" if not failed else f"not ready: {failed} to mend")
    return failed


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
