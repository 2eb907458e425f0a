"""Guided sampling with solvers of second and third order: accuracy and Fréchet distance at three scales.

Draws with the shipped label-conditioned weights and writes benchmarks/results/guidance_order.json. diffusers
recommends the second order under guidance, which makes the prediction change faster from step to step.
"""

from itertools import product
from pathlib import Path

import torch

from benchmarks.json_files import machine_facts, parse_options, real_features, write_json
from helpers import RESULTS
from helpers.evaluation import Score, extract_features, frechet_distance, label_accuracy, markdown_table
from helpers.sampling import DEFAULT_SCHEDULER, DEFAULT_STEPS, generate_images, make_scheduler
from helpers.weights import load_pipeline
from scripts.cards import stamp

README = Path(__file__).with_name("README.md")
ORDERS, SCALES = (2, 3), (1.5, 2.0, 4.0)


def compare(pipeline, samples: int, seed: int, reference: torch.Tensor) -> list[dict]:
    """Draw and score with each order at each scale, from the same noise; return a row for each pair."""
    num_classes, trained_with, rows = pipeline.class_net.config.num_classes, pipeline.scheduler, []
    labels = torch.arange(samples) % num_classes
    for scale, order in product(SCALES, ORDERS):
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
    lines = []
    for row in result["rows"]:
        accuracy, distance = Score(**row["label_accuracy"]), Score(**row["frechet_distance"])
        lines.append(
            [f"{row['guidance_scale']:g}", row["solver_order"], f"{accuracy:.3f}", f"{distance:.2f}"]
        )
    return markdown_table(["guidance_scale", "solver_order", "label accuracy", "Fréchet distance"], lines)


def main() -> None:
    options = {"samples": (1000, None), "seed": (0, None)}
    args = parse_options(__doc__, "compare_guidance_order", "guidance_order.json", **options)
    reference, others = real_features()
    result = {"command": args.command, "scheduler": DEFAULT_SCHEDULER, "steps": DEFAULT_STEPS}
    result |= machine_facts() | {"floor": frechet_distance(others[: args.samples], reference)._asdict()}
    result["rows"] = compare(load_pipeline("label_conditioned"), args.samples, args.seed, reference)
    write_json(args.output, result)
    if args.output == RESULTS / "guidance_order.json":
        stamp(README, "guidance order", table(result))
    print(table(result))


if __name__ == "__main__":
    main()
