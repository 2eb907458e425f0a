"""Ask for a class, and see what a conditional pipeline draws."""

import time

import ipywidgets
import torch
from matplotlib.figure import Figure

from ..plotting import plot_generated_images
from .base import LATE, Explorer, make_steps_slider

IMAGES = 4  # at once: guided ones in 20 steps take well under a second on two cores


class LabelExplorer(Explorer):
    """Class, seed, steps and guidance to choose, and the pictures that come of it."""

    def __init__(self, pipeline, num_inference_steps: int):
        self.pipeline = pipeline
        config = pipeline.class_net.config
        self.class_names = tuple(config.class_names or range(config.num_classes))
        names = [(str(name), i) for i, name in enumerate(self.class_names)]
        self.label = ipywidgets.Dropdown(options=names, description="class")
        self.seed = ipywidgets.IntSlider(0, 0, 99, description="seed", **LATE)
        self.steps = make_steps_slider(pipeline.scheduler, num_inference_steps)
        self.guidance = ipywidgets.FloatSlider(1, min=0, max=8, step=0.5, description="guidance", **LATE)
        super().__init__([self.label, self.seed, self.steps, self.guidance])

    def generate(self, labels: list[int], guidance_scale: float) -> list:
        """Draw one picture per label; picture i has a seed of its own."""
        generators = [torch.Generator().manual_seed(1000 * self.seed.value + i) for i in range(len(labels))]
        callers = getattr(self.pipeline, "_progress_bar_config", {})
        self.pipeline.set_progress_bar_config(disable=True)
        try:
            return self.pipeline(labels, guidance_scale, generators, self.steps.value).images
        finally:
            self.pipeline.set_progress_bar_config(**callers)

    def draw(self) -> tuple[bytes, str]:
        """Draw the chosen state."""
        begun = time.perf_counter()
        images = self.generate([self.label.value] * IMAGES, self.guidance.value)
        seconds = time.perf_counter() - begun
        picture = plot_generated_images(images, 1, IMAGES).to_png()
        return picture, f"{self.class_names[self.label.value]}: {IMAGES} images in <b>{seconds:.2f} s</b>"

    def static_picture(self) -> Figure:
        """Draw a row of pictures for each class."""
        images = self.generate([i for i in range(len(self.class_names)) for _ in range(IMAGES)], 1.0)
        return plot_generated_images(images, len(self.class_names), IMAGES, self.class_names, scale=3)


def label_explorer(pipeline, num_inference_steps: int = 20) -> LabelExplorer:
    """Ask a conditional pipeline for a class; a row of each class shows where widgets do not.

    Parameters
    ----------
    pipeline : ConditionalDDPMPipeline
    num_inference_steps : int
        Where the slider starts: the nearest number up to 100 that suits the scheduler.

    Raises
    ------
    TypeError
        If the pipeline takes no labels.
    """
    if not hasattr(pipeline, "class_net"):
        expected = 'a ConditionalDDPMPipeline, for example load_pipeline("label_conditioned")'
        raise TypeError(f"a {type(pipeline).__name__} takes no labels; expected {expected}")
    return LabelExplorer(pipeline, num_inference_steps)
