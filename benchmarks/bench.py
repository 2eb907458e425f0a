"""Train and score the textbook's recipe, ours and two packages on the same cores, and write the results.

    python benchmarks/bench.py              # make bench: an hour for the textbook; 3.5 in all
    python benchmarks/bench.py --budget 6   # make bench BUDGET=6: trains for a tenth of the time

The recipes take turns of a few seconds each, so that whatever else the machine does hits all alike. A run
that is stopped goes on with what it finds in runs/benchmark. Only the full one replaces the stored results.
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
    Entry,
    code_fingerprint,
    make_entries,
    seconds_per_step,
    train_in_turns,
)
from helpers.datasets import load_sprites
from helpers.evaluation import extract_features, frechet_distance, precision_recall, real_halves
from helpers.files import write_file

ROOT = Path(__file__).resolve().parents[1]

RESULTS = ROOT / "benchmarks" / "results" / "benchmark.json"
FULL = 60
# When to look, in minutes of a full budget; the textbook alone goes to the end.
MOMENTS = {
    "textbook": (1, 3, 10, 30, 60),
    "ours": (1, 3, 10, 30),
    "denoising-diffusion-pytorch": (1, 3, 10),
    "smalldiffusion": (1, 3, 10),
}
# At these the slow samplers run with all their steps, at others with a fifth, to save hours.
FULL_SAMPLER_AT = (10, 60)


def score(entry: Entry, moment: float, samples: int, reference: torch.Tensor, seed: int, steps: int) -> dict:
    """Draw with a snapshot and score what comes out; the scores are kept beside it, for a later run."""
    path = entry.path(moment)
    kept, settings = path.with_suffix(".json"), {"samples": samples, "num_inference_steps": steps}
    if kept.is_file():
        stored = json.loads(kept.read_text(encoding="utf-8"))
        if stored.items() >= settings.items():
            return stored
    entry.recipe.model.load_state_dict(load_file(path))
    entry.recipe.model.eval()
    begun = time.perf_counter()
    with torch.no_grad():
        images = entry.recipe.sample(samples, seed, steps)
    seconds = time.perf_counter() - begun
    features = extract_features(images.nan_to_num(0).clamp(-1, 1))
    scores = settings | score_features(features, reference) | {"seconds_for_sampling": round(seconds, 1)}
    write_file(kept, json.dumps(scores, indent=1).encode())
    return scores


def score_features(features: torch.Tensor, reference: torch.Tensor) -> dict:
    """The scores of a set of images, as plain dictionaries."""
    precision, recall = precision_recall(features, reference)
    scores = {
        "frechet_distance": frechet_distance(features, reference),
        "precision": precision,
        "recall": recall,
    }
    return {name: value._asdict() for name, value in scores.items()}


def score_all(entries: list[Entry], budget: float, samples: int, reference, seed: int, log) -> list[dict]:
    """Score every snapshot of one seed; return a row for each."""
    rows = []
    for entry in entries:
        for moment in entry.moments:
            steps = entry.steps_at(moment)
            if steps is None:
                log(f"{entry.name} after {moment:g} s: there is no snapshot")
                continue
            whole = any(abs(moment - minutes * budget) < 1e-6 for minutes in FULL_SAMPLER_AT)
            sampler_steps = entry.recipe.steps if whole else entry.recipe.steps_for_scores
            scores = score(entry, moment, samples, reference, seed, sampler_steps)
            log(
                f"{entry.name} after {moment:g} s: Fréchet distance {scores['frechet_distance']['value']:.2f}"
            )
            row = {"recipe": entry.name, "seed": seed, "minutes": moment / 60, "steps": steps}
            rows.append(row | {"images_seen": steps * entry.recipe.batch_size} | scores)
    return rows


def measure_once(path: Path, names: list[str], log) -> tuple[dict, dict]:
    """Measure the machine and its matrix peaks, or read what this code measured in a run that was stopped."""
    fingerprint = code_fingerprint()
    if path.is_file():
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["fingerprint"] == fingerprint and set(stored["machine"]["parameters"]) >= set(names):
            log("the machine was measured in an earlier run")
            return stored["machine"], stored["peaks"]
    machine, peaks = measure_machine(names), matrix_peaks()
    stored = {"fingerprint": fingerprint, "machine": machine, "peaks": peaks}
    write_file(path, (json.dumps(stored, indent=1) + "\n").encode())
    log(f"measured the machine: {machine}")
    return machine, peaks


def run(budget: float, samples: int, seeds: list[int], names: list[str], folder: Path, log) -> dict:
    """Run the whole benchmark; return what goes into the file."""
    reference, others = real_halves(extract_features(load_sprites("all").as_tensor()))
    place = folder / f"{budget:g}-minutes"
    machine, first_peaks = measure_once(place / "machine.json", names, log)
    peaks = [first_peaks]
    dataset, floor = load_sprites("train"), score_features(others[:samples], reference)
    per_step = {name: seconds_per_step(name, dataset) for name in names}
    # A budget of 60 minutes makes a moment's minute a minute; other budgets shrink or stretch it.
    moments = {name: [minutes * budget for minutes in MOMENTS[name]] for name in names}
    result = {"budget_minutes": budget, "samples": samples, "seeds": seeds, "floor": floor, "runs": []}
    for seed in seeds:
        entries = make_entries(names, moments, dataset, seed, place / f"seed-{seed}", per_step)
        train_in_turns(entries, log)
        peaks.append(matrix_peaks())
        result["runs"] += score_all(entries, budget, samples, reference, seed, log)
    machine["matrix_peak_gflops"] = {kind: max(peak[kind] for peak in peaks) for kind in peaks[0]}
    recipes = {name: {"says": RECIPES[name].says, "sampler": RECIPES[name].sampler} for name in names}
    return result | {"machine": machine, "recipes": recipes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=FULL, help="minutes for the textbook; others less")
    parser.add_argument("--samples", type=int, default=200, help="sprites behind each score")
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
    full = args.budget == FULL and args.recipes == list(RECIPES)
    output = args.output or (RESULTS if full else ROOT / "build" / f"benchmark-{args.budget:g}.json")
    write_file(output, (json.dumps(result, indent=1) + "\n").encode())
    log(f"wrote {output}; tables and plot: python benchmarks/bench_report.py --results {output}")


if __name__ == "__main__":
    main()
