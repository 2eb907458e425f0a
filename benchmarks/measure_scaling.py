"""What does a training step cost in time and memory: by processes, resolution, channels, attention, knobs?

Writes benchmarks/results/scaling.json; its table goes into benchmarks/README.md. About five minutes on an
idle machine of two cores. Each row is measured in a process of its own.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from accelerate import Accelerator
from diffusers import DDPMScheduler, UNet2DModel
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.json_files import machine_facts, parse_options, write_json
from benchmarks.process import ROOT, peak_memory
from helpers import RESULTS
from helpers.evaluation import markdown_table
from helpers.models import build_noise_scheduler, build_unet
from helpers.training import Trainer, TrainingConfig
from scripts.cards import stamp, verdict

README = Path(__file__).with_name("README.md")
SMALL = {"channels": (32, 64, 128), "attention": (), "resolution": 32, "batch": 8}
AT_64 = {"resolution": 64, "batch": 16}
# name in the table → what is measured; without "channels" the UNet is that of `build_unet`
ROWS = {
    "resolution 16": SMALL | {"resolution": 16},
    "resolution 32": SMALL,
    "resolution 64": SMALL | {"resolution": 64},
    "resolution 128": SMALL | {"resolution": 128},
    "half the channels": SMALL | {"channels": (16, 32, 64)},
    "twice the channels": SMALL | {"channels": (64, 128, 256)},
    "attention at 8×8": SMALL | {"attention": (2,)},
    "attention at 8×8 and 16×16": SMALL | {"attention": (1, 2)},
    "attention at all levels": SMALL | {"attention": (0, 1, 2)},
    "64×64: batch 16": AT_64,
    "64×64: the step of diffusers' example": AT_64 | {"example": True},
    "64×64: batch 4": AT_64 | {"batch": 4},
    "64×64: batch 4, accumulated 4 times": AT_64 | {"batch": 4, "parts": 4},
    "64×64: gradient checkpointing": AT_64 | {"checkpointing": True},
}
LAYOUTS = {"1 process, 2 threads": (1, 2, 32), "2 processes, 1 thread each": (2, 1, 16)}


def make_unet(channels=None, attention=(), resolution=32, **_) -> UNet2DModel:
    """Build the UNet of a row."""
    if channels is None:
        return build_unet(resolution)
    kinds = ["Attn" if level in attention else "" for level in range(len(channels))]
    return UNet2DModel(
        sample_size=resolution,
        layers_per_block=1,
        block_out_channels=channels,
        down_block_types=tuple(f"{kind}DownBlock2D" for kind in kinds),
        up_block_types=tuple(f"{kind}UpBlock2D" for kind in reversed(kinds)),
        norm_num_groups=8,
    )


def example_step(unet: UNet2DModel, batches):
    """Return the step that diffusers' train_unconditional.py takes with --use_ema, written for this."""
    accelerator, scheduler = Accelerator(cpu=True), DDPMScheduler(num_train_timesteps=1000)
    optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-4, betas=(0.95, 0.999), weight_decay=1e-6)
    lr_scheduler = get_scheduler("cosine", optimizer, num_warmup_steps=500, num_training_steps=10_000)
    kind = {"model_cls": UNet2DModel, "model_config": unet.config}
    ema = EMAModel(unet.parameters(), decay=0.9999, use_ema_warmup=True, power=3 / 4, **kind)
    model, optimizer, lr_scheduler = accelerator.prepare(unet, optimizer, lr_scheduler)

    def step():
        images, _ = next(batches)
        noise, timesteps = torch.randn_like(images), torch.randint(1000, (len(images),))
        with accelerator.accumulate(model):
            answer = model(scheduler.add_noise(images, noise, timesteps), timesteps).sample
            accelerator.backward(torch.nn.functional.mse_loss(answer.float(), noise.float()))
            accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            lr_scheduler.step()
            optimizer.zero_grad()
        ema.step(model.parameters())

    return step


def measure_row(row: dict, repeats: int) -> dict:
    """Take some steps; return the median of their seconds, and the memory that they needed."""
    unet, before = make_unet(**row), peak_memory()
    shape = (row["batch"], 3, row["resolution"], row["resolution"])
    batches = iter(lambda: (torch.rand(shape) * 2 - 1, torch.zeros(row["batch"], 1)), None)
    if row.get("checkpointing"):
        unet.enable_gradient_checkpointing()
    config = {"batch_size": row["batch"], "gradient_accumulation_steps": row.get("parts", 1)}
    if row.get("example"):
        step = example_step(unet.train(), batches)
    else:
        config = TrainingConfig(10_000, mixed_precision="no", **config)
        trainer = Trainer(unet, build_noise_scheduler(), None, config, torch.device("cpu"))
        step = lambda: trainer.train_step(batches)  # noqa: E731
    seconds = []
    for _ in range(1 + repeats):
        begun = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - begun)
    median = round(statistics.median(seconds[1:]), 4)
    return {
        "seconds": median,
        "memory_mib": round(peak_memory() - before),
        "parameters": unet.num_parameters(),
    }


def count_flop(row: dict) -> float:
    """Count the GFLOP of a step, three times those of a forward pass, without computing it."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        size = row["resolution"]
        make_unet(**row)(torch.zeros(1, 3, size, size), torch.zeros(1))
    return round(3 * counter.get_total_flops() * row["batch"] * row.get("parts", 1) / 1e9, 1)


def train_sprites(processes: int, threads: int, batch: int, steps: int) -> float:
    """Train on sprites in so many processes; return the images a second after the first ten steps."""
    with tempfile.TemporaryDirectory() as folder:
        options = [f"--output_dir={folder}", f"--train_batch_size={batch}", f"--max_train_steps={steps}"]
        options += ["--dataset_name=sprites", "--resolution=16", "--use_ema", "--eval_batch_size=1"]
        launch = [sys.executable, "-m", "torch.distributed.run", f"--nproc_per_node={processes}"]
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "ACCELERATE_USE_CPU": "yes"}
        command = [*launch, "--standalone", "scripts/train_unconditional.py", *options]
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        times = [
            e.wall_time for e in EventAccumulator(f"{folder}/logs", {"scalars": 0}).Reload().Scalars("loss")
        ]
    return round(processes * batch * (len(times) - 11) / (times[-1] - times[10]), 1)


def measure(repeats: int, steps: int) -> dict:
    """Measure everything, the layouts of processes in turns."""
    speeds = {name: [] for name in LAYOUTS}
    for _ in range(repeats):
        for name, layout in LAYOUTS.items():
            speeds[name].append(train_sprites(*layout, steps))
    rows = {}
    for name, row in ROWS.items():
        words = [sys.executable, __file__, "--row", name]
        done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        rows[name] = {"batch": row["batch"], "step_gflop": count_flop(row), **json.loads(done.stdout)}
    return {"images_per_second": speeds, "rows": rows}


def table(result: dict) -> str:
    """Make the Markdown tables."""
    speeds = {name: statistics.median(values) for name, values in result["images_per_second"].items()}
    one, two = speeds.values()
    ours, theirs = (result["rows"][name]["memory_mib"] for name in list(ROWS)[9:11])
    words = (
        f"Sprites, batch of 32 in all: {one:.0f} images a second in one process of two threads, {two:.0f} in "
        f"two processes of one thread, {two / one:.2f} times as many (aim: at least 0.9: "
        f"{verdict(two / one, 0.9, False)}). Memory of a step at 64×64, batch 16: {ours / theirs:.2f} times "
        f"that of the example's step (aim: at most 1.1: {verdict(ours / theirs, 1.1, True)})."
    )
    rows = [
        [name, row["batch"], f"{row['step_gflop']:,.0f}", f"{row['seconds']:.2f}", f"{row['memory_mib']:,}"]
        for name, row in result["rows"].items()
    ]
    head = ["a training step", "batch", "GFLOP", "seconds", "MiB above the start"]
    return f"{words}\n\n{markdown_table(head, rows)}"


def main() -> None:
    if sys.argv[1:2] == ["--row"]:
        print(json.dumps(measure_row(ROWS[sys.argv[2]], repeats=2 if "64×64" in sys.argv[2] else 4)))
        return
    args = parse_options(__doc__, "measure_scaling", "scaling.json", repeats=(2, None), steps=(30, None))
    result = {"command": args.command, **machine_facts(), **measure(args.repeats, args.steps)}
    write_json(args.output, result)
    if args.output == RESULTS / "scaling.json":
        stamp(README, "scaling", table(result))
    print(table(result))


if __name__ == "__main__":
    main()
