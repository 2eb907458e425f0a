"""Train and score the textbook's recipe, ours and two packages on the same cores, and write the results.

    python scripts/benchmark.py              # make bench: an hour for the textbook, three in all
    python scripts/benchmark.py --budget 6   # make bench BUDGET=6: a tenth of each time

The recipes take turns of a few seconds each, so that whatever else the machine does hits all alike.
"""

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import diffusers  # noqa: E402
import torch  # noqa: E402
from safetensors import safe_open  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from helpers.checkpoints import write_file  # noqa: E402
from helpers.datasets import load_sprites  # noqa: E402
from helpers.evaluation import extract_features, frechet_distance, precision_recall, real_halves  # noqa: E402
from scripts.bench_recipes import RECIPES, Recipe  # noqa: E402
from scripts.train import describe_device  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "benchmark.json"
# When to stop and look, in minutes of a budget of 60; the textbook alone goes to the end.
MOMENTS = {
    "textbook": (1, 3, 10, 30, 60),
    "ours": (1, 2, 3, 4, 6, 10, 30),
    "denoising-diffusion-pytorch": (1, 3, 10),
    "smalldiffusion": (1, 3, 10),
}
# Then the textbook is drawn with all its 500 steps; at other times with 100, which take a fifth.
FULL_SAMPLER_AT = (10, 60)
TURN = 10.0  # seconds that a recipe trains before the next one does


class Clock:
    """Adds up the seconds of training steps; a step that was suspended counts like the median one."""

    def __init__(self):
        self.seconds, self.steps = 0.0, []

    def add(self, seconds: float) -> None:
        """Count one step."""
        self.steps.append(seconds)
        usual = statistics.median(self.steps[-100:])
        self.seconds += seconds if seconds < 5 * usual else usual


def train_in_turns(recipes: dict[str, Recipe], moments: dict, folder: Path, log) -> dict[str, Clock]:
    """Train all recipes, turn by turn, and keep a snapshot of each at its moments.

    Parameters
    ----------
    moments : dict of str to list of float
        Seconds of training, ascending, for each recipe.
    folder : Path
        Where snapshots go, NAME-SECONDS.safetensors.
    """
    clocks, due = {name: Clock() for name in recipes}, {name: list(moments[name]) for name in recipes}
    while any(due.values()):
        for name in [name for name, left in due.items() if left]:
            recipe, clock = recipes[name], clocks[name]
            recipe.model.train()
            stop = clock.seconds + TURN
            while clock.seconds < stop and due[name]:
                begun = time.perf_counter()
                recipe.train_step()
                clock.add(time.perf_counter() - begun)
                if clock.seconds >= due[name][0]:
                    moment = due[name].pop(0)
                    save_snapshot(recipe, folder / f"{name}-{moment:g}", len(clock.steps))
                    log(f"{name}: {len(clock.steps)} steps in {clock.seconds:.0f} s")
    return clocks


def save_snapshot(recipe: Recipe, path: Path, steps: int) -> None:
    """Write the weights to score later, with the number of steps that made them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {key: value.contiguous() for key, value in recipe.snapshot().items()}
    save_file(tensors, path.with_name(path.name + ".safetensors"), metadata={"steps": str(steps)})


def score(recipe: Recipe, path: Path, samples: int, reference: torch.Tensor, seed: int, full: bool) -> dict:
    """Draw with a snapshot and score what comes out; the scores are kept beside it, for a later run."""
    kept = path.with_suffix(".json")
    if kept.is_file():
        return json.loads(kept.read_text(encoding="utf-8"))
    recipe.model.load_state_dict(load_file(path))
    recipe.model.eval()
    steps = recipe.steps if full else recipe.steps_for_scores
    begun = time.perf_counter()
    with torch.no_grad():
        images = recipe.sample(samples, seed, steps)
    seconds = time.perf_counter() - begun
    features = extract_features(images.nan_to_num(0).clamp(-1, 1))
    precision, recall = precision_recall(features, reference)
    scores = {
        "frechet_distance": frechet_distance(features, reference)._asdict(),
        "precision": precision._asdict(),
        "recall": recall._asdict(),
        "num_inference_steps": steps,
        "seconds_for_sampling": round(seconds, 1),
    }
    write_file(kept, json.dumps(scores, indent=1).encode())
    return scores


def matrix_peak(dtype: torch.dtype, seconds: float = 1.0) -> float:
    """Measure how many GFLOP/s a product of matrices of 1024 × 1024 reaches here."""
    a, b = torch.randn(1024, 1024).to(dtype), torch.randn(1024, 1024).to(dtype)
    begun, count = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds or count < 2:
        a @ b
        count += 1
    return count * 2 * 1024**3 / (time.perf_counter() - begun) / 1e9


def step_flops(recipe: Recipe) -> float:
    """Count the floating-point operations of one training step, in GFLOP."""
    with FlopCounterMode(display=False) as counter:
        recipe.train_step()
    return counter.get_total_flops() / 1e9


def sampling_cost(recipes: dict[str, Recipe], repeats: int = 3) -> dict[str, list[float]]:
    """Seconds for 16 sprites with each recipe's sampler, in turns."""
    seconds = {name: [] for name in recipes}
    for repeat in range(repeats):
        for name, recipe in recipes.items():
            recipe.model.eval()
            begun = time.perf_counter()
            with torch.no_grad():
                recipe.sample(16, repeat, recipe.steps)
            seconds[name].append(round(time.perf_counter() - begun, 3))
    return seconds


def in_new_process(*options: str) -> float:
    """Run this script, or a line of Python, in a process of its own; return the number it prints."""
    done = subprocess.run([sys.executable, *options], cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def print_peak_memory(name: str) -> None:
    """Train a recipe for 30 steps and print this process's largest memory, in MiB."""
    recipe = RECIPES[name](load_sprites("train"), 0)
    for _ in range(30):
        recipe.train_step()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def measure_machine(recipes: dict[str, Recipe]) -> dict:
    """Measure what does not depend on how long anything was trained."""
    light = "import torch, time; t = time.perf_counter(); import helpers; print(time.perf_counter() - t)"
    this = str(Path("scripts", "benchmark.py"))
    return {
        "device": describe_device(torch.device("cpu")),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
        },
        "matrix_peak_gflops": {
            "float32": round(matrix_peak(torch.float32), 1),
            "bfloat16": round(matrix_peak(torch.bfloat16), 1),
        },
        "import_helpers_milliseconds": round(1000 * in_new_process("-c", light), 2),
        "peak_memory_mib": {n: round(in_new_process(this, "--peak-memory", n)) for n in recipes},
        "step_gflop": {n: round(step_flops(r), 1) for n, r in recipes.items()},
        "parameters": {n: sum(p.numel() for p in r.model.parameters()) for n, r in recipes.items()},
        "seconds_for_16_sprites": sampling_cost(recipes),
    }


def score_all(recipes: dict, moments: dict, folder: Path, samples: int, reference, seed: int, log) -> list:
    """Score every snapshot of one seed; return a row for each."""
    rows = []
    for name, recipe in recipes.items():
        for moment, minutes in zip(moments[name], MOMENTS[name], strict=True):
            path = folder / f"{name}-{moment:g}.safetensors"
            scores = score(recipe, path, samples, reference, seed, minutes in FULL_SAMPLER_AT)
            log(f"{name} after {moment:.0f} s: Fréchet distance {scores['frechet_distance']['value']:.2f}")
            with safe_open(path, "pt") as file:
                steps = int(file.metadata()["steps"])
            row = {"recipe": name, "seed": seed, "minutes": moment / 60, "steps": steps}
            rows.append(row | {"images_seen": steps * recipe.batch_size} | scores)
    return rows


def run(budget: float, samples: int, seeds: list[int], names: list[str], folder: Path, log) -> dict:
    """Run the whole benchmark; return what goes into the file."""
    dataset = load_sprites("train")
    reference, others = real_halves(extract_features(load_sprites("all").as_tensor()))
    precision, recall = precision_recall(others[:samples], reference)
    floor = {"frechet_distance": frechet_distance(others[:samples], reference)._asdict()}
    floor |= {"precision": precision._asdict(), "recall": recall._asdict()}
    # A budget of 60 minutes makes a moment's minute a minute; other budgets shrink or stretch it.
    moments = {name: [minutes * budget for minutes in MOMENTS[name]] for name in names}
    result = {"budget_minutes": budget, "samples": samples, "seeds": seeds, "floor": floor, "runs": []}
    for seed in seeds:
        recipes = {name: RECIPES[name](dataset, seed) for name in names}
        if seed == seeds[0]:
            result["machine"] = measure_machine(recipes)
            recipes = {name: RECIPES[name](dataset, seed) for name in names}
        place = folder / str(seed)
        if all((place / f"{n}-{m:g}.safetensors").is_file() for n in names for m in moments[n]):
            log(f"seed {seed}: trained in an earlier run; scoring what is in {place}")
        else:
            train_in_turns(recipes, moments, place, log)
        result["runs"] += score_all(recipes, moments, place, samples, reference, seed, log)
    result["recipes"] = {n: {"says": r.says, "sampler": r.sampler} for n, r in recipes.items()}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=60, help="minutes for the textbook; others less")
    parser.add_argument("--samples", type=int, default=200, help="sprites behind each score")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--recipes", nargs="+", choices=list(RECIPES), default=list(RECIPES))
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "benchmark", help="for snapshots")
    parser.add_argument("--peak-memory", choices=list(RECIPES), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peak_memory:
        return print_peak_memory(args.peak_memory)

    def log(text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)

    result = run(args.budget, args.samples, args.seeds, args.recipes, args.folder, log)
    command = f"python scripts/benchmark.py --budget {args.budget:g} --samples {args.samples}"
    result["command"] = f"{command} --seeds {' '.join(map(str, args.seeds))}"
    write_file(args.output, (json.dumps(result, indent=1) + "\n").encode())
    log(f"wrote {args.output}; `python scripts/bench_report.py` makes the tables and the plot")


if __name__ == "__main__":
    main()
