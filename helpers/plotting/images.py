"""Figures of images: any pictures of this project made fit to show, grids and filmstrips."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

from .curves import get_alphas
from .style import FACE_RGB, draw_grid


def to_images(images) -> np.ndarray:
    """Turn any pictures of this project into pictures for people: uint8 [n, h, w, 3].

    Parameters
    ----------
    images : tensor, array, PIL image, or list of them
        Float [n, c, h, w] or [c, h, w], in [-1, 1] (what lies outside is clipped); uint8 [n, h, w, c],
        [h, w, c] or grey [n, h, w], [h, w]; or PIL images of one size. c is 1 or 3.

    Raises
    ------
    ValueError
        If the shape, the type or the values are something else.
    """
    if isinstance(images, Image.Image):  # on white, since a sprite's background is often transparent
        white = Image.new("RGBA", images.size, "white")
        images = np.array(Image.alpha_composite(white, images.convert("RGBA")).convert("RGB"))
    if isinstance(images, (list, tuple)) and images:
        parts = [to_images(part) for part in images]
        if len(shapes := {part.shape[1:] for part in parts}) > 1:
            raise ValueError(f"the images have different shapes: {', '.join(map(str, sorted(shapes)))}")
        return np.concatenate(parts)
    array = images.detach().cpu() if isinstance(images, torch.Tensor) else np.asarray(images)
    array = (array.float() if torch.is_tensor(array) and array.is_floating_point() else array).__array__()
    found = f"got {array.dtype} of shape {tuple(array.shape)}"
    if array.dtype.kind == "f" and array.ndim in (3, 4) and array.shape[-3] in (1, 3):
        if not np.isfinite(array).all():
            raise ValueError(f"the images hold NaN or infinite values; {found}")
        array = np.moveaxis(((array.clip(-1, 1) + 1) * 127.5).round().astype(np.uint8), -3, -1)
    elif array.dtype == np.uint8 and array.ndim in (2, 3) and array.shape[-1] not in (1, 3):
        array = array[..., None]
    if array.dtype != np.uint8 or array.ndim not in (3, 4) or array.shape[-1] not in (1, 3) or not array.size:
        raise ValueError(
            "expected images as float [n, c, h, w] in [-1, 1], uint8 [n, h, w, c] or a list of PIL images, "
            f"with c = 1 or 3; {found}"
        )
    array = array if array.ndim == 4 else array.reshape(-1, *array.shape[-3:])
    return np.repeat(array, 3, axis=-1) if array.shape[-1] == 1 else array


def to_tensor(images) -> torch.Tensor:
    """Turn what `to_images` takes into float32 [n, c, h, w] in [-1, 1]; float tensors keep their values."""
    pixels = to_images(images)
    if isinstance(images, torch.Tensor) and images.is_floating_point():
        return images.detach().cpu().float().reshape(-1, *images.shape[-3:])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def plot_generated_images(
    images, rows: int, cols: int, titles=None, scale: int | None = None, col_titles=None
) -> Figure:
    """Draw images as a grid of rows × cols, filled row by row.

    Parameters
    ----------
    images : what `to_images` takes, at most rows * cols of them
    titles : sequence of str, optional
        One per image, written above it, or one per row, written at its left.
    scale : int, optional
        Screen pixels per image pixel; by default what gives tiles of about 96 pixels.
    col_titles : sequence of str, optional
        One per column, written above the first row; `titles` are then those of the rows.

    Raises
    ------
    ValueError
        If images or titles and tiles do not fit, or scale is not a whole number above zero.
    """
    images = to_images(images)
    titles, col_titles = ([str(title) for title in given or []] for given in (titles, col_titles))
    if rows < 1 or cols < 1 or rows * cols < len(images):
        raise ValueError(f"{rows} rows × {cols} columns are too few for {len(images)} images")
    if titles and len(titles) not in (len(images), rows):
        raise ValueError(f"got {len(titles)} titles for {len(images)} images in {rows} rows")
    if col_titles and (len(col_titles) != cols or len(titles) not in (0, rows)):
        found = f"{len(col_titles)} col_titles for {cols} columns, {len(titles)} titles for {rows} rows"
        raise ValueError(f"got {found}; expected one for each")
    if scale is not None and (scale != int(scale) or scale < 1):
        raise ValueError(f"scale must be a whole number of screen pixels, 1 or more; got {scale}")
    alt = f"{len(images)} images in {rows} rows"
    if col_titles or (len(titles) == rows and cols > 1):
        return draw_grid(images, rows, cols, alt, col_titles, titles, scale)
    letters = max(12, (scale or 96 // images.shape[2]) * images.shape[2] // 6)
    titles = ["\n".join(textwrap.wrap(title, letters)) for title in titles]
    return draw_grid(images, rows, cols, alt, titles, scale=scale)


def plot_dataset(dataset, num_images: int = 8, seed: int = 0) -> Figure:
    """Draw `num_images` random images of each class of a dataset that has any, a row per class.

    The dataset has `images` (uint8 [n, h, w, c]), `labels` (int64 [n]) and `class_names`.

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
    image : what `to_images` takes, one image, or several, a row each
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
    images, x0_estimates : tensor [steps, c, h, w], or list of [c, h, w] or [1, c, h, w]
        About ten steps fill the width; estimates are optional.
    timesteps : sequence of int

    Raises
    ------
    ValueError
        If images, timesteps and estimates are not equally many.
    """
    rows = [to_images(row) for row in (images, x0_estimates) if row is not None]
    steps, counts = [str(int(t)) for t in timesteps], [len(row) for row in rows]
    if set(counts) != {len(steps)}:
        found = " and ".join(map(str, counts))
        raise ValueError(f"expected one image per timestep ({len(steps)}); got {found}")
    titles, names = [f"t = {t}" for t in steps], ["$x_t$", "estimate of $x_0$"][: len(rows)]
    alt = f"an image becoming clear, at t = {', '.join(steps)}"
    return draw_grid(np.concatenate(rows), len(rows), len(steps), alt, titles, names)


def plot_nearest_neighbours(generated, neighbours, distances: Sequence[float] | None = None) -> Figure:
    """Draw generated images, and beneath each one its nearest training image, with the distance.

    Raises
    ------
    ValueError
        If they are not equally many.
    """
    rows = [to_images(generated), to_images(neighbours)]
    counts = [len(row) for row in (*rows, distances) if row is not None]
    if len(set(counts)) > 1:
        raise ValueError(f"images, neighbours and distances must be equally many; got {counts}")
    names, titles = ["generated", "nearest training image"], [""] * counts[0]
    if distances is not None:
        names[1] += ", and distance"
        titles += [f"{float(distance):.2f}" for distance in distances]
    alt = "generated images above their nearest training images"
    return draw_grid(np.concatenate(rows), 2, counts[0], alt, titles, names)
