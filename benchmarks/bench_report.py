"""Make the tables and the plot out of benchmarks/results/benchmark.json, and stamp them into the READMEs.

python benchmarks/bench_report.py
"""

import argparse
import json
import math
import statistics
from pathlib import Path

from helpers.evaluation import Score
from helpers.evaluation.report import show_score
from helpers.files import write_file
from helpers.plotting import plot_quality_vs_cost
from scripts.cards import stamp, verdict

ROOT = Path(__file__).resolve().parents[1]

RESULTS = ROOT / "benchmarks" / "results"
SCORES = ("frechet_distance", "precision", "recall")
# In words, as a number, and whether it is the most or the least.
AIMS = {
    "reach": ("at most 1/15", 1 / 15, True),
    "textbook": ("at most 1/5", 1 / 5, True),
    "peer": ("at most 1/2", 1 / 2, True),
    "cost": ("at least 100", 100, False),
    "share": ("at least 60%", 0.6, False),
    "memory": ("at most 1.5 GiB", 1.5, True),
    "import": ("at most 50 ms", 50, True),
}
PEERS = ("denoising-diffusion-pytorch", "smalldiffusion")


def curve(result: dict, name: str) -> list[tuple[float, float, float, float]]:
    """Points (minutes, Fréchet distance, low, high) of a recipe; with several seeds, medians of each."""
    rows = [row for row in result["runs"] if row["recipe"] == name]
    points = []
    for minutes in sorted({row["minutes"] for row in rows}):
        scores = [row["frechet_distance"] for row in rows if row["minutes"] == minutes]
        middle = [statistics.median(score[key] for score in scores) for key in ("value", "low", "high")]
        points.append((minutes, *middle))
    return points


def value_at(result: dict, name: str, minutes: float) -> float:
    """Return the Fréchet distance of a recipe after so many minutes."""
    found = [p[1] for p in curve(result, name) if math.isclose(p[0], minutes, rel_tol=1e-6)]
    if not found:
        raise ValueError(f"{name} has no score after {minutes:g} minutes: run benchmarks/bench.py again")
    return found[0]


def minutes_to_reach(points: list, target: float) -> float:
    """Interpolate, on log scales, when a curve first falls to the target; infinite if it never does."""
    for before, after in zip([None, *points], points, strict=False):
        if after[1] <= target:
            if before is None:
                return after[0]
            part = math.log(before[1] / target) / math.log(before[1] / after[1])
            return before[0] * (after[0] / before[0]) ** part
    return math.inf


def words_for_reach(points: list, final: tuple) -> tuple[str, float]:
    """Say when a curve reaches the score of `final` (minutes, score, ...), and in what share of its time."""
    reach = minutes_to_reach(points, final[1])
    if math.isinf(reach):
        return f"not reached in {points[-1][0]:g} minutes", math.inf
    at_most = "at most " if reach == points[0][0] else ""
    return f"{at_most}{reach:.1f} minutes, 1/{final[0] / reach:.0f}", reach / final[0]


def headline(result: dict) -> list[tuple[str, str, str, float]]:
    """What there are aims for: (key in AIMS, what, measured in words, measured)."""
    if missing := [name for name in ("textbook", "ours", *PEERS) if not curve(result, name)]:
        raise ValueError(f"no score of {', '.join(missing)}: run benchmarks/bench.py with all recipes")
    ten, machine = result["budget_minutes"] / 6, result["machine"]
    final, best_of_ours = curve(result, "textbook")[-1], curve(result, "ours")[-1]
    reach_words, reach = words_for_reach(curve(result, "ours"), final)
    ours, textbook = value_at(result, "ours", ten), value_at(result, "textbook", ten)
    peer, best = min((value_at(result, name, ten), name) for name in PEERS)
    cost = {name: statistics.median(s) for name, s in machine["seconds_for_16_sprites"].items()}
    peaks = machine["matrix_peak_gflops"]
    kind = max(peaks, key=peaks.get)
    share, faster = throughput(result, "ours") / peaks[kind], cost["textbook"] / cost["ours"]
    memory = machine["peak_memory_mib"]["ours"] / 1024
    milliseconds = machine["import_helpers_milliseconds"]
    verdict = "better" if best_of_ours[1] <= final[1] else "WORSE"
    what = {
        "reach": f"time to the score that the textbook reaches in {final[0]:g} minutes",
        "textbook": f"Fréchet distance after {ten:g} minutes, ours / textbook",
        "peer": f"the same, ours / better peer ({best})",
        "cost": f"cost of 16 sprites, textbook / ours, at a {verdict} score ({best_of_ours[1]:.1f} after "
        f"{best_of_ours[0]:g} minutes, the textbook's {final[1]:.1f} after {final[0]:g})",
        "share": f"training, share of the machine's best matrix peak ({peaks[kind]:.0f} GFLOP/s, {kind})",
        "memory": "peak memory of training",
        "import": "`import helpers` on top of torch",
    }
    measured = {
        "reach": (reach_words, reach),
        "textbook": (f"{ours:.1f} / {textbook:.1f} = {ours / textbook:.2f}", ours / textbook),
        "peer": (f"{ours:.1f} / {peer:.1f} = {ours / peer:.2f}", ours / peer),
        "cost": (f"{cost['textbook']:.1f} s / {cost['ours']:.2f} s = {faster:.0f}", faster),
        "share": (f"{share:.0%}", share),
        "memory": (f"{memory:.2f} GiB", memory),
        "import": (f"{milliseconds:.1f} ms", milliseconds),
    }
    return [(key, what[key], *measured[key]) for key in AIMS]


def throughput(result: dict, name: str) -> float:
    """GFLOP/s of a recipe's training over its longest runs; with several seeds, their median."""
    rows = [row for row in result["runs"] if row["recipe"] == name]
    longest = max(row["minutes"] for row in rows)
    steps = statistics.median(row["steps"] for row in rows if row["minutes"] == longest)
    return steps * result["machine"]["step_gflop"][name] / (60 * longest)


def headline_table(result: dict) -> str:
    """Make the Markdown table of what was aimed at and what came out."""
    lines = ["| what | measured | aim |", "| --- | --- | --- |"]
    for key, what, words, value in headline(result):
        aim, limit, at_most = AIMS[key]
        lines.append(f"| {what} | {words} | {aim}: {verdict(value, limit, at_most)} |")
    return "\n".join(lines)


def runs_table(result: dict) -> str:
    """Make the Markdown table of every score of every recipe, with the floor as its last row."""
    lines = [
        "| recipe | minutes | steps | images seen | drawn in | Fréchet distance | precision | recall |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in result["runs"]:
        scores = " | ".join(show_score(key, Score(**row[key])) for key in SCORES)
        seed = f" (seed {row['seed']})" if len(result["seeds"]) > 1 else ""
        lines.append(
            f"| {row['recipe']}{seed} | {row['minutes']:.3g} | {row['steps']:,} | {row['images_seen']:,} | "
            f"{row['num_inference_steps']} steps | {scores} |"
        )
    floor = " | ".join(show_score(key, Score(**result["floor"][key])) for key in SCORES)
    return "\n".join([*lines, f"| real sprites | – | – | – | – | {floor} |"])


def recipes_table(result: dict) -> str:
    """Make the Markdown table that says what was compared."""
    machine = result["machine"]
    lines = [
        "| recipe | what it is | sampler | parameters | GFLOP a step | seconds for 16 sprites | memory |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, recipe in result["recipes"].items():
        seconds = statistics.median(machine["seconds_for_16_sprites"][name])
        lines.append(
            f"| {name} | {recipe['says']} | {recipe['sampler']} | {machine['parameters'][name]:,} | "
            f"{machine['step_gflop'][name]:,.0f} | {seconds:.2f} | {machine['peak_memory_mib'][name]:,} MiB |"
        )
    return "\n".join(lines)


def plot(result: dict):
    """Draw Fréchet distance against minutes of training."""
    curves = {name: points for name in result["recipes"] if (points := curve(result, name))}
    floor = result["floor"]["frechet_distance"]["value"]
    title = "Quality over training time on two CPU cores; lower is better"
    return plot_quality_vs_cost(curves, "minutes of training", floor=floor, title=title)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS / "benchmark.json")
    parser.add_argument("--root", type=Path, default=ROOT, help="where the READMEs are")
    args = parser.parse_args()
    result = json.loads(args.results.read_text(encoding="utf-8"))
    write_file(args.results.with_suffix(".png"), plot(result).to_png())
    # A short run is for looking at; only the full one is what the READMEs speak of.
    if args.results == RESULTS / "benchmark.json" or args.root != ROOT:
        for file, marker, text in (
            (args.root / "README.md", "benchmark", headline_table(result)),
            (args.root / "benchmarks" / "README.md", "benchmark", headline_table(result)),
            (args.root / "benchmarks" / "README.md", "runs", runs_table(result)),
            (args.root / "benchmarks" / "README.md", "recipes", recipes_table(result)),
        ):
            stamp(file, marker, text)
    print(headline_table(result))


if __name__ == "__main__":
    main()
