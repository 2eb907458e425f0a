"""One sampler with four knobs: the walk from noise to image in EDM's variables (arXiv 2206.00364).

Here x = x_0 + sigma · noise, and `denoise(x, sigma)` is the model's estimate of x_0. The walk follows
dx/dsigma = (x - x_0) / sigma, the estimated noise, down to sigma = 0. Whatever a model was trained with,
DDPM's noise schedule or a straight flow, is a change of variables away from this.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from diffusers.utils.torch_utils import randn_tensor

from .sampling import image_shape

# Schedule of sigmas → what is evenly spaced in it, and the way back.
SCHEDULES = {
    "linear": (lambda sigma: sigma, lambda u: u),
    "karras": (lambda sigma: sigma ** (1 / 7), lambda u: u**7),  # rho = 7 (arXiv 2206.00364)
    "exponential": (torch.log, torch.exp),  # also called linear in log SNR: log SNR = -2 log sigma
    "cosine": (torch.atan, torch.tan),  # the timesteps of a cosine schedule: x_t = x_0 cos u + noise sin u
    "flow": (lambda sigma: sigma / (1 + sigma), lambda u: u / (1 - u)),  # x_u = (1 - u) x_0 + u noise
}
MULTISTEPS = ("dpm", "adams")


def make_sigmas(
    name: str, num_inference_steps: int, sigma_max: float = 20.0, sigma_min: float = 0.02
) -> torch.Tensor:
    """Make the noise levels of a walk, evenly spaced in something, and 0 at the end.

    Parameters
    ----------
    name : "linear" (in sigma itself), "karras" (sigma^(1/7)), "exponential" (log sigma, and so log SNR),
        "cosine" (timesteps of a cosine noise schedule, arXiv 2102.09672) or "flow" (time of a straight
        flow, arXiv 2209.03003)
    num_inference_steps : int, at least 1
    sigma_max, sigma_min : float
        The first level, and the last above 0. At 20 a twentieth of the picture shows.

    Returns
    -------
    Tensor [num_inference_steps + 1], float64, falling

    Raises
    ------
    ValueError
        If the name is unknown, there is no step, or not 0 < sigma_min < sigma_max.
    """
    if name not in SCHEDULES:
        raise ValueError(f"unknown schedule {name!r}; expected one of {', '.join(SCHEDULES)}")
    if num_inference_steps < 1:
        raise ValueError(f"num_inference_steps must be at least 1; got {num_inference_steps}")
    if not 0 < sigma_min < sigma_max < float("inf"):
        raise ValueError(f"expected 0 < sigma_min < sigma_max; got {sigma_min} and {sigma_max}")
    there, back = SCHEDULES[name]
    ends = there(torch.tensor([sigma_max, sigma_min], dtype=torch.float64))
    levels = back(torch.linspace(*ends.tolist(), num_inference_steps, dtype=torch.float64))
    return torch.cat([levels, torch.zeros(1, dtype=torch.float64)])


def make_denoiser(unet, noise_scheduler) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Turn a UNet that was trained with a DDPM noise schedule into `denoise(x, sigma)`.

    Parameters
    ----------
    unet : UNet2DModel, in eval mode
    noise_scheduler : DDPMScheduler or another with alphas_cumprod
        Its prediction_type says what the UNet predicts.

    Returns
    -------
    callable
        Takes x [batch, channels, height, width] and a scalar sigma, returns the estimate of x_0. Between two
        timesteps t is interpolated in log sigma, as in diffusers' EulerDiscreteScheduler; beyond both ends it
        stays at the end.

    Raises
    ------
    ValueError
        If the scheduler has no alphas_cumprod, or another prediction type.
    """
    kind = noise_scheduler.config.get("prediction_type")
    if not hasattr(noise_scheduler, "alphas_cumprod") or kind not in ("epsilon", "sample", "v_prediction"):
        raise ValueError(
            f"a {type(noise_scheduler).__name__} with prediction_type {kind!r} does not fit: expected a "
            "noise scheduler with alphas_cumprod, such as DDPMScheduler, and epsilon, sample or v_prediction"
        )
    alphas_cumprod = noise_scheduler.alphas_cumprod.double().cpu().clamp(min=2**-24)
    log_sigmas = ((1 - alphas_cumprod) / alphas_cumprod).sqrt().log().numpy()

    def denoise(x: torch.Tensor, sigma) -> torch.Tensor:
        sigma = float(sigma)
        t = np.interp(np.log(sigma), log_sigmas, np.arange(len(log_sigmas)))
        scale = (1 + sigma**2) ** -0.5  # √ᾱ: from EDM's x to DDPM's x_t
        # A tensor: a UNet cuts a Python number down to an integer.
        output = unet(scale * x, torch.tensor(t, dtype=torch.float32, device=x.device)).sample
        if kind == "epsilon":
            return x - sigma * output
        return output if kind == "sample" else scale**2 * x - scale * sigma * output

    return denoise


@torch.no_grad()
def sample_ode(
    denoise: Callable,
    x: torch.Tensor,
    sigmas: Sequence[float],
    order: int = 1,
    history: int = 0,
    churn: float = 0.0,
    eta: float = 0.0,
    multistep: str = "dpm",
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Walk from noise to images.

    | settings | is |
    | --- | --- |
    | none | Euler, which is DDIM (arXiv 2010.02502) |
    | `eta=1` | Euler ancestral, DDIM with the same eta, SDE-DPM-Solver++ of order 1 |
    | `order=2` | Heun, two calls a step but for the last (arXiv 2206.00364) |
    | `order=1` or 2, `churn` | EDM's stochastic sampler |
    | `history=1` or 2 | DPM-Solver++ 2M, 3M (arXiv 2211.01095) |
    | `history=1` or 2, `eta=1` | SDE-DPM-Solver++ 2M, 3M (diffusers 0.42 has a sign in its 3M wrong) |
    | `history=1` or 2, `multistep="adams"` | LMS: Adams-Bashforth of order 2, 3 |

    Parameters
    ----------
    denoise : callable (x, sigma) → estimate of x_0, in the shape of x
    x : Tensor [batch, ...], noise times sigmas[0]
    sigmas : falling numbers, as `make_sigmas` makes them
    order : 1 or 2, model calls a step
    history : 0, 1 or 2, earlier estimates that a step uses
    churn : float, S_churn of EDM: a step first raises sigma by churn / steps of it, at most by 41 %
    eta : float from 0 to 1, the share of ancestral noise that a step adds after it walked
    multistep : "dpm" (a polynomial of x_0 in log sigma) or "adams" (of dx/dsigma in sigma)
    generator : torch.Generator, optional, of churn and eta

    Raises
    ------
    ValueError
        If a knob has no such position, two of them do not go together, or the sigmas do not fall.
    """
    sigmas = _check_walk(sigmas, order, history, churn, eta, multistep)
    past = []
    for sigma, sigma_next in pairwise(sigmas):
        if churn:  # up, by fresh noise
            sigma_hat = sigma * (1 + min(churn / (len(sigmas) - 1), 2**0.5 - 1))
            x = x + (sigma_hat**2 - sigma**2).sqrt() * randn_tensor(x.shape, generator, x.device, x.dtype)
            sigma = sigma_hat
        fresh = eta * sigma_next * (1 - (sigma_next / sigma) ** 2).sqrt()
        sigma_down = (sigma_next**2 - fresh**2).sqrt()  # so far that fresh noise leads back to sigma_next
        x_0 = denoise(x, sigma)
        noise = (x - x_0) / sigma  # = dx/dsigma
        if history:
            past = [(sigma, noise if multistep == "adams" else x_0), *past][: history + 1]
            weights = multistep_weights([s for s, _ in past], sigma_next, sigma_down, multistep)
            mean = sum(w * estimate for w, (_, estimate) in zip(weights, past, strict=True))
            noise = mean if multistep == "adams" else (x - mean) / sigma
        x_next = x + (sigma_down - sigma) * noise
        if order == 2 and sigma_down > 0:
            noise_next = (x_next - denoise(x_next, sigma_down)) / sigma_down
            x_next = x + (sigma_down - sigma) * (noise + noise_next) / 2
        x = x_next
        if eta:
            x = x + fresh * randn_tensor(x.shape, generator, x.device, x.dtype)
    return x


def walk_images(unet, noise_scheduler, sigmas, num_images: int, *, seed: int = 0, batch_size=100, **knobs):
    """Draw with `sample_ode` from the noises that `sample_images` begins with, at equal seed and batch size.

    Parameters
    ----------
    unet, noise_scheduler : see `make_denoiser`
    sigmas, **knobs : of `sample_ode`, but for the generator, which goes on after the noises

    Returns
    -------
    Tensor [num_images, c, h, w] in [-1, 1], clipped
    """
    generator, shape = torch.Generator().manual_seed(seed), image_shape(unet)
    counts = [min(batch_size, num_images - start) for start in range(0, num_images, batch_size)]
    noises = [torch.randn(count, *shape, generator=generator) * sigmas[0] for count in counts]
    denoise, knobs = make_denoiser(unet, noise_scheduler), knobs | {"generator": generator}
    return torch.cat([sample_ode(denoise, noise, sigmas, **knobs) for noise in noises]).clamp(-1, 1)


def multistep_weights(past_sigmas, sigma_next, sigma_down, multistep: str = "dpm") -> torch.Tensor:
    """Weights [n] of the last n estimates (the newest first) in their mean over the step that comes.

    A polynomial goes through the estimates, drawn over u: 0 where the step begins, 1 at sigma_next. The
    weights give its mean: that of 1, u and u² is 1, 1/2 and 1/3, and so the weights solve a linear system.
    """
    sigmas, n = torch.stack([*past_sigmas, sigma_next]), len(past_sigmas)
    if n == 1 or (multistep == "dpm" and sigma_next == 0):  # log 0 is no place: the newest alone
        return torch.eye(n, dtype=sigmas.dtype)[0]
    means = torch.tensor([1, 1 / 2, 1 / 3], dtype=sigmas.dtype)[:n]
    if multistep == "dpm":
        if n == 3:  # the end of the step counts more; that of u² is halved, as the authors' code has it
            h = (sigmas[0] / sigma_down).log()
            phi_1 = -torch.expm1(-h)
            phi_2 = 1 - phi_1 / h
            means = torch.stack([phi_1, phi_2, 1 / 2 - phi_2 / h]) / phi_1
        sigmas = sigmas.log()
    u = (sigmas[:-1] - sigmas[0]) / (sigmas[-1] - sigmas[0])
    return torch.linalg.solve(torch.linalg.vander(u).T, means)


def _check_walk(sigmas, order, history, churn, eta, multistep) -> torch.Tensor:
    """Raise ValueError unless the knobs of `sample_ode` go together; return the sigmas, float64."""
    sigmas = torch.as_tensor(sigmas, dtype=torch.float64).cpu()
    if sigmas.ndim != 1 or len(sigmas) < 2 or not (sigmas.diff() < 0).all() or not sigmas[-1] >= 0:
        raise ValueError(f"sigmas must fall, at least two of them, to 0 or above; got {sigmas.tolist()}")
    for name, value, known in (
        ("order", order, (1, 2)), ("history", history, (0, 1, 2)), ("multistep", multistep, MULTISTEPS)
    ):  # fmt: skip
        if value not in known:
            raise ValueError(f"{name} must be one of {', '.join(map(str, known))}; got {value!r}")
    if not 0 <= churn < float("inf") or not 0 <= eta <= 1:
        raise ValueError(f"churn must be at least 0 and eta from 0 to 1; got {churn} and {eta}")
    pairs = {
        "order=2 and history": order == 2 and history,
        "order=2 and eta": order == 2 and eta,
        "churn and history": churn and history,
        "churn and eta": churn and eta,
        'multistep="adams" and eta': multistep == "adams" and history and eta,
    }
    if clash := next((pair for pair, there in pairs.items() if there), None):
        raise ValueError(
            f"{clash} do not go together: order=2 goes with churn, history with eta, and Adams with neither"
        )
    return sigmas
