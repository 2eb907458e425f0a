"""Schedulers that fit what a UNet was trained with, and the numbers of steps that they can take."""

import inspect
from bisect import bisect

import diffusers

# Of a noise scheduler: the forward process that a UNet was trained to reverse.
NOISE_SETTINGS = ("num_train_timesteps", "beta_schedule", "beta_start", "beta_end", "prediction_type")
NOISE_SETTINGS += ("trained_betas", "rescale_betas_zero_snr", "shift")
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
FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
# For what was trained by flow matching (arXiv 2210.02747), whose own sampler is Euler's method.
FLOW_SCHEDULERS = {"flow-euler": (diffusers.FlowMatchEulerDiscreteScheduler, {})} | {
    name: (SCHEDULERS[name][0], FLOW | SCHEDULERS[name][1])
    for name in ("dpm-solver++", "sde-dpm-solver++", "unipc")
}
DEFAULT_SCHEDULER, DEFAULT_STEPS = "sde-dpm-solver++", 20
SPACINGS = ("leading", "trailing", "linspace")
MAX_FIRST_SIGNAL = 0.2  # √ᾱ of the first timestep: more, and pure noise is no x_t that the UNet has seen


def prediction_type_of(noise_scheduler) -> str:
    """What the UNet is asked for; flow-matching schedulers know one answer, so they do not say."""
    return noise_scheduler.config.get("prediction_type", "flow_prediction")


def make_scheduler(noise_scheduler, name: str = DEFAULT_SCHEDULER, **settings):
    """Return a scheduler that samples what was trained with `noise_scheduler`.

    With fewer steps than timesteps, none starts at the very end of a cosine schedule: next to no signal
    is left there, and an x_0-prediction out of a noise prediction is mostly error. DDPM, DDIM, UniPC
    and Heun start one stride below it ("leading"), DPM-Solver++ where a twentieth of the picture shows.

    Parameters
    ----------
    noise_scheduler : SchedulerMixin, whose noise schedule and prediction type are kept
    name : "ddpm", "ddim", "dpm-solver++", "sde-dpm-solver++", "unipc", "heun"; or, after flow matching with a
        `FlowMatchEulerDiscreteScheduler`, one of FLOW_SCHEDULERS
    **settings : of the scheduler's configuration, to depart from the defaults here: `clip_sample=True`, ...

    Raises
    ------
    ValueError
        If the name, a setting or a spacing is unknown, or the scheduler is for another kind of training; the
        message lists what there is.
    """
    trained = noise_scheduler.config
    is_flow = prediction_type_of(noise_scheduler) == "flow_prediction"
    fitting = FLOW_SCHEDULERS if is_flow else SCHEDULERS
    if name not in fitting:
        why = "does not fit flow matching" if is_flow else "fits flow matching alone"
        what = f"{name!r} {why}" if name in SCHEDULERS | FLOW_SCHEDULERS else f"unknown scheduler {name!r}"
        raise ValueError(f"{what}; expected one of {', '.join(fitting)}")
    kind, defaults = fitting[name]
    known = set(inspect.signature(kind.__init__).parameters) - {"self"}
    if unknown := ", ".join(sorted(set(settings) - known)):
        raise ValueError(f"{kind.__name__} has no setting {unknown}; it has {', '.join(sorted(known))}")
    if (spacing := settings.get("timestep_spacing", "leading")) not in SPACINGS:
        raise ValueError(f"{kind.__name__} has no timestep_spacing {spacing!r}; it has {', '.join(SPACINGS)}")
    # Said by name: where it was left at a default, from_config would take the other class's default.
    process = {k: trained[k] for k in NOISE_SETTINGS if k in trained and k in known}
    if is_flow and "flow_shift" in known:
        process["flow_shift"] = trained.get("shift", trained.get("flow_shift"))
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
