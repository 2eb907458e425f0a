"""The benchmark: turns, clocks and reports; nothing here depends on how fast this machine is."""

import json
import math

import pytest
import torch
from conftest import make_dataset
from safetensors.torch import load_file

from benchmarks import bench as benchmark
from benchmarks import bench_machine, bench_report, bench_training
from benchmarks.bench_recipes import Ours, Textbook
from benchmarks.bench_training import Clock, Entry, make_entries, train_in_turns

ROOT = benchmark.ROOT
STORED = bench_report.RESULTS / "benchmark.json"


class Counter:
    """A recipe whose only weight counts its steps."""

    batch_size, steps, steps_for_scores, sampler, says = 2, 10, 5, "none", "counts"

    def __init__(self, seconds: float, now: list[float], fails_at: int = 10**9):
        self.model, self.seconds, self.now = torch.nn.Linear(1, 1), seconds, now
        self.count, self.fails_at = 0, fails_at

    def train_step(self):
        self.now[0] += self.seconds
        self.count += 1
        if self.count == self.fails_at:
            raise RuntimeError("diverged")

    def snapshot(self):
        return {"count": torch.tensor(self.count)}


@pytest.fixture
def now(monkeypatch):
    """A clock that only training steps move."""
    time = [0.0]
    monkeypatch.setattr(bench_training.time, "perf_counter", lambda: time[0])
    return time


def entries_of(folder, recipes: dict, moments: dict, fingerprint: str = "code") -> list[Entry]:
    return [Entry(recipe, name, moments[name], folder, fingerprint) for name, recipe in recipes.items()]


def kept(folder) -> dict[str, int]:
    return {f.stem: int(load_file(f)["count"]) for f in folder.glob("*.safetensors")}


MOMENTS = {"slow": [8, 20], "fast": [5, 10]}


def test_recipes_take_turns_and_are_kept_at_their_moments(tmp_path, now):
    recipes = {"slow": Counter(4.0, now), "fast": Counter(0.5, now)}
    entries = entries_of(tmp_path, recipes, MOMENTS)
    train_in_turns(entries, print)
    assert kept(tmp_path) == {"slow-8": 2, "slow-20": 5, "fast-5": 10, "fast-10": 20}
    assert [entries[0].steps_at(moment) for moment in (8, 20, 30)] == [2, 5, None]


def test_what_was_trained_is_not_trained_again_unless_the_code_changed(tmp_path, now):
    train_in_turns(
        entries_of(tmp_path, {"slow": Counter(4.0, now), "fast": Counter(0.5, now)}, MOMENTS), print
    )
    (tmp_path / "slow-20.safetensors").unlink()
    recipes = {"slow": Counter(1.0, now), "fast": Counter(1.0, now)}
    train_in_turns(entries_of(tmp_path, recipes, MOMENTS), print)
    assert recipes["fast"].count == 0 and kept(tmp_path)["slow-20"] == 20
    (tmp_path / "fast-5.json").write_text("{}")
    recipes = {"fast": Counter(1.0, now)}
    train_in_turns(entries_of(tmp_path, recipes, MOMENTS, fingerprint="other code"), print)
    assert kept(tmp_path)["fast-5"] == 5 and not (tmp_path / "fast-5.json").exists()


def test_recipe_that_fails_does_not_stop_the_others(tmp_path, now):
    recipes = {"slow": Counter(4.0, now, fails_at=3), "fast": Counter(0.5, now)}
    said = []
    train_in_turns(entries_of(tmp_path, recipes, MOMENTS), said.append)
    assert kept(tmp_path) == {"slow-8": 2, "fast-5": 10, "fast-10": 20}
    assert any("slow failed after 8 s: RuntimeError('diverged')" in line for line in said)


def test_clock_does_not_count_a_suspended_process():
    clock = Clock()
    for seconds in (1.0, 1.0, 1.2, 500.0, 1.0, 2.0):
        clock.add(seconds)
    assert clock.seconds == pytest.approx(1 + 1 + 1.2 + 1.1 + 1 + 2)


def test_recipe_that_fades_out_is_trained_anew_for_each_moment(tmp_path, one_thread):
    moments = {"textbook": [10.0, 30.0], "ours": [10.0, 30.0]}
    dataset, per_step = make_dataset(200), {"textbook": 2.0, "ours": 0.5}
    entries = make_entries(["textbook", "ours"], moments, dataset, 0, tmp_path, per_step)
    assert [(entry.name, entry.moments) for entry in entries] == [
        ("textbook", [10.0, 30.0]), ("ours", [10.0]), ("ours", [30.0])
    ]  # fmt: skip
    assert [entry.recipe.trainer.config.num_steps for entry in entries[1:]] == [20, 60]


def test_recipes_train_and_draw(one_thread, monkeypatch):
    monkeypatch.setattr(Textbook, "batch_size", 4)
    dataset = make_dataset(80)
    for kind in (Textbook, Ours):
        recipe = kind(dataset, 0, 100)
        before = recipe.snapshot()
        recipe.train_step()
        recipe.train_step()  # a warm-up starts at a learning rate of zero
        after = recipe.snapshot()
        assert before.keys() == after.keys() == recipe.model.state_dict().keys()
        assert any(not torch.equal(before[key], after[key]) for key in before)
        recipe.model.eval()
        with torch.no_grad():
            assert recipe.sample(2, 0, 5).shape == (2, 3, 16, 16)


def test_our_snapshot_holds_the_averaged_weights(one_thread):
    recipe = Ours(make_dataset(40), 0, 100)
    for _ in range(3):
        recipe.train_step()
    name, weight = next(iter(recipe.model.named_parameters()))
    assert torch.equal(recipe.snapshot()[name], recipe.ema.shadow_params[0])
    assert not torch.equal(recipe.snapshot()[name], weight)


def test_scores_are_kept_for_a_run_that_was_stopped(tmp_path, one_thread):
    entry = Entry(Ours(make_dataset(40), 0, 100), "ours", [60.0], tmp_path, "code")
    entry.keep(60.0, 7)
    reference = torch.randn(400, 48, generator=torch.Generator().manual_seed(0))
    first = benchmark.score(entry, 60.0, 200, reference, 0, steps=2)
    assert first["num_inference_steps"] == 2 and first["precision"]["num_samples"] == 200
    written = entry.path(60.0).with_suffix(".json").stat().st_mtime_ns
    assert benchmark.score(entry, 60.0, 200, reference, 0, steps=2) == first
    assert entry.path(60.0).with_suffix(".json").stat().st_mtime_ns == written
    assert benchmark.score(entry, 60.0, 200, reference, 0, steps=3) != first
    entry.recipe.steps = 2
    rows = benchmark.score_all([entry], 6.0, 200, reference, 0, print)
    assert rows[0]["steps"] == 7 and rows[0]["minutes"] == 1 and rows[0]["num_inference_steps"] == 2


def test_memory_is_that_of_the_process_itself():
    ballast = torch.ones(60_000_000)
    assert bench_machine.peak_memory() > ballast.nbytes / 2**20
    # A child starts from what it needs itself, not from what its parent has had.
    path = bench_machine.ROOT / "benchmarks" / "bench_machine.py"
    source = path.read_text(encoding="utf-8").split("def peak_memory")[1].split("\n\n\n")[0]
    imports = "import platform, resource\nfrom pathlib import Path\n"
    child = bench_machine.in_new_process("-c", f"{imports}def peak_memory{source}\nprint(peak_memory())")
    assert child < 100


def test_machine_is_measured_once_unless_the_code_changed(tmp_path, monkeypatch):
    calls = []

    def measure(names):
        calls.append(names)
        return {"parameters": dict.fromkeys(names, 1)}

    monkeypatch.setattr(benchmark, "measure_machine", measure)
    monkeypatch.setattr(benchmark, "matrix_peaks", lambda: {"float32": 100.0})
    path = tmp_path / "machine.json"
    first = benchmark.measure_once(path, ["textbook", "ours"], print)
    assert benchmark.measure_once(path, ["ours"], print) == first and len(calls) == 1
    benchmark.measure_once(path, ["ours", "smalldiffusion"], print)
    monkeypatch.setattr(benchmark, "code_fingerprint", lambda: "other code")
    benchmark.measure_once(path, ["ours"], print)
    assert calls[1:] == [["ours", "smalldiffusion"], ["ours"]]


# --- the report -----------------------------------------------------------------------------------


def make_result() -> dict:
    """A small result with round numbers."""

    def score(value):
        return {"value": value, "low": 0.9 * value, "high": 1.1 * value, "num_samples": 200}

    def row(recipe, minutes, value):
        scores = {"frechet_distance": score(value), "precision": score(0.5), "recall": score(0.25)}
        count = {"steps": int(600 * minutes), "images_seen": 1000, "num_inference_steps": 20}
        return {"recipe": recipe, "seed": 0, "minutes": minutes} | count | scores

    names = ("textbook", "ours", "denoising-diffusion-pytorch", "smalldiffusion")
    runs = [row("textbook", 10, 100.0), row("textbook", 60, 20.0)]
    runs += [row("ours", 1, 80.0), row("ours", 4, 5.0), row("ours", 10, 4.0)]
    runs += [row("denoising-diffusion-pytorch", 10, 40.0), row("smalldiffusion", 10, 16.0)]
    machine = {
        "matrix_peak_gflops": {"float32": 100.0, "bfloat16": 200.0},
        "import_helpers_milliseconds": 2.0,
        "peak_memory_mib": dict.fromkeys(names, 1024),
        "step_gflop": dict.fromkeys(names, 15.0),
        "parameters": dict.fromkeys(names, 1_000_000),
        "seconds_for_16_sprites": {name: [0.5, 0.4, 0.6] for name in names} | {"textbook": [60.0, 59, 70]},
    }
    recipes = {name: {"says": f"{name}'s", "sampler": "DDPM"} for name in names}
    floor = {"frechet_distance": score(1.0), "precision": score(0.9), "recall": score(0.9)}
    return {
        "budget_minutes": 60, "samples": 200, "seeds": [0], "floor": floor,
        "runs": runs, "machine": machine, "recipes": recipes,
    }  # fmt: skip


def test_headline_is_computed_from_the_runs():
    values = [round(value, 4) for *_, value in bench_report.headline(make_result())]
    # 80 at 1 minute and 5 at 4: on log scales 20 lies half-way, at 2 minutes.
    assert values == [round(2 / 60, 4), 0.04, 0.25, 120.0, round(15 * 600 / 60 / 200, 4), 1.0, 2.0]
    text = bench_report.headline_table(make_result())
    assert "2.0 minutes, 1/30 | at most 1/15: met" in text and "75% | at least 60%: met" in text
    assert "better peer (smalldiffusion)" in text and "60.0 s / 0.50 s = 120" in text
    assert "at a better score (4.0 after 10 minutes" in text
    slow = make_result()
    slow["machine"]["import_helpers_milliseconds"] = 60.0
    assert "60.0 ms | at most 50 ms: **missed**" in bench_report.headline_table(slow)


def test_score_that_is_never_reached_is_not_made_up():
    final = (60, 20.0, 0, 0)
    assert (
        bench_report.words_for_reach([(1, 80, 0, 0), (10, 30, 0, 0)], final)[0] == "not reached in 10 minutes"
    )
    assert bench_report.words_for_reach([(1, 8, 0, 0)], final)[0] == "at most 1.0 minutes, 1/60"
    assert bench_report.minutes_to_reach([(1, 80, 0, 0), (10, 30, 0, 0)], 20) == math.inf
    assert bench_report.minutes_to_reach([(1, 8, 0, 0)], 20) == 1


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
    options = ["x", "--results", str(results), "--root", str(tmp_path)]
    monkeypatch.setattr("sys.argv", options)
    bench_report.main()
    assert (tmp_path / "result.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "benchmarks" / "README.md").read_text(encoding="utf-8")
    assert bench_report.runs_table(make_result()) in page
    assert page.count("| ours |") == 4 and "| real sprites |" in page
    assert bench_report.headline_table(make_result()) in (tmp_path / "README.md").read_text(encoding="utf-8")


@pytest.mark.skipif(not STORED.is_file(), reason="no stored benchmark")
def test_readmes_agree_with_the_stored_results():
    result = json.loads(STORED.read_text(encoding="utf-8"))
    assert result["budget_minutes"] == benchmark.FULL
    for file, markers in (
        ("README.md", ("benchmark",)),
        ("benchmarks/README.md", ("benchmark", "runs", "recipes")),
    ):
        page = (ROOT / file).read_text(encoding="utf-8")
        tables = {
            "benchmark": bench_report.headline_table(result),
            "runs": bench_report.runs_table(result),
            "recipes": bench_report.recipes_table(result),
        }
        for marker in markers:
            found = page.split(f"<!-- {marker} -->")[1].split(f"<!-- /{marker} -->")[0]
            assert found.strip() == tables[marker]
