"""Notebook 03: its own steps, its inversion and its folded solutions, from the cells that a reader runs."""

import re
from functools import partial

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, UNet2DModel
from notebook_cells import NOTEBOOKS, defining_cell, read, solution

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
    functions = ("ddim_step", "slerp", "ddim_from", "invert", "ring_noise", "walk", "cluster_shares")
    for function in (*functions, "second_order_step", "walk_second_order", "even_in_log", "crooked_noise"):
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


@pytest.mark.slow
def test_inversion_comes_back_the_better_the_smaller_the_steps(lesson):
    originals = lesson["originals"]

    def error(invert, steps: int) -> float:
        again = lesson["ddim_from"](invert(originals, steps), steps, start=450)
        return (again - originals).square().mean().sqrt().item()

    errors = [error(lesson["invert"], steps) for steps in (10, 20, 50)]
    assert errors[0] > 1.3 * errors[1] > 1.3**2 * errors[2] and errors[2] < 0.03
    names = dict(lesson)
    exec(solution(THIRD, 5), names)
    assert error(names["invert_twice"], 20) < 0.5 * errors[1]


def test_slerp_keeps_to_the_sphere(lesson, noises):
    a, b = noises[0]
    between = lesson["slerp"](a, b, torch.tensor(0.5))
    assert (
        0.9 < float(between.norm() / a.norm()) < 1.1 and float(torch.lerp(a, b, 0.5).norm() / a.norm()) < 0.8
    )
    torch.testing.assert_close(lesson["slerp"](a, b, torch.tensor(0.0)), a)


def test_the_exact_prediction_draws_the_ring_with_noise_and_without(lesson):
    noises = torch.randn(4000, 2, generator=torch.Generator().manual_seed(0))
    for eta in (0.0, 1.0):
        end = lesson["walk"](noises, lesson["hundred_steps"], eta)[-1]
        assert torch.cdist(end, lesson["centres"]).amin(dim=1).median() < 0.1
        assert (lesson["cluster_shares"](end) - 1 / 8).abs().max() < 0.025


def test_fresh_noise_forgives_an_error_of_the_prediction(lesson):
    noises = torch.randn(4000, 2, generator=torch.Generator().manual_seed(0))
    ends = [
        lesson["walk"](noises, lesson["hundred_steps"], eta, lesson["crooked_noise"])[-1]
        for eta in (0.0, 1.0)
    ]
    smooth, jagged = ((lesson["cluster_shares"](end) - 1 / 8).abs().max() for end in ends)
    assert smooth > 2 * jagged and smooth > 0.05


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("algorithm", "eta"), [("dpmsolver++", 0.0), ("sde-dpmsolver++", 1.0)])
def test_four_samplers_are_settings_of_one_step(lesson, noises, algorithm, eta, order):
    """DDIM and DDPM, and the two forms of DPM-Solver++, on pictures: each step is that of diffusers."""
    theirs = DPMSolverMultistepScheduler.from_config(
        lesson["ddpm"].config, algorithm_type=algorithm, solver_order=order, lambda_min_clipped=-3.0
    )
    theirs.set_timesteps(10)
    timesteps, (x_t, noise_pred, z) = theirs.timesteps.tolist(), noises
    last_guess = u = None
    for t, s in zip(timesteps, [*timesteps[1:], -1], strict=True):
        abar = lesson["level"](t)
        guess = (x_t - (1 - abar).sqrt() * noise_pred) / abar.sqrt()
        ours = lesson["second_order_step"](guess, last_guess, u, t, s, x_t, eta, z)
        x_t = theirs.step(noise_pred, t, x_t, variance_noise=z).prev_sample
        torch.testing.assert_close(ours, x_t, atol=1e-5 * float(x_t.abs().max()), rtol=0)
        if order == 2:
            last_guess, u = guess, t


def test_the_second_order_earns_its_name(lesson):
    noises = torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
    truth = lesson["walk_second_order"](noises, list(range(483, -1, -1)))[-1]

    def error(walk, steps: int) -> float:
        return float((walk(noises, lesson["even_in_log"](steps))[-1] - truth).norm(dim=1).mean())

    euler, second = ([error(lesson[name], n) for n in (10, 20)] for name in ("walk", "walk_second_order"))
    assert 0.35 < euler[1] / euler[0] < 0.65 and second[1] / second[0] < 0.3 and second[1] < euler[1] / 3


@pytest.fixture
def drawn(lesson, monkeypatch):
    """What a solution hands to `plot_generated_images`, as (images in [-1, 1], rows, cols)."""
    figures = []

    def watch(images, rows, cols, **kwargs):
        plot_generated_images(images, rows, cols, **kwargs).to_png()
        figures.append((to_tensor(images), rows, cols))

    monkeypatch.setitem(lesson, "plot_generated_images", watch)
    return figures


def test_solution_2_draws_heroes_that_clipping_saves(lesson, drawn):
    exec(solution(THIRD, 2), dict(lesson))
    (images, rows, cols), *_ = drawn
    assert (rows, cols) == (3, 5) and images.shape == (15, 3, 16, 16)
    at_the_ends = [float((row.abs() > 0.99).float().mean()) for row in images.split(5)]
    assert at_the_ends[1] > 0.9 > max(at_the_ends[0], at_the_ends[2])
    assert (images[:5] - images[10:]).abs().mean() < (images[:5] - images[5:10]).abs().mean()


def test_solution_3_draws_a_row_for_each_eta(lesson, drawn):
    names = dict(lesson)
    names["sample_images"] = lambda unet, scheduler, count, steps, **options: sample_images(
        unet, scheduler, 2, 10, **options
    )
    exec(solution(THIRD, 3).replace("cols=8", "cols=2"), names)
    (images, rows, cols), *_ = drawn
    assert (rows, cols) == (4, 2) and len(images) == 8
    by_eta = images.split(2)
    expected = sample_images(lesson["unet"], make_scheduler(lesson["ddpm"], "ddim"), 2, 10, seed=5)
    torch.testing.assert_close(by_eta[0], expected)
    distances = [float((row - by_eta[0]).square().mean().sqrt()) for row in by_eta]
    assert distances[0] == 0 and min(distances[2:]) > 0.1


def test_solution_4_leads_from_sprite_to_sprite(lesson, drawn):
    exec(solution(THIRD, 4).replace(", 50)", ", 20)").replace(", 50,", ", 20,"), dict(lesson))
    (images, rows, cols), *_ = drawn
    assert (rows, cols) == (2, 9) and len(images) == 18
    first, last = lesson["originals"][:2]
    way, averages = images.split(9)
    for row, tolerance in ((way, 0.15), (averages, 1e-6)):
        for image, sprite in ((row[0], first), (row[-1], last)):
            assert float((image - sprite).square().mean().sqrt()) < tolerance
    torch.testing.assert_close(averages[4], (first + last) / 2)
    assert float((way[4] - averages[4]).square().mean().sqrt()) > 0.1


STUBS = {
    1: "def euler_step",
    2: "images = ...",
    3: "rows = ...",
    4: "through_noise, averages = ...",
    5: "def invert_twice",
}


def self_check(number: int) -> str:
    """Return what stands below the stub of an exercise's cell."""
    _, code = read(THIRD)
    cell = next(c["source"] for c in code if STUBS[number] in c["source"] and "# your line" in c["source"])
    return re.split(r"# your lines?\n", cell)[-1]


@pytest.fixture
def quick(lesson):
    """The names of the lesson, with fewer pictures and steps, so that every check is quick."""

    def draw(unet, scheduler, count, steps, **options):
        return sample_images(unet, scheduler, 2, 10, **options)

    def quick_steps(images, steps, *args, draw, **options):
        return draw(images, min(steps, 20), *args, **options)

    names = dict(lesson) | {"sample_images": draw, "plot_generated_images": lambda *args, **kwargs: None}
    names |= {"to_tensor": to_tensor, "originals": lesson["originals"][:2]}
    for name in ("invert", "ddim_from"):
        names[name] = partial(quick_steps, draw=lesson[name])
    return names


@pytest.mark.parametrize("number", list(STUBS))
def test_the_solution_passes_the_self_check(quick, capsys, number):
    exec(solution(THIRD, number), quick)
    exec(self_check(number), quick)
    assert capsys.readouterr().out.startswith("right")


AVERAGES = "torch.stack([torch.lerp(*originals[:2], w) for w in shares])"


@pytest.mark.parametrize(
    ("number", "change", "mistake"),
    [
        (1, ("return abar_s.sqrt() * ", "return "), "multiply it back"),
        (1, ("(rho_s - rho_t)", "(rho_t - rho_s)"), "below zero"),
        (1, (".sqrt(), ((1 - abar_s) / abar_s).sqrt()", ", (1 - abar_s) / abar_s"), "a ratio of roots"),
        (2, ('["hero"] * 5', '["hero"] * 4'), "five pictures"),
        (2, ('("trailing", False)', '("trailing", True)'), "the second row is clipped"),
        (2, ('("trailing", True)', '("trailing", False)'), "the third row has to be"),
        (2, ('("trailing", True)', '("leading", True)'), "the third row has to be"),
        (2, ('("leading", False)', '("leading", True)'), "the first row"),
        (2, ('("leading", False)', '("trailing", False)'), "the first row"),
        (2, ("manual_seed(0)", "manual_seed(1)"), "from seed 0"),
        (3, ("0.5, 1.0)]", "0.5)]"), "a batch for each"),
        (3, ('"ddim")', '"dpm-solver++")'), "only DDIM takes it"),
        (3, ("seed=5", "seed=6"), "from seed 5"),
        (3, ("0.2, 0.5", "0.3, 0.5"), "with eta [0.2]"),
        (3, ("0.2, 0.5", "0.2, 0.2"), "with eta [0.5]"),
        (4, (", start=450", ""), "start at 450"),
        (
            4,
            ("ddim_from(ways, 50, start=450).cpu()", "originals[:2].mean(0).expand(9, -1, -1, -1)"),
            "begin with",
        ),
        (4, ("ddim_from(ways, 50, start=450).cpu()", AVERAGES), "these are averages"),
        (4, ("torch.lerp(*originals[:2], w)", "originals[0]"), "counts half"),
        (4, ("slerp(*latents, w)", "torch.lerp(*latents, w)"), "leaves the sphere"),
        (5, ("(first, t).sample, s, t, x)", "(first, t).sample, s, t, first)"), "from x at s to t"),
        (5, ("unet(first, t)", "unet(x, t)"), "at the new point"),
    ],
)
def test_a_wrong_answer_is_told_what_is_wrong(quick, capsys, number, change, mistake):
    right = solution(THIRD, number)
    assert change[0] in right
    exec(right.replace(*change), quick)
    exec(self_check(number), quick)
    said = capsys.readouterr().out
    assert said.startswith("not quite") and mistake in said


def test_the_map_of_the_series_leads_to_every_notebook():
    notebook, _ = read(THIRD)
    text = next(c["source"] for c in notebook["cells"] if "## What comes next" in c["source"])
    linked = set(re.findall(r"\((\d\d_\w+\.ipynb)\)", text))
    assert linked | {THIRD.name} == {path.name for path in NOTEBOOKS}
