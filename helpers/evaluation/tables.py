"""Tables and curves out of stored scores."""

from collections.abc import Iterable, Mapping, Sequence

from .intervals import Score

ROWS = {
    "frechet_distance": "Fréchet distance ↓",
    "kernel_distance": "kernel distance ↓",
    "precision": "precision ↑",
    "recall": "recall ↑",
    "label_accuracy": "label accuracy ↑",
    "exact_copies": "exact copies of training images ↓",
    "near_copies": "near copies of training images",
    "colours_per_image": "colours per image",
}
# Proportions are shown in percent, rare things with two more digits.
FORMATS = dict.fromkeys(("precision", "recall", "label_accuracy"), ".1%")
FORMATS |= dict.fromkeys(("exact_copies", "near_copies"), ".2%")
COMPARED = ("frechet_distance", "precision", "recall")


def markdown_table(head: Sequence, rows: Iterable[Sequence]) -> str:
    """Make a Markdown table of a head and rows of cells, each shown as `str` shows it."""
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in (head, ["---"] * len(head), *rows))


def show_score(key: str, score: Score) -> str:
    """Write a score with its interval as the tables do, by the key that it has in a `Report`."""
    return format(score, FORMATS.get(key, ""))


def guidance_table(rows: Mapping[str, dict]) -> str:
    """Make a Markdown table of scores by name by guidance_scale, as `scripts/evaluate.py` stores them."""
    keys = ("label_accuracy", *COMPARED)
    lines = [[scale, *(show_score(key, Score(**row[key])) for key in keys)] for scale, row in rows.items()]
    return markdown_table(["guidance_scale", *(ROWS[key] for key in keys)], lines)


def _two_digits(score: dict) -> str:
    return f"{Score(**score):.2f}"


def comparison_table(rows: Sequence[dict], floor: dict | None = None) -> str:
    """Make a Markdown table of what `compare_samplers` returns, and of the same scores of real images."""
    head = ["sampler", "steps", "calls of the UNet", *(ROWS[key] for key in COMPARED), "ms per image"]
    lines = [
        [row["name"], row["num_inference_steps"], row["model_calls"]]
        + [_two_digits(row[key]) for key in COMPARED]
        + [f"{1000 * row['seconds_per_image']:.0f}"]
        for row in rows
    ]
    if floor:
        lines.append(["real sprites", "–", "–", *(_two_digits(floor[key]) for key in COMPARED), "–"])
    return markdown_table(head, lines)


def ablation_table(rows: Sequence[dict]) -> str:
    """Make a Markdown table of DDIM's settings (lines) and steps (columns): the Fréchet distance."""
    steps = sorted({row["num_inference_steps"] for row in rows})
    groups = {}
    for row in rows:
        clip, spacing = (row["scheduler"].get(key) for key in ("clip_sample", "timestep_spacing"))
        again = "yes" if row["step"].get("use_clipped_model_output") else "no"
        found = groups.setdefault((clip, again, spacing or "leading"), {})
        found[row["num_inference_steps"]] = _two_digits(row["frechet_distance"])
    head = ["clip_sample", "noise estimated anew", "timestep_spacing", *(f"{n} steps" for n in steps)]
    return markdown_table(head, [[*key, *(row.get(n, "–") for n in steps)] for key, row in groups.items()])


def summary_table(rows: Sequence[dict], within: float = 0.1, notes: Mapping[str, str] | None = None) -> str:
    """Make a Markdown table with a line per sampler: its best score, and the fewest steps that come near.

    Parameters
    ----------
    rows : sequence of dict
        What `compare_samplers` returns.
    within : float
        How far above the best score of the same sampler still counts as near, as a proportion of it.
    notes : mapping of name to str, optional
        When to use each sampler, for a last column.

    Raises
    ------
    ValueError
        If there are notes, but not for exactly the samplers in the rows.
    """
    groups = {}
    for row in rows:
        groups.setdefault(row["name"], []).append(row)
    if notes is not None and set(notes) != set(groups):
        raise ValueError(f"expected notes for {', '.join(groups)}; got them for {', '.join(notes)}")
    head = ["sampler", "adds noise", "calls per step", "best Fréchet distance"]
    head += [f"steps within {within:.0%} of it", "ms per image"]
    lines = []
    for name, found in groups.items():
        best = min(row["frechet_distance"]["value"] for row in found)
        near = [row for row in found if row["frechet_distance"]["value"] <= (1 + within) * best]
        fewest = min(near, key=lambda row: row["num_inference_steps"])
        sampler, cost = fewest["sampler"], f"{1000 * fewest['seconds_per_image']:.0f}"
        line = [name, "yes" if _adds_noise(fewest) else "no", 2 if sampler == "heun" else 1, f"{best:.2f}"]
        lines.append([*line, fewest["num_inference_steps"], cost, *([notes[name]] if notes else [])])
    return markdown_table([*head, "when to use"] if notes else head, lines)


def quality_curves(rows: Sequence[dict]) -> dict[str, list[tuple]]:
    """Group rows by sampler, as (calls of the UNet, value, low, high): for `plot_quality_vs_cost`."""
    curves = {}
    for row in rows:
        value, low, high, _ = Score(**row["frechet_distance"])
        curves.setdefault(row["name"], []).append((row["model_calls"], value, low, high))
    return curves


def curves_by_noise(rows: Iterable[dict]) -> dict[str, dict[str, list[tuple]]]:
    """`quality_curves` in two panels: of the samplers that add no noise on their way, and of the others."""
    panels = {"without fresh noise": [], "with fresh noise": []}
    for row in rows:
        panels["with fresh noise" if _adds_noise(row) else "without fresh noise"].append(row)
    return {title: quality_curves(found) for title, found in panels.items() if found}


def _adds_noise(row: dict) -> bool:
    return row["sampler"] in ("ddpm", "sde-dpm-solver++") or row["eta"] > 0


def ablation_curves(rows: Sequence[dict]) -> dict[str, dict[str, list[tuple]]]:
    """Group DDIM's settings by spacing and clipping, as (steps, value, low, high).

    For the panels of `plot_quality_vs_cost`.
    """
    panels = {}
    for row in rows:
        clip, again = row["scheduler"].get("clip_sample"), row["step"].get("use_clipped_model_output")
        name = ("clipped, noise\nestimated anew" if again else "clipped") if clip else "not clipped"
        value, low, high, _ = Score(**row["frechet_distance"])
        panel = panels.setdefault(row["scheduler"].get("timestep_spacing", "leading"), {})
        panel.setdefault(name, []).append((row["num_inference_steps"], value, low, high))
    return panels


def above_floor_table(rows: Sequence[dict], floor: dict, names: Sequence[str]) -> str:
    """Make a Markdown table of samplers (lines) by steps (columns): Fréchet distance less that of `floor`."""
    chosen = {(row["name"], row["num_inference_steps"]): row["frechet_distance"]["value"] for row in rows}
    steps = sorted({n for name, n in chosen if all((other, n) in chosen for other in names)})
    lines = [
        [name, *(f"{chosen[name, n] - floor['frechet_distance']['value']:.2f}" for n in steps)]
        for name in names
    ]
    return markdown_table(["above the floor", *(f"{n} steps" for n in steps)], lines)


def folded(summary: str, markdown: str) -> str:
    """Fold Markdown, a large table for example, under a line that opens it."""
    return f"<details><summary>{summary}</summary>\n\n{markdown}\n\n</details>"


def fine_tuning_table(result: Mapping) -> str:
    """Table of the ways to fine-tune in `results/fine_tuning.json`, at the last step that all were scored at.

    `result` has `ways` (name: learning rate, parameters, bytes, seconds) and `curves` (name: scored steps).
    """
    step, lines = min(rows[-1]["step"] for rows in result["curves"].values()), []
    for name, way in result["ways"].items():
        row = next(row for row in result["curves"][name] if row["step"] == step)
        minutes, size = step * way["seconds_per_step"] / 60, way["file_bytes"] / 1e6
        facts = [f"{way['learning_rate']:g}", f"{way['parameters']:,}", f"{size:.1f} MB", f"{minutes:.1f}"]
        lines.append([name, *facts, f"{Score(**row['distance_to_emoji']):.2f}"])
    head = ["trained", "learning rate", "parameters", "file", f"minutes for {step:,} steps"]
    return markdown_table([*head, "distance to emoji"], lines)
