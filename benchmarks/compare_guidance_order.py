"""Guided sampling with solvers of second and third order: accuracy and Fréchet distance at three scales.

    python benchmarks/compare_guidance_order.py

Draws with the shipped label-conditioned weights and writes benchmarks/results/guidance_order.json. diffusers
recommends the second order under guidance, which makes the prediction change faster from step to step.
"""

import argparse
import json
from pathlib import Path

import torch

from helpers.datasets import load_sprites
from helpers.evaluation import Score, extract_features, frechet_distance, label_accuracy, real_halves
from helpers.evaluation.tables import markdown_table
from helpers.files import describe_device, package_versions, write_file
from helpers.sampling import DEFAULT_SCHEDULER, DEFAULT_STEPS, generate_images, make_scheduler
from helpers.weights import load_pipeline

RESULTS = Path(__file__).resolve().parent / "results" / "guidance_order.json"
ORDERS, SCALES = (2, 3), (1.5, 2.0, 4.0)


def compare(pipeline, samples: int, seed: int, reference: torch.Tensor) -> list[dict]:
    """Draw and score with each order at each scale, from the same noise; return a row for each pair."""
    num_classes, trained_with, rows = pipeline.class_net.config.num_classes, pipeline.scheduler, []
    labels = torch.arange(samples) % num_classes
    for scale in SCALES:
        for order in ORDERS:
            pipeline.scheduler = make_scheduler(trained_with, DEFAULT_SCHEDULER, solver_order=order)
            images = generate_images(pipeline, samples, labels=labels, guidance_scale=scale, seed=seed)
            scores = {
                "label_accuracy": label_accuracy(images, labels)._asdict(),
                "frechet_distance": frechet_distance(extract_features(images), reference)._asdict(),
            }
            rows.append({"guidance_scale": scale, "solver_order": order} | scores)
    pipeline.scheduler = trained_with
    return rows


def table(result: dict) -> str:
    """Make a Markdown table of what `compare` returned: a line per scale and order."""
    lines = [
        [
            f"{row['guidance_scale']:g}",
            str(row["solver_order"]),
            f"{Score(**row['label_accuracy']):.3f}",
            f"{Score(**row['frechet_distance']):.2f}",
        ]
        for row in result["rows"]
    ]
    return markdown_table(["guidance_scale", "solver_order", "label accuracy", "Fréchet distance"], lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=RESULTS)
    args = parser.parse_args()
    reference, others = real_halves(extract_features(load_sprites("all").as_tensor()))
    pipeline = load_pipeline("label_conditioned")
    result = {
        "command": f"python benchmarks/compare_guidance_order.py --samples {args.samples} --seed {args.seed}",
        "scheduler": DEFAULT_SCHEDULER,
        "steps": DEFAULT_STEPS,
        "device": describe_device(torch.device("cpu")),
        "versions": package_versions(),
        "floor": frechet_distance(others[: args.samples], reference)._asdict(),
        "rows": compare(pipeline, args.samples, args.seed, reference),
    }
    write_file(args.output, (json.dumps(result, indent=1) + "\n").encode())
    print(table(result))


if __name__ == "__main__":
    main()
