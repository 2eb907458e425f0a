"""The benchmark: turns, clocks and reports; nothing here depends on how fast this machine is."""

from pathlib import Path

import pytest
import torch
from conftest import make_dataset
from safetensors.torch import load_file

from benchmarks import bench, bench_training, process
from benchmarks.bench_recipes import Ours, Textbook
from benchmarks.bench_training import Clock, Training, code_fingerprint, make_trainings, train_in_turns

pytestmark = pytest.mark.slow

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
    code = ("models", "sampling/loop", "datasets/core", "evaluation/metrics", "training/trainer")
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
