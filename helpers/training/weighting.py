"""Which noise levels a training draws, and what an error counts at each: the field's weightings, by name.

σ is the noise in units of the picture's own scale, 1/√SNR: with any schedule, x_t is in proportion to
x_0 + σ·noise.
"""

import torch
from diffusers.training_utils import compute_snr

from ..models import SIGMA_DATA
from ..sampling import prediction_type_of

WEIGHTINGS = ("uniform", "min_snr", "p2", "edm", "logit_normal")
SNR_GAMMA = 5.0  # of min-SNR, as in its paper
# Mean and standard deviation of the drawn ln σ, as in arXiv 2206.00364 and 2403.03206.
LOG_SIGMA = {"edm": (-1.2, 1.2), "logit_normal": (0.0, 1.0)}


def check_weighting(weighting: str, snr_gamma: float | None, log_sigma: tuple[float, float] | None) -> None:
    """Raise ValueError for an unknown weighting, and for settings that it does not take."""
    if weighting not in WEIGHTINGS:
        raise ValueError(f"weighting {weighting!r} is unknown; expected one of {', '.join(WEIGHTINGS)}")
    if snr_gamma is not None and not snr_gamma > 0:
        raise ValueError(f"snr_gamma must be above 0, or None for no weighting; got {snr_gamma}")
    if snr_gamma is not None and weighting not in ("uniform", "min_snr"):
        raise ValueError(f'snr_gamma belongs to weighting="min_snr"; weighting={weighting!r} takes none')
    if log_sigma is not None and (weighting not in LOG_SIGMA or not log_sigma[1] > 0):
        names = " or ".join(map(repr, LOG_SIGMA))
        raise ValueError(
            f"log_sigma is (mean, standard deviation above 0) of ln σ for weighting={names}; "
            f"got {log_sigma} for {weighting!r}"
        )


def signal_to_noise(noise_scheduler, timesteps: torch.Tensor) -> torch.Tensor:
    """SNR [batch] at timesteps [batch]; for flow matching these are t·num_train_timesteps."""
    if prediction_type_of(noise_scheduler) != "flow_prediction":
        return compute_snr(noise_scheduler, timesteps)
    t = timesteps / noise_scheduler.config.num_train_timesteps
    return ((1 - t) / t).square()


def draw_timesteps(
    noise_scheduler, weighting: str, count: int, log_sigma=None, *, generator=None, device=None
) -> torch.Tensor:
    """Draw timesteps [count]: all alike, or so that ln σ is normal ("edm" and "logit_normal").

    For a DDPM schedule they are int64, from 0. For flow matching they are float, t·num_train_timesteps
    with t in (0, 1]; there σ = t/(1 - t), so a normal ln σ is the logit-normal t of arXiv 2403.03206.
    """
    source = {"generator": generator, "device": device}
    total = noise_scheduler.config.num_train_timesteps
    mean, deviation = log_sigma or LOG_SIGMA.get(weighting, (0, 1))
    if prediction_type_of(noise_scheduler) == "flow_prediction":
        t = 1 - torch.rand(count, **source)
        if weighting in LOG_SIGMA:
            t = torch.sigmoid(mean + deviation * torch.randn(count, **source))
        shift = noise_scheduler.config.get("shift", 1.0)
        return shift * t / (1 + (shift - 1) * t) * total
    if weighting not in LOG_SIGMA:
        return torch.randint(total, (count,), **source)
    log_sigmas = -signal_to_noise(noise_scheduler, torch.arange(total)).log() / 2
    (widths,) = torch.gradient(log_sigmas)
    density = torch.exp(-((log_sigmas - mean) / deviation).square() / 2) * widths
    return torch.multinomial(density.to(device), count, replacement=True, generator=generator)


def x_0_weights(
    snr: torch.Tensor, weighting: str, target: str, snr_gamma: float | None = None
) -> torch.Tensor:
    """What a squared error of the estimated picture x_0 counts at each SNR.

    | weighting | of an error of x_0 | source |
    | --- | --- | --- |
    | uniform | `target_scale(snr, target)`: the target's own errors all count the same | arXiv 2006.11239 |
    | min_snr | min(SNR, γ) | arXiv 2303.09556 |
    | p2 | SNR / (1 + SNR) | arXiv 2204.00227, with k = γ = 1 |
    | edm | SNR + 1/σ_data², and ln σ is drawn normal | arXiv 2206.00364 |
    | logit_normal | (1 + √SNR)², and t is drawn logit-normal | arXiv 2403.03206 |
    """
    return {
        "uniform": lambda: target_scale(snr, target),
        "min_snr": lambda: snr.clamp(max=snr_gamma or SNR_GAMMA),
        "p2": lambda: snr / (1 + snr),
        "edm": lambda: snr + 1 / SIGMA_DATA**2,
        "logit_normal": lambda: target_scale(snr, "flow_prediction"),
    }[weighting]()


def target_scale(snr: torch.Tensor, target: str) -> torch.Tensor:
    """The squared error of a target that goes with a squared error of 1 in x_0, at each SNR."""
    return {
        "epsilon": snr,
        "sample": torch.ones_like(snr),
        "v_prediction": snr + 1,
        "flow_prediction": (snr.sqrt() + 1).square(),
    }[target]


def loss_weights(
    noise_scheduler, timesteps: torch.Tensor, weighting: str, snr_gamma: float | None = None
) -> torch.Tensor:
    """Weights [batch] of the squared errors of the scheduler's own target, at timesteps [batch]."""
    snr, target = signal_to_noise(noise_scheduler, timesteps), prediction_type_of(noise_scheduler)
    return x_0_weights(snr, weighting, target, snr_gamma) / target_scale(snr, target)
