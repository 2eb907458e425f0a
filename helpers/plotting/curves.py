"""The figures of `plotting` that are curves: noise schedules, losses, quality against cost."""

from collections.abc import Mapping

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from .style import FONT, INK, STYLE, draw_panels, label_ends, new_figure, pick_colours, set_log_ticks


def get_alphas(noise_scheduler) -> np.ndarray:
    """The scheduler's ᾱ_t, or a ValueError for one that is not of the DDPM family."""
    if not hasattr(noise_scheduler, "alphas_cumprod"):
        raise ValueError(f"{type(noise_scheduler).__name__} has no alphas_cumprod; use e.g. a DDPMScheduler")
    return np.asarray(noise_scheduler.alphas_cumprod.cpu(), dtype=np.float64)


def snr_db(alphas_cumprod) -> np.ndarray:
    """Signal-to-noise ratio ᾱ / (1 - ᾱ) in decibels, 10 log₁₀ of it; finite also where ᾱ is 0 or 1."""
    alphas = np.asarray(alphas_cumprod, dtype=np.float64).clip(1e-12, 1 - 1e-12)
    return 10 * np.log10(alphas / (1 - alphas))


def plot_noise_schedule(noise_schedulers) -> Figure:
    """Draw √ᾱ_t and √(1 - ᾱ_t) over t, and `snr_db`, of one scheduler or of a dict of schedulers by name.

    Raises
    ------
    ValueError
        If there are none or more than seven, or one has no `alphas_cumprod`.
    """
    if not isinstance(noise_schedulers, Mapping):
        noise_schedulers = {"": noise_schedulers}
    colours = pick_colours(noise_schedulers)
    curves = {name: get_alphas(scheduler) for name, scheduler in noise_schedulers.items()}
    panels = [("Signal and noise in $x_t$", "coefficient"), ("Signal-to-noise ratio", "SNR in dB")]
    alt = f"noise schedules {', '.join(curves)}"
    with rc_context(STYLE):
        figure, (left, right) = draw_panels(alt, "timestep t", *((*panel, "linear") for panel in panels))
        for (name, alphas), colour in zip(curves.items(), colours, strict=True):
            left.plot(np.sqrt(alphas), color=colour)
            left.plot(np.sqrt(1 - alphas), color=colour, linestyle=(0, (4, 2)))
            right.plot(snr_db(alphas), color=colour, label=name)
        right.set_ylim(bottom=max(-50, right.get_ylim()[0]))  # a cosine's last steps would flatten the rest
        label_ends(left, ("noise √(1 - ᾱ)", "signal √ᾱ"), (1, 0), (INK, INK))
        if any(curves):  # a legend: schedules may differ in length, so their ends are not all at the right
            right.legend(frameon=False, fontsize=FONT)
    return figure


def plot_losses(history, window: int | None = None) -> Figure:
    """Draw training losses on a linear and on a log scale: faint as they came, strong their running mean.

    Parameters
    ----------
    history : anything with `losses`, sequence of float, or dict of these by name
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
    colours = pick_colours(runs)
    means = [_running_mean(losses, window or max(1, len(losses) // 50)) for losses in runs.values()]
    panels = [(f"Loss, {scale} scale", "mean squared error", scale) for scale in ("linear", "log")]
    with rc_context(STYLE):
        figure, axes = draw_panels("training loss", "training step", *panels)
        for ax in axes:
            for losses, mean, colour in zip(runs.values(), means, colours, strict=True):
                ax.plot(losses, color=colour, alpha=0.25, linewidth=0.8)
                ax.plot(mean, color=colour)
        axes[0].set_ylim(bottom=0)
        label_ends(axes[1], list(runs), [mean[-1] for mean in means], colours)
    return figure


def _running_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Mean of each value and its neighbours, `window` in all, fewer at the ends."""
    total, middle = np.concatenate([[0.0], np.cumsum(values)]), np.arange(len(values))
    start, stop = np.maximum(0, middle - window // 2), np.minimum(len(values), middle + (window + 1) // 2)
    return (total[stop] - total[start]) / (stop - start)


def plot_quality_vs_cost(
    curves: Mapping, xlabel: str, ylabel="Fréchet distance", floor: float | None = None, title=""
) -> Figure:
    """Draw quality against cost, both on log scales, with intervals; lower left is better.

    Parameters
    ----------
    curves : mapping of name to points (cost, value, low, high)
        All above 0; low and high bound the value's interval.
    floor : float, optional
        The value that real images reach, drawn as a dashed line.

    Raises
    ------
    ValueError
        If there is no curve or more than seven, a curve has no points, or a cost or value is not above 0.
    """
    colours = pick_colours(curves)
    points = {name: np.array(sorted(curve), dtype=float).reshape(-1, 4) for name, curve in curves.items()}
    for name, curve in points.items():
        if not len(curve) or not (curve[:, :2] > 0).all():
            raise ValueError(f"curve {name!r} must have points (cost > 0, value > 0, low, high)")
    with rc_context(STYLE):
        figure, (axes,) = new_figure(f"{ylabel} over {xlabel} for {', '.join(curves)}", height=380)
        axes.set(title=title, xlabel=xlabel, ylabel=ylabel, xscale="log", yscale="log")
        for i, (curve, colour) in enumerate(zip(points.values(), colours, strict=True)):
            cost, value, low, high = curve.T
            dashes = (0, (5, 3)) if i % 2 else "-"  # where two coincide both are seen
            axes.plot(cost, value, color=colour, linestyle=dashes, marker="o", markersize=5)
            axes.vlines(cost, np.maximum(low, value / 10), high, color=colour, alpha=0.45, linewidth=2.5)
        ends = {name: curve[-1, 1] for name, curve in points.items()}
        if floor is not None:
            axes.axhline(floor, color=INK, linestyle=(0, (4, 2)), linewidth=1.2)
            ends["real images"] = floor
        set_log_ticks(axes.xaxis, (1, 2, 5))
        set_log_ticks(axes.yaxis, (1, 2, 3, 5))
        label_ends(axes, list(ends), list(ends.values()), (*colours, INK))
    return figure
