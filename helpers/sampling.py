"""Draw images with any scheduler: the steps it can take, and one denoising loop, guided or not."""

import inspect
from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import diffusers
import torch

from .progress import progress_bar

# Of a noise scheduler: the forward process that a UNet was trained to reverse.
NOISE_SETTINGS = ("num_train_timesteps", "beta_schedule", "beta_start", "beta_end", "prediction_type")
NOISE_SETTINGS += ("trained_betas", "rescale_betas_zero_snr")
LEADING = {"timestep_spacing": "leading"}
# log(signal/noise) = -3: a twentieth of signal. With less, errors of a noise prediction blow up the picture.
MULTISTEP = {"timestep_spacing": "linspace", "lambda_min_clipped": -3.0, "solver_order": 3}
# Fresh noise corrects earlier steps; arXiv 2211.01095.
SDE = MULTISTEP | {"algorithm_type": "sde-dpmsolver++"}
SCHEDULERS = {
    "ddpm": (diffusers.DDPMScheduler, LEADING | {"clip_sample": True}),
    "ddim": (diffusers.DDIMScheduler, LEADING | {"clip_sample": False}),
    "dpm-solver++": (diffusers.DPMSolverMultistepScheduler, MULTISTEP | {"algorithm_type": "dpmsolver++"}),
    "sde-dpm-solver++": (diffusers.DPMSolverMultistepScheduler, SDE),
    "unipc": (diffusers.UniPCMultistepScheduler, LEADING | {"solver_order": 2}),
    "heun": (diffusers.HeunDiscreteScheduler, LEADING | {"clip_sample": True}),
}
DEFAULT_SCHEDULER, DEFAULT_STEPS = "sde-dpm-solver++", 20
SPACINGS = ("leading", "trailing", "linspace")
MAX_FIRST_SIGNAL = 0.2  # √ᾱ of the first timestep: more, and pure noise is no x_t that the UNet has seen


def make_scheduler(noise_scheduler, name: str = DEFAULT_SCHEDULER, **settings):
    """Return a scheduler that samples what was trained with `noise_scheduler`.

    With fewer steps than timesteps, none starts at the very end of a cosine schedule: next to no signal
    is left there, and an x_0-prediction out of a noise prediction is mostly error. DDPM, DDIM, UniPC
    and Heun start one stride below it ("leading"), DPM-Solver++ where a twentieth of the picture shows.

    Parameters
    ----------
    noise_scheduler : SchedulerMixin, whose noise schedule and prediction type are kept
    name : "ddpm", "ddim", "dpm-solver++", "sde-dpm-solver++", "unipc" or "heun"
    **settings : of the scheduler's configuration, to depart from the defaults here: `clip_sample=True`, ...

    Raises
    ------
    ValueError
        If the name, a setting or a spacing is unknown; the message lists what there is.
    """
    if name not in SCHEDULERS:
        raise ValueError(f"unknown scheduler {name!r}; expected one of {', '.join(SCHEDULERS)}")
    kind, defaults = SCHEDULERS[name]
    known = set(inspect.signature(kind.__init__).parameters) - {"self"}
    if unknown := ", ".join(sorted(set(settings) - known)):
        raise ValueError(f"{kind.__name__} has no setting {unknown}; it has {', '.join(sorted(known))}")
    if (spacing := settings.get("timestep_spacing", "leading")) not in SPACINGS:
        raise ValueError(f"{kind.__name__} has no timestep_spacing {spacing!r}; it has {', '.join(SPACINGS)}")
    # Said by name: where it was left at a default, from_config would take the other class's default.
    trained = noise_scheduler.config
    process = {k: trained[k] for k in NOISE_SETTINGS if k in trained and k in known}
    return kind.from_config(trained, **defaults | process | settings)


def check_steps(scheduler, num_inference_steps: int, eta: float = 0.0) -> None:
    """Raise ValueError unless steps and eta suit this scheduler, which stays as it is.

    Timesteps must not repeat. And sampling starts from pure noise, so √ᾱ of the first must not exceed 0.2, as
    it can with "leading" spacing (84 steps of 500 begin at t = 415, with 0.26). The message says what suits.
    """
    most = scheduler.config.num_train_timesteps
    if not 1 <= num_inference_steps <= most:
        raise ValueError(f"num_inference_steps must be from 1 to {most}; got {num_inference_steps}")
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must be from 0 (DDIM) to 1 (as noisy as DDPM); got {eta}")
    if fault := _find_fault(type(scheduler).from_config(scheduler.config), num_inference_steps):
        good = good_steps(scheduler)
        i = bisect(good, num_inference_steps)
        nearest = " or ".join(map(str, good[max(0, i - 1) : i + 1])) or "another timestep_spacing"
        raise ValueError(f"num_inference_steps={num_inference_steps} {fault}: take {nearest}")


def good_steps(scheduler, most: int | None = None) -> list[int]:
    """Numbers of steps, up to `most` or all training timesteps, that `check_steps` lets pass; ascending."""
    trial, limit = type(scheduler).from_config(scheduler.config), scheduler.config.num_train_timesteps
    return [n for n in range(1, min(most or limit, limit) + 1) if not _find_fault(trial, n)]


def _find_fault(scheduler, num_inference_steps: int) -> str | None:
    """Set so many steps, and say what is wrong with the timesteps; None if nothing is."""
    scheduler.set_timesteps(num_inference_steps)
    last = scheduler.config.num_train_timesteps - 1
    first = min(int(scheduler.timesteps[0]), last)
    # "trailing" strides of T / n from a clipped start are fewer than n; repeated timesteps divide by zero.
    if (distinct := len(scheduler.timesteps.unique())) < num_inference_steps:
        return f"does not fit: from t = {first} down {type(scheduler).__name__} has room for {distinct}"
    signal = float(scheduler.alphas_cumprod[first]) ** 0.5 if hasattr(scheduler, "alphas_cumprod") else 0
    if first < last and signal > MAX_FIRST_SIGNAL:  # no timestep is noisier than the last
        return f"starts from noise at t = {first}, where √ᾱ is {signal:.2f}, above {MAX_FIRST_SIGNAL}"


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
    if guidance_scale == 1:
        return unet(scheduler.scale_model_input(latents, t), t, **extra).sample
    latent_model_input = scheduler.scale_model_input(torch.cat([latents] * 2), t)
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
            latents = noise.to(like.device, like.dtype) * scheduler.init_noise_sigma
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
