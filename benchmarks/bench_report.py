"""Make the tables and the plot out of benchmarks/results/benchmark.json, and stamp them into the READMEs."""

import argparse
import json
import math
import statistics
from pathlib import Path

from helpers import RESULTS
from helpers.evaluation import Score, markdown_table, show_score
from helpers.files import write_file
from helpers.plotting import plot_quality_vs_cost
from scripts.cards import stamp, verdict

ROOT = Path(__file__).resolve().parents[1]
SCORES = {"frechet_distance": "Fréchet distance", "kernel_distance": "kernel distance"}
SCORES |= {"precision": "precision", "recall": "recall"}
PEERS = ("denoising-diffusion-pytorch", "smalldiffusion")
# For each row of `headline`: in words, as a number, and whether it is the most or the least.
AIMS = [
    ("at most 1/15", 1 / 15, True),
    ("at most 1/5", 1 / 5, True),
    ("at most 1/2", 1 / 2, True),
    ("at least 100", 100, False),
    ("at least 60%", 0.6, False),
    ("at most 1.5 GiB", 1.5, True),
    ("at most 50 ms", 50, True),
]


def curve(result: dict, name: str, key: str = "frechet_distance") -> list[tuple[float, float, float, float]]:
    """Points (minutes, score, low, high) of a recipe; with several seeds, medians of each."""
    rows = [row for row in result["runs"] if row["recipe"] == name and key in row]
    points = []
    for minutes in sorted({row["minutes"] for row in rows}):
        scores = [row[key] for row in rows if row["minutes"] == minutes]
        points.append((minutes, *(statistics.median(s[part] for s in scores) for part in Score._fields[:3])))
    return points


def value_at(result: dict, name: str, minutes: float, key: str = "frechet_distance") -> float:
    """Return the score of a recipe after so many minutes."""
    for moment, value, *_ in curve(result, name, key):
        if math.isclose(moment, minutes, rel_tol=1e-6):
            return value
    raise ValueError(f"{name} has no score after {minutes:g} minutes: run benchmarks/bench.py again")


def minutes_to_reach(points: list, target: float) -> float:
    """Interpolate, on log scales, when a curve first falls to the target; infinite if it never does."""
    for before, after in zip([None, *points], points, strict=False):
        if after[1] <= target:
            if before is None or after[1] <= 0:  # an unbiased estimate near 0 may lie below, and has no log
                return after[0]
            part = math.log(before[1] / target) / math.log(before[1] / after[1])
            return before[0] * (after[0] / before[0]) ** part
    return math.inf


def describe_reach(result: dict, key: str) -> tuple[str, float]:
    """Say when ours reaches the textbook's last score, and in what share of its time; "–" if not scored."""
    ours, textbook = curve(result, "ours", key), curve(result, "textbook", key)
    if not ours or not textbook:
        return "–", math.nan
    minutes, target, *_ = textbook[-1]
    reach = minutes_to_reach(ours, target)
    if math.isinf(reach):
        return f"not reached in {ours[-1][0]:g} minutes", math.inf
    at_most = "at most " if reach == ours[0][0] else ""
    return f"{at_most}{reach:.1f} minutes, 1/{minutes / reach:.0f}", reach / minutes


def describe_ratio(result: dict, other: str, minutes: float, key: str) -> tuple[str, float]:
    """Divide our score by that of another recipe after the same time; "–" if not scored."""
    if not curve(result, "ours", key) or not curve(result, other, key):
        return "–", math.nan
    ours, theirs = (value_at(result, name, minutes, key) for name in ("ours", other))
    return f"{ours:.3g} / {theirs:.3g} = {ours / theirs:.2f}", ours / theirs


def headline(result: dict) -> list[tuple[str, str, str, float]]:
    """What there are aims for: (what, measured in words, the same by kernel distance, measured)."""
    if missing := [name for name in ("textbook", "ours", *PEERS) if not curve(result, name)]:
        raise ValueError(f"no score of {', '.join(missing)}: run benchmarks/bench.py with all recipes")
    ten, final, last = result["budget_minutes"] / 6, curve(result, "textbook")[-1], curve(result, "ours")[-1]
    peer = min(PEERS, key=lambda name: value_at(result, name, ten))
    rows = []
    for what, describe, *options in (
        (f"time to the score that the textbook reaches in {final[0]:g} minutes", describe_reach),
        (f"Fréchet distance after {ten:g} minutes, ours / textbook", describe_ratio, "textbook", ten),
        (f"the same, ours / better peer ({peer})", describe_ratio, peer, ten),
    ):
        words, value = describe(result, *options, "frechet_distance")
        rows.append((what, words, describe(result, *options, "kernel_distance")[0], value))
    better = "better" if last[1] <= final[1] else "WORSE"
    scores = f"{last[1]:.1f} after {last[0]:g} minutes, the textbook's {final[1]:.1f} after {final[0]:g}"
    return rows + machine_rows(result, f"at a {better} score ({scores})")


def machine_rows(result: dict, at_score: str) -> list[tuple[str, str, str, float]]:
    """The rows of `headline` that measure time and memory."""
    machine, peaks = result["machine"], result["machine"]["matrix_peak_gflops"]
    seconds = machine["seconds_for_16_sprites"]
    textbook, ours = (statistics.median(seconds[name]) for name in ("textbook", "ours"))
    longest = max((row for row in result["runs"] if row["recipe"] == "ours"), key=lambda row: row["minutes"])
    throughput = longest["steps"] * machine["step_gflop"]["ours"] / (60 * longest["minutes"])
    kind = max(peaks, key=peaks.get)
    share, memory = throughput / peaks[kind], machine["peak_memory_mib"]["ours"] / 1024
    whole, rest = (statistics.median(times) for times in machine["import_milliseconds"].values())
    cost = f"{textbook:.1f} s / {ours:.2f} s = {textbook / ours:.0f}"
    best = f"training, share of the machine's best matrix peak ({peaks[kind]:.0f} GFLOP/s, {kind})"
    imported = "import of helpers' datasets, plotting, training and pipelines on top of torch and diffusers"
    return [
        (f"cost of 16 sprites, textbook / ours, {at_score}", cost, "", textbook / ours),
        (best, f"{share:.0%}", "", share),
        ("peak memory of training", f"{memory:.2f} GiB", "", memory),
        (imported, f"{whole:.0f} ms; {rest:.0f} ms after matplotlib", "", whole),
    ]


def summary(result: dict) -> str:
    """Say in two sentences, for the first page, what the recipe of the notebooks gives a learner."""
    ten = result["budget_minutes"] / 6
    peer = min(PEERS, key=lambda name: value_at(result, name, ten))
    scores = {name: f"{value_at(result, name, ten):.1f}" for name in ("ours", "textbook", peer)}
    seconds = {
        name: statistics.median(times) for name, times in result["machine"]["seconds_for_16_sprites"].items()
    }
    floor = result["floor"]["frechet_distance"]["value"]
    return (
        f"After {ten:g} minutes of training on two cores, the recipe of these notebooks draws sprites at a "
        f"Fréchet distance of {scores['ours']} from real ones. The textbook recipe is at "
        f"{scores['textbook']}, {peer} at {scores[peer]}, and real sprites at {floor:.1f}. Then 16 sprites "
        f"take {seconds['ours']:.1f} seconds; with the textbook's sampler {seconds['textbook']:.0f}."
    )


def headline_table(result: dict) -> str:
    """Make the Markdown table of what was aimed at and what came out."""
    rows = [
        [what, words, by_kernel, f"{aim}: {verdict(value, limit, at_most)}"]
        for (what, words, by_kernel, value), (aim, limit, at_most) in zip(headline(result), AIMS, strict=True)
    ]
    return markdown_table(["what", "measured", "by kernel distance", "aim"], rows)


def runs_table(result: dict) -> str:
    """Make the Markdown table of every score of every recipe, with the floor as its last row."""

    def scores(row: dict) -> list[str]:
        return [show_score(key, Score(**row[key])) if key in row else "–" for key in SCORES]

    head = ["recipe", "minutes", "steps", "images seen", "drawn in", *SCORES.values()]
    rows = []
    for row in result["runs"]:
        name = row["recipe"] + (f" (seed {row['seed']})" if len(result["seeds"]) > 1 else "")
        counts = [f"{row['minutes']:.3g}", f"{row['steps']:,}", f"{row['images_seen']:,}"]
        rows.append([name, *counts, f"{row['num_inference_steps']} steps", *scores(row)])
    return markdown_table(head, [*rows, ["real sprites", "–", "–", "–", "–", *scores(result["floor"])]])


def recipes_table(result: dict) -> str:
    """Make the Markdown table that says what was compared."""
    machine, rows = result["machine"], []
    for name, recipe in result["recipes"].items():
        gflop, memory = machine["step_gflop"][name], machine["peak_memory_mib"][name]
        seconds = statistics.median(machine["seconds_for_16_sprites"][name])
        words = [name, recipe["description"], recipe["sampler"], f"{machine['parameters'][name]:,}"]
        rows.append([*words, f"{gflop:,.0f}", f"{seconds:.2f}", f"{memory:,} MiB"])
    head = ["recipe", "what it is", "sampler", "parameters", "GFLOP a step"]
    return markdown_table([*head, "seconds for 16 sprites", "memory"], rows)


def plot(result: dict):
    """Draw Fréchet distance against minutes of training."""
    return plot_quality_vs_cost(
        {name: points for name in result["recipes"] if (points := curve(result, name))},
        "minutes of training",
        floor=result["floor"]["frechet_distance"]["value"],
        title="Quality over training time on two CPU cores; lower is better",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS / "benchmark.json")
    parser.add_argument("--root", type=Path, default=ROOT, help="where the READMEs are")
    args = parser.parse_args()
    result = json.loads(args.results.read_text(encoding="utf-8"))
    write_file(args.results.with_suffix(".png"), plot(result).to_png())
    # A short run is for looking at; only the full one is what the READMEs speak of.
    if args.results == RESULTS / "benchmark.json" or args.root != ROOT:
        stamp(args.root / "README.md", "benchmark", summary(result))
        page = args.root / "benchmarks" / "README.md"
        stamp(page, "benchmark", headline_table(result))
        stamp(page, "runs", runs_table(result))
        stamp(page, "recipes", recipes_table(result))
    print(headline_table(result))


if __name__ == "__main__":
    main()
