"""The benchmark: turns, clocks and reports; nothing here depends on how fast this machine is."""

import json
import math
from pathlib import Path

import pytest
import torch
from conftest import make_dataset
from safetensors.torch import load_file

from benchmarks import bench, bench_report, bench_training, compare_objectives, process, profile_training
from benchmarks.bench_recipes import Ours, Textbook
from benchmarks.bench_training import Clock, Training, code_fingerprint, make_trainings, train_in_turns
from helpers import load_results

ROOT = Path(__file__).resolve().parents[1]


class Counter:
    """A recipe whose only weight counts its steps."""

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


def train(folder, recipes: dict, fingerprint: str = "code", log=print) -> list[Training]:
    trainings = [Training(recipe, n, MOMENTS[n], folder, fingerprint) for n, recipe in recipes.items()]
    train_in_turns(trainings, log)
    return trainings


def snapshots(folder) -> dict[str, int]:
    return {f.stem: int(load_file(f)["count"]) for f in folder.glob("*.safetensors")}


MOMENTS = {"slow": [8, 20], "fast": [5, 10]}


def test_recipes_take_turns_with_snapshots_at_their_moments(tmp_path, now):
    trainings = train(tmp_path, {"slow": Counter(4.0, now), "fast": Counter(0.5, now)})
    assert snapshots(tmp_path) == {"slow-8": 2, "slow-20": 5, "fast-5": 10, "fast-10": 20}
    assert [trainings[0].steps_at(moment) for moment in (8, 20, 30)] == [2, 5, None]


def test_what_was_trained_is_not_trained_again_unless_the_code_changed(tmp_path, now):
    train(tmp_path, {"slow": Counter(4.0, now), "fast": Counter(0.5, now)})
    (tmp_path / "slow-20.safetensors").unlink()
    recipes = {"slow": Counter(1.0, now), "fast": Counter(1.0, now)}
    train(tmp_path, recipes)
    assert recipes["fast"].count == 0 and snapshots(tmp_path)["slow-20"] == 20
    (tmp_path / "fast-5.json").write_text("{}")
    train(tmp_path, {"fast": Counter(1.0, now)}, fingerprint="other code")
    assert snapshots(tmp_path)["fast-5"] == 5 and not (tmp_path / "fast-5.json").exists()


def test_code_sprites_and_classifier_behind_the_scores_are_in_the_fingerprint(tmp_path):
    code = ("models", "sampling", "datasets/core", "evaluation/metrics", "training/trainer")
    files = [f"helpers/{name}.py" for name in code] + ["benchmarks/bench_recipes.py", "data/sprites.npz"]
    found = {code_fingerprint(tmp_path)}
    for file in [*files, "weights/sprite_classifier/diffusion_pytorch_model.safetensors"]:
        assert (ROOT / file).is_file()
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        for content in ("before", "after"):
            (tmp_path / file).write_text(content)
            assert code_fingerprint(tmp_path) not in found
            found.add(code_fingerprint(tmp_path))


def test_recipe_that_fails_does_not_stop_the_others(tmp_path, now):
    recipes = {"slow": Counter(4.0, now, fails_at=3), "fast": Counter(0.5, now)}
    said = []
    train(tmp_path, recipes, log=said.append)
    assert snapshots(tmp_path) == {"slow-8": 2, "fast-5": 10, "fast-10": 20}
    assert any("slow failed after 8 s: RuntimeError('diverged')" in line for line in said)


def test_clock_does_not_count_a_suspended_process():
    clock = Clock()
    for seconds in (1.0, 1.0, 1.2, 500.0, 1.0, 2.0):
        clock.add(seconds)
    assert clock.seconds == pytest.approx(1 + 1 + 1.2 + 1.1 + 1 + 2)


def test_recipe_that_anneals_its_rate_is_trained_anew_for_each_moment(tmp_path, one_thread):
    moments, per_step = {n: [10.0, 30.0] for n in ("textbook", "ours")}, {"textbook": 2.0, "ours": 0.5}
    trainings = make_trainings(moments, make_dataset(200), 0, tmp_path, per_step, "code")
    groups = [(training.name, training.moments) for training in trainings]
    assert groups == [("textbook", [10.0, 30.0]), ("ours", [10.0]), ("ours", [30.0])]
    assert [training.recipe.trainer.config.num_steps for training in trainings[1:]] == [20, 60]


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


def test_scores_are_stored_for_a_run_that_was_stopped(tmp_path, one_thread, monkeypatch):
    monkeypatch.setattr(Ours, "steps", 2)
    training = Training(Ours(make_dataset(40), 0, 100), "ours", [60.0], tmp_path, "code")
    training.save_snapshot(60.0, 7)
    reference = torch.randn(400, 48, generator=torch.Generator().manual_seed(0))
    first = bench.score(training, 60.0, 200, reference, 0)
    assert first["num_inference_steps"] == 2 and first["precision"]["num_samples"] == 200
    assert first["kernel_distance"]["low"] <= first["kernel_distance"]["value"]
    written = training.path(60.0).with_suffix(".json").stat().st_mtime_ns
    assert bench.score(training, 60.0, 200, reference, 0) == first
    assert training.path(60.0).with_suffix(".json").stat().st_mtime_ns == written
    monkeypatch.setattr(Ours, "steps", 3)
    assert bench.score(training, 60.0, 200, reference, 0) != first
    rows = bench.score_all([training], 200, reference, 0, print)
    assert rows[0]["steps"] == 7 and rows[0]["minutes"] == 1 and rows[0]["num_inference_steps"] == 3


def test_memory_is_that_of_the_process_itself():
    ballast = torch.ones(60_000_000)
    assert process.peak_memory() > ballast.nbytes / 2**20
    # A child starts from what it needs itself, not from what its parent has had.
    line = "from benchmarks.process import peak_memory; print(peak_memory())"
    assert process.in_new_process("-c", line) < 100


# --- the report -----------------------------------------------------------------------------------


def make_result() -> dict:
    """A small result with round numbers."""

    def score(value):
        return {"value": value, "low": 0.9 * value, "high": 1.1 * value, "num_samples": 200}

    def row(recipe, minutes, value):
        scores = {"frechet_distance": score(value), "precision": score(0.5), "recall": score(0.25)}
        scores |= {"kernel_distance": score(value**2 / 100)}
        count = {"steps": int(600 * minutes), "images_seen": 1000, "num_inference_steps": 20}
        return {"recipe": recipe, "seed": 0, "minutes": minutes} | count | scores

    names = ("textbook", "ours", "denoising-diffusion-pytorch", "smalldiffusion")
    runs = [row("textbook", 10, 100.0), row("textbook", 60, 20.0)]
    runs += [row("ours", 1, 80.0), row("ours", 4, 5.0), row("ours", 10, 4.0)]
    runs += [row("denoising-diffusion-pytorch", 10, 40.0), row("smalldiffusion", 10, 16.0)]
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
    assert bench_report.headline_table(make_result()) in (tmp_path / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("page", "marker", "results", "table"),
    [
        ("README.md", "benchmark", "benchmark", bench_report.headline_table),
        ("benchmarks/README.md", "benchmark", "benchmark", bench_report.headline_table),
        ("benchmarks/README.md", "runs", "benchmark", bench_report.runs_table),
        ("benchmarks/README.md", "recipes", "benchmark", bench_report.recipes_table),
        ("benchmarks/README.md", "objectives", "objectives", compare_objectives.table),
        ("benchmarks/README.md", "profile", "profile", profile_training.table),
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
