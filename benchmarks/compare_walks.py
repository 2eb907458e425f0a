"""The map of walks: schedules of steps × order × history × fresh noise, at equal numbers of model calls.

Writes benchmarks/results/walks.json after each row; a run that is stopped goes on. It takes over an hour.
"""

import time
from pathlib import Path

import torch

from benchmarks.json_files import machine_facts, parse_options, read_or_begin, real_features, write_json
from helpers import RESULTS
from helpers.evaluation import Score, extract_features, frechet_distance, markdown_table
from helpers.sampling import make_scheduler, quantize, sample_images
from helpers.walks import make_sigmas, walk_images
from helpers.weights import load_pipeline
from scripts.cards import stamp

README = Path(__file__).with_name("README.md")
SIGMA_MAX, SIGMA_MIN = 20.0, 0.02
WALKS = {
    "Euler = DDIM": {},
    "Heun": {"order": 2},
    "Adams–Bashforth 2": {"history": 1, "multistep": "adams"},
    "Adams–Bashforth 3": {"history": 2, "multistep": "adams"},
    "DPM-Solver++ 2M": {"history": 1},
    "DPM-Solver++ 3M": {"history": 2},
    "Euler with churn": {"churn": 5.0},
    "Heun with churn": {"order": 2, "churn": 5.0},
    "ancestral = DDIM, eta 1": {"eta": 1.0},
    "SDE-DPM-Solver++ 2M": {"eta": 1.0, "history": 1},
    "SDE-DPM-Solver++ 3M": {"eta": 1.0, "history": 2},
}
THREE = ("Euler = DDIM", "DPM-Solver++ 2M", "SDE-DPM-Solver++ 2M")  # with every schedule
FOUR = (*THREE, "Heun")
SIX = (*FOUR, "Adams–Bashforth 2", "ancestral = DDIM, eta 1")
DEFAULT = "the series' default"  # SDE-DPM-Solver++ as diffusers has it, order 3
BUDGETS = (10, 5, 20, 8, 50)  # model calls
BATCH = 100


def plan() -> list[tuple[str, str, int]]:
    """List (walk, schedule, model calls), what says most first; the grid is thin but for 10 calls."""
    schedules = {10: ("exponential", "flow", "linear"), 5: ("cosine", "exponential")}
    rows = [(walk, "karras", 10) for walk in WALKS]
    for calls in BUDGETS:
        rows += [(DEFAULT, "its own", calls)] + [(walk, "karras", calls) for walk in FOUR]
        rows += [(walk, schedule, calls) for schedule in schedules.get(calls, ()) for walk in THREE]
    rows += [(walk, "cosine", 10) for walk in SIX] + [(walk, "karras", 5) for walk in SIX]
    return list(dict.fromkeys(rows))


def count_steps(walk: str, calls: int) -> int:
    """So many steps that the model is called at most so often; Heun's take two calls but for the last."""
    return (calls + 1) // 2 if WALKS.get(walk, {}).get("order") == 2 else calls


def draw(pipeline, walk: str, schedule: str, steps: int, samples: int, seed: int) -> torch.Tensor:
    """Draw from the same noises whatever the walk: [samples, c, h, w] in [-1, 1], clipped."""
    if walk == DEFAULT:
        scheduler = make_scheduler(pipeline.scheduler)
        return sample_images(pipeline.unet, scheduler, samples, steps, seed=seed, batch_size=BATCH)
    sigmas = make_sigmas(schedule, steps, SIGMA_MAX, SIGMA_MIN)
    options = WALKS[walk] | {"seed": seed, "batch_size": BATCH}
    return walk_images(pipeline.unet, pipeline.scheduler, sigmas, samples, **options)


def measure(pipeline, place: tuple[str, str, int], samples: int, seed: int, reference) -> dict:
    """Draw and score one row."""
    walk, schedule, calls = place
    steps, begun = count_steps(walk, calls), time.perf_counter()
    images = draw(pipeline, walk, schedule, steps, samples, seed)
    seconds = (time.perf_counter() - begun) / samples
    used = 2 * steps - 1 if steps != calls else calls
    distance = frechet_distance(extract_features(quantize(images.nan_to_num(0))), reference)
    row = {"walk": walk, "schedule": schedule, "budget": calls, "model_calls": used} | WALKS.get(walk, {})
    return row | {"frechet_distance": distance._asdict(), "seconds_per_image": seconds}


def table(result: dict) -> str:
    """Make two Markdown tables: walks with Karras's sigmas, and schedules for three walks."""
    found = {
        (row["walk"], row["schedule"], row["budget"]): f"{Score(**row['frechet_distance']):.1f}"
        for row in result["rows"]
    }
    budgets = sorted({calls for *_, calls in found})
    head = [*(f"{calls} calls" for calls in budgets)]

    def line(walk: str, schedule: str) -> list[str]:
        return [found.get((walk, schedule, calls), "–") for calls in budgets]

    walks = [[walk, *line(walk, "karras")] for walk in WALKS] + [[DEFAULT, *line(DEFAULT, "its own")]]
    floor = ["real sprites", *[f"{Score(**result['floor']):.1f}"] * len(budgets)]
    schedules = [
        [walk, schedule, *line(walk, schedule)]
        for walk in THREE
        for schedule in ("linear", "exponential", "karras", "cosine", "flow")
    ]
    first = markdown_table(["walk, Karras's sigmas", *head], [*walks, floor])
    return first + "\n\n" + markdown_table(["walk", "evenly spaced", *head], schedules)


def main() -> None:
    options = {"samples": (400, "for each row"), "seed": (0, None)}
    args = parse_options(__doc__, "compare_walks", "walks.json", **options)
    ends = {"sigma_max": SIGMA_MAX, "sigma_min": SIGMA_MIN}
    result = read_or_begin(args.output, args.command, **machine_facts(), seed=args.seed, **ends, rows=[])
    reference, others = real_features()
    result["floor"] = frechet_distance(others[: args.samples], reference)._asdict()
    pipeline = load_pipeline("unconditional")
    pipeline.unet.eval()
    there = {(row["walk"], row["schedule"], row["budget"]) for row in result["rows"]}
    for place in plan():
        if place in there:
            continue
        row = measure(pipeline, place, args.samples, args.seed, reference)
        result["rows"].append(row)
        write_json(args.output, result)
        print(place, f"{Score(**row['frechet_distance']):.2f}, {row['seconds_per_image']:.3f} s", flush=True)
    if args.output == RESULTS / "walks.json":
        stamp(README, "walks", table(result))
    print(table(result))


if __name__ == "__main__":
    main()
