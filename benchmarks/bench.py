"""Train and score the textbook's recipe, ours and two packages on the same cores, and write the results.

`make bench` takes four hours. A run that is stopped goes on with what it finds in runs/benchmark; only the
full one replaces the stored results.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from safetensors.torch import load_file

from benchmarks.bench_machine import matrix_peaks, measure_machine
from benchmarks.bench_recipes import RECIPES
from benchmarks.bench_training import (
    Training,
    code_fingerprint,
    make_trainings,
    seconds_per_step,
    train_in_turns,
)
from benchmarks.json_files import real_features, write_json
from benchmarks.process import ROOT
from helpers import RESULTS
from helpers.datasets import load_sprites
from helpers.evaluation import extract_features, frechet_distance, kernel_distance, precision_recall

FULL_BUDGET = 60
# When to score, in minutes of a full budget; the textbook alone goes to the end. Its sampler and the first
# package's need many steps, so they are scored less often.
MOMENTS = {
    "textbook": (3, 10, 30, 60),
    "ours": (1, 3, 10, 30),
    "denoising-diffusion-pytorch": (3, 10),
    "smalldiffusion": (1, 3, 10),
}


def score(training: Training, moment: float, samples: int, reference: torch.Tensor, seed: int) -> dict:
    """Draw with a snapshot and score what comes out; the scores are stored beside it, for a later run."""
    path, recipe = training.path(moment), training.recipe
    stored_scores = path.with_suffix(".json")
    settings = {"samples": samples, "num_inference_steps": recipe.steps}
    if stored_scores.is_file():
        stored = json.loads(stored_scores.read_text(encoding="utf-8"))
        if stored.items() >= settings.items():
            return stored
    recipe.model.load_state_dict(load_file(path))
    begun = time.perf_counter()
    images = recipe.draw(samples, seed)
    seconds = time.perf_counter() - begun
    features = extract_features(images.nan_to_num(0).clamp(-1, 1))
    scores = settings | score_features(features, reference) | {"seconds_for_sampling": round(seconds, 1)}
    write_json(stored_scores, scores)
    return scores


def score_features(features: torch.Tensor, reference: torch.Tensor) -> dict:
    """The scores of a set of images, as plain dictionaries."""
    scores = {kind.__name__: kind(features, reference) for kind in (frechet_distance, kernel_distance)}
    scores |= zip(("precision", "recall"), precision_recall(features, reference), strict=True)
    return {name: value._asdict() for name, value in scores.items()}


def score_all(trainings: list[Training], samples: int, reference, seed: int, log) -> list[dict]:
    """Score every snapshot of one seed; return a row for each."""
    rows = []
    for training in trainings:
        for moment in training.moments:
            name, steps = f"{training.name} after {moment:g} s", training.steps_at(moment)
            if steps is None:
                log(f"{name}: there is no snapshot")
                continue
            scores = score(training, moment, samples, reference, seed)
            log(f"{name}: Fréchet distance {scores['frechet_distance']['value']:.2f}")
            row = {"recipe": training.name, "seed": seed, "minutes": moment / 60, "steps": steps}
            rows.append(row | {"images_seen": steps * training.recipe.batch_size} | scores)
    return rows


def run(budget: float, samples: int, seeds: list[int], names: list[str], folder: Path, log) -> dict:
    """Run the whole benchmark; return what goes into the file."""
    reference, others = real_features()
    place, fingerprint = folder / f"{budget:g}-minutes", code_fingerprint()
    machine, peaks = measure_machine(names), [matrix_peaks()]
    log(f"measured the machine: {machine}")
    dataset, floor = load_sprites("train"), score_features(others[:samples], reference)
    per_step = {name: seconds_per_step(name, dataset) for name in names}
    # A budget of 60 minutes makes a moment's minute a minute; other budgets shrink or stretch it.
    moments = {name: [minutes * budget for minutes in MOMENTS[name]] for name in names}
    result = {"budget_minutes": budget, "samples": samples, "seeds": seeds, "floor": floor, "runs": []}
    for seed in seeds:
        trainings = make_trainings(moments, dataset, seed, place / f"seed-{seed}", per_step, fingerprint)
        train_in_turns(trainings, log)
        peaks.append(matrix_peaks())
        result["runs"] += score_all(trainings, samples, reference, seed, log)
    machine["matrix_peak_gflops"] = {kind: max(peak[kind] for peak in peaks) for kind in peaks[0]}
    recipes = {n: {"description": RECIPES[n].description, "sampler": RECIPES[n].sampler} for n in names}
    return result | {"machine": machine, "recipes": recipes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--budget", type=float, default=FULL_BUDGET, help="the textbook's minutes, others less"
    )
    parser.add_argument("--samples", type=int, default=200, help="sprites behind each score, at least 200")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--recipes", nargs="+", choices=list(RECIPES), default=list(RECIPES))
    parser.add_argument("--output", type=Path, help="by default the stored results, if the run is a full one")
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "benchmark", help="for snapshots")
    args = parser.parse_args()

    def log(text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)

    result = run(args.budget, args.samples, args.seeds, args.recipes, args.folder, log)
    command = f"python benchmarks/bench.py --budget {args.budget:g} --samples {args.samples}"
    result["command"] = f"{command} --seeds {' '.join(map(str, args.seeds))}"
    full = args.budget == FULL_BUDGET and args.recipes == list(RECIPES)
    short = ROOT / "build" / f"benchmark-{args.budget:g}.json"
    output = args.output or (RESULTS / "benchmark.json" if full else short)
    write_json(output, result)
    log(f"wrote {output}; tables and plot: python benchmarks/bench_report.py --results {output}")


if __name__ == "__main__":
    main()
