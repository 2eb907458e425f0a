"""Score a pipeline: draw many sprites, compare them with the real ones, print the table, write JSON.

    python scripts/evaluate.py unconditional

WEIGHTS is a folder in weights/, the path of any pipeline folder, or "user/name" on the Hub.
"""

import argparse
import json
import platform
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from helpers.checkpoints import write_file  # noqa: E402
from helpers.datasets import load_sprites  # noqa: E402
from helpers.evaluation import (  # noqa: E402
    Report,
    evaluate,
    generate_images,
)
from helpers.sampling import DEFAULT_SAMPLER, DEFAULT_STEPS, SAMPLERS, make_sampler  # noqa: E402
from helpers.training import get_device  # noqa: E402
from helpers.weights import find_weights, load_pipeline  # noqa: E402
from scripts.cards import stamp  # noqa: E402
from scripts.train import describe_device, package_versions  # noqa: E402


def score(folder: Path, samples: int, sampler: str, steps: int, seed: int) -> dict:
    """Draw the samples and compute all scores; return what goes into the file."""
    pipeline = load_pipeline(str(folder)).to(get_device())
    pipeline.scheduler = make_sampler(pipeline.scheduler, sampler)
    real = load_sprites("all")
    # Equally many of each class, for a model that can be asked for one.
    labels = torch.arange(samples) % len(real.class_names) if hasattr(pipeline, "class_net") else None
    begun = time.monotonic()
    images = generate_images(pipeline, samples, labels=labels, num_inference_steps=steps, seed=seed)
    seconds = time.monotonic() - begun
    training, held_out = load_sprites("train").as_tensor(), load_sprites("test").as_tensor()
    report = evaluate(images, real.as_tensor(), training, held_out, labels)
    return {
        "command": f"python scripts/evaluate.py {folder.name} --samples {samples} --sampler {sampler} "
        f"--steps {steps} --seed {seed}",
        "samples": samples,
        "sampler": sampler,
        "steps": steps,
        "seed": seed,
        "seconds_for_drawing": round(seconds, 1),
        "device": describe_device(get_device()),
        "scores": report.to_json(),
        "versions": {"python": platform.python_version(), **package_versions()},
    }


def card_text(result: dict) -> str:
    """Make the model card's paragraph out of the stored result."""
    scores = Report.from_json(result["scores"])
    return (
        f"{scores.to_markdown()}\n\nMeasured by `{result['command']}`; brackets hold 95 % intervals. "
        "Features are those of the sprite classifier, not Inception's."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", help='a folder in weights/, a path, or "user/name"')
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--sampler", choices=list(SAMPLERS), default=DEFAULT_SAMPLER)
    parser.add_argument("--steps", type=int, default=DEFAULT_STEPS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="by default benchmarks/results/evaluation-NAME.json")
    args = parser.parse_args()
    here = Path(args.weights).resolve()
    folder = find_weights(str(here) if (here / "model_index.json").is_file() else args.weights)
    result = score(folder, args.samples, args.sampler, args.steps, args.seed)
    output = args.output or ROOT / "benchmarks" / "results" / f"evaluation-{folder.name}.json"
    write_file(output, (json.dumps(result, indent=2) + "\n").encode())
    if folder.parent == ROOT / "weights" and args.output is None:
        stamp(ROOT / "weights" / "README.md", f"{folder.name} scores", card_text(result))
    print(card_text(result))


if __name__ == "__main__":
    main()
