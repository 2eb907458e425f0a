"""Notebook 01: its exercises' solutions pass their self-checks, and the classic mistakes are named."""

import re

import pytest
import torch
from diffusers import DDPMScheduler
from notebook_cells import NOTEBOOKS, defining_cell, read, solution

FIRST = NOTEBOOKS[0]
MARK = r"# your (?:lines?|number)\n"


def self_check(stub: str) -> str:
    """Return what stands below the last stub of an exercise's cell."""
    _, code = read(FIRST)
    cell = next(c["source"] for c in code if stub in c["source"] and re.search(MARK, c["source"] + "\n"))
    return re.split(MARK, cell)[-1]


@pytest.fixture
def names():
    """What notebook 01 has defined when its reader gets to the exercises."""
    torch.manual_seed(0)
    noise_scheduler = DDPMScheduler(num_train_timesteps=500, beta_schedule="squaredcos_cap_v2")
    found = {
        "torch": torch,
        "device": torch.device("cpu"),
        "noise_scheduler": noise_scheduler,
        "betas": noise_scheduler.betas,
        "alphas_cumprod": noise_scheduler.alphas_cumprod,
        "x_t": torch.randn(1, 3, 16, 16),
        "some_noise": torch.randn(1, 3, 16, 16),
        "heroes": [(torch.rand(3, 16, 16), 0)],
    }
    exec(defining_cell(FIRST, "posterior_step").split("\n\n\n")[0], found)
    return found


STUBS = {1: "def signal_to_noise_ratio", 2: "def noise_from", 3: "def jump", 5: "def long_step"}


@pytest.mark.parametrize("number", list(STUBS))
def test_the_solution_passes_the_self_check(names, capsys, number):
    exec(solution(FIRST, number), names)
    exec(self_check(STUBS[number]), names)
    assert capsys.readouterr().out.strip() == "right"


SNR = "alphas_cumprod[t] / (1 - alphas_cumprod[t])"


@pytest.mark.parametrize(
    ("number", "wrong", "mistake"),
    [
        (1, f"lambda t: 10 * torch.log10({SNR})", "in dB"),
        (1, "lambda t: (1 - betas[t]) / betas[t]", "α of one step"),
        (1, f"lambda t: ({SNR}) ** 0.5", "amplitudes"),
        (1, f"lambda t: 1 / ({SNR})", "not quite"),
        (
            2,
            "lambda x, x_0, t: (x - alphas_cumprod[t] ** 0.5 * x_0) / (1 - alphas_cumprod[t])",
            "by its root",
        ),
        (2, "lambda x, x_0, t: (x - x_0) / (1 - alphas_cumprod[t]) ** 0.5", "only a share"),
        (2, "lambda x, x_0, t: x_0", "solve the formula"),
        (
            3,
            "lambda x, s, t, z: alphas_cumprod[t] ** 0.5 * x + (1 - alphas_cumprod[t]) ** 0.5 * z",
            "lost a part",
        ),
        (3, "lambda x, s, t, z: share * x + (1 - share) * z", "need a root"),
        (5, "lambda x_0, x, t, before, z: posterior_step(x_0, x, t, z)", "still the short step"),
        (5, "lambda x_0, x, t, before, z: x", "is β the jump's"),
    ],
)
def test_a_wrong_answer_is_told_what_is_wrong(names, capsys, number, wrong, mistake):
    names |= {"share": names["alphas_cumprod"][250] / names["alphas_cumprod"][100], "first_noisier_t": 248}
    names[STUBS[number].removeprefix("def ")] = eval(wrong, names)
    exec(self_check(STUBS[number]), names)
    said = capsys.readouterr().out
    assert said.startswith("not quite") and mistake in said


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (("noisy", "gentle"), "right"),
        (("noisy", "noisy"), "do not go together"),
        (("gentle", "noisy"), "the other"),
    ],
)
def test_a_lower_loss_is_not_taken_for_a_better_model(capsys, answer, said):
    _, code = read(FIRST)
    cell = next(c["source"] for c in code if "lower_loss, better_points = ..." in c["source"])
    names = {"torch": torch, "answer": answer}
    exec(re.sub(r"= \.\.\., \.\.\..*", "= answer", cell), names)
    assert said in capsys.readouterr().out
