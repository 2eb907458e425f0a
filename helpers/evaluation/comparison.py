"""Compare samplers on the same weights and the same noise: quality against cost."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import torch

from ..sampling import check_steps, make_scheduler, sample_images
from .classifier import extract_features
from .intervals import mean_score
from .metrics import frechet_distance, precision_recall

NUM_REFERENCE = 5000  # for precision and recall, as in the model cards


@dataclass(frozen=True)
class SamplerSettings:
    """A sampler and how it is used.

    Attributes
    ----------
    sampler : str
        A name of `helpers.sampling.SCHEDULERS`.
    num_inference_steps : int
    eta : float
        For DDIM, from 0 to 1.
    scheduler, step : dict
        Settings of the scheduler, as `{"clip_sample": True}`, and of its step, as
        `{"use_clipped_model_output": True}`.
    """

    sampler: str
    num_inference_steps: int
    eta: float = 0.0
    scheduler: dict = field(default_factory=dict)
    step: dict = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The sampler and what is unusual about it, without the number of steps."""
        eta = {"eta": f"{self.eta:g}"} if self.sampler == "ddim" else {}
        words = ", ".join(f"{key}={value}" for key, value in (eta | self.scheduler | self.step).items())
        return f"{self.sampler} ({words})" if words else self.sampler

    @property
    def model_calls(self) -> int:
        """How often the UNet is called for a picture; Heun's second-order steps take two calls."""
        return 2 * self.num_inference_steps - 1 if self.sampler == "heun" else self.num_inference_steps


def score_sets(sets: Sequence[torch.Tensor], reference: torch.Tensor) -> dict[str, dict]:
    """Score sets of features [n, d], one for each seed with n of at least 200, against real ones [m, d].

    Returns Fréchet distance, precision and recall: means over the sets, as dictionaries.
    """
    distances = [frechet_distance(features, reference) for features in sets]
    pairs = [precision_recall(features, reference, num_reference=NUM_REFERENCE) for features in sets]
    precisions, recalls = zip(*pairs, strict=True)
    return {
        "frechet_distance": mean_score(distances).clip()._asdict(),
        "precision": mean_score(precisions).clip(highest=1.0)._asdict(),
        "recall": mean_score(recalls).clip(highest=1.0)._asdict(),
    }


def compare_samplers(
    unet,
    noise_scheduler,
    settings: Sequence[SamplerSettings],
    reference: torch.Tensor,
    num_images: int = 500,
    seeds: Sequence[int] = (0,),
    report=lambda row: None,
) -> list[dict]:
    """Draw with each sampler from the same noise, and score what comes out.

    Parameters
    ----------
    unet : UNet2DModel
    noise_scheduler : SchedulerMixin
        The one that the UNet was trained with.
    settings : sequence of SamplerSettings
    reference : Tensor
        Real images, or their features.
    num_images : int
        For each seed; at least 200.
    seeds : sequence of int
        With several, intervals are over seeds.
    report : callable, optional
        Called with each row when it is there.

    Returns
    -------
    list of dict
        A row for each of the settings: themselves, `name`, `model_calls`, `seconds_per_image` (of the
        fastest seed), and what `score_sets` returns.

    Raises
    ------
    ValueError
        If a setting is one that its scheduler does not have; before any work.
    """
    schedulers = [make_scheduler(noise_scheduler, s.sampler, **s.scheduler) for s in settings]
    pairs = list(zip(schedulers, settings, strict=True))
    for scheduler, setting in pairs:
        check_steps(scheduler, setting.num_inference_steps, setting.eta)
    features, rows = extract_features(reference), []
    for scheduler, setting in pairs:
        drawn = [_draw(unet, scheduler, setting, num_images, seed) for seed in seeds]
        row = asdict(setting) | {"name": setting.name, "model_calls": setting.model_calls}
        # What else the machine does only adds, so the fastest seed says most about the sampler.
        row["seconds_per_image"] = min(seconds for _, seconds in drawn) / num_images
        row |= score_sets([f for f, _ in drawn], features)
        rows.append(row)
        report(row)
    return rows


def _draw(unet, scheduler, setting, num_images: int, seed: int) -> tuple[torch.Tensor, float]:
    """Features of drawn images, and the seconds that drawing took."""
    options, begun = {"eta": setting.eta, "seed": seed} | setting.step, time.perf_counter()
    images = sample_images(unet, scheduler, num_images, setting.num_inference_steps, **options)
    seconds = time.perf_counter() - begun
    # A sampler that blows up draws NaN: grey then, and far from any sprite.
    return extract_features(images.nan_to_num(0)), seconds
