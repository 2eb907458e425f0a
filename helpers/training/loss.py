"""The loss that a diffusion model is trained with."""

from functools import partial

import torch
import torch.nn.functional as F
from diffusers.training_utils import compute_snr
from torch import nn


def min_snr_weights(noise_scheduler, timesteps: torch.Tensor, snr_gamma: float) -> torch.Tensor:
    """Weights [batch] that keep nearly clean timesteps [batch] from ruling the loss (arXiv 2303.09556).

    min(SNR, γ) is what each squared error of x_0 counts; noise and v are errors of x_0 times SNR and SNR + 1.
    """
    snr = compute_snr(noise_scheduler, timesteps)
    scale = {"epsilon": snr, "v_prediction": snr + 1}.get(noise_scheduler.config.prediction_type, 1)
    return snr.clamp(max=snr_gamma) / scale


def draw_share(draw, shape: tuple, share: tuple[int, int], **options) -> torch.Tensor:
    """Draw for the whole batch of several processes, and return the rows of this one: (which, how many)."""
    (index, processes), rows = share, shape[0]
    return draw((processes * rows, *shape[1:]), **options)[index * rows : (index + 1) * rows]


def diffusion_loss(
    unet,
    noise_scheduler,
    images,
    condition=None,
    labels=None,
    snr_gamma: float | None = None,
    *,
    generator: torch.Generator | None = None,
    share: tuple[int, int] = (0, 1),
) -> torch.Tensor:
    """Mean squared error of one noisy batch, for the scheduler's own prediction type.

    Parameters
    ----------
    unet, noise_scheduler : ModelMixin, SchedulerMixin
        The scheduler has `add_noise`, and `get_velocity` for v-prediction (arXiv 2202.00512).
    images : Tensor [batch, channels, height, width]
        Clean, in [-1, 1].
    condition : callable, optional
        Turns `labels` [batch, num_classes] into what the UNet is called with: a dict of keyword
        arguments, or a tensor that becomes `encoder_hidden_states`.
    snr_gamma : float, optional
        Weight the timesteps by `min_snr_weights` with this γ, above 0: the paper takes 5.
    generator, share : torch.Generator, pair of int, optional
        Where noise and timesteps come from, by default the global generator. If the images are the part of
        process `share[0]` in the batch of `share[1]` processes, each image gets the noise that it would get
        in one process with the whole batch.

    Returns
    -------
    Tensor
        A scalar, float32.
    """
    source = {"generator": generator, "device": images.device}
    noise = draw_share(torch.randn, images.shape, share, dtype=images.dtype, **source)
    count, kind = noise_scheduler.config.num_train_timesteps, noise_scheduler.config.prediction_type
    timesteps = draw_share(partial(torch.randint, count), images.shape[:1], share, **source)
    noisy_images = noise_scheduler.add_noise(images, noise, timesteps)
    extra = condition(labels) if condition is not None else {}
    extra = extra if isinstance(extra, dict) else {"encoder_hidden_states": extra}
    prediction = unet(noisy_images, timesteps, **extra).sample
    target = noise if kind == "epsilon" else images
    if kind == "v_prediction":
        target = noise_scheduler.get_velocity(images, noise, timesteps)
    if snr_gamma is None:
        return F.mse_loss(prediction.float(), target.float())
    errors = F.mse_loss(prediction.float(), target.float(), reduction="none").mean(dim=(1, 2, 3))
    return (min_snr_weights(noise_scheduler, timesteps, snr_gamma) * errors).mean()


class DiffusionLoss(nn.Module):
    """All that is trained, with the loss as its output: one module for Accelerate to prepare."""

    def __init__(self, unet, noise_scheduler, condition=None, snr_gamma: float | None = None):
        super().__init__()
        self.unet, self.condition = unet, condition
        self.noise_scheduler, self.snr_gamma = noise_scheduler, snr_gamma

    def forward(self, images, labels, **draws):
        settings = self.condition, labels, self.snr_gamma
        return diffusion_loss(self.unet, self.noise_scheduler, images, *settings, **draws)
