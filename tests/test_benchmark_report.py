"""The tables and the plot of the benchmark, and that pages show what is stored."""

import json
import math
from pathlib import Path

import pytest

from benchmarks import (
    bench,
    bench_report,
    compare_first_runs,
    compare_guidance_order,
    compare_objectives,
    profile_training,
)
from helpers import load_results

ROOT = Path(__file__).resolve().parents[1]


def make_result() -> dict:
    """A small result with round numbers."""

    def score(value):
        return {"value": value, "low": 0.9 * value, "high": 1.1 * value, "num_samples": 200}

    def row(recipe, minutes, value):
        scores = {"frechet_distance": score(value), "precision": score(0.5), "recall": score(0.25)}
        scores |= {"kernel_distance": score(value**2 / 100)}
        count = {"steps": int(600 * minutes), "images_seen": 1000, "num_inference_steps": 20}
        return {"recipe": recipe, "seed": 0, "minutes": minutes} | count | scores

    scores = {"textbook": {10: 100.0, 60: 20.0}, "ours": {1: 80.0, 4: 5.0, 10: 4.0}}
    names = scores | {"denoising-diffusion-pytorch": {10: 40.0}, "smalldiffusion": {10: 16.0}}
    runs = [row(name, *pair) for name, curve in names.items() for pair in curve.items()]
    machine = {
        "matrix_peak_gflops": {"float32": 100.0, "bfloat16": 200.0},
        "import_milliseconds": {"helpers": [30.0, 20.0, 40.0], "helpers after matplotlib": [20.0]},
        "peak_memory_mib": dict.fromkeys(names, 1024),
        "step_gflop": dict.fromkeys(names, 15.0),
        "parameters": dict.fromkeys(names, 1_000_000),
        "seconds_for_16_sprites": {name: [0.5, 0.4, 0.6] for name in names} | {"textbook": [60.0, 59, 70]},
    }
    recipes = {name: {"description": f"{name}'s", "sampler": "DDPM"} for name in names}
    floor = {"frechet_distance": score(1.0), "precision": score(0.9), "recall": score(0.9)}
    return {
        "budget_minutes": 60, "samples": 200, "seeds": [0], "floor": floor,
        "runs": runs, "machine": machine, "recipes": recipes,
    }  # fmt: skip


def test_headline_is_computed_from_the_runs():
    values = [round(value, 4) for *_, value in bench_report.headline(make_result())]
    # 80 at 1 minute and 5 at 4: on log scales 20 lies half-way, at 2 minutes.
    assert values == [round(2 / 60, 4), 0.04, 0.25, 120.0, round(15 * 600 / 60 / 200, 4), 1.0, 30.0]
    text = bench_report.headline_table(make_result())
    assert "2.0 minutes, 1/30 | 2.0 minutes, 1/30 | at most 1/15: met" in text
    assert "4 / 100 = 0.04 | 0.16 / 100 = 0.00 | at most 1/5" in text
    assert "better peer (smalldiffusion) | 4 / 16 = 0.25 | 0.16 / 2.56 = 0.06 |" in text
    assert "75% |  | at least 60%: met" in text and "60.0 s / 0.50 s = 120" in text
    assert "at a better score (4.0 after 10 minutes" in text
    slow = make_result()
    slow["machine"]["import_milliseconds"]["helpers"] = [60.0]
    assert "60 ms; 20 ms after matplotlib |  | at most 50 ms: **missed**" in bench_report.headline_table(slow)


def test_rows_without_a_kernel_distance_are_shown_without():
    result = make_result()
    for row in result["runs"]:
        del row["kernel_distance"]
    assert "4 / 100 = 0.04 | – | at most 1/5" in bench_report.headline_table(result)
    assert "2.0 minutes, 1/30 | – | at most 1/15" in bench_report.headline_table(result)
    assert "| 100 [90, 110] | – | 50.0%" in bench_report.runs_table(result)
    assert "| 100 [90, 110] | 100 [90, 110] | 50.0%" in bench_report.runs_table(make_result())


def test_score_that_is_never_reached_is_not_made_up():
    result = make_result()
    ours = [row for row in result["runs"] if row["recipe"] == "ours"]
    result["runs"] = [row for row in result["runs"] if row not in ours[1:]]
    assert bench_report.describe_reach(result, "frechet_distance") == ("not reached in 1 minutes", math.inf)
    ours[0]["frechet_distance"]["value"] = 8.0
    assert bench_report.describe_reach(result, "frechet_distance")[0] == "at most 1.0 minutes, 1/60"
    assert bench_report.minutes_to_reach([(1, 80, 0, 0), (10, 30, 0, 0)], 20) == math.inf
    assert bench_report.minutes_to_reach([(1, 8, 0, 0)], 20) == 1
    assert bench_report.minutes_to_reach([(1, 80, 0, 0), (10, -0.1, 0, 0)], 20) == 10


def test_a_result_without_all_recipes_has_no_headline():
    result = make_result()
    result["runs"] = [row for row in result["runs"] if row["recipe"] != "smalldiffusion"]
    with pytest.raises(ValueError, match="no score of smalldiffusion: run"):
        bench_report.headline(result)


def test_several_seeds_give_medians():
    result = make_result()
    for seed, value in ((1, 7.0), (2, 6.0)):
        row = json.loads(json.dumps(result["runs"][3])) | {"seed": seed}
        row["frechet_distance"]["value"] = value
        result["runs"].append(row)
    assert bench_report.value_at(result, "ours", 4) == 6.0


def test_report_stamps_tables_and_draws_the_plot(tmp_path, monkeypatch, capsys):
    marks = "".join(f"<!-- {m} -->\n<!-- /{m} -->\n" for m in ("benchmark", "runs", "recipes"))
    (tmp_path / "benchmarks").mkdir()
    for file in (tmp_path / "README.md", tmp_path / "benchmarks" / "README.md"):
        file.write_text(marks, encoding="utf-8")
    results = tmp_path / "result.json"
    results.write_text(json.dumps(make_result()), encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["x", "--results", str(results), "--root", str(tmp_path)])
    bench_report.main()
    assert (tmp_path / "result.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "benchmarks" / "README.md").read_text(encoding="utf-8")
    assert bench_report.runs_table(make_result()) in page
    assert page.count("| ours |") == 4 and "| real sprites |" in page
    assert bench_report.summary(make_result()) in (tmp_path / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("page", "marker", "results", "table"),
    [
        ("README.md", "benchmark", "benchmark", bench_report.summary),
        ("benchmarks/README.md", "benchmark", "benchmark", bench_report.headline_table),
        ("benchmarks/README.md", "runs", "benchmark", bench_report.runs_table),
        ("benchmarks/README.md", "recipes", "benchmark", bench_report.recipes_table),
        ("benchmarks/README.md", "objectives", "objectives", compare_objectives.table),
        ("benchmarks/README.md", "first runs", "first_runs", compare_first_runs.table),
        ("benchmarks/README.md", "profile", "profile", profile_training.table),
        ("benchmarks/README.md", "guidance order", "guidance_order", compare_guidance_order.table),
    ],
)
def test_pages_show_the_stored_results(page, marker, results, table):
    text = (ROOT / page).read_text(encoding="utf-8")
    found = text.split(f"<!-- {marker} -->")[1].split(f"<!-- /{marker} -->")[0]
    assert found.strip() == table(load_results(results))
    for part in found.strip().split("\n\n"):  # a cell for each column
        assert len({line.count("|") for line in part.splitlines()}) == 1


def test_stored_benchmark_is_a_full_one():
    assert load_results("benchmark")["budget_minutes"] == bench.FULL_BUDGET
