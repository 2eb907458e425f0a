"""Draw images from an unconditional UNet with any scheduler: what the loops of the notebooks share."""

import inspect
from collections.abc import Callable, Sequence

import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    HeunDiscreteScheduler,
    UniPCMultistepScheduler,
)

from .progress import progress_bar

# Of a noise scheduler: the process that a UNet was trained to turn back.
NOISE_SETTINGS = ("num_train_timesteps", "beta_schedule", "beta_start", "beta_end", "prediction_type")
NOISE_SETTINGS += ("trained_betas", "rescale_betas_zero_snr")
LEADING = {"timestep_spacing": "leading"}
# log(signal/noise) = -3: a twentieth of signal. With less, errors of a noise prediction blow up the picture.
MULTISTEP = {"timestep_spacing": "linspace", "lambda_min_clipped": -3.0, "solver_order": 3}
SCHEDULERS = {
    "ddpm": (DDPMScheduler, LEADING | {"clip_sample": True}),
    "ddim": (DDIMScheduler, LEADING | {"clip_sample": False}),
    "dpm-solver++": (DPMSolverMultistepScheduler, MULTISTEP | {"algorithm_type": "dpmsolver++"}),
    # Fresh noise in each step corrects what earlier steps got wrong; arXiv 2211.01095.
    "sde-dpm-solver++": (DPMSolverMultistepScheduler, MULTISTEP | {"algorithm_type": "sde-dpmsolver++"}),
    "unipc": (UniPCMultistepScheduler, LEADING | {"solver_order": 2}),
    "heun": (HeunDiscreteScheduler, LEADING | {"clip_sample": True}),
}
DEFAULT_SCHEDULER, DEFAULT_STEPS = "sde-dpm-solver++", 20
SPACINGS = ("leading", "trailing", "linspace")


def make_scheduler(noise_scheduler, sampler: str = DEFAULT_SCHEDULER, **settings):
    """Return a scheduler that samples what was trained with `noise_scheduler`.

    With fewer steps than timesteps, none starts at the very end of a cosine schedule: next to no signal
    is left there, and a guess of the picture out of a noise prediction is mostly error. DDPM, DDIM, UniPC
    and Heun start one stride below it ("leading"), DPM-Solver++ where a twentieth of the picture shows.

    Parameters
    ----------
    noise_scheduler : SchedulerMixin
        Its noise schedule and prediction type are kept.
    sampler : "ddpm", "ddim", "dpm-solver++", "sde-dpm-solver++", "unipc" or "heun"
    **settings
        Of the scheduler's configuration, to depart from the defaults here: `clip_sample=True`, ...

    Raises
    ------
    ValueError
        If the name, a setting or a spacing is unknown; the message lists what there is.
    """
    if sampler not in SCHEDULERS:
        raise ValueError(f"unknown sampler {sampler!r}; expected one of {', '.join(SCHEDULERS)}")
    kind, defaults = SCHEDULERS[sampler]
    known = set(inspect.signature(kind.__init__).parameters) - {"self"}
    if unknown := set(settings) - known:
        raise ValueError(
            f"{kind.__name__} has no setting {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}"
        )
    spacing = settings.get("timestep_spacing", "leading")
    if spacing not in SPACINGS:
        raise ValueError(f"{kind.__name__} has no timestep_spacing {spacing!r}; it has {', '.join(SPACINGS)}")
    # Said by name: where it was left at a default, from_config would take the other class's default.
    process = {k: noise_scheduler.config[k] for k in NOISE_SETTINGS if k in noise_scheduler.config}
    return kind.from_config(noise_scheduler.config, **defaults | process | settings)


def check_steps(scheduler, num_inference_steps: int, eta: float = 0.0) -> None:
    """Raise ValueError unless steps and eta are ones that this scheduler can take."""
    most = scheduler.config.num_train_timesteps
    if not 1 <= num_inference_steps <= most:
        raise ValueError(f"num_inference_steps must be from 1 to {most}; got {num_inference_steps}")
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must be from 0 (DDIM) to 1 (as noisy as DDPM); got {eta}")
    scheduler.set_timesteps(num_inference_steps)
    # One that does not begin at the last timestep has fewer; a step from one to itself divides by zero.
    if (distinct := len(scheduler.timesteps.unique())) < num_inference_steps:
        raise ValueError(
            f"num_inference_steps={num_inference_steps} is more than the {distinct} timesteps that this "
            f"{type(scheduler).__name__} has: take fewer"
        )


@torch.no_grad()
def sample_images(
    unet,
    scheduler,
    num_images: int,
    num_inference_steps: int = DEFAULT_STEPS,
    *,
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
    unet : UNet2DModel
    scheduler : SchedulerMixin
        From `make_scheduler`, or any with the same step interface.
    num_images, num_inference_steps, batch_size : int
    eta : float
        From 0 to 1; only DDIM (arXiv 2010.02502) takes it.
    seed : int
    record_steps : sequence of int, optional
        Numbers of steps (from 0) at which x_t and the estimate of x_0 are kept, for the first batch.
    on_batch : callable, optional
        Called with the number of images of each batch when it is done.
    **step_options
        For `scheduler.step`, for example `use_clipped_model_output=True`.

    Returns
    -------
    Tensor [num_images, c, h, w] in [-1, 1], clipped
        With `record_steps` also the trajectory, a list of (timestep, x_t, x_0-prediction of the step, or None
        where the scheduler gives none).

    Raises
    ------
    ValueError
        If a number is below 1, or steps or eta are out of range; before any work.
    """
    if num_images < 1 or batch_size < 1:
        raise ValueError(f"num_images and batch_size must be at least 1; got {num_images} and {batch_size}")
    check_steps(scheduler, num_inference_steps, eta)
    generator = torch.Generator().manual_seed(seed)
    taken = inspect.signature(scheduler.step).parameters
    options = {k: v for k, v in {"generator": generator, "eta": eta}.items() if k in taken} | step_options
    like, size = next(unet.parameters()), unet.config.sample_size
    shape = (unet.config.in_channels, *([size] * 2 if isinstance(size, int) else size))
    counts = [min(batch_size, num_images - start) for start in range(0, num_images, batch_size)]
    # Before any step draws noise of its own: so that every scheduler starts from the same.
    noises = [torch.randn(count, *shape, generator=generator) for count in counts]
    images, trajectory = [], []
    for batch, noise in enumerate(noises):
        scheduler.set_timesteps(num_inference_steps)
        image = noise.to(like.device, like.dtype) * scheduler.init_noise_sigma
        for i, t in enumerate(scheduler.timesteps):
            prediction = unet(scheduler.scale_model_input(image, t), t).sample
            step = scheduler.step(prediction, t, image, **options)
            if record_steps is not None and batch == 0 and i in record_steps:
                estimate = getattr(step, "pred_original_sample", None)
                trajectory.append((int(t), image.cpu(), estimate if estimate is None else estimate.cpu()))
            image = step.prev_sample
        images.append(image.float().clamp(-1, 1).cpu())
        on_batch(len(noise))
    images = torch.cat(images)
    return images if record_steps is None else (images, trajectory)


def generate_images(
    pipeline,
    num_images: int,
    *,
    labels: torch.Tensor | None = None,
    num_inference_steps: int = DEFAULT_STEPS,
    seed: int = 0,
    batch_size: int = 250,
    **kwargs,
) -> torch.Tensor:
    """Draw images with a diffusers pipeline, in batches that a small machine can hold.

    Parameters
    ----------
    pipeline : DiffusionPipeline
        With a `unet` and a `scheduler`, which is the sampler; one that takes labels is called itself.
    num_images : int
    labels : int64 Tensor [num_images] or one-hot [num_images, num_classes], optional
        For pipelines that take them.
    num_inference_steps : int
    seed : int
        Same seed, batch size and machine: same images.
    **kwargs
        Passed on: `guidance_scale` with labels, options of the scheduler's step without.

    Returns
    -------
    Tensor [num_images, c, h, w]
        In [-1, 1], rounded to the 256 levels of a picture file.

    Raises
    ------
    ValueError
        If labels are missing, not wanted or not one per image, a number is below 1, or more steps are
        asked for than the scheduler was trained with.
    """
    if num_images < 1 or batch_size < 1:
        raise ValueError(f"num_images and batch_size must be at least 1; got {num_images} and {batch_size}")
    if hasattr(pipeline, "class_net") != (labels is not None):
        wanted = "labels: pass labels=..." if labels is None else "no labels: leave them out"
        raise ValueError(f"a {type(pipeline).__name__} takes {wanted}")
    if labels is not None and len(labels) != num_images:
        raise ValueError(f"got {len(labels)} labels for {num_images} images")
    check_steps(pipeline.scheduler, num_inference_steps)
    with progress_bar(num_images, desc="drawing") as bar:
        if labels is None:
            # Not through the pipeline: DDPMPipeline's loop knows DDPM's step only.
            images = sample_images(
                pipeline.unet,
                pipeline.scheduler,
                num_images,
                num_inference_steps,
                seed=seed,
                batch_size=batch_size,
                on_batch=bar.update,
                **kwargs,
            )
            return ((images + 1) * 127.5).round().div(127.5).sub(1)
        generator, parts = torch.Generator().manual_seed(seed), []
        pipeline.set_progress_bar_config(disable=True)
        for batch in torch.as_tensor(labels).split(batch_size):
            images = pipeline(
                batch,
                generator=generator,
                num_inference_steps=num_inference_steps,
                output_type="pt",
                **kwargs,
            ).images
            parts.append(images.cpu())
            bar.update(len(batch))
    return (torch.cat(parts) * 255).round().div(127.5).sub(1)
