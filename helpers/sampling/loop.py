"""One denoising loop for any scheduler, guided or not."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch

from ..progress import progress_bar
from .schedulers import DEFAULT_STEPS, check_steps


@contextmanager
def eval_mode(*modules) -> Iterator[None]:
    """Put what of these is a module into eval mode, and each of its parts back into the mode that it had."""
    parts = [part for m in modules if isinstance(m, torch.nn.Module) for part in m.modules() if part.training]
    try:
        for part in parts:
            part.training = False
        yield
    finally:
        for part in parts:
            part.training = True


def image_shape(unet) -> tuple[int, int, int]:
    """Channels, height and width of what a UNet of diffusers draws."""
    size = unet.config.sample_size
    return (unet.config.in_channels, *([size] * 2 if isinstance(size, int) else size))


def taken_by_step(scheduler, **options) -> dict:
    """Keep what this scheduler's `step` takes."""
    return {k: v for k, v in options.items() if k in inspect.signature(scheduler.step).parameters}


def with_unlabelled(labels: torch.Tensor, guidance_scale: float) -> torch.Tensor:
    """Put zeros for each label before them all, if there is guidance: both go through as one batch."""
    return labels if guidance_scale == 1 else torch.cat([torch.zeros_like(labels), labels])


def predict_noise(unet, scheduler, latents, t, guidance_scale: float, **extra) -> torch.Tensor:
    """Call the UNet, guided (arXiv 2207.12598) if `extra` is made of what `with_unlabelled` returns."""
    scale = getattr(scheduler, "scale_model_input", lambda sample, t: sample)  # flow matching has none
    if guidance_scale == 1:
        return unet(scale(latents, t), t, **extra).sample
    latent_model_input = scale(torch.cat([latents] * 2), t)
    noise_pred_uncond, noise_pred_cond = unet(latent_model_input, t, **extra).sample.chunk(2)
    return noise_pred_uncond + guidance_scale * (noise_pred_cond - noise_pred_uncond)


def quantize(images: torch.Tensor) -> torch.Tensor:
    """Round images in [-1, 1] to the 256 levels of a picture file; still float, in [-1, 1]."""
    return ((images + 1) * 127.5).round().div(127.5).sub(1)


@torch.no_grad()
def sample_images(
    unet,
    scheduler,
    num_images: int,
    num_inference_steps: int = DEFAULT_STEPS,
    *,
    condition: Callable | None = None,
    labels: torch.Tensor | None = None,
    guidance_scale: float = 1.0,
    eta: float = 0.0,
    seed: int = 0,
    batch_size: int = 250,
    record_steps: Sequence[int] | None = None,
    on_batch: Callable[[int], None] = lambda count: None,
    **step_options,
) -> torch.Tensor | tuple[torch.Tensor, list]:
    """Draw images: noise, then the scheduler's steps. Every scheduler gets the same noise from a seed.

    Parameters
    ----------
    unet : UNet2DModel or UNet2DConditionModel; in eval mode while it draws
    scheduler : SchedulerMixin, from `make_scheduler` or with the same step interface
    num_images, num_inference_steps, batch_size, seed : int
    condition : callable that makes what the UNet gets of `labels`: a dict, or the `encoder_hidden_states`
    labels : one-hot float Tensor [num_images, num_classes], optional
    guidance_scale : float of classifier-free guidance (arXiv 2207.12598), against labels of zeros; 1: none
    eta : float from 0 to 1; only DDIM (arXiv 2010.02502) takes it
    record_steps : sequence of int, the steps (from 0) of the first batch that are recorded, optional
    on_batch : callable that gets the number of images of each batch when it is done
    **step_options : for `scheduler.step`, for example `use_clipped_model_output=True`

    Returns
    -------
    Tensor [num_images, c, h, w] in [-1, 1], clipped
        With `record_steps` also the trajectory: (timestep, x_t, x_0-prediction or None if there is none).

    Raises
    ------
    ValueError
        If a number is below 1, steps or eta do not suit, or labels do not match the rest.
    """
    if num_images < 1 or batch_size < 1:
        raise ValueError(f"num_images and batch_size must be at least 1; got {num_images} and {batch_size}")
    if (condition is None) != (labels is None) or (labels is None and guidance_scale != 1):
        raise ValueError("condition and labels go together, and guidance_scale other than 1 needs both")
    if labels is not None and len(labels) != num_images:
        raise ValueError(f"got {len(labels)} labels for {num_images} images")
    check_steps(scheduler, num_inference_steps, eta)
    generator, like, shape = torch.Generator().manual_seed(seed), next(unet.parameters()), image_shape(unet)
    step_options |= taken_by_step(scheduler, generator=generator, eta=eta)
    counts = [min(batch_size, num_images - start) for start in range(0, num_images, batch_size)]
    # Before any step draws noise of its own: so that every scheduler starts from the same.
    noises = [torch.randn(count, *shape, generator=generator) for count in counts]
    label_batches = [None] * len(counts) if labels is None else labels.to(like.device).split(counts)
    images, trajectory = [], []
    with eval_mode(unet, condition):
        for noise, batch in zip(noises, label_batches, strict=True):
            scheduler.set_timesteps(num_inference_steps)
            latents = noise.to(like.device, like.dtype) * getattr(scheduler, "init_noise_sigma", 1.0)
            extra = {} if condition is None else condition(with_unlabelled(batch, guidance_scale))
            if not isinstance(extra, dict):
                extra = {"encoder_hidden_states": extra.to(like.dtype)}
            for i, t in enumerate(scheduler.timesteps):
                noise_pred = predict_noise(unet, scheduler, latents, t, guidance_scale, **extra)
                step = scheduler.step(noise_pred, t, latents, **step_options)
                if i in (record_steps or ()) and not images:
                    x_0 = step.get("pred_original_sample")
                    trajectory.append((int(t), latents.cpu(), None if x_0 is None else x_0.cpu()))
                latents = step.prev_sample
            images.append(latents.float().clamp(-1, 1).cpu())
            on_batch(len(noise))
    return torch.cat(images) if record_steps is None else (torch.cat(images), trajectory)


def generate_images(
    pipeline, num_images: int, *, labels=None, num_inference_steps: int = DEFAULT_STEPS, **options
) -> torch.Tensor:
    """Draw images with a pipeline's UNet and scheduler, as a picture file holds them; with a progress bar.

    Parameters
    ----------
    pipeline : DiffusionPipeline, whose own loop does not run: DDPMPipeline's knows DDPM only
    num_images, num_inference_steps : int
    labels : int64 Tensor [num_images] or one-hot [num_images, num_classes], optional
    **options : of `sample_images`: `seed`, `batch_size`, `guidance_scale`, ...

    Returns
    -------
    Tensor [num_images, c, h, w] in [-1, 1], rounded to 256 levels

    Raises
    ------
    ValueError
        If labels are missing or not wanted, and for all that `sample_images` and the pipeline refuse.
    """
    if hasattr(pipeline, "class_net") != (labels is not None):
        wanted = "labels: pass labels=..." if labels is None else "no labels: leave them out"
        raise ValueError(f"a {type(pipeline).__name__} takes {wanted}")
    if labels is not None:
        pipeline.check_inputs(num_inference_steps, options.get("guidance_scale", 1.0))
        options |= {"condition": pipeline.class_net, "labels": pipeline.prepare_labels(labels)}
    with progress_bar(num_images, desc="drawing") as bar:
        options |= {"num_inference_steps": num_inference_steps, "on_batch": bar.update}
        return quantize(sample_images(pipeline.unet, pipeline.scheduler, num_images, **options))
