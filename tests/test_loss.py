"""The loss against its formulas: prediction types, min-SNR weights, what conditions the UNet."""

from statistics import mean

import pytest
import torch
from conftest import make_dataset, make_noise_scheduler, make_unet, short_run
from diffusers.models.unets.unet_2d import UNet2DOutput

from helpers.training import diffusion_loss
from helpers.training.config import PREDICTION_TYPES

pytestmark = pytest.mark.usefixtures("one_thread")


class Oracle:
    """Stands for a UNet: knows the clean images, so it can work out the right answer for any kind."""

    def __init__(self, scheduler, images, kind):
        self.alphas_cumprod, self.images, self.kind = scheduler.alphas_cumprod, images, kind
        self.timesteps = None

    def __call__(self, noisy_images, timesteps):
        self.timesteps = timesteps
        alpha_bar = self.alphas_cumprod[timesteps][:, None, None, None]
        noise = (noisy_images - alpha_bar.sqrt() * self.images) / (1 - alpha_bar).sqrt()
        answers = {
            "epsilon": noise,
            "v_prediction": alpha_bar.sqrt() * noise - (1 - alpha_bar).sqrt() * self.images,
            "sample": self.images,
        }
        return UNet2DOutput(sample=answers[self.kind])


@pytest.mark.parametrize("asked", PREDICTION_TYPES)
@pytest.mark.parametrize("given", PREDICTION_TYPES)
def test_only_the_right_answer_has_no_loss(asked, given):
    torch.manual_seed(0)
    images = torch.rand(64, 3, 8, 8) * 2 - 1
    scheduler = make_noise_scheduler(asked)
    oracle = Oracle(scheduler, images, given)
    loss = diffusion_loss(oracle, scheduler, images)
    assert (loss < 1e-8) if asked == given else (loss > 0.05)
    assert oracle.timesteps.min() < 10 and oracle.timesteps.max() >= 40  # of 50


def test_loss_of_answering_nothing_is_the_mean_square_of_the_noise():
    images = torch.zeros(256, 3, 8, 8)

    def nothing(noisy_images, timesteps):
        return UNet2DOutput(sample=torch.zeros_like(noisy_images))

    assert diffusion_loss(nothing, make_noise_scheduler(), images).item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("prediction_type", PREDICTION_TYPES)
def test_min_snr_counts_an_error_of_the_image_alike_whatever_is_predicted(prediction_type):
    torch.manual_seed(0)
    images, scheduler = torch.zeros(4000, 1, 2, 2), make_noise_scheduler(prediction_type)
    oracle = Oracle(scheduler, images + 0.1, prediction_type)  # sees every image 0.1 too light
    loss = diffusion_loss(oracle, scheduler, images, snr_gamma=5.0)
    alphas = scheduler.alphas_cumprod
    snr = (alphas / (1 - alphas)).clamp(max=5.0)
    assert loss.item() == pytest.approx(0.01 * snr.mean().item(), rel=0.03)


def test_condition_reaches_the_unet_as_a_dict_or_as_hidden_states():
    seen, labels = [], torch.eye(2)

    def unet(noisy_images, timesteps, **extra):
        seen.append(extra)
        return UNet2DOutput(sample=noisy_images)

    images = torch.zeros(2, 3, 8, 8)
    diffusion_loss(
        unet, make_noise_scheduler(), images, lambda one_hot: {"class_labels": one_hot + 1}, labels
    )
    diffusion_loss(unet, make_noise_scheduler(), images, lambda one_hot: one_hot * 2, labels)
    diffusion_loss(unet, make_noise_scheduler(), images)
    assert torch.equal(seen[0].pop("class_labels"), labels + 1)
    assert torch.equal(seen[1].pop("encoder_hidden_states"), labels * 2)
    assert seen == [{}, {}, {}]


@pytest.mark.parametrize("prediction_type", PREDICTION_TYPES)
def test_loss_goes_down_for_each_prediction_type(prediction_type):
    scheduler = make_noise_scheduler(prediction_type)
    unet, dataset = make_unet(size=8), make_dataset(8, size=8)
    history = short_run(60, unet, dataset, scheduler, batch_size=8, learning_rate=1e-2)
    assert mean(history.losses[-10:]) < 0.7 * mean(history.losses[:5])
    assert not unet.training
