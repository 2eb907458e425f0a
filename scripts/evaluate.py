"""Score a pipeline: draw many sprites, compare them with the real ones, print the table, write JSON.

    python scripts/evaluate.py unconditional

WEIGHTS is a folder in weights/, the path of any pipeline folder, or "user/name" on the Hub.
"""

import argparse
import json
import platform
import re
import time
from pathlib import Path

import torch

from helpers import evaluation
from helpers.datasets import load_sprites
from helpers.evaluation import Report, extract_features, label_accuracy
from helpers.evaluation.tables import ROWS
from helpers.files import describe_device, package_versions, write_file
from helpers.sampling import DEFAULT_SCHEDULER, DEFAULT_STEPS, SCHEDULERS, generate_images, make_scheduler
from helpers.training import get_device
from helpers.weights import find_weights, load_pipeline
from scripts.cards import stamp, verdict

ROOT = Path(__file__).resolve().parents[1]
GUIDANCE_SCALES = (1.5, 2.0, 4.0)
GUIDED = 1000  # images at each scale


def score_guidance(pipeline, plain, labels, real, steps: int, seed: int) -> dict:
    """Score some images at each guidance scale; of `plain`, drawn without, as many."""
    plain, labels = plain[:GUIDED], labels[:GUIDED]
    reference, _ = evaluation.real_halves(extract_features(real))
    drawn = {1.0: plain}
    for scale in GUIDANCE_SCALES:
        options = {"num_inference_steps": steps, "seed": seed, "guidance_scale": scale}
        drawn[scale] = generate_images(pipeline, len(plain), labels=labels, **options)
    return {
        str(scale): {"label_accuracy": label_accuracy(images, labels)._asdict()}
        | evaluation.score_sets([extract_features(images)], reference)
        for scale, images in drawn.items()
    }


def draw(pipeline, samples: int, sampler: str, steps: int, seed: int) -> tuple:
    """Draw so many images; return them, and their labels if the model can be asked for a class."""
    pipeline.scheduler = make_scheduler(pipeline.scheduler, sampler)
    labels = None
    if hasattr(pipeline, "class_net"):  # equally many of each class
        labels = torch.arange(samples) % len(pipeline.class_net.config.class_names)
    return generate_images(pipeline, samples, labels=labels, num_inference_steps=steps, seed=seed), labels


def score(name: str, folder: Path, samples: int, sampler: str, steps: int, seed: int) -> dict:
    """Draw the samples and compute all scores; return what goes into the file."""
    pipeline = load_pipeline(str(folder)).to(get_device())
    real = extract_features(load_sprites("all").as_tensor())  # once, for both tables
    begun = time.monotonic()
    images, labels = draw(pipeline, samples, sampler, steps, seed)
    seconds = time.monotonic() - begun
    splits = (load_sprites(split).as_tensor() for split in ("train", "test"))
    report = evaluation.evaluate(images, real, *splits, labels)
    guidance = {}
    if labels is not None and pipeline.class_net.config.label_dropout > 0:
        guidance = score_guidance(pipeline, images, labels, real, steps, seed)
    settings = {"samples": samples, "sampler": sampler, "steps": steps, "seed": seed}
    options = " ".join(f"--{key} {value}" for key, value in settings.items())
    return {
        "command": f"python scripts/evaluate.py {name} {options}",
        **settings,
        "seconds_for_drawing": round(seconds, 1),
        "device": describe_device(get_device()),
        "scores": report.to_json(),
        "guidance": guidance,
        "versions": {"python": platform.python_version(), **package_versions()},
    }


def aims_text(scores: Report) -> str:
    """Say what was aimed at, relative to real sprites, and what was missed."""
    found = {key: score.value for key, score in scores.generated.items()}
    real = {key: score.value for key, score in scores.real.items()}
    floor = real["frechet_distance"]
    aims = [  # key, relation, limit, the limit in words
        ("frechet_distance", "at most", 3 * floor, "{:.3f}, three times that of real ones"),
        ("precision", "at least", 0.85 * real["precision"], "{:.1%}, 0.85 of that of real ones"),
        ("recall", "at least", 0.85 * real["recall"], "{:.1%}, 0.85 of that of real ones"),
        ("label_accuracy", "at least", 0.98, "{:.0%}"),
        ("exact_copies", "at most", 0.01, "{:.0%}"),
    ]
    lines = [
        f"{ROWS[key].rstrip(' ↓↑')} {relation} {words.format(limit)}: "
        + verdict(found[key], limit, relation == "at most")
        for key, relation, limit, words in aims
        if key in found
    ]
    return f"Aims: {'; '.join(lines)}."


def card_text(result: dict) -> str:
    """Make the model card's paragraph out of the stored result."""
    scores = Report.from_json(result["scores"])
    text = (
        f"{scores.to_markdown()}\n\nMeasured by `{result['command']}`; brackets hold 95 % intervals. "
        f"Features are those of the sprite classifier, not Inception's.\n\n{aims_text(scores)}"
    )
    if not result["guidance"]:
        return text
    count = next(iter(result["guidance"].values()))["label_accuracy"]["num_samples"]
    table = evaluation.guidance_table(result["guidance"])
    return f"{text}\n\nGuided, {count:,} images each (the distance grows as images get fewer):\n\n{table}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", help='a folder in weights/, a path, or "user/name"')
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--sampler", choices=list(SCHEDULERS), default=DEFAULT_SCHEDULER)
    parser.add_argument("--steps", type=int, default=DEFAULT_STEPS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="by default in benchmarks/results, or in build")
    args = parser.parse_args()
    folder = find_weights(args.weights)
    shipped = folder.parent == ROOT / "weights"
    name = folder.name if shipped else args.weights
    result = score(name, folder, args.samples, args.sampler, args.steps, args.seed)
    # The stored results are those of the shipped weights.
    place = ROOT / "benchmarks" / "results" if shipped else ROOT / "build"
    output = args.output or place / f"evaluation-{re.sub(r'[^A-Za-z0-9._]+', '-', name).strip('-.')}.json"
    write_file(output, (json.dumps(result, indent=2) + "\n").encode())
    if shipped and args.output is None:
        stamp(ROOT / "weights" / "README.md", f"{folder.name} scores", card_text(result))
    print(card_text(result))


if __name__ == "__main__":
    main()
