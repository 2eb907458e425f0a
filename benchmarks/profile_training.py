"""Where does the time of a training step and of a sampling loop go?

Writes benchmarks/results/profile.json; its table goes into benchmarks/README.md. Needs an idle machine.
"""

import statistics
import timeit
from functools import partial
from pathlib import Path

import torch
from torch.profiler import profile

from benchmarks.bench_machine import matrix_peak, step_flops
from benchmarks.bench_recipes import ENDLESS, Ours
from benchmarks.json_files import parse_options, write_json
from helpers import RESULTS
from helpers.datasets import load_sprites
from helpers.evaluation import markdown_table
from helpers.files import describe_device
from helpers.sampling import DEFAULT_STEPS
from scripts.cards import stamp

README = Path(__file__).with_name("README.md")
# Of PyTorch's operations: whole names, or (without "::") parts of names.
GROUPS = {
    "convolutions, forward": ("aten::mkldnn_convolution", "aten::convolution", "aten::_slow_conv2d_forward"),
    "convolutions, backward": ("aten::convolution_backward",),
    "matrix products": ("aten::mm", "aten::addmm", "aten::bmm"),
    "attention": ("scaled_dot_product",),
    "group norm and SiLU": ("group_norm", "silu"),
    "optimizer, clipping, EMA": ("adamw", "linalg_vector_norm", "aten::sub_", "aten::sub", "Optimizer.step"),
}
# name in the table → batch size, and what is done to the UNet
VARIANTS = {
    "as it is: batch 32": (32, lambda unet: unet),
    "batch 16": (16, lambda unet: unet),
    "channels-last memory": (32, lambda unet: unet.to(memory_format=torch.channels_last)),
    "torch.compile": (32, torch.nn.Module.compile),
}


def make_recipe(name: str) -> Ours:
    """Build our recipe in one of its variants."""
    size, change = VARIANTS[name]
    recipe = type(name, (Ours,), {"batch_size": size})(load_sprites("train"), 0, ENDLESS)
    change(recipe.model)
    return recipe


def median_milliseconds(work, repeats: int) -> float:
    """Time a function after three warm-up calls."""
    for _ in range(3):
        work()
    return round(1000 * statistics.median(timeit.repeat(work, number=1, repeat=repeats)), 1)


def shares(work) -> dict[str, float]:
    """Share of the time that each group of operations takes, by PyTorch's profiler."""
    work()
    with profile() as recorded:
        work()
    times = {event.key: event.self_cpu_time_total for event in recorded.key_averages()}
    total, result = sum(times.values()), {}
    for group, names in GROUPS.items():
        found = [key for key in times if any(n == key or ("::" not in n and n in key) for n in names)]
        result[group] = round(sum(times.pop(key) for key in found) / total, 3)
    return result | {"all else": round(sum(times.values()) / total, 3)}


def time_variant(name: str, repeats: int) -> dict:
    """Time one way to take a training step, and how long its first one takes."""
    begun = timeit.default_timer()
    recipe = make_recipe(name)
    recipe.train_step()
    started = round(timeit.default_timer() - begun, 1)
    row = {"name": name, "batch_size": recipe.batch_size, "seconds_to_start": started}
    return row | {"milliseconds": median_milliseconds(recipe.train_step, repeats)}


def measure(repeats: int) -> dict:
    """Measure the step, its variants and the sampling loop."""
    recipe = make_recipe(next(iter(VARIANTS)))
    result = {
        "device": describe_device(torch.device("cpu")),
        "step_gflop": step_flops(recipe),
        "step_shares": shares(recipe.train_step),
    }
    peaks = [matrix_peak(torch.float32)]
    result["steps"] = [time_variant(name, repeats) for name in VARIANTS]
    peaks.append(matrix_peak(torch.float32))
    draw = partial(recipe.draw, 16, 0)
    return result | {
        "matrix_peak_gflops": max(peaks),
        "sampling_milliseconds": median_milliseconds(draw, max(3, repeats // 5)),
        "sampling_shares": shares(draw),
    }


def table(result: dict) -> str:
    """Make the Markdown tables and the sentence before them."""
    now, peak = result["steps"][0]["milliseconds"], result["matrix_peak_gflops"]
    speed = result["step_gflop"] / now * 1000
    words = (
        f"A training step has {result['step_gflop']:.1f} GFLOP and takes {now:.0f} ms: {speed:.0f} GFLOP/s, "
        f"{speed / peak:.0%} of the {peak:.0f} GFLOP/s that the largest matrix product in float32 reaches on "
        f"{result['device']}. Drawing 16 sprites in {DEFAULT_STEPS} steps takes "
        f"{result['sampling_milliseconds']:.0f} ms."
    )
    drawing = result["sampling_shares"]
    groups = [[name, f"{part:.0%}", f"{drawing[name]:.0%}"] for name, part in result["step_shares"].items()]
    steps = []
    for row in result["steps"]:
        numbers = row["milliseconds"], row["batch_size"] / row["milliseconds"] * 1000, row["seconds_to_start"]
        steps.append([row["name"], *(f"{number:.0f}" for number in numbers)])
    shared = markdown_table(["share of the time", "training step", "drawing"], groups)
    timed = markdown_table(["training step", "ms", "images a second", "seconds to start"], steps)
    return f"{words}\n\n{shared}\n\n{timed}"


def main() -> None:
    args = parse_options(__doc__, "profile_training", "profile.json", repeats=(25, None))
    result = measure(args.repeats)
    write_json(args.output, result)
    if args.output == RESULTS / "profile.json":
        stamp(README, "profile", table(result))
    print(table(result))


if __name__ == "__main__":
    main()
