"""Play with a scheduler's settings, and see the trajectory."""

import inspect
import time

import ipywidgets
from matplotlib.figure import Figure

from ..plotting import plot_denoising_steps
from ..sampling import SCHEDULERS, SPACINGS, make_scheduler, sample_images
from .base import LATE, Explorer, make_steps_slider

FRAMES = 9  # pictures in a filmstrip


def evenly(count: int, most: int = FRAMES) -> list[int]:
    """At most so many numbers out of 0 … count - 1, evenly spaced, the last one among them."""
    return sorted({round(i * (count - 1) / max(1, most - 1)) for i in range(most)})


class SamplerPlayground(Explorer):
    """Scheduler, steps, eta, clipping, spacing and seed to choose; the trajectory of one image from noise."""

    def __init__(self, unet, noise_scheduler, num_inference_steps: int):
        self.unet, self.noise_scheduler = unet, noise_scheduler
        names = list(SCHEDULERS)
        self.scheduler_name = ipywidgets.Dropdown(options=names, value="ddim", description="scheduler")
        self.eta = ipywidgets.FloatSlider(0, min=0, max=1, step=0.1, description="eta", **LATE)
        self.clip = ipywidgets.Dropdown(options=["default", "yes", "no"], description="clip_sample")
        self.spacing = ipywidgets.Dropdown(options=["default", *SPACINGS], description="spacing")
        self.seed = ipywidgets.IntSlider(0, 0, 99, description="seed", **LATE)
        self.steps = make_steps_slider(self.make_scheduler(), num_inference_steps)
        super().__init__([self.scheduler_name, self.steps, self.eta, self.clip, self.spacing, self.seed])

    def make_scheduler(self):
        """Make the chosen scheduler, with what `make_scheduler` chooses where nothing is chosen."""
        chosen = {}
        if self.spacing.value != "default":
            chosen["timestep_spacing"] = self.spacing.value
        if self.clip.value != "default" and self.can_clip():
            chosen["clip_sample"] = self.clip.value == "yes"
        return make_scheduler(self.noise_scheduler, self.scheduler_name.value, **chosen)

    def can_clip(self) -> bool:
        """Whether the chosen scheduler can clip its x_0-prediction."""
        return "clip_sample" in inspect.signature(SCHEDULERS[self.scheduler_name.value][0]).parameters

    def adapt(self, change) -> None:
        """Offer the numbers of steps that suit the chosen scheduler and spacing."""
        if change is not None and change["owner"] in (self.scheduler_name, self.spacing):
            offer = make_steps_slider(self.make_scheduler(), self.steps.value)
            self.steps.unobserve(self.update, "value")  # new options choose the first of them for a moment
            self.steps.options, self.steps.value = offer.options, offer.value
            self.steps.observe(self.update, "value")

    def sample(self) -> tuple[list, float]:
        """Draw one image: (timestep, x_t, x_0-prediction) up to the finished one, and the seconds."""
        scheduler, steps, begun = self.make_scheduler(), self.steps.value, time.perf_counter()
        scheduler.set_timesteps(steps)
        record_steps = evenly(len(scheduler.timesteps))[:-1] or [0]  # the finished picture is the last
        options = {"eta": self.eta.value, "seed": self.seed.value, "record_steps": record_steps}
        images, trajectory = sample_images(self.unet, scheduler, 1, steps, **options)
        seconds = time.perf_counter() - begun
        # Where the scheduler gives no predictions of x_0, the last picture has none either.
        return [*trajectory, (0, images, None if trajectory[-1][2] is None else images)], seconds

    def draw(self) -> tuple[bytes, str]:
        """Draw the chosen state."""
        trajectory, seconds = self.sample()
        words = [f"{self.scheduler_name.value}, {self.steps.value} steps in <b>{seconds:.2f} s</b>"]
        if self.eta.value and self.scheduler_name.value != "ddim":
            words.append("only ddim takes eta")
        if self.clip.value != "default" and not self.can_clip():
            words.append("clip_sample is no setting of it")
        return _filmstrip(trajectory).to_png(), "; ".join(words)

    def static_picture(self) -> Figure:
        """Draw the filmstrip of what is chosen."""
        return _filmstrip(self.sample()[0])


def _filmstrip(trajectory: list) -> Figure:
    """Draw the trajectory of the first image, with the x_0-predictions where the scheduler gives them."""
    times, images, estimates = zip(*trajectory, strict=True)
    complete = all(estimate is not None for estimate in estimates)
    return plot_denoising_steps(
        [x[0] for x in images], times, [x[0] for x in estimates] if complete else None
    )


def sampler_playground(unet, noise_scheduler, num_inference_steps: int = 20) -> SamplerPlayground:
    """Play with scheduler, steps, eta, clipping, spacing and seed: the trajectory of one image, and the time.

    Parameters
    ----------
    unet : UNet2DModel
    noise_scheduler : SchedulerMixin
        The one that the UNet was trained with.
    num_inference_steps : int
        Where the slider starts: the nearest number up to 100 that suits the scheduler.
    """
    return SamplerPlayground(unet, noise_scheduler, num_inference_steps)
