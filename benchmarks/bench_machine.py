"""What the benchmark measures of the machine: peaks, memory, and costs that need no long training."""

import os
import platform
import subprocess
import sys
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.bench_recipes import RECIPES, Recipe
from benchmarks.bench_training import PACKAGES
from benchmarks.process import ROOT, in_new_process, peak_memory
from helpers.datasets import load_sprites
from helpers.files import describe_device, package_versions


def matrix_peak(dtype: torch.dtype, seconds: float = 1.0, repeats: int = 3) -> float:
    """Measure how many GFLOP/s a product of 1024 × 1024 matrices reaches here, the best of several."""
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
            begun = time.perf_counter()
            recipe.draw(16, repeat)
            seconds[name].append(round(time.perf_counter() - begun, 3))
    return seconds


def import_milliseconds(repeats: int = 5) -> dict[str, list[float]]:
    """Time the import of what a notebook takes from `helpers`, on top of torch and diffusers.

    Once as it is and once where matplotlib, which the notebooks need anyway, has been imported before too.
    """
    before = "import time, torch, diffusers; from diffusers import DDPMScheduler, UNet2DModel; "
    line = (
        "begun = time.perf_counter(); "
        "import helpers.datasets, helpers.plotting, helpers.training, helpers.pipelines; "
        "print(1000 * (time.perf_counter() - begun))"
    )
    cases = {"helpers": before, "helpers after matplotlib": before + "import matplotlib.figure; "}
    return {
        name: [round(in_new_process("-c", before + line), 1) for _ in range(repeats)]
        for name, before in cases.items()
    }


def measure_machine(names: list[str]) -> dict:
    """Measure what does not depend on how long anything was trained."""
    dataset = load_sprites("train")
    recipes = {name: RECIPES[name](dataset, 0, 1000) for name in names}
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return {
        "device": describe_device(torch.device("cpu")),
        "cores": os.cpu_count(),
        "versions": {"python": platform.python_version(), **package_versions(PACKAGES)},
        "commit": commit.stdout.strip(),
        "import_milliseconds": import_milliseconds(),
        "peak_memory_mib": {name: round(in_new_process(__file__, name)) for name in names},
        "step_gflop": {name: step_flops(recipe) for name, recipe in recipes.items()},
        "parameters": {n: sum(p.numel() for p in r.model.parameters()) for n, r in recipes.items()},
        "seconds_for_16_sprites": sampling_cost(recipes),
    }


if __name__ == "__main__":  # measure_machine calls this for each recipe, in a process of its own
    recipe = RECIPES[sys.argv[1]](load_sprites("train"), 0, 1000)
    for _ in range(30):
        recipe.train_step()
    print(peak_memory())
