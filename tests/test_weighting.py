"""Weightings and noise levels by name, flow matching, and EDM's scalings, against their formulas."""

import pytest
import torch
from conftest import make_dataset, make_noise_scheduler, make_unet, short_run
from diffusers import DDPMScheduler, FlowMatchEulerDiscreteScheduler
from diffusers.models.unets.unet_2d import UNet2DOutput

from helpers.models import SIGMA_DATA, EDMPrecond, build_noise_scheduler
from helpers.sampling import FLOW_SCHEDULERS, SCHEDULERS, make_scheduler, sample_images
from helpers.training import diffusion_loss
from helpers.training.config import PREDICTION_TYPES
from helpers.training.weighting import WEIGHTINGS, draw_timesteps, loss_weights, signal_to_noise

pytestmark = pytest.mark.usefixtures("one_thread")
FLOW = FlowMatchEulerDiscreteScheduler(num_train_timesteps=50)


class TooLight:
    """Stands for a UNet that sees every image 0.1 too light, and answers for any target."""

    def __init__(self, noise_scheduler, images):
        self.noise_scheduler, self.images = noise_scheduler, images
        self.kind = noise_scheduler.config.get("prediction_type", "flow_prediction")

    def __call__(self, noisy_images, timesteps):
        signal, noise = signal_and_noise(self.noise_scheduler, timesteps)
        x_0 = self.images + 0.1
        epsilon = (noisy_images - signal * x_0) / noise
        answers = {
            "epsilon": epsilon,
            "sample": x_0,
            "v_prediction": signal * epsilon - noise * x_0,
            "flow_prediction": epsilon - x_0,
        }
        return UNet2DOutput(sample=answers[self.kind])


def signal_and_noise(noise_scheduler, timesteps):
    """The factors of picture and noise in x_t."""
    if noise_scheduler is FLOW:
        t = (timesteps / 50).view(-1, 1, 1, 1)
        return 1 - t, t
    alphas_cumprod = noise_scheduler.alphas_cumprod[timesteps].view(-1, 1, 1, 1)
    return alphas_cumprod.sqrt(), (1 - alphas_cumprod).sqrt()


def expected(weighting: str, snr: torch.Tensor) -> torch.Tensor:
    """What an error of x_0 counts, from the papers' own formulas."""
    sigma = 1 / snr.sqrt()
    return {
        "min_snr": torch.minimum(snr, torch.tensor(5.0)),
        "p2": snr / (1 + snr),
        "edm": (sigma**2 + SIGMA_DATA**2) / (sigma * SIGMA_DATA) ** 2,
        "logit_normal": ((1 + sigma) / sigma) ** 2,
    }[weighting]


@pytest.mark.parametrize("weighting", WEIGHTINGS[1:])
@pytest.mark.parametrize("target", [*PREDICTION_TYPES, "flow"])
def test_an_error_of_the_image_counts_alike_whatever_is_predicted(weighting, target):
    noise_scheduler = FLOW if target == "flow" else make_noise_scheduler(target)
    images = torch.zeros(2000, 1, 2, 2)
    oracle = TooLight(noise_scheduler, images)
    torch.manual_seed(0)
    loss = diffusion_loss(oracle, noise_scheduler, images, weighting=weighting)
    torch.manual_seed(0)
    torch.randn(images.shape)  # the noise, which is drawn first
    timesteps = draw_timesteps(noise_scheduler, weighting, 2000)
    snr = signal_to_noise(noise_scheduler, timesteps)
    assert loss.item() == pytest.approx(0.01 * expected(weighting, snr).mean().item(), rel=1e-2)


def test_uniform_weights_leave_each_target_as_it_is():
    for noise_scheduler in (*map(make_noise_scheduler, PREDICTION_TYPES), FLOW):
        timesteps = torch.tensor([1, 20, 49])
        assert torch.allclose(loss_weights(noise_scheduler, timesteps, "uniform"), torch.ones(3))


def test_edm_counts_what_v_prediction_counts_if_the_data_has_variance_one(monkeypatch):
    monkeypatch.setattr("helpers.training.weighting.SIGMA_DATA", 1.0)
    timesteps = torch.arange(50)
    weights = loss_weights(make_noise_scheduler("v_prediction"), timesteps, "edm")
    assert torch.allclose(weights, torch.ones(50), rtol=1e-4)


@pytest.mark.parametrize("noise_scheduler", [build_noise_scheduler(), FLOW], ids=["cosine", "flow"])
@pytest.mark.parametrize(
    ("weighting", "log_sigma"), [("edm", None), ("logit_normal", None), ("edm", (0.5, 0.7))]
)
def test_drawn_noise_levels_have_the_asked_mean_and_deviation(noise_scheduler, weighting, log_sigma):
    torch.manual_seed(0)
    timesteps = draw_timesteps(noise_scheduler, weighting, 20_000, log_sigma)
    log_sigmas = -signal_to_noise(noise_scheduler, timesteps).log() / 2
    mean, deviation = log_sigma or {"edm": (-1.2, 1.2), "logit_normal": (0.0, 1.0)}[weighting]
    assert log_sigmas.mean().item() == pytest.approx(mean, abs=0.05)
    assert log_sigmas.std().item() == pytest.approx(deviation, abs=0.05)


def test_uniform_noise_levels_cover_the_whole_path():
    torch.manual_seed(0)
    timesteps = draw_timesteps(FLOW, "uniform", 20_000)
    assert 0 < timesteps.min() < 0.1 and 49.9 < timesteps.max() <= 50
    assert timesteps.mean().item() == pytest.approx(25, abs=0.3)
    shifted = FlowMatchEulerDiscreteScheduler(num_train_timesteps=50, shift=3.0)
    torch.manual_seed(0)
    t = timesteps / 50
    assert torch.allclose(draw_timesteps(shifted, "uniform", 20_000), 50 * 3 * t / (1 + 2 * t), rtol=1e-4)


BAD = {
    "weighting 'snr' is unknown; expected one of uniform, min_snr": {"weighting": "snr"},
    'snr_gamma belongs to weighting="min_snr"': {"weighting": "p2", "snr_gamma": 5.0},
    "log_sigma is .* for weighting='edm' or 'logit_normal'": {"log_sigma": (0.0, 1.0)},
    "standard deviation above 0": {"weighting": "edm", "log_sigma": (0.0, 0.0)},
}


@pytest.mark.parametrize("message", BAD)
def test_bad_weightings_are_refused_before_any_work(message):
    with pytest.raises(ValueError, match=message):
        short_run(1, make_unet(size=8), make_dataset(8, size=8), make_noise_scheduler(), **BAD[message])


def test_flow_matching_trains_and_draws_with_each_scheduler_that_fits():
    unet = make_unet(size=8)
    history = short_run(60, unet, make_dataset(8, size=8), FLOW, batch_size=8, learning_rate=1e-2)
    assert sum(history.losses[-10:]) / 10 < 0.7 * sum(history.losses[:5]) / 5
    for name in FLOW_SCHEDULERS:
        images = sample_images(unet, make_scheduler(FLOW, name), 2, 5)
        assert images.shape == (2, 3, 8, 8) and images.isfinite().all()
        again = make_scheduler(make_scheduler(FLOW, name), name)  # as a pipeline may have stored it
        assert torch.equal(sample_images(unet, again, 2, 5), images)


def test_a_scheduler_of_another_kind_of_training_is_refused():
    with pytest.raises(ValueError, match="'ddim' does not fit flow matching; expected one of flow-euler"):
        make_scheduler(FLOW, "ddim")
    with pytest.raises(ValueError, match="'flow-euler' fits flow matching alone; expected one of ddpm"):
        make_scheduler(build_noise_scheduler(), "flow-euler")


@pytest.fixture
def precond():
    noise_scheduler = DDPMScheduler.from_config(build_noise_scheduler().config, prediction_type="sample")
    return EDMPrecond.from_unet(make_unet(size=8), noise_scheduler).eval(), noise_scheduler


def test_edm_scalings_are_those_of_the_paper(precond):
    model, _ = precond
    sigma = torch.tensor([0.1, 0.78, 20.0])
    c_skip, c_out, c_in, c_noise = model.scalings(sigma)
    total = sigma**2 + 0.78**2
    assert torch.allclose(c_skip, 0.78**2 / total) and torch.allclose(c_out, 0.78 * sigma / total.sqrt())
    assert torch.allclose(c_in, total.rsqrt()) and torch.allclose(c_noise, sigma.log() / 4)


@torch.no_grad()
def test_edm_called_like_a_unet_denoises_what_it_denoises_in_its_own_units(precond):
    model, noise_scheduler = precond
    x_t, timesteps = torch.randn(3, 3, 8, 8), torch.tensor([3, 100, 400])
    alphas_cumprod = noise_scheduler.alphas_cumprod[timesteps]
    sigma = ((1 - alphas_cumprod) / alphas_cumprod).sqrt()
    own = model.denoise(x_t / alphas_cumprod.sqrt().view(-1, 1, 1, 1), sigma)
    assert torch.allclose(model(x_t, timesteps).sample, own, atol=1e-4)
    assert torch.allclose(model(x_t[:1], 3, return_dict=False)[0], own[:1], atol=1e-4)


def test_edm_is_trained_saved_loaded_and_drawn_with(precond, tmp_path):
    model, noise_scheduler = precond
    before = model.unet.conv_in.weight.clone()
    short_run(3, model, make_dataset(8, size=8), noise_scheduler, batch_size=4, weighting="edm")
    assert not torch.equal(model.unet.conv_in.weight, before)
    model.save_pretrained(tmp_path)
    loaded = EDMPrecond.from_pretrained(tmp_path)
    assert (
        loaded.config.sigma_data == SIGMA_DATA
        and (tmp_path / "diffusion_pytorch_model.safetensors").is_file()
    )
    for name in SCHEDULERS:
        drawn = [sample_images(m, make_scheduler(noise_scheduler, name), 2, 10) for m in (model, loaded)]
        assert torch.equal(*drawn) and drawn[0].isfinite().all()
