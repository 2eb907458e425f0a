"""Does it matter what the UNet predicts, and how its errors are weighed? Train, draw with samplers, score.

Writes benchmarks/results/objectives.json; tables go into benchmarks/README.md. About half an hour.
"""

from pathlib import Path

import torch
from diffusers import DDPMPipeline, DDPMScheduler

from benchmarks.json_files import parse_options, real_features, write_json
from helpers import RESULTS
from helpers.datasets import load_sprites
from helpers.evaluation import Score, extract_features, frechet_distance, markdown_table
from helpers.files import describe_device
from helpers.models import build_unconditional
from helpers.sampling import DEFAULT_SCHEDULER, generate_images, make_scheduler
from helpers.training import train
from helpers.weights import find_weights
from scripts.cards import stamp

README = Path(__file__).with_name("README.md")
# Name in the tables: what the UNet predicts, and γ of the min-SNR weighting (arXiv 2303.09556).
OBJECTIVES = {
    "noise": ("epsilon", None),
    "noise, min-SNR": ("epsilon", 5.0),
    "v": ("v_prediction", None),
    "v, min-SNR": ("v_prediction", 5.0),
}
TRAILING = {"timestep_spacing": "trailing"}
# (name in the tables, sampler, its settings, steps)
SCHEDULERS = [
    ("DDPM", "ddpm", {}, 100),
    ("DDIM, clipping (the default)", "ddim", {"clip_sample": True}, 20),
    ("DDIM, `clip_sample=False`", "ddim", {}, 20),
    ("DPM-Solver++", "dpm-solver++", {}, 20),
    ("SDE-DPM-Solver++", "sde-dpm-solver++", {}, 20),
]
SCHEDULERS += [('SDE-DPM-Solver++, `timestep_spacing="trailing"`', DEFAULT_SCHEDULER, TRAILING, 20)]


def score(pipeline: DDPMPipeline, trained_with, reference: torch.Tensor, samples: int, settings) -> dict:
    """Draw with one sampler and score."""
    name, sampler, options, steps = settings
    scheduler = make_scheduler(trained_with, sampler, **options)
    images = generate_images(DDPMPipeline(pipeline.unet, scheduler), samples, num_inference_steps=steps)
    # A sampler that blows up draws NaN: grey then, and far from any sprite.
    distance = frechet_distance(extract_features(images.nan_to_num(0)), reference)
    print(f"{name}, {steps} steps: {distance}", flush=True)
    return {"sampler": name, "steps": steps, "frechet_distance": distance._asdict()}


def table(result: dict) -> str:
    """Make the Markdown table: a row per sampler, a column per model."""
    models, lines = result["models"], []
    for rows in zip(*models.values(), strict=True):
        scores = [f"{Score(**row['frechet_distance']):.1f}" for row in rows]
        lines.append([rows[0]["sampler"], rows[0]["steps"], *scores])
    lines.append(["real sprites", "–", *[f"{Score(**result['floor']):.1f}"] * len(models)])
    return markdown_table(["sampler", "steps", *models], lines)


def main() -> None:
    options = {"steps": (600, "training steps of each model"), "samples": (400, None)}
    args = parse_options(__doc__, "compare_objectives", "objectives.json", **options)
    reference, others = real_features()
    pipelines = {"shipped weights (noise)": DDPMPipeline.from_pretrained(find_weights("unconditional"))}
    for name, (prediction_type, snr_gamma) in OBJECTIVES.items():
        torch.manual_seed(0)
        unet, noise_scheduler = build_unconditional()
        noise_scheduler = DDPMScheduler.from_config(noise_scheduler.config, prediction_type=prediction_type)
        train(unet, noise_scheduler, load_sprites("train"), args.steps, snr_gamma=snr_gamma, device="cpu")
        pipelines[f"{name}, {args.steps:,} steps"] = DDPMPipeline(unet, noise_scheduler)
    result = {
        "command": args.command,
        "device": describe_device(torch.device("cpu")),
        "floor": frechet_distance(others[: args.samples], reference)._asdict(),
        "models": {
            name: [score(p, p.scheduler, reference, args.samples, settings) for settings in SCHEDULERS]
            for name, p in pipelines.items()
        },
    }
    write_json(args.output, result)
    if args.output == RESULTS / "objectives.json":
        stamp(README, "objectives", table(result))


if __name__ == "__main__":
    main()
