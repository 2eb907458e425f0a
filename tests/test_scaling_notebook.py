"""Notebook 07: its exercises, the weights that it shows, and the measurements that it reads."""

import json
import re

import pytest
import torch
from notebook_cells import NOTEBOOKS, read, solution

from benchmarks import measure_scaling
from helpers import load_results
from helpers.models import build_unet
from helpers.sampling import make_scheduler, sample_images
from helpers.weights import WEIGHTS, load_pipeline
from scripts import keep_emoji

SEVENTH = next(path for path in NOTEBOOKS if path.name.startswith("07"))
STUBS = {
    1: "num_steps = ...",
    2: "gigabytes = ...",
    3: "def my_share",
    4: "factors = ...",
    5: "smallest, largest = ...",
    6: "def ring_all_reduce",
}


def self_check(number: int) -> str:
    """Return what stands below an exercise's stub."""
    _, code = read(SEVENTH)
    (cell,) = [c["source"] for c in code if c["source"].startswith(STUBS[number])]
    return re.split(r"# your lines?.*\n", cell)[1]


@pytest.mark.parametrize("number", STUBS)
def test_the_solution_passes_the_self_check(capsys, number):
    names = {"torch": torch}
    exec(solution(SEVENTH, number), names)
    exec(self_check(number), names)
    assert capsys.readouterr().out.strip() == "right"


@pytest.mark.parametrize("number", STUBS)
def test_what_is_not_answered_is_no_mistake(capsys, number):
    _, code = read(SEVENTH)
    exec(next(c["source"] for c in code if c["source"].startswith(STUBS[number])), {"torch": torch})
    assert capsys.readouterr().out.strip() == "not answered yet"


@pytest.mark.parametrize(
    ("number", "wrong", "mistake"),
    [
        (1, "num_steps = 50 * (1000 // 32) // 2", "there are four of them"),
        (1, "num_steps = 350", "takes two batches"),
        (2, "gigabytes = 3.44", "the weights alone"),
        (2, "gigabytes = 13.8", "the average"),
        (3, "my_share = lambda i, r, n: i", "three of them do the work of one"),
        (3, "my_share = lambda i, r, n: i[r::n]", "another order"),
        (3, "my_share = lambda i, r, n: i[r:r + 4]", "twice, or never"),
        (4, "factors = [1, 1]", "count twice"),
        (4, "factors = [2, 1]", "mean of 1"),
        (5, "smallest, largest = 1.0, 4.0", "still zero"),
        (5, "smallest, largest = 64.0, 65536.0", "overflows"),
        (5, "smallest, largest = 128.0, 4.0", "would still do"),
        (6, "ring_all_reduce = lambda rows: 6", "collect first"),
    ],
)
def test_a_wrong_answer_is_told_what_is_wrong(capsys, number, wrong, mistake):
    names = {"torch": torch}
    exec(wrong, names)
    exec(self_check(number), names)
    said = capsys.readouterr().out
    assert said.startswith("not quite") and mistake in said


# --- the emoji weights ----------------------------------------------------------------------------


def test_emoji_weights_are_small_whole_and_those_of_their_card(one_thread):
    folder = WEIGHTS / "emoji_32"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 12_000_000
    assert {path.suffix for path in files} == {".json", ".safetensors"}
    run = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    card = (WEIGHTS / "README.md").read_text(encoding="utf-8")
    table = card.split("<!-- emoji_32 -->\n")[1].split("<!-- /emoji_32 -->")[0]
    assert table.strip() == keep_emoji.card_table(run)
    assert run["command"].startswith("python scripts/train_unconditional.py --dataset_name=emoji")
    assert run["images_seen"] == run["steps"] * 16 and 0 < run["mean_loss_of_last_500_steps"] < 0.1


def test_emoji_weights_draw_things_on_white(one_thread):
    pipeline = load_pipeline("emoji_32")
    assert all(p.dtype == torch.float32 for p in pipeline.unet.parameters())
    assert list(pipeline.unet.config.block_out_channels) == list(build_unet(32).config.block_out_channels)
    images = sample_images(pipeline.unet, make_scheduler(pipeline.scheduler), 4, 10, seed=0)
    corners, middle = images[:, :, :2, :2], images[:, :, 12:20, 12:20]
    assert corners.mean() > 0.8 > middle.mean()


# --- the stored measurements ----------------------------------------------------------------------


def test_the_stored_measurements_are_of_these_rows_and_stand_in_the_readme(one_thread):
    stored = load_results("scaling")
    assert list(stored["rows"]) == list(measure_scaling.ROWS)
    readme = measure_scaling.README.read_text(encoding="utf-8")
    table = readme.split("<!-- scaling -->\n")[1].split("<!-- /scaling -->")[0]
    assert table.strip() == measure_scaling.table(stored)
    for name in ("resolution 16", "attention at all levels"):
        assert stored["rows"][name]["step_gflop"] == measure_scaling.count_flop(measure_scaling.ROWS[name])


def test_a_row_is_measured_with_either_step(one_thread):
    row = {"channels": (8, 16), "resolution": 8, "batch": 2, "attention": (1,)}
    for extra in ({}, {"example": True}, {"parts": 2, "checkpointing": True}):
        result = measure_scaling.measure_row(row | extra, repeats=1)
        assert result["seconds"] > 0 and result["memory_mib"] >= 0 and result["parameters"] > 1000
