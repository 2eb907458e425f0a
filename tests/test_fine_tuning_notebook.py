"""Notebook 04: its exercises' solutions pass their self-checks, and the classic mistakes are named."""

import copy
import re

import pytest
import torch
from conftest import make_unet
from notebook_cells import NOTEBOOKS, read, solution

from helpers import load_results
from helpers.datasets import load_emoji, make_dataloader

FOURTH = next(path for path in NOTEBOOKS if path.name.startswith("04"))
MARK = r"# your lines?\n"


def self_check(stub: str) -> str:
    """Return what stands below an exercise's stub."""
    _, code = read(FOURTH)
    return re.split(
        MARK, next(c["source"] for c in code if stub in c["source"] and "# your line" in c["source"])
    )[1]


@pytest.fixture
def names():
    """What notebook 04 has defined when its reader gets to the exercises."""
    torch.manual_seed(0)
    losses, stored = torch.rand(32), load_results("fine_tuning")
    return {
        "torch": torch,
        "copy": copy,
        "runs": {"as here": stored["curves"]["fine-tuned"], **stored["changes"]},
        "dataloader": make_dataloader(load_emoji("train", 16, "Smileys & Emotion"), 32),
        "loss_of": lambda part: losses[part].mean(),
        "unet": make_unet(seed=0),
        "tuned": make_unet(seed=1),
        "draw": lambda unet: torch.zeros(8, 3, 16, 16),
        "plot_generated_images": lambda *args, **kwargs: None,
    }


STUBS = {
    1: "epochs = ...",
    2: "best_run = ...",
    3: "factors = ...",
    4: "def effective_weight",
    5: "frozen = ...",
    6: "def between",
}


@pytest.mark.parametrize("number", list(STUBS))
def test_the_solution_passes_the_self_check(names, capsys, number):
    exec(solution(FOURTH, number), names)
    exec(self_check(STUBS[number]), names)
    assert capsys.readouterr().out.strip() == "right"


@pytest.mark.parametrize(
    ("number", "wrong", "mistake"),
    [
        (1, "epochs = 400 * 32 / 153", "the other 25 emoji are left out"),
        (2, "best_run = max(runs, key=lambda n: runs[n][-1]['distance_to_emoji']['value'])", "the farthest"),
        (3, "factors = [0.25] * 4", "twice as much"),
        (3, "factors = 8 / 28", "four factors"),
        (4, "effective_weight = lambda W, A, B, alpha: W + B @ A", "alpha / r"),
        (4, "effective_weight = lambda W, A, B, alpha: W", "not quite"),
        (5, "frozen = unet", "work on a copy"),
        (5, "frozen = copy.deepcopy(unet)", "tensors are trained"),
        (5, "frozen = copy.deepcopy(unet.requires_grad_(False))", "undo"),
        (6, "between = lambda share: tuned", "work on a copy"),
    ],
)
def test_a_wrong_answer_is_told_what_is_wrong(names, capsys, number, wrong, mistake):
    exec(wrong, names)
    exec(self_check(STUBS[number]), names)
    said = capsys.readouterr().out
    assert said.startswith("not quite") and mistake in said
