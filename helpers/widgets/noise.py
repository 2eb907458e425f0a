"""What noise does to an image: timestep, schedule and image to choose."""

from collections.abc import Mapping
from functools import cache, partial

import ipywidgets
import numpy as np
import torch
from diffusers import DDPMScheduler
from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from ..plotting import plot_forward_process, to_images, to_tensor
from ..plotting.curves import snr_db
from ..plotting.style import PAD, PALETTE, RATIO, STYLE, WIDTH, NotebookFigure, encode_png
from .base import Explorer

SCHEDULES = {"linear": "linear", "scaled linear": "scaled_linear", "cosine": "squaredcos_cap_v2"}
SIDE, TOP, HEIGHT = 160, PAD + 22, 240  # screen pixels: a picture's side and upper edge, the panel's height
DECIBELS = 40  # the curve is drawn from -40 to 40 dB


def draw_background(noise_schedulers: Mapping, schedule: str) -> tuple[np.ndarray, np.ndarray]:
    """Draw the SNR curves, uint8 [height, width, 3], and say where on them (x, y) each timestep of one is."""
    left = PAD + 2 * (SIDE + PAD) + 50
    box = (left / WIDTH, 50 / HEIGHT, (WIDTH - 2 * PAD - left) / WIDTH, 1 - (50 + TOP) / HEIGHT)
    with rc_context(STYLE):
        figure = NotebookFigure(WIDTH, HEIGHT, "")
        axes = figure.add_axes(box, xmargin=0, ylim=(-DECIBELS, DECIBELS), xlabel="timestep t")
        axes.set_title(f"Signal-to-noise ratio in dB, {schedule} schedule")
        for i, title in enumerate(("$x_0$", "$x_t$")):
            figure.text((PAD + i * (SIDE + PAD)) / WIDTH, 1 - (TOP - 7) / HEIGHT, title)
        for (name, scheduler), colour in zip(noise_schedulers.items(), PALETTE, strict=False):
            curve = snr_db(scheduler.alphas_cumprod)
            axes.plot(curve, color=colour, alpha=1 if name == schedule else 0.3)
        pixels = figure.to_pixels()
    chosen = snr_db(noise_schedulers[schedule].alphas_cumprod).clip(-DECIBELS, DECIBELS)
    places = axes.transData.transform(np.column_stack([np.arange(len(chosen)), chosen]))
    return pixels, np.column_stack([places[:, 0], len(pixels) - places[:, 1]])


def draw_noise_level(background: np.ndarray, place: np.ndarray, clean, noisy) -> np.ndarray:
    """Lay a clean and a noisy image [c, h, w] and a dot at `place` (x, y) on a copy of the background."""
    images = to_images([clean, noisy])
    images = images[:, :: -(-images.shape[1] // (SIDE * RATIO)), :: -(-images.shape[2] // (SIDE * RATIO))]
    zoom = max(1, SIDE // max(images.shape[1:3]) * RATIO)
    canvas = background.copy()
    for i, block in enumerate(images.repeat(zoom, axis=1).repeat(zoom, axis=2)):
        x, y = (PAD + i * (SIDE + PAD)) * RATIO, TOP * RATIO
        canvas[y : y + block.shape[0], x : x + block.shape[1]] = block
    picture, radius = Image.fromarray(canvas), 6 * RATIO
    ImageDraw.Draw(picture).ellipse([*(place - radius), *(place + radius)], "black", "white", RATIO)
    return np.asarray(picture)


class NoiseExplorer(Explorer):
    """A slider over the timestep, a choice of schedule and of image, and what the noise leaves of it."""

    def __init__(self, images, num_train_timesteps: int):
        self.clean = to_tensor(images)
        self.noise = torch.randn(self.clean.shape, generator=torch.Generator().manual_seed(0))
        self.noise_schedulers = {
            name: DDPMScheduler(num_train_timesteps, beta_schedule=beta) for name, beta in SCHEDULES.items()
        }
        self.background = cache(partial(draw_background, self.noise_schedulers))
        last = num_train_timesteps - 1
        self.timestep = ipywidgets.IntSlider(last // 4, 0, last, description="timestep t")
        self.schedule = ipywidgets.Dropdown(options=list(SCHEDULES), value="cosine", description="schedule")
        numbers = [(f"number {i + 1}", i) for i in range(len(self.clean))]
        self.image = ipywidgets.Dropdown(options=numbers, description="image")
        super().__init__([self.timestep, self.schedule, self.image])

    def draw(self) -> tuple[bytes, str]:
        """Draw the chosen state."""
        name, t, i = self.schedule.value, self.timestep.value, self.image.value
        pixels, places = self.background(name)
        scheduler = self.noise_schedulers[name]
        noisy = scheduler.add_noise(self.clean[i, None], self.noise[i, None], torch.tensor([t]))[0]
        alpha = float(scheduler.alphas_cumprod[t])
        mixture = f"x<sub>t</sub> = {alpha**0.5:.2f} x<sub>0</sub> + {(1 - alpha) ** 0.5:.2f} ε"
        text = f"t = {t}: {mixture}, <b>SNR {snr_db(alpha):.1f} dB</b>"
        return encode_png(draw_noise_level(pixels, places[t], self.clean[i], noisy)), text

    def static_picture(self) -> Figure:
        """The same as a filmstrip: the first image under each schedule."""
        return plot_forward_process(self.clean[0], self.noise_schedulers, noise=self.noise[0])


def noise_explorer(images, num_train_timesteps: int = 500) -> NoiseExplorer:
    """Explore how noise destroys an image; a filmstrip shows where widgets do not (GitHub, HTML, print).

    Parameters
    ----------
    images
        What `plotting.to_images` takes.
    num_train_timesteps : int

    Raises
    ------
    ValueError
        If the images are none, or there are fewer than 2 timesteps.
    """
    if num_train_timesteps < 2:
        raise ValueError(f"num_train_timesteps must be at least 2; got {num_train_timesteps}")
    return NoiseExplorer(images, num_train_timesteps)
