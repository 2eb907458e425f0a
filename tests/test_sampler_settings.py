"""Schedulers by name, the settings they keep, and the numbers of steps that they can take."""

import inspect

import pytest
import torch
from conftest import make_noise_scheduler, make_unet
from diffusers import DDPMScheduler, FlowMatchEulerDiscreteScheduler
from test_sampling import TRAINED

from helpers.sampling import SCHEDULERS, check_steps, good_steps, make_scheduler, sample_images


@pytest.mark.parametrize(
    ("name", "spacing", "steps", "words"),
    [
        ("ddim", "leading", 84, r"t = 415, where √ᾱ is 0.26, above 0.2: take 83 or 88$"),
        ("ddpm", "leading", 251, r"t = 250, where √ᾱ is 0.70, above 0.2: take 250 or 436$"),
        ("heun", "leading", 5, r"t = 400, where √ᾱ is 0.3., above 0.2: take 9$"),
        ("unipc", "leading", 100, r"t = 400, where √ᾱ is 0.3., above 0.2: take 99 or 109$"),
        ("unipc", "leading", 500, r"does not fit: from t = 0 down UniPC.* has room for 1: take 499$"),
        (
            "dpm-solver++",
            "linspace",
            490,
            r"does not fit: from t = 483 down DPM.* has room for 483: take 483$",
        ),
        ("dpm-solver++", "trailing", 32, r"does not fit: from t = 483 down DPM.* has room for 31: take 31$"),
        ("ddim", "linspace", 1, r"starts from noise at t = 0, .*: take 2$"),
    ],
)
def test_steps_that_do_not_suit_are_refused_and_the_nearest_named(name, spacing, steps, words):
    scheduler = make_scheduler(TRAINED, name, timestep_spacing=spacing)
    scheduler.set_timesteps(7)
    before = scheduler.timesteps
    with pytest.raises(ValueError, match=words):
        check_steps(scheduler, steps)
    assert torch.equal(scheduler.timesteps, before) and scheduler.num_inference_steps == 7
    assert steps not in good_steps(scheduler)


@pytest.mark.parametrize("name", list(SCHEDULERS))
@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
def test_good_steps_pass_and_start_from_noise(name, spacing):
    scheduler = make_scheduler(TRAINED, name, timestep_spacing=spacing)
    good = good_steps(scheduler, 60)
    assert {10, 20, 25} <= set(good) and max(good) <= 60 and good == sorted(good)
    for steps in good:
        check_steps(scheduler, steps)
        scheduler.set_timesteps(steps)
        assert TRAINED.alphas_cumprod[int(scheduler.timesteps[0])] ** 0.5 <= 0.2


def test_schedulers_whose_start_says_nothing_are_let_pass():
    check_steps(FlowMatchEulerDiscreteScheduler(), 3)  # without alphas_cumprod
    # A schedule that ends early: no timestep is noisier than its last.
    check_steps(make_scheduler(DDPMScheduler(num_train_timesteps=50), "ddim"), 50)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda u, s: sample_images(u, s, 2, 0), "from 1 to 50; got 0"),
        (lambda u, s: sample_images(u, s, 2, 51), "from 1 to 50; got 51"),
        (lambda u, s: sample_images(u, s, 2, 5, eta=1.2), "eta must be from 0"),
        (
            lambda u, s: sample_images(u, make_scheduler(s, "sde-dpm-solver++"), 2, 50),
            "50 does not fit: from t = 4. down DPMSolverMultistepScheduler has room for 4.",
        ),
        (lambda u, s: sample_images(u, s, 0, 10), "at least 1; got 0"),
        (lambda u, s: sample_images(u, s, 2, 10, labels=torch.eye(2)), "condition and labels go together"),
        (lambda u, s: sample_images(u, s, 2, 10, guidance_scale=2.0), "other than 1 needs both"),
        (
            lambda u, s: sample_images(u, s, 2, 10, condition=len, labels=torch.eye(3)),
            "3 labels for 2 images",
        ),
        (lambda u, s: make_scheduler(s, "pndm"), "unknown scheduler 'pndm'; expected one of ddpm, ddim"),
        (
            lambda u, s: make_scheduler(s, "ddim", timestep_spacing="karras"),
            "no timestep_spacing 'karras'; it has lead",
        ),
        (lambda u, s: make_scheduler(s, "ddim", clip=True), "DDIMScheduler has no setting clip"),
    ],
)
def test_wrong_settings_are_refused_before_any_work(call, words):
    with pytest.raises(ValueError, match=words):
        call(None, make_scheduler(make_noise_scheduler(), "ddim"))


@pytest.mark.parametrize("name", list(SCHEDULERS))
def test_schedulers_keep_a_noise_schedule_that_was_left_at_its_default(name):
    trained_with = DDPMScheduler(num_train_timesteps=50)  # linear, by default
    made = make_scheduler(trained_with, name)
    torch.testing.assert_close(made.alphas_cumprod, trained_with.alphas_cumprod)


@pytest.mark.parametrize("name", list(SCHEDULERS))
@pytest.mark.parametrize("between", list(SCHEDULERS))
def test_a_scheduler_is_the_same_whichever_it_is_made_from(between, name):
    direct, again = make_scheduler(TRAINED, name), make_scheduler(make_scheduler(TRAINED, between), name)
    for setting in inspect.signature(type(direct).__init__).parameters.keys() - {"self"}:
        assert direct.config[setting] == again.config[setting], setting


def test_weights_of_half_precision_draw(one_thread):
    images = sample_images(make_unet().to(torch.bfloat16), make_scheduler(make_noise_scheduler()), 2, 3)
    assert images.dtype == torch.float32 and images.isfinite().all()
