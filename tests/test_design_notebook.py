"""Notebook 06: its exercises, its formulas, and the measurements that it reads."""

import re
from itertools import pairwise

import pytest
import torch
from diffusers import DDPMScheduler
from notebook_cells import NOTEBOOKS, read, solution, starting_cell
from torch import nn

from benchmarks import compare_targets, compare_walks
from helpers import load_results
from helpers.datasets import load_sprites
from helpers.models import build_noise_scheduler
from helpers.walks import make_sigmas, sample_ode
from helpers.weights import WEIGHTS

SIXTH = next(path for path in NOTEBOOKS if path.name.startswith("06"))
STUBS = {
    1: "def velocity_to_noise",
    2: "def min_snr_weight",
    3: "def count_calls",
    4: "def karras",
    5: "def draw_times",
    6: "def pair",
}


def defined(*functions: str) -> str:
    """The definitions of these functions, as the notebook has them."""
    _, code = read(SIXTH)
    text = "\n".join(c["source"] for c in code)
    found = [
        re.search(rf"((?:@torch[^\n]*\n)?def {name}\(.*?)(?=\n\S|\Z)", text, re.DOTALL) for name in functions
    ]
    return "\n\n".join(match[1] for match in found)


@pytest.fixture(scope="module")
def shared():
    """What the cells before the exercises have made."""
    noise_scheduler = build_noise_scheduler()
    angles = torch.arange(8) * torch.pi / 4
    names = {
        "torch": torch, "nn": nn, "pairwise": pairwise, "make_sigmas": make_sigmas,
        "noise_scheduler": noise_scheduler,
        "alphas_cumprod": noise_scheduler.alphas_cumprod,
        "sprites": load_sprites("test").as_tensor(),
        "noises": torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(0)),
        "centres": torch.stack([angles.cos(), angles.sin()], dim=1),
        "generator": torch.Generator().manual_seed(0),
        "starts": torch.randn(200, 2, generator=torch.Generator().manual_seed(1)),
    }  # fmt: skip
    exec(
        defined("to_x_0", "draw_ring", "make_net", "follow", "bend", "heun", "sample_ode", "student_target"),
        names,
    )
    names["ring_velocity"] = lambda x, t: -x
    return names


def stub(number: int) -> str:
    return starting_cell(SIXTH, STUBS[number])


def self_check(number: int) -> str:
    """Return what stands below an exercise's stub."""
    before, after = re.split(r".*# your lines?\n", stub(number))
    return before.partition("def ")[0] + after


@pytest.mark.parametrize("number", STUBS)
def test_the_solution_passes_the_self_check(capsys, shared, number, one_thread):
    names, text = dict(shared), stub(number).partition("def ")[0] + solution(SIXTH, number)
    exec(text.replace("steps = make_net(), 2000", "steps = make_net(), 4"), names)
    capsys.readouterr()
    exec(self_check(number), names)
    assert capsys.readouterr().out.strip() == "right"


@pytest.mark.parametrize("number", STUBS)
def test_what_is_not_answered_is_no_mistake(capsys, shared, number):
    exec(stub(number), dict(shared))
    assert capsys.readouterr().out.strip() == "not answered yet"


A, B = "alphas_cumprod[t].sqrt()", "(1 - alphas_cumprod[t]).sqrt()"
UPSIDE_DOWN = "torch.cat([torch.linspace(a**rho, b**rho, n) ** (1 / rho), torch.zeros(1)])"


@pytest.mark.parametrize(
    ("number", "wrong", "mistake"),
    [
        (1, f"velocity_to_noise = lambda v, x, t: {A} * x - {B} * v", "that is the image"),
        (1, f"velocity_to_noise = lambda v, x, t: {A} * v - {B} * x", "both have a plus sign"),
        (1, f"velocity_to_noise = lambda v, x, t: (x + v) / {B}", "nothing divided"),
        (2, "min_snr_weight = lambda snr, kind: snr.clamp(max=5)", "weight of an error of x_0"),
        (2, "min_snr_weight = lambda snr, kind: snr.clamp(max=5) * snr", "so divide"),
        (2, "min_snr_weight = lambda snr, kind: snr.clamp(max=5) / snr", "SNR + 1 times"),
        (2, "min_snr_weight = lambda snr, kind: 5 / (snr + (kind[0] == 'v'))", "the smaller of"),
        (3, "count_calls = lambda steps, order: order * steps", "no second slope"),
        (3, "count_calls = lambda steps, order: order * steps - 1", "also in the last"),
        (3, "count_calls = lambda steps, order: steps", "one step and count"),
        (4, "karras = lambda n, a=20.0, b=0.02, rho=7: torch.linspace(a, b, n)", "steps + 1 levels"),
        (4, "karras = lambda n, a=20.0, b=0.02, rho=7: torch.linspace(b, a, n + 1)", "begin with the noise"),
        (
            4,
            f"karras = lambda n, a=20.0, b=0.02, rho=7: {UPSIDE_DOWN}",
            "linspace between the two roots",
        ),
        (5, "draw_times = lambda n, g: torch.randn(n, generator=g)", "the sigmoid is missing"),
        (5, "draw_times = lambda n, g: torch.rand(n, generator=g).sigmoid()", "take torch.randn"),
        (5, "draw_times = lambda n, g: torch.rand(n, generator=g)", "mean 0 and standard deviation 1"),
        (6, "pair = lambda d, e: d[torch.cdist(e, d).argmin(1)]", "exactly once"),
        (6, "pair = lambda d, e: d", "square the distances"),
    ],
)
def test_classic_mistakes_are_named(capsys, shared, number, wrong, mistake):
    names = dict(shared)
    exec(wrong, names)
    exec(self_check(number), names)
    answer = capsys.readouterr().out
    assert answer.startswith("not quite") and mistake in answer


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
def test_conversions_are_those_of_diffusers(shared, prediction_type):
    config = shared["noise_scheduler"].config
    scheduler = DDPMScheduler.from_config(config, prediction_type=prediction_type, clip_sample=False)
    x_t, output = torch.randn(2, 2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    for t in (3, 250, 480):
        theirs = scheduler.step(output, t, x_t).pred_original_sample
        ours = shared["to_x_0"](output, x_t, t, prediction_type)
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_the_notebooks_sampler_is_that_of_helpers(shared):
    def denoise(x, sigma):
        return (x / (1 + sigma**2)).tanh()

    sigmas, start = make_sigmas("karras", 7), 20 * torch.randn(2, 3, 8, 8)
    for knobs in ({}, {"order": 2}, {"history": 1}, {"churn": 4.0}, {"eta": 0.7}, {"history": 1, "eta": 1.0}):
        walked = [
            walk(denoise, start, sigmas, **knobs, generator=torch.Generator().manual_seed(1))
            for walk in (shared["sample_ode"], sample_ode)
        ]
        torch.testing.assert_close(*walked, rtol=1e-3, atol=1e-3)


def test_stored_trainings_are_all_there_and_were_made_alike():
    rows = load_results("targets")["rows"]
    there = {(row["schedule"], row["target"], row["weighting"], row["seed"]) for row in rows}
    assert len(there) == len(rows)
    assert {(*row, 0) for row in compare_targets.GRID} <= there
    assert all(len(row["errors"]) == len(load_results("targets")["log_sigmas"]) for row in rows)


def test_stored_walks_are_all_there():
    rows = load_results("walks")["rows"]
    there = [(row["walk"], row["schedule"], row["budget"]) for row in rows]
    assert sorted(there) == sorted(compare_walks.plan())
    assert all(row["model_calls"] <= row["budget"] for row in rows)


def test_the_student_is_small():
    files = list((WEIGHTS / "few_steps").rglob("*"))
    assert sum(path.stat().st_size for path in files) <= 6e6
