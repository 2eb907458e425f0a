"""What the benchmark measures of the machine: peaks, memory, and costs that need no long training."""

import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.bench_recipes import RECIPES, Recipe
from benchmarks.bench_training import PACKAGES
from helpers.datasets import load_sprites
from helpers.files import describe_device, package_versions

ROOT = Path(__file__).resolve().parents[1]


def matrix_peak(dtype: torch.dtype, seconds: float = 1.0, repeats: int = 3) -> float:
    """Measure how many GFLOP/s a product of matrices of 1024 × 1024 reaches here, the best of several."""
    a, b = torch.randn(1024, 1024).to(dtype), torch.randn(1024, 1024).to(dtype)
    a @ b
    best = 0.0
    for _ in range(repeats):
        begun, count = time.perf_counter(), 0
        while not count or time.perf_counter() - begun < seconds:
            a @ b
            count += 1
        best = max(best, count * 2 * 1024**3 / (time.perf_counter() - begun) / 1e9)
    return round(best, 1)


def matrix_peaks() -> dict[str, float]:
    """The peaks of both precisions."""
    return {"float32": matrix_peak(torch.float32), "bfloat16": matrix_peak(torch.bfloat16)}


def step_flops(recipe: Recipe) -> float:
    """Count the floating-point operations of one training step, in GFLOP."""
    with FlopCounterMode(display=False) as counter:
        recipe.train_step()
    return round(counter.get_total_flops() / 1e9, 1)


def sampling_cost(recipes: dict[str, Recipe], repeats: int = 3) -> dict[str, list[float]]:
    """Seconds for 16 sprites with each recipe's own sampler, in turns."""
    seconds = {name: [] for name in recipes}
    for repeat in range(repeats):
        for name, recipe in recipes.items():
            recipe.model.eval()
            begun = time.perf_counter()
            with torch.no_grad():
                recipe.sample(16, repeat, recipe.steps)
            seconds[name].append(round(time.perf_counter() - begun, 3))
    return seconds


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


def import_milliseconds(repeats: int = 5) -> float:
    """Median time of `import helpers` where torch has been imported."""
    line = "import torch, time; t = time.perf_counter(); import helpers; print(time.perf_counter() - t)"
    return round(1000 * statistics.median(in_new_process("-c", line) for _ in range(repeats)), 2)


def measure_machine(names: list[str]) -> dict:
    """Measure what does not depend on how long anything was trained."""
    dataset = load_sprites("train")
    recipes = {name: RECIPES[name](dataset, 0, 1000) for name in names}
    this = str(Path("benchmarks", "bench_machine.py"))
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return {
        "device": describe_device(torch.device("cpu")),
        "cores": os.cpu_count(),
        "versions": {"python": platform.python_version(), **package_versions(PACKAGES)},
        "commit": commit.stdout.strip(),
        "import_helpers_milliseconds": import_milliseconds(),
        "peak_memory_mib": {name: round(in_new_process(this, name)) for name in names},
        "step_gflop": {name: step_flops(recipe) for name, recipe in recipes.items()},
        "parameters": {n: sum(p.numel() for p in r.model.parameters()) for n, r in recipes.items()},
        "seconds_for_16_sprites": sampling_cost(recipes),
    }


if __name__ == "__main__":  # measure_machine calls this for each recipe, in a process of its own
    recipe = RECIPES[sys.argv[1]](load_sprites("train"), 0, 1000)
    for _ in range(30):
        recipe.train_step()
    print(peak_memory())
