"""Notebook 03: its own steps, its inversion and its folded solutions, from the cells that a reader runs."""

import json

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel
from notebook_cells import NOTEBOOKS, check_cell, defining_cell, solution

from helpers.datasets import load_sprites
from helpers.plotting import plot_generated_images, to_tensor
from helpers.sampling import make_scheduler, sample_images
from helpers.weights import find_weights

THIRD = NOTEBOOKS[2]
STEPS = 50


@pytest.fixture(scope="module")
def lesson(one_thread):
    """What the notebook has defined when its reader gets to the exercises."""
    folder = find_weights("unconditional")
    ddpm = DDPMScheduler.from_pretrained(folder / "scheduler")
    dataset = load_sprites("test")
    names = {
        "torch": torch,
        "device": torch.device("cpu"),
        "unet": UNet2DModel.from_pretrained(folder / "unet").eval(),
        "ddpm": ddpm,
        "ddim": DDIMScheduler.from_config(ddpm.config, clip_sample=False),
        "originals": torch.stack([dataset[i][0] for i in range(0, 2000, 500)]),
        "shares": torch.linspace(0, 1, 9),
        "make_scheduler": make_scheduler,
        "sample_images": sample_images,
    }
    for function in ("ddim_step", "slerp", "invert"):
        exec(defining_cell(THIRD, function), names)
    return names


@pytest.fixture
def noises():
    return torch.randn(3, 2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("t", [490, 250, 10, 0])
def test_the_written_ddim_step_is_that_of_diffusers(lesson, noises, t, eta):
    x_t, noise_pred, z = noises
    lesson["ddim"].set_timesteps(STEPS)
    theirs = lesson["ddim"].step(noise_pred, t, x_t, eta=eta, variance_noise=z).prev_sample
    ours = lesson["ddim_step"](noise_pred, t, t - 10, x_t, eta, z)
    torch.testing.assert_close(ours, theirs, atol=1e-5 * float(theirs.abs().max()), rtol=0)


@pytest.mark.parametrize("t", [490, 250, 10, 0])
def test_the_written_ddpm_step_is_that_of_diffusers(lesson, noises, t):
    x_t, noise_pred, _ = noises
    scheduler = make_scheduler(lesson["ddpm"], "ddpm", clip_sample=False)
    scheduler.set_timesteps(STEPS)
    z = torch.randn(x_t.shape, generator=torch.Generator().manual_seed(1))
    theirs = scheduler.step(noise_pred, t, x_t, generator=torch.Generator().manual_seed(1)).prev_sample
    ours = lesson["ddpm_step"](noise_pred, t, t - 10, x_t, z)
    torch.testing.assert_close(ours, theirs, atol=1e-5 * float(theirs.abs().max()), rtol=0)


def test_eta_goes_from_no_noise_to_that_of_ddpm(lesson, noises):
    x_t, noise_pred, z = noises
    step = lesson["ddim_step"]
    assert torch.equal(step(noise_pred, 250, 240, x_t, 0.0, z), step(noise_pred, 250, 240, x_t, 0.0, -z))
    assert not torch.equal(step(noise_pred, 250, 240, x_t, 0.1, z), step(noise_pred, 250, 240, x_t, 0.1, -z))
    as_ddpm = lesson["ddpm_step"](noise_pred, 250, 240, x_t, z)
    torch.testing.assert_close(step(noise_pred, 250, 240, x_t, 1.0, z), as_ddpm, atol=1e-5, rtol=1e-5)


def test_clipped_ddpm_is_clipped_ddim_with_a_new_noise_estimate(lesson):
    ddpm = make_scheduler(lesson["ddpm"], "ddpm", clip_sample=True)
    ddim = make_scheduler(lesson["ddpm"], "ddim", clip_sample=True)
    options = {"eta": 1.0, "use_clipped_model_output": True}
    first = sample_images(lesson["unet"], ddpm, 2, 10, seed=1)
    torch.testing.assert_close(
        first, sample_images(lesson["unet"], ddim, 2, 10, seed=1, **options), atol=1e-3, rtol=0
    )


def test_without_eta_a_picture_is_a_function_of_its_noise(lesson, noises):
    draw = lesson["ddim_from"]
    torch.manual_seed(1)
    first = draw(noises[0], 5)
    torch.manual_seed(2)
    assert torch.equal(first, draw(noises[0], 5)) and not torch.allclose(first, draw(noises[1], 5), atol=0.5)


def test_inversion_comes_back_the_better_the_smaller_the_steps(lesson):
    originals = lesson["originals"]

    def error(invert, steps: int) -> float:
        again = lesson["ddim_from"](invert(originals, steps), steps, start=450)
        return (again - originals).square().mean().sqrt().item()

    errors = [error(lesson["invert"], steps) for steps in (10, 20, 50)]
    assert errors[0] > 1.3 * errors[1] > 1.3**2 * errors[2] and errors[2] < 0.03
    exec(solution(THIRD, 7).split("for way, steps in")[0], lesson)
    assert error(lesson["invert_twice"], 20) < 0.5 * errors[1]


def test_slerp_keeps_to_the_sphere(lesson, noises):
    a, b = noises[0]
    between = lesson["slerp"](a, b, torch.tensor(0.5))
    assert (
        0.9 < float(between.norm() / a.norm()) < 1.1 and float(torch.lerp(a, b, 0.5).norm() / a.norm()) < 0.8
    )
    torch.testing.assert_close(lesson["slerp"](a, b, torch.tensor(0.0)), a)


def test_the_readers_step_is_checked(lesson, capsys):
    names = dict(lesson)
    exec(solution(THIRD, 1), names)
    exec(check_cell(THIRD, "my_ddim_step"), names)
    names["my_ddim_step"] = lambda noise_pred, abar_t, abar_s, x_t: x_t
    exec(check_cell(THIRD, "my_ddim_step"), names)
    assert capsys.readouterr().out.split("\n")[:2] == ["right", "not quite"]


def test_solutions_find_rows_of_the_stored_comparison():
    file = THIRD.parents[1] / "benchmarks" / "results" / "samplers.json"
    names = {"stored": json.loads(file.read_text(encoding="utf-8"))}
    exec(solution(THIRD, 2), names)
    exec(solution(THIRD, 3), names)
    assert names["best"]["model_calls"] <= 20
    calls = [names["fewest_calls"](names["cheap"], within)["model_calls"] for within in (0.0, 0.2, 9.0)]
    assert calls[0] >= calls[1] >= calls[2] == 10


@pytest.fixture
def drawn(lesson, monkeypatch):
    """What a solution hands to `plot_generated_images`, as (images in [-1, 1], rows, cols)."""
    figures = []

    def watch(images, rows, cols, **kwargs):
        plot_generated_images(images, rows, cols, **kwargs).to_png()
        figures.append((to_tensor(images), rows, cols))

    monkeypatch.setitem(lesson, "plot_generated_images", watch)
    return figures


def test_solution_4_draws_heroes_that_clipping_saves(lesson, drawn):
    exec(solution(THIRD, 4), dict(lesson))
    (images, rows, cols), *_ = drawn
    assert (rows, cols) == (3, 5) and images.shape == (15, 3, 16, 16)
    at_the_ends = [float((row.abs() > 0.99).float().mean()) for row in images.split(5)]
    assert at_the_ends[1] > 0.9 > max(at_the_ends[0], at_the_ends[2])
    assert (images[:5] - images[10:]).abs().mean() < (images[:5] - images[5:10]).abs().mean()


def test_solution_5_draws_a_row_for_each_eta(lesson, drawn, capsys):
    names = dict(lesson)
    names["sample_images"] = lambda unet, scheduler, count, steps, **options: sample_images(
        unet, scheduler, 2, 10, **options
    )
    exec(solution(THIRD, 5).replace("cols=8", "cols=2"), names)
    (images, rows, cols), *_ = drawn
    assert (rows, cols) == (4, 2) and len(images) == 8
    by_eta = images.split(2)
    expected = sample_images(lesson["unet"], make_scheduler(lesson["ddpm"], "ddim"), 2, 10, seed=5)
    torch.testing.assert_close(by_eta[0], expected)
    distances = [float((row - by_eta[0]).square().mean().sqrt()) for row in by_eta]
    assert distances[0] == 0 and min(distances[2:]) > 0.1
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "eta 0.0: 0 of 8 are another picture" and printed[3].startswith("eta 1.0: 2 of 8")


def test_solution_6_leads_from_sprite_to_sprite(lesson, drawn):
    exec(solution(THIRD, 6).replace(", 50)", ", 20)").replace(", 50,", ", 20,"), dict(lesson))
    (images, rows, cols), *_ = drawn
    assert (rows, cols) == (2, 9) and len(images) == 18
    first, last = lesson["originals"][:2]
    way, averages = images.split(9)
    for row, tolerance in ((way, 0.15), (averages, 1e-6)):
        for image, sprite in ((row[0], first), (row[-1], last)):
            assert float((image - sprite).square().mean().sqrt()) < tolerance
    torch.testing.assert_close(averages[4], (first + last) / 2)
    assert float((way[4] - averages[4]).square().mean().sqrt()) > 0.1
