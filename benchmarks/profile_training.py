"""Where does the time of a training step and of a sampling loop go?

    python benchmarks/profile_training.py

Writes benchmarks/results/profile.json; its table goes into benchmarks/README.md. Needs an idle machine.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from diffusers import DDPMPipeline
from torch.profiler import profile
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.bench_machine import matrix_peak
from helpers.datasets import load_sprites
from helpers.files import describe_device, write_file
from helpers.models import build_unconditional
from helpers.sampling import DEFAULT_STEPS, generate_images, make_scheduler
from helpers.training import ResumableBatchSampler, Trainer, TrainingConfig
from scripts.cards import stamp

ROOT = Path(__file__).resolve().parents[1]

RESULTS = ROOT / "benchmarks" / "results" / "profile.json"
GROUPS = {
    "convolutions, forward": ("aten::mkldnn_convolution", "aten::convolution", "aten::_slow_conv2d_forward"),
    "convolutions, backward": ("aten::convolution_backward",),
    "matrix products": ("aten::mm", "aten::addmm", "aten::bmm"),
    "attention": ("scaled_dot_product",),
    "group norm and SiLU": ("group_norm", "silu"),
    "optimizer, clipping, EMA": (
        "adamw",
        "aten::linalg_vector_norm",
        "aten::sub_",
        "aten::sub",
        "Optimizer.step",
    ),
}
# name in the table → how the training step differs
VARIANTS = {
    "as it is: batch 32": {},
    "batch 16": {"batch_size": 16},
    "channels-last memory": {"channels_last": True},
    "torch.compile": {"compiled": True},
}


def make_trainer(batch_size: int = 32, channels_last: bool = False, compiled: bool = False):
    """Build what takes training steps on sprites; return a function that takes one."""
    torch.manual_seed(0)
    unet, noise_scheduler = build_unconditional()
    if channels_last:
        unet = unet.to(memory_format=torch.channels_last)
    trainer = Trainer(unet, noise_scheduler, None, TrainingConfig(10**6), torch.device("cpu"))
    if compiled:
        trainer.unet.compile()
    dataset = load_sprites("train")
    batches = iter(
        DataLoader(dataset, batch_sampler=ResumableBatchSampler(len(dataset), batch_size, 0, 10**6, 0))
    )
    return lambda: trainer.train_step(batches)


def median_milliseconds(work, repeats: int) -> float:
    """Time a function after three warm-up calls."""
    for _ in range(3):
        work()
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return round(1000 * statistics.median(seconds), 1)


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
    options = VARIANTS[name]
    begun = time.perf_counter()
    step = make_trainer(**options)
    step()
    started = round(time.perf_counter() - begun, 1)
    row = {"name": name, "batch_size": options.get("batch_size", 32), "seconds_to_start": started}
    return row | {"milliseconds": median_milliseconds(step, repeats)}


def measure(repeats: int) -> dict:
    """Measure the step, its variants and the sampling loop."""
    step = make_trainer()
    peaks = [matrix_peak(torch.float32)]
    result = {"device": describe_device(torch.device("cpu"))}
    with FlopCounterMode(display=False) as counter:
        step()
    result["step_gflop"] = round(counter.get_total_flops() / 1e9, 2)
    result["step_shares"] = shares(step)
    result["steps"] = [time_variant(name, repeats) for name in VARIANTS]
    peaks.append(matrix_peak(torch.float32))
    result["matrix_peak_gflops"] = round(max(peaks), 1)
    unet, noise_scheduler = build_unconditional()
    pipeline = DDPMPipeline(unet.eval(), make_scheduler(noise_scheduler))

    def draw():
        generate_images(pipeline, 16, num_inference_steps=DEFAULT_STEPS)

    result["sampling_milliseconds"] = median_milliseconds(draw, max(3, repeats // 5))
    result["sampling_shares"] = shares(draw)
    return result


def table(result: dict) -> str:
    """Make the Markdown tables and the sentence before them."""
    now, peak = result["steps"][0]["milliseconds"], result["matrix_peak_gflops"]
    speed = result["step_gflop"] / now * 1000
    lines = [
        f"A training step has {result['step_gflop']:.1f} GFLOP and takes {now:.0f} ms: {speed:.0f} GFLOP/s, "
        f"{speed / peak:.0%} of the {peak:.0f} GFLOP/s that the largest matrix product in float32 reaches on "
        f"{result['device']}. Drawing 16 sprites in {DEFAULT_STEPS} steps takes "
        f"{result['sampling_milliseconds']:.0f} ms.",
        "",
        "| share of the time | training step | drawing |",
        "| --- | --- | --- |",
    ]
    for group, part in result["step_shares"].items():
        lines.append(f"| {group} | {part:.0%} | {result['sampling_shares'][group]:.0%} |")
    lines += ["", "| training step | ms | images a second | seconds to start |", "| --- | --- | --- | --- |"]
    for row in result["steps"]:
        rate = row["batch_size"] / row["milliseconds"] * 1000
        lines.append(
            f"| {row['name']} | {row['milliseconds']:.0f} | {rate:.0f} | {row['seconds_to_start']:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument("--output", type=Path, default=RESULTS)
    args = parser.parse_args()
    result = measure(args.repeats)
    write_file(args.output, (json.dumps(result, indent=1) + "\n").encode())
    if args.output == RESULTS:
        stamp(ROOT / "benchmarks" / "README.md", "profile", table(result))
    print(table(result))


if __name__ == "__main__":
    main()
