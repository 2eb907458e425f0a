"""Every figure that two notebooks share. Each function returns a matplotlib `Figure`.

End a cell with the call and the figure is shown once; `figure.savefig("name.png")` writes the same picture.
"""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure

from .figures import (
    FACE_RGB,
    INK,
    STYLE,
    draw_grid,
    draw_panels,
    label_ends,
    pick_colours,
    to_images,
    to_tensor,
)


def plot_generated_images(
    images, rows: int, cols: int, titles: Sequence[str] | None = None, scale: int | None = None
) -> Figure:
    """Draw images as a grid of rows × cols, filled row by row.

    Parameters
    ----------
    images
        What `to_images` takes; at most rows * cols of them.
    titles : sequence of str, optional
        One per image, written above it, or one per row, written at its left.
    scale : int, optional
        Screen pixels per image pixel; by default what gives tiles of about 96 pixels.

    Raises
    ------
    ValueError
        If rows × cols is too small for the images, the number of titles fits neither the images nor
        the rows, or scale is not a whole number above zero.
    """
    images, titles = to_images(images), [str(title) for title in titles or []]
    if rows < 1 or cols < 1 or rows * cols < len(images):
        raise ValueError(f"{rows} rows × {cols} columns are too few for {len(images)} images")
    if titles and len(titles) not in (len(images), rows):
        raise ValueError(f"got {len(titles)} titles for {len(images)} images in {rows} rows")
    if scale is not None and (scale != int(scale) or scale < 1):
        raise ValueError(f"scale must be a whole number of screen pixels, 1 or more; got {scale}")
    alt = f"{len(images)} images in {rows} rows"
    if len(titles) == rows and cols > 1:
        return draw_grid(images, rows, cols, alt, row_titles=titles, scale=scale)
    letters = max(12, (scale or 96 // images.shape[2]) * images.shape[2] // 6)
    titles = ["\n".join(textwrap.wrap(title, letters)) for title in titles]
    return draw_grid(images, rows, cols, alt, titles, scale=scale)


def plot_dataset(dataset, num_images: int = 8, seed: int = 0) -> Figure:
    """Draw `num_images` random images of each class of a dataset, a row per class.

    The dataset has `images` (uint8 [n, h, w, c]), `labels` (int64 [n]) and `class_names`.
    A class with fewer images leaves the rest of its row empty; a class without any is left out.

    Raises
    ------
    ValueError
        If num_images is below 1.
    """
    if num_images < 1:
        raise ValueError(f"num_images must be at least 1; got {num_images}")
    labels, rng, tiles = np.asarray(dataset.labels), np.random.default_rng(seed), []
    present = np.unique(labels)
    blank = np.broadcast_to(FACE_RGB, to_images(dataset.images[:1]).shape[1:])
    for label in present:
        chosen = rng.permutation(np.flatnonzero(labels == label))[:num_images]
        tiles += [*to_images(dataset.images[chosen]), *[blank] * (num_images - len(chosen))]
    names = [dataset.class_names[label] for label in present]
    alt = f"{num_images} images of each class: {', '.join(names)}"
    return draw_grid(np.stack(tiles), len(names), num_images, alt, row_titles=names)


def _alphas(noise_scheduler) -> np.ndarray:
    """The scheduler's ᾱ_t, or a ValueError for one that is not of the DDPM family."""
    if not hasattr(noise_scheduler, "alphas_cumprod"):
        raise ValueError(f"{type(noise_scheduler).__name__} has no alphas_cumprod; use e.g. a DDPMScheduler")
    return np.asarray(noise_scheduler.alphas_cumprod.cpu(), dtype=np.float64)


def plot_forward_process(image, noise_scheduler, timesteps=None, noise=None, seed: int = 0) -> Figure:
    """Draw a filmstrip of the forward process: the clean image x₀, then x_t, with t and ᾱ_t above it.

    Parameters
    ----------
    image
        What `to_images` takes: one image, or several, a row each.
    noise_scheduler : scheduler, or dict of schedulers by name
        A dict gives rows for each schedule, with its name at the left; all add the same noise.
    timesteps : sequence of int, optional
        By default eight, evenly spaced, the last one included.
    noise : tensor, optional
        The ε of all tiles of a row, [c, h, w] or one per image; by default drawn from `seed`.

    Raises
    ------
    ValueError
        If a timestep lies outside 0 … num_train_timesteps - 1, or the noise has another shape.
    """
    clean = to_tensor(image)
    schedulers = noise_scheduler if isinstance(noise_scheduler, Mapping) else {"": noise_scheduler}
    last = min(len(_alphas(scheduler)) for scheduler in schedulers.values()) - 1
    steps = np.arange(1, 9) * last // 8 if timesteps is None else np.asarray(timesteps, dtype=np.int64)
    if not steps.size or steps.min() < 0 or steps.max() > last:
        raise ValueError(f"timesteps must lie in 0 … {last}; got {steps.tolist()}")
    if noise is None:
        noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))
    if noise.shape not in (clean.shape, clean.shape[1:]):
        raise ValueError(f"noise must have the images' shape {(*clean.shape,)}; got {(*noise.shape,)}")
    rows, titles, names = [], [], []
    for name, scheduler in schedulers.items():
        times = ["" if names else f"t = {t}\n" for t in steps]
        heads = [f"{time}ᾱ = {_alphas(scheduler)[t]:.3f}" for time, t in zip(times, steps, strict=True)]
        for i, x_0 in enumerate(clean):
            eps = noise.cpu().float().expand_as(clean)[i]
            rows += [x_0, *(scheduler.add_noise(x_0[None], eps[None], torch.tensor([t]))[0] for t in steps)]
            titles += ["" if names else "$x_0$", *heads] if i == 0 else [""] * (1 + len(steps))
            names.append(name if i == 0 else "")
    alt = f"an image under more and more noise, at t = {', '.join(map(str, steps))}"
    return draw_grid(to_images(rows), len(names), 1 + len(steps), alt, titles, names)


def plot_denoising_steps(images, timesteps, x0_estimates=None) -> Figure:
    """Draw a filmstrip of the reverse process: x_t, and beneath it what the model takes for x₀.

    Parameters
    ----------
    images : tensor [steps, c, h, w], or list of [c, h, w] or [1, c, h, w]
        What `to_images` takes; about ten steps fill the width.
    timesteps : sequence of int
        One per image.
    x0_estimates : like images, optional

    Raises
    ------
    ValueError
        If images, timesteps and estimates are not equally many.
    """
    rows = [to_images(images)] + ([] if x0_estimates is None else [to_images(x0_estimates)])
    if any(len(row) != len(timesteps) for row in rows):
        counts = " and ".join(str(len(row)) for row in rows)
        raise ValueError(f"expected one image per timestep ({len(timesteps)}); got {counts}")
    titles = [f"t = {int(t)}" for t in timesteps]
    names = ["$x_t$", "estimate of $x_0$"][: len(rows)]
    alt = f"an image becoming clear, at t = {', '.join(str(int(t)) for t in timesteps)}"
    return draw_grid(np.concatenate(rows), len(rows), len(timesteps), alt, titles, names)


def plot_nearest_neighbours(generated, neighbours, distances: Sequence[float] | None = None) -> Figure:
    """Draw generated images, and beneath each one its nearest training image, with the distance.

    Raises
    ------
    ValueError
        If images, neighbours and distances are not equally many.
    """
    above, below = to_images(generated), to_images(neighbours)
    counts = [len(above), len(below), *([] if distances is None else [len(distances)])]
    if len(set(counts)) > 1:
        raise ValueError(f"images, neighbours and distances must be equally many; got {counts}")
    titles = [""] * len(above) + ([] if distances is None else [f"{float(d):.2f}" for d in distances])
    names = ["generated", "nearest training image" + (", and distance" if titles[len(above) :] else "")]
    alt = "generated images above their nearest training images"
    return draw_grid(np.concatenate([above, below]), 2, len(above), alt, titles, names)


def plot_noise_schedule(noise_schedulers) -> Figure:
    """Draw signal √ᾱ_t and noise √(1 - ᾱ_t) over t, and the signal-to-noise ratio ᾱ_t / (1 - ᾱ_t).

    Parameters
    ----------
    noise_schedulers : dict of schedulers by name, or one scheduler

    Raises
    ------
    ValueError
        If there are none or more than seven, or one has no `alphas_cumprod`.
    """
    if not isinstance(noise_schedulers, Mapping):
        noise_schedulers = {"": noise_schedulers}
    names, colours = list(noise_schedulers), pick_colours(noise_schedulers)
    # A schedule may end at no signal at all: keep the logarithm finite.
    curves = [_alphas(scheduler).clip(1e-12, 1 - 1e-12) for scheduler in noise_schedulers.values()]
    coefficients = ("Signal and noise in $x_t$", "coefficient", "linear")
    ratio = ("Signal-to-noise ratio", "log₁₀ SNR", "linear")
    with rc_context(STYLE):
        figure, axes = draw_panels(f"noise schedules {', '.join(names)}", "timestep t", coefficients, ratio)
        for alphas, colour in zip(curves, colours, strict=True):
            axes[0].plot(np.sqrt(alphas), color=colour)
            axes[0].plot(np.sqrt(1 - alphas), color=colour, linestyle=(0, (4, 2)))
            axes[1].plot(np.log10(alphas / (1 - alphas)), color=colour)
        # The last steps of a cosine schedule would flatten the rest.
        axes[1].set_ylim(bottom=max(-5, axes[1].get_ylim()[0]))
        label_ends(axes[0], ("noise √(1 - ᾱ)", "signal √ᾱ"), (1, 0), (INK, INK))
        label_ends(axes[1], names, [np.log10(a[-1] / (1 - a[-1])) for a in curves], colours)
    return figure


def plot_losses(history, window: int | None = None) -> Figure:
    """Draw training losses on a linear and on a log scale: faint as they came, strong their running mean.

    Parameters
    ----------
    history : TrainingHistory, sequence of float, or dict of these by name
        Anything with `losses`, or the losses themselves; a dict to compare several runs.
    window : int, optional
        Steps in the running mean; by default a fiftieth of the run.

    Raises
    ------
    ValueError
        If there is no loss to draw, or window is below 1.
    """
    runs = history if isinstance(history, Mapping) else {"": history}
    runs = {name: np.asarray(getattr(run, "losses", run), dtype=float) for name, run in runs.items()}
    if any(run.ndim != 1 or not run.size for run in runs.values()) or (window is not None and window < 1):
        shapes = ", ".join(str(run.shape) for run in runs.values())
        raise ValueError(f"expected losses [steps], not empty, and window ≥ 1; got {shapes}, window {window}")
    colours, ends = pick_colours(runs), []
    with rc_context(STYLE):
        panels = [(f"Loss, {scale} scale", "mean squared error", scale) for scale in ("linear", "log")]
        figure, axes = draw_panels("training loss", "training step", *panels)
        for losses, colour in zip(runs.values(), colours, strict=True):
            mean = _running_mean(losses, window or max(1, len(losses) // 50))
            for ax in axes:
                ax.plot(losses, color=colour, alpha=0.25, linewidth=0.8)
                ax.plot(mean, color=colour)
            ends.append(mean[-1])
        axes[0].set_ylim(bottom=0)
        label_ends(axes[1], list(runs), ends, colours)
    return figure


def _running_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Mean of each value and its neighbours, `window` in all, fewer at the ends."""
    total, middle = np.concatenate([[0.0], np.cumsum(values)]), np.arange(len(values))
    start, stop = np.maximum(0, middle - window // 2), np.minimum(len(values), middle + (window + 1) // 2)
    return (total[stop] - total[start]) / (stop - start)
