"""The loss that a diffusion model is trained with."""

import torch
import torch.nn.functional as F
from torch import nn

from ..sampling import prediction_type_of
from .weighting import draw_timesteps, loss_weights


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
    weighting: str = "uniform",
    log_sigma: tuple[float, float] | None = None,
    *,
    generator: torch.Generator | None = None,
    share: tuple[int, int] = (0, 1),
) -> torch.Tensor:
    """Mean squared error of one noisy batch, for the scheduler's own target, its prediction type.

    Parameters
    ----------
    unet, noise_scheduler : ModelMixin, SchedulerMixin
        The scheduler has `add_noise`, and `get_velocity` for v-prediction (arXiv 2202.00512). With a
        flow-matching one the target is noise - images, on the straight path between them (arXiv 2209.03003).
    images : Tensor [batch, channels, height, width]
        Clean, in [-1, 1].
    condition : callable, optional
        Turns `labels` [batch, num_classes] into what the UNet is called with: a dict of keyword
        arguments, or a tensor that becomes `encoder_hidden_states`.
    snr_gamma : float, optional
        γ of min-SNR, above 0, by default 5; given alone it asks for `weighting="min_snr"`.
    weighting : {"uniform", "min_snr", "p2", "edm", "logit_normal"}
        What an error counts at each noise level, see `helpers.training.weighting.x_0_weights`. The last two
        also draw other noise levels: ln σ from a normal distribution.
    log_sigma : (float, float), optional
        Its mean and standard deviation; by default (-1.2, 1.2) for "edm" and (0, 1) for "logit_normal".
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
    if snr_gamma is not None and weighting == "uniform":
        weighting = "min_snr"
    timesteps = draw_share(
        lambda shape, **source: draw_timesteps(noise_scheduler, weighting, *shape, log_sigma, **source),
        images.shape[:1],
        share,
        **source,
    )
    noisy_images, target = add_noise_and_target(noise_scheduler, images, noise, timesteps)
    extra = condition(labels) if condition is not None else {}
    extra = extra if isinstance(extra, dict) else {"encoder_hidden_states": extra}
    prediction = unet(noisy_images, timesteps, **extra).sample
    if weighting == "uniform":
        return F.mse_loss(prediction.float(), target.float())
    errors = F.mse_loss(prediction.float(), target.float(), reduction="none").mean(dim=(1, 2, 3))
    return (loss_weights(noise_scheduler, timesteps, weighting, snr_gamma) * errors).mean()


def add_noise_and_target(noise_scheduler, images, noise, timesteps) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise the images to these timesteps, and return them with what the UNet is to answer."""
    kind = prediction_type_of(noise_scheduler)
    if kind == "flow_prediction":
        t = (timesteps / noise_scheduler.config.num_train_timesteps).view(-1, 1, 1, 1).to(images.dtype)
        return (1 - t) * images + t * noise, noise - images
    noisy_images = noise_scheduler.add_noise(images, noise, timesteps)
    if kind == "v_prediction":
        return noisy_images, noise_scheduler.get_velocity(images, noise, timesteps)
    return noisy_images, noise if kind == "epsilon" else images


class DiffusionLoss(nn.Module):
    """All that is trained, with the loss as its output: one module for Accelerate to prepare."""

    def __init__(self, unet, noise_scheduler, condition=None, **weighting):
        super().__init__()
        self.unet, self.condition = unet, condition
        self.noise_scheduler, self.weighting = noise_scheduler, weighting

    def forward(self, images, labels, **draws):
        options = self.weighting | draws
        return diffusion_loss(self.unet, self.noise_scheduler, images, self.condition, labels, **options)
