"""Every figure that two notebooks share. Each function returns a matplotlib `Figure`.

End a cell with the call and the figure is shown once; `figure.savefig("name.png")` writes the same picture.
"""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure

from .curves import get_alphas, plot_losses, plot_noise_schedule, plot_quality_vs_cost
from .figures import FACE_RGB, draw_grid, to_images, to_tensor

__all__ = [
    "plot_dataset",
    "plot_denoising_steps",
    "plot_forward_process",
    "plot_generated_images",
    "plot_losses",
    "plot_nearest_neighbours",
    "plot_noise_schedule",
    "plot_quality_vs_cost",
    "to_images",
    "to_tensor",
]


def plot_generated_images(
    images,
    rows: int,
    cols: int,
    titles: Sequence[str] | None = None,
    scale: int | None = None,
    col_titles: Sequence[str] | None = None,
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
    col_titles : sequence of str, optional
        One per column, written above the first row; `titles` are then those of the rows.

    Raises
    ------
    ValueError
        If rows × cols is too small for the images, the number of titles fits neither the images nor
        the rows (or columns), or scale is not a whole number above zero.
    """
    images, titles = to_images(images), [str(title) for title in titles or []]
    col_titles = [str(title) for title in col_titles or []]
    if rows < 1 or cols < 1 or rows * cols < len(images):
        raise ValueError(f"{rows} rows × {cols} columns are too few for {len(images)} images")
    if titles and len(titles) not in (len(images), rows):
        raise ValueError(f"got {len(titles)} titles for {len(images)} images in {rows} rows")
    if col_titles and (len(col_titles) != cols or len(titles) not in (0, rows)):
        raise ValueError(
            f"got {len(col_titles)} col_titles for {cols} columns and {len(titles)} titles for {rows} rows"
        )
    if scale is not None and (scale != int(scale) or scale < 1):
        raise ValueError(f"scale must be a whole number of screen pixels, 1 or more; got {scale}")
    alt = f"{len(images)} images in {rows} rows"
    if col_titles or (len(titles) == rows and cols > 1):
        return draw_grid(images, rows, cols, alt, col_titles, titles, scale)
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
    last = min(len(get_alphas(scheduler)) for scheduler in schedulers.values()) - 1
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
        heads = [f"{time}ᾱ = {get_alphas(scheduler)[t]:.3f}" for time, t in zip(times, steps, strict=True)]
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
