"""What should a UNet predict, how should its errors be weighed, on which noise schedule? Train, draw, score.

Each row of benchmarks/results/targets.json is one short training, alike but for what it compares; a run that
is stopped goes on with the next row. About an hour on one core.
"""

import math
import time
from itertools import product
from pathlib import Path

import torch
from diffusers import DDPMScheduler, FlowMatchEulerDiscreteScheduler

from benchmarks.json_files import machine_facts, parse_options, read_or_begin, real_features, write_json
from helpers import RESULTS
from helpers.datasets import load_sprites
from helpers.evaluation import Score, extract_features, frechet_distance, kernel_distance, markdown_table
from helpers.models import EDMPrecond, build_unconditional
from helpers.sampling import eval_mode, make_scheduler, prediction_type_of, quantize, sample_images
from helpers.training import train
from helpers.training.loss import add_noise_and_target
from helpers.training.weighting import LOG_SIGMA, signal_to_noise, target_scale
from scripts.cards import stamp

README = Path(__file__).with_name("README.md")
TARGETS = ("epsilon", "sample", "v_prediction")
# (noise schedule, target, weighting): all with one seed, then the ones that it is about with another.
GRID = [("cosine", target, weighting) for target, weighting in product(TARGETS, ("uniform", "min_snr"))]
GRID += [("flow", "flow_prediction", "uniform"), ("flow", "flow_prediction", "logit_normal")]
GRID += [("cosine", "edm_precond", "edm")]
REPEATED = [row for row in GRID[:9] if row[0] == "cosine" and row[2] != "min_snr"] + [GRID[7]]
GRID += [("cosine", "edm_precond", "uniform"), ("cosine", "v_prediction", "edm")]
# Means of the drawn ln σ: what is best for photographs need not be so for sprites.
GRID += [("cosine", "edm_precond", f"edm {mean:+.1f}") for mean in (-0.4, 0.4)]
GRID += [("linear", target, "uniform") for target in TARGETS]
GRID += [("cosine", "v_prediction", "p2")]
# What the text leans on first, so that a run that is stopped early has it.
ORDER = [*product(GRID[:9], [0]), *product(REPEATED, [1]), *product(GRID[9:], [0])]
SAMPLERS = ("dpm-solver++", "sde-dpm-solver++")
LOG_SIGMAS = torch.linspace(-4, 2.5, 14)  # where errors are measured
TINT_STEPS = (50, 100)  # and at the end


def build(schedule: str, target: str):
    """The same UNet for all, and a noise scheduler that asks it for this target."""
    torch.manual_seed(0)
    unet, noise_scheduler = build_unconditional()
    if schedule == "flow":
        return unet, FlowMatchEulerDiscreteScheduler(num_train_timesteps=500)
    kind = "sample" if target == "edm_precond" else target
    changes = {"beta_schedule": "linear"} if schedule == "linear" else {}
    noise_scheduler = DDPMScheduler.from_config(noise_scheduler.config, prediction_type=kind, **changes)
    return EDMPrecond.from_unet(unet, noise_scheduler) if target == "edm_precond" else unet, noise_scheduler


def timestep_at(noise_scheduler, log_sigma: float) -> float:
    """The timestep at this noise level, or next to it."""
    total = noise_scheduler.config.num_train_timesteps
    if isinstance(noise_scheduler, FlowMatchEulerDiscreteScheduler):
        return total / (1 + math.exp(-log_sigma))
    levels = -signal_to_noise(noise_scheduler, torch.arange(total)).log() / 2
    return int((levels - log_sigma).abs().argmin())


@torch.no_grad()
def errors_by_level(unet, noise_scheduler, images: torch.Tensor) -> list[float]:
    """Root mean square error of the estimated x_0 at each of LOG_SIGMAS, whatever the UNet predicts."""
    generator, errors = torch.Generator().manual_seed(0), []
    kind = prediction_type_of(noise_scheduler)
    for log_sigma in LOG_SIGMAS.tolist():
        timesteps = torch.full((len(images),), timestep_at(noise_scheduler, log_sigma))
        noise = torch.randn(images.shape, generator=generator)
        x_t, target = add_noise_and_target(noise_scheduler, images, noise, timesteps)
        scale = target_scale(signal_to_noise(noise_scheduler, timesteps[:1]), kind)
        errors.append(((unet(x_t, timesteps).sample - target).square().mean() / scale).sqrt().item())
    return errors


def mean_color(images: torch.Tensor) -> torch.Tensor:
    """Red, green and blue of all pixels together, in [-1, 1]."""
    return images.mean((0, 2, 3))


def train_row(row: tuple[str, str, str], seed: int, args, data, held_out: torch.Tensor, reference) -> dict:
    """Train one combination, and measure what it draws and where it errs."""
    (schedule, target, weighting), tints = row, {}
    unet, noise_scheduler = build(schedule, target)
    usual = mean_color(data.as_tensor())

    def watch(trainer):
        if trainer.step in TINT_STEPS:
            with trainer.averaged_weights():
                tints[str(trainer.step)] = measure_tint()

    def measure_tint() -> float:
        drawn = sample_images(unet, make_scheduler(noise_scheduler, "dpm-solver++"), 64, 10, seed=1)
        return (mean_color(drawn.nan_to_num(0)) - usual).square().mean().sqrt().item()

    name, *mean = weighting.split()
    begun, options = time.monotonic(), {"seed": seed, "device": "cpu", "weighting": name}
    options |= {"log_sigma": (float(mean[0]), LOG_SIGMA["edm"][1])} if mean else {}
    train(unet, noise_scheduler, data, args.steps, on_step=watch, **options)
    result = {"schedule": schedule, "target": target, "weighting": weighting, "seed": seed}
    result["seconds"] = round(time.monotonic() - begun)
    tints[str(args.steps)] = measure_tint()
    with eval_mode(unet):
        result["errors"] = errors_by_level(unet, noise_scheduler, held_out)
    result["tints"] = tints
    for name in SAMPLERS:
        drawn = sample_images(unet, make_scheduler(noise_scheduler, name), args.samples, args.calls)
        features = extract_features(quantize(drawn.nan_to_num(0)))
        result[name] = {
            "frechet_distance": frechet_distance(features, reference)._asdict(),
            "kernel_distance": kernel_distance(features, reference)._asdict(),
        }
    return result


def table(result: dict) -> str:
    """Make the Markdown table: a row per combination, the seeds side by side."""
    found = {}
    for row in result["rows"]:
        found.setdefault((row["schedule"], row["target"], row["weighting"]), []).append(row)
    lines = []
    for key, rows in found.items():
        scores = [[Score(**row[name]["frechet_distance"]) for row in rows] for name in SAMPLERS]
        lines.append([*key, *[", ".join(f"{score.value:.1f}" for score in column) for column in scores]])
    floor = f"{Score(**result['floor']):.1f}"
    lines.append(["real sprites", "–", "–", floor, floor])
    return markdown_table(["schedule", "target", "weighting", *SAMPLERS], lines)


def main() -> None:
    options = {"steps": (200, "training steps of 32 images"), "samples": (250, None), "calls": (12, None)}
    args = parse_options(__doc__, "compare_targets", "targets.json", **options)
    reference, others = real_features()
    floor = frechet_distance(others[: args.samples], reference)._asdict()
    empty = {**machine_facts(), "floor": floor, "log_sigmas": LOG_SIGMAS.tolist(), "rows": []}
    result = read_or_begin(args.output, args.command, **empty)
    data, held_out = load_sprites("train"), load_sprites("test").as_tensor()[::16]
    done = {(row["schedule"], row["target"], row["weighting"], row["seed"]) for row in result["rows"]}
    for row, seed in ORDER:
        if (*row, seed) in done:
            continue
        result["rows"].append(train_row(row, seed, args, data, held_out, reference))
        write_json(args.output, result)
        print(result["rows"][-1], flush=True)
    if args.output == RESULTS / "targets.json":
        stamp(README, "targets", table(result))


if __name__ == "__main__":
    main()
