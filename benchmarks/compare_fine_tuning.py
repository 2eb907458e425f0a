"""Fine-tune the shipped sprite model on emoji: against training from scratch, LoRA and the last layers.

Writes benchmarks/results/fine_tuning.json; tables go into benchmarks/README.md. A run that is stopped goes
on where it was. Minutes are steps at the speed that an undisturbed step of each way was measured to have.
"""

import time
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import torch
from diffusers.training_utils import EMAModel
from peft import LoraConfig, get_peft_model
from safetensors.torch import save
from torch.optim.lr_scheduler import LambdaLR

from benchmarks.json_files import machine_facts, parse_options, read_or_begin, write_json
from helpers import RESULTS
from helpers.datasets import load_emoji, load_sprites, make_dataloader
from helpers.evaluation import (
    Score,
    copy_rates,
    extract_features,
    fine_tuning_table,
    kernel_distance,
    nearest_neighbours,
    real_halves,
)
from helpers.models import build_unconditional
from helpers.sampling import make_scheduler, quantize, sample_images
from helpers.training import diffusion_loss
from helpers.weights import load_pipeline
from scripts.cards import stamp

README = Path(__file__).with_name("README.md")
GROUP = "Smileys & Emotion"
# What the shipped weights were trained with is a rate of 2e-3. min-SNR weights: arXiv 2303.09556.
BATCH_SIZE, NEW_RATE, TUNING_RATE, WARMUP_STEPS, SNR_GAMMA = 32, 2e-3, 1e-3, 50, 5.0
# LoRA (arXiv 2106.09685) beside the attention's projections and the convolutions of the residual blocks.
LORA = {"r": 8, "lora_alpha": 8, "target_modules": ["to_q", "to_k", "to_v", "to_out.0", "conv1", "conv2"]}
LAST_LAYERS = ("up_blocks.2", "conv_norm_out", "conv_out")
# Name: where it starts, what is trained, learning rate.
WAYS = {
    "fine-tuned": ("weights", "all", TUNING_RATE),
    "from scratch": ("nothing", "all", NEW_RATE),
    "LoRA": ("weights", "lora", NEW_RATE),
    "last layers": ("weights", "last", NEW_RATE),
}
# Fine-tuned with one thing changed: learning rate, or number of pictures.
CHANGES = {
    "rate 1e-4": (TUNING_RATE / 10, None),
    "rate 1e-2": (TUNING_RATE * 10, None),
    "32 pictures": (TUNING_RATE, 32),
}
SCORED = (60, 125, 250, 500, 1000, 2250, 4500, 9000)  # steps


def build(start: str, part: str) -> tuple[torch.nn.Module, list[torch.nn.Parameter]]:
    """Return a model to be trained, and which of its parameters are."""
    torch.manual_seed(0)
    unet = load_pipeline("unconditional").unet if start == "weights" else build_unconditional()[0]
    if part == "lora":
        unet = get_peft_model(unet, LoraConfig(**LORA))
    if part == "last":
        for name, parameter in unet.named_parameters():
            parameter.requires_grad_(name.startswith(LAST_LAYERS))
    return unet.train(), [p for p in unet.parameters() if p.requires_grad]


def train_steps(unet, parameters, noise_scheduler, dataset, learning_rate: float) -> Iterator[EMAModel]:
    """Take one step after the other: the loop of notebook 04, for ever. Yields the average after each."""
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate)
    ema = EMAModel(parameters, decay=0.9995, use_ema_warmup=True, power=3 / 4)
    dataloader = make_dataloader(dataset, BATCH_SIZE, seed=0)
    lr_scheduler = LambdaLR(optimizer, lambda step: min(1, (step + 1) / WARMUP_STEPS))
    torch.manual_seed(0)
    while True:
        for images, _ in dataloader:
            loss = diffusion_loss(unet, noise_scheduler, images, snr_gamma=SNR_GAMMA)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            lr_scheduler.step()
            optimizer.zero_grad()
            ema.step(parameters)
            yield ema


def with_mirrored(dataset) -> torch.Tensor:
    """All pictures and their mirror images: as in training, and over the 200 that a score needs."""
    images = dataset.as_tensor()
    return torch.cat([images, images.flip(-1)])


class Judge:
    """Scores of a model on its way from sprites to emoji."""

    def __init__(self, noise_scheduler, dataset, samples: int):
        self.scheduler, self.samples = make_scheduler(noise_scheduler), samples
        self.emoji_features = extract_features(with_mirrored(dataset))
        self.sprite_features = extract_features(load_sprites("test").as_tensor())

    def __call__(self, unet, training_images) -> dict:
        """Draw with the weights as they are; distances to the new and old pictures, and copies."""
        with torch.random.fork_rng():
            images = quantize(sample_images(unet, self.scheduler, self.samples)).nan_to_num(0)
        features = extract_features(images)
        exact, near = copy_rates(images, training_images)
        nearest = nearest_neighbours(images, training_images)[0][:, 0]
        scores = {
            "distance_to_emoji": kernel_distance(features, self.emoji_features),
            "distance_to_sprites": kernel_distance(features, self.sprite_features),
            "exact_copies": exact,
            "near_copies": near,
        }
        rows = {name: score._asdict() for name, score in scores.items()}
        return rows | {"nearest_training_picture": float(nearest.median())}


def run(way: tuple, steps: Sequence[int], noise_scheduler, dataset, judge: Judge) -> list[dict]:
    """Train one way, and score the averaged weights after each of these numbers of steps."""
    start, part, learning_rate = way
    unet, parameters = build(start, part)
    rows, averages = [], train_steps(unet, parameters, noise_scheduler, dataset, learning_rate)
    for step, ema in zip(range(1, max(steps) + 1), averages, strict=False):
        if step in steps:
            ema.store(parameters)
            ema.copy_to(parameters)
            rows.append({"step": step} | judge(unet, with_mirrored(dataset)))
            ema.restore(parameters)
            distance = Score(**rows[-1]["distance_to_emoji"])
            print(
                f"{start}, {part}, {learning_rate:g}, {len(dataset)} pictures, {step}: {distance}", flush=True
            )
    return rows


def describe_ways(noise_scheduler, dataset, rounds: int = 40) -> dict:
    """Of each way: trained parameters, bytes of a file that holds them, seconds of an undisturbed step."""
    built = {name: build(*way[:2]) for name, way in WAYS.items()}
    steps = {n: train_steps(*built[n], noise_scheduler, dataset, way[2]) for n, way in WAYS.items()}
    seconds = {name: [] for name in WAYS}
    for _, name in product(range(rounds), WAYS):  # in turns, so that a busy machine slows all of them
        begun = time.perf_counter()
        next(steps[name])
        seconds[name].append(time.perf_counter() - begun)
    return {
        name: {
            "learning_rate": WAYS[name][2],
            "parameters": sum(p.numel() for p in parameters),
            "file_bytes": len(save({str(i): p.detach().clone() for i, p in enumerate(parameters)})),
            "seconds_per_step": sorted(seconds[name])[rounds // 4],
        }
        for name, (_, parameters) in built.items()
    }


def floors(judge: Judge, dataset) -> dict:
    """What real pictures score: halves of all emoji, sprites, and held-out emoji beside those trained on."""
    half, other = real_halves(extract_features(load_emoji("all", image_size=16).as_tensor()))
    held_out = load_emoji("test", image_size=16, group=GROUP).as_tensor()
    nearest, _ = nearest_neighbours(held_out, with_mirrored(dataset))
    return {
        "halves_of_all_emoji": kernel_distance(half, other)._asdict(),
        "sprites_to_emoji": kernel_distance(judge.sprite_features, judge.emoji_features)._asdict(),
        "nearest_of_held_out": float(nearest.median()),
    }


def main() -> None:
    options = {
        "steps": (max(SCORED), "of the training from scratch; the others take a third"),
        "samples": (300, "drawn for each score"),
    }
    args = parse_options(__doc__, "compare_fine_tuning", "fine_tuning.json", **options)
    noise_scheduler = load_pipeline("unconditional").scheduler
    dataset = load_emoji("train", image_size=16, group=GROUP, flip=True)
    judge = Judge(noise_scheduler, load_emoji("all", image_size=16, group=GROUP), args.samples)
    result = read_or_begin(args.output, args.command, **machine_facts(), ways={}, curves={}, changes={})
    result["floors"] = floors(judge, dataset)
    trainings = [("curves", name, way, None) for name, way in WAYS.items()]
    trainings += [("changes", n, ("weights", "all", rate), count) for n, (rate, count) in CHANGES.items()]
    for kind, name, way, count in trainings:
        most = args.steps if name == "from scratch" else args.steps // 3
        if name not in result[kind]:
            some = dataset.subset(torch.linspace(0, len(dataset) - 1, count or len(dataset)).long())
            steps = [step for step in SCORED if step <= most]
            result[kind][name] = run(way, steps, noise_scheduler, some, judge)
            write_json(args.output, result)
    result["ways"] = describe_ways(noise_scheduler, dataset)
    write_json(args.output, result)
    if args.output == RESULTS / "fine_tuning.json":
        stamp(README, "fine-tuning", fine_tuning_table(result))


if __name__ == "__main__":
    main()
