"""One sampler with four knobs: each setting is the scheduler of diffusers that it says it is."""

import diffusers
import pytest
import torch
from conftest import make_noise_scheduler, make_unet

from benchmarks import compare_walks
from helpers import load_results
from helpers.sampling import taken_by_step
from helpers.walks import SCHEDULES, make_denoiser, make_sigmas, multistep_weights, sample_ode

NOISE = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
CENTRES = torch.tensor([-1.0, 0.5, 1.0])
SPREAD = 0.05  # variance around each centre


def seed(number: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def exact_denoise(x, sigma):
    """The best estimate of x_0 there is, if each pixel is near one of three values."""
    variance = SPREAD + float(sigma) ** 2
    centres = CENTRES.to(x.dtype)
    nearness = torch.softmax(-(x[..., None] - centres).square() / (2 * variance), -1)
    return (nearness * (centres + SPREAD / variance * (x[..., None] - centres))).sum(-1)


@pytest.fixture(scope="module")
def unet(one_thread):
    return make_unet(size=8).eval().requires_grad_(False)


def walk_scheduler(scheduler, unet, sigmas, eta: float) -> torch.Tensor:
    """Draw with a scheduler of diffusers, from NOISE at the first of its noise levels."""
    x, options = NOISE * sigmas[0], taken_by_step(scheduler, generator=seed(), eta=eta)
    if scheduler.init_noise_sigma == 1:  # it calls x_t what DDPM calls so
        x = x / (1 + sigmas[0] ** 2) ** 0.5
    for t in scheduler.timesteps:
        output = unet(scheduler.scale_model_input(x, t), t).sample
        x = scheduler.step(output, t, x, **options).prev_sample
    return x


def levels(scheduler) -> torch.Tensor:
    """The noise levels of a scheduler whose timesteps are set, 0 at the end."""
    if isinstance(scheduler, diffusers.DDIMScheduler):
        alphas_cumprod = scheduler.alphas_cumprod[scheduler.timesteps]
        return torch.cat([((1 - alphas_cumprod) / alphas_cumprod).sqrt(), torch.zeros(1)])
    return scheduler.sigmas.unique().flip(0)  # Heun's come twice


def dpm(order: int, **settings):
    """DPM-Solver++ without the lower orders that diffusers takes at the end of fewer than 15 steps."""
    settings |= {"solver_order": order, "lower_order_final": False}
    return diffusers.DPMSolverMultistepScheduler, settings


SDE = {"algorithm_type": "sde-dpmsolver++"}
# Name → scheduler, its settings, ours.
SAME = {
    "Euler": (diffusers.EulerDiscreteScheduler, {"timestep_spacing": "leading"}, {}),
    "DDIM": (diffusers.DDIMScheduler, {"clip_sample": False}, {}),
    "DPM-Solver++ of order 1": (*dpm(1), {}),
    "Euler ancestral": (
        diffusers.EulerAncestralDiscreteScheduler, {"timestep_spacing": "leading"}, {"eta": 1.0}
    ),
    "DDIM, eta 1": (diffusers.DDIMScheduler, {"clip_sample": False}, {"eta": 1.0}),
    "DDIM, eta 0.5": (diffusers.DDIMScheduler, {"clip_sample": False}, {"eta": 0.5}),
    "SDE-DPM-Solver++ of order 1": (*dpm(1, **SDE), {"eta": 1.0}),
    "Heun": (diffusers.HeunDiscreteScheduler, {"timestep_spacing": "leading"}, {"order": 2}),
    "DPM-Solver++ 2M": (*dpm(2), {"history": 1}),
    "DPM-Solver++ 3M": (*dpm(3), {"history": 2}),
    "SDE-DPM-Solver++ 2M": (*dpm(2, **SDE), {"history": 1, "eta": 1.0}),
}  # fmt: skip


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("name", list(SAME))
def test_each_setting_is_the_scheduler_of_that_name(name, prediction_type, unet):
    if (name, prediction_type) == ("Euler ancestral", "sample"):
        pytest.skip("diffusers' does not take x_0-predictions")
    kind, settings, knobs = SAME[name]
    # Nothing left at a default, which from_config would drop.
    process = {"num_train_timesteps": 50, "beta_start": 0.001, "beta_end": 0.2}
    trained = diffusers.DDPMScheduler(**process, prediction_type=prediction_type)
    scheduler = kind.from_config(trained.config, **settings)
    scheduler.set_timesteps(8)
    sigmas = levels(scheduler)
    theirs = walk_scheduler(scheduler, unet, sigmas, knobs.get("eta", 0.0))
    ours = sample_ode(make_denoiser(unet, trained), NOISE * sigmas[0], sigmas, **knobs, generator=seed())
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("history", [1, 2])
def test_adams_is_lms(history, unet):
    trained = make_noise_scheduler()
    scheduler = diffusers.LMSDiscreteScheduler.from_config(trained.config, timestep_spacing="leading")
    scheduler.set_timesteps(8)
    x = NOISE * scheduler.sigmas[0]
    for t in scheduler.timesteps:
        output = unet(scheduler.scale_model_input(x, t), t).sample
        x = scheduler.step(output, t, x, order=history + 1).prev_sample  # 4 if it is not said
    knobs = {"history": history, "multistep": "adams"}
    start = NOISE * scheduler.sigmas[0]
    ours = sample_ode(make_denoiser(unet, trained), start, scheduler.sigmas, **knobs)
    torch.testing.assert_close(ours, x, atol=1e-4, rtol=1e-4)


def test_churn_is_that_of_edm():
    scheduler = diffusers.EDMEulerScheduler(sigma_min=0.02, sigma_max=20, sigma_data=0.75)
    scheduler.set_timesteps(6)
    x, sigmas = NOISE * 20, make_sigmas("karras", 6)
    torch.testing.assert_close(scheduler.sigmas.double(), sigmas, rtol=1e-5, atol=0)
    generator, peek = seed(), seed()
    for t, sigma in zip(scheduler.timesteps, sigmas[:-1], strict=True):
        # diffusers calls the model before it adds the noise; EDM calls it after, and so do we.
        raised = sigma * (1 + 2 / 6)
        noisier = x + (raised**2 - sigma**2).sqrt() * torch.randn(x.shape, generator=peek)
        guess = exact_denoise(noisier, raised)
        options = {"s_churn": 2, "generator": generator, "pred_original_sample": guess}
        x = scheduler.step(x, t, x, **options).prev_sample
    ours = sample_ode(exact_denoise, NOISE * 20, sigmas, churn=2, generator=seed())
    torch.testing.assert_close(ours, x, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("history", [0, 1, 2])
def test_edms_own_multistep_scheduler_is_the_same_in_its_own_variables(history):
    settings = {"sigma_min": 0.02, "sigma_max": 20, "sigma_data": 0.75, "lower_order_final": False}
    scheduler = diffusers.EDMDPMSolverMultistepScheduler(solver_order=history + 1, **settings)
    scheduler.set_timesteps(8)
    x = NOISE * 20
    for t, sigma in zip(scheduler.timesteps, scheduler.sigmas, strict=False):
        c_skip, c_out = 0.75**2 / (sigma**2 + 0.75**2), 0.75 * sigma / (sigma**2 + 0.75**2) ** 0.5
        x = scheduler.step((exact_denoise(x, sigma) - c_skip * x) / c_out, t, x).prev_sample
    ours = sample_ode(exact_denoise, NOISE * 20, make_sigmas("karras", 8), history=history)
    torch.testing.assert_close(ours, x, atol=1e-4, rtol=1e-4)


def test_straight_flow_is_euler_in_other_variables():
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=1.0)
    sigmas = make_sigmas("flow", 7)
    times = sigmas / (1 + sigmas)
    assert times[:-1].diff().std() < 1e-6
    scheduler.set_timesteps(sigmas=times[:-1].tolist())
    x_t = NOISE * times[0].float()
    for t, time, sigma in zip(scheduler.timesteps, times, sigmas, strict=False):
        velocity = (x_t - exact_denoise(x_t / (1 - time), sigma)) / time
        x_t = scheduler.step(velocity, t, x_t).prev_sample
    ours = sample_ode(exact_denoise, NOISE * sigmas[0], sigmas)
    torch.testing.assert_close(ours, x_t, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("knobs", "expected"),
    [
        ({}, 1),
        ({"order": 2}, 2),
        ({"history": 1}, 2),
        ({"history": 1, "multistep": "adams"}, 2),
        ({"history": 2, "multistep": "adams"}, 3),
        ({"history": 2}, 2),  # not 3: half of u² is missing, in the authors' code and in diffusers too
    ],
)
def test_half_the_step_divides_the_error_by_a_power_of_two(knobs, expected):
    start = torch.linspace(-30, 30, 41, dtype=torch.float64)

    def walk(steps: int, **knobs):
        return sample_ode(exact_denoise, start, make_sigmas("exponential", steps, 20, 0.05)[:-1], **knobs)

    exact = walk(1600, history=2, multistep="adams")
    errors = [(walk(steps, **knobs) - exact).abs().max() for steps in (100, 200)]
    assert torch.log2(errors[0] / errors[1]) == pytest.approx(expected, abs=0.25)


@pytest.mark.parametrize("knobs", [{"churn": 80}, {"churn": 80, "order": 2}, {"eta": 1.0},
                                   {"eta": 1.0, "history": 1}, {"eta": 1.0, "history": 2}])  # fmt: skip
def test_fresh_noise_leaves_the_spread_of_the_pictures_as_it_is(knobs):
    x = 20 * torch.randn(6000, generator=seed(0))
    drawn = sample_ode(exact_denoise, x, make_sigmas("karras", 200), **knobs, generator=seed())
    assert drawn.std() == pytest.approx(float((SPREAD + CENTRES.var(correction=0)) ** 0.5), rel=0.04)
    other = sample_ode(exact_denoise, x, make_sigmas("karras", 200), **knobs, generator=seed(2))
    assert not torch.allclose(drawn, other)


@pytest.mark.parametrize(("knobs", "calls"), [({}, 6), ({"order": 2}, 11), ({"history": 2}, 6)])
def test_model_calls(knobs, calls):
    seen = []

    def denoise(x, sigma):
        seen.append(float(sigma))
        return exact_denoise(x, sigma)

    sample_ode(denoise, NOISE * 20, make_sigmas("karras", 6), **knobs)
    assert len(seen) == calls and min(seen) > 0


@pytest.mark.parametrize("multistep", ["adams", "dpm"])
def test_weights_give_back_the_mean_of_a_straight_line(multistep):
    past, following = torch.tensor([2.0, 3.0]).double(), torch.tensor(1.0).double()
    scale = torch.log if multistep == "dpm" else torch.clone
    weights = multistep_weights(list(past), following, following, multistep)
    assert float(weights.sum()) == pytest.approx(1)
    assert float(weights @ scale(past)) == pytest.approx(float((scale(past[0]) + scale(following)) / 2))


@pytest.mark.parametrize("eta", [0, 1])
def test_three_estimates_are_weighted_as_dpm_solver_weighs_them(eta):
    past, following = torch.tensor([2.0, 3.0, 5.0]).double(), torch.tensor(1.0).double()
    down = following ** (1 + eta) / past[0] ** eta
    weights = multistep_weights(list(past), following, down)
    u = (past / past[0]).log() / (following / past[0]).log()
    grid = (torch.arange(10_000).double() + 0.5) / 10_000
    density = torch.exp(-(past[0] / down).log() * (1 - grid))
    means = [float((density * grid**k).sum() / density.sum()) for k in range(3)]
    found = [float(weights @ u**k) for k in range(3)]
    assert found == pytest.approx([means[0], means[1], means[2] / 2], rel=1e-4)


# --- sigmas and denoisers -------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(SCHEDULES))
def test_sigmas_fall_from_the_first_to_nothing(name):
    sigmas = make_sigmas(name, 9, 20, 0.02)
    assert len(sigmas) == 10 and (sigmas.diff() < 0).all() and sigmas[-1] == 0
    assert sigmas[[0, -2]].tolist() == pytest.approx([20, 0.02])
    assert make_sigmas(name, 1).tolist() == pytest.approx([20, 0])


def test_sigmas_are_those_of_diffusers():
    trained = make_noise_scheduler()
    for name in ("karras", "exponential"):
        kind = diffusers.EulerDiscreteScheduler.from_config(trained.config, **{f"use_{name}_sigmas": True})
        kind.set_timesteps(9)
        ends = float(kind.sigmas[0]), float(kind.sigmas[-2])
        torch.testing.assert_close(make_sigmas(name, 9, *ends).float(), kind.sigmas, rtol=1e-4, atol=0)


def test_cosine_sigmas_are_evenly_spaced_timesteps_of_the_series_schedule():
    alphas_cumprod = diffusers.DDPMScheduler(500, beta_schedule="squaredcos_cap_v2").alphas_cumprod
    every = ((1 - alphas_cumprod) / alphas_cumprod).sqrt()[49:460:10].flip(0)
    ours = make_sigmas("cosine", len(every), float(every[0]), float(every[-1]))[:-1]
    torch.testing.assert_close(ours.float(), every, rtol=0.01, atol=0)


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
def test_denoiser_says_what_diffusers_says(prediction_type, unet):
    trained = make_noise_scheduler(prediction_type)
    ddim = diffusers.DDIMScheduler.from_config(trained.config, clip_sample=False)
    ddim.set_timesteps(50)
    for t in (0, 20, 45):
        alpha = trained.alphas_cumprod[t].sqrt()
        x_t = alpha * exact_denoise(NOISE, 1) + (1 - alpha**2).sqrt() * NOISE
        theirs = ddim.step(unet(x_t, t).sample, t, x_t).pred_original_sample
        ours = make_denoiser(unet, trained)(x_t / alpha, (1 - alpha**2).sqrt() / alpha)
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_between_two_timesteps_the_unet_gets_a_fraction():
    trained, seen = make_noise_scheduler("sample"), []

    def unet(x, t):
        seen.append(float(t))
        return diffusers.models.unets.unet_2d.UNet2DOutput(sample=x)

    sigmas = ((1 - trained.alphas_cumprod) / trained.alphas_cumprod).sqrt()
    denoise = make_denoiser(unet, trained)
    for sigma in ((sigmas[20] * sigmas[21]).sqrt(), 1e9, 1e-9):
        denoise(NOISE, sigma)
    assert seen == pytest.approx([20.5, 49, 0], abs=1e-3)


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"order": 3}, "order must be one of 1, 2; got 3"),
        ({"history": 3}, "history must be one of 0, 1, 2; got 3"),
        ({"multistep": "milne"}, "one of dpm, adams; got 'milne'"),
        ({"churn": -1}, "churn must be at least 0"),
        ({"eta": 1.1}, "eta from 0 to 1; got 0.0 and 1.1"),
        ({"order": 2, "history": 1}, "order=2 and history do not go together"),
        ({"order": 2, "eta": 1.0}, "order=2 and eta do not go together"),
        ({"churn": 1, "history": 1}, "churn and history do not go together"),
        ({"churn": 1, "eta": 0.5}, "churn and eta do not go together"),
        ({"history": 1, "multistep": "adams", "eta": 1.0}, "and eta do not go together"),
        ({"sigmas": [1.0, 2.0, 0.0]}, r"sigmas must fall.*got \[1.0, 2.0, 0.0\]"),
        ({"sigmas": [1.0, 1.0, 0.0]}, "sigmas must fall"),
        ({"sigmas": [1.0, float("nan")]}, "sigmas must fall"),
        ({"sigmas": [1.0, -0.5]}, "0 or above"),
        ({"sigmas": [1.0]}, "at least two"),
    ],
)
def test_knobs_that_do_not_go_together_are_refused(knobs, message):
    with pytest.raises(ValueError, match=message):
        sample_ode(exact_denoise, NOISE, **{"sigmas": [1.0, 0.0]} | knobs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("quadratic", 5), "'quadratic'; expected one of linear, karras, exponential, cosine, flow"),
        (("karras", 0), "at least 1; got 0"),
        (("karras", 5, 0.01, 0.02), "0 < sigma_min < sigma_max"),
        (("exponential", 5, 20, 0), "0 < sigma_min < sigma_max"),
    ],
)
def test_sigmas_that_cannot_be_made_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_sigmas(*arguments)


def test_schedulers_without_a_noise_schedule_of_ddpm_are_refused(unet):
    flow = diffusers.FlowMatchEulerDiscreteScheduler()
    with pytest.raises(ValueError, match=r"FlowMatchEulerDiscreteScheduler .* expected a noise scheduler"):
        make_denoiser(unet, flow)


# --- the map of walks -----------------------------------------------------------------------------


def test_every_walk_of_the_map_can_be_walked_in_its_calls():
    for walk, schedule, calls in compare_walks.plan():
        if walk == compare_walks.DEFAULT:
            continue
        seen = []

        def denoise(x, sigma, seen=seen):
            seen.append(sigma)
            return 0 * x

        steps = compare_walks.count_steps(walk, calls)
        knobs = compare_walks.WALKS[walk]
        sample_ode(denoise, NOISE[:1], make_sigmas(schedule, steps), **knobs, generator=seed())
        assert calls - 1 <= len(seen) <= calls


def test_map_in_the_readme_is_the_stored_one():
    stored = load_results("walks")
    measured = [(row["walk"], row["schedule"], row["budget"]) for row in stored["rows"]]
    assert sorted(measured) == sorted(compare_walks.plan())
    assert compare_walks.table(stored) in compare_walks.README.read_text(encoding="utf-8")
