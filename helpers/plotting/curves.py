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
    panels = [(f"Loss, {scale} scale", "loss", scale) for scale in ("linear", "log")]
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
    curves: Mapping,
    xlabel: str,
    ylabel="Fréchet distance",
    floor: float | Mapping | None = None,
    title="",
    colours: Mapping[str, str] | None = None,
) -> Figure:
    """Draw quality against cost, both on log scales, with intervals side by side; lower left is better.

    Where curves share a cost, their points are moved apart by a trace, so that no interval hides another.

    Parameters
    ----------
    curves : mapping of name to points (cost, value, low, high), or of panel title to such mappings
        All above 0; low and high bound the value's interval. Panels share their y axis and colours.
    floor : float, or mapping of label to float, optional
        The value that real images reach, and others to compare with, drawn as dashed lines.
    colours : mapping of name to colour, optional
        For figures that share curves; by default each figure deals its colours out anew.

    Raises
    ------
    ValueError
        If there is no curve or more than seven, a curve has no points or none of the `colours`, or a cost
        or value is not above 0.
    """
    panels = _panels(curves, title)
    names = dict.fromkeys(name for panel in panels.values() for name in panel)
    colours = dict(zip(names, pick_colours(names), strict=True)) if colours is None else colours
    if missing := ", ".join(name for name in names if name not in colours):
        raise ValueError(f"no colour for {missing}; got them for {', '.join(colours)}")
    lines = floor if isinstance(floor, Mapping) else {} if floor is None else {"real images": floor}
    with rc_context(STYLE):
        alt = f"{ylabel} over {xlabel} for {', '.join(names)}"
        figure, all_axes = new_figure(alt, cols=len(panels), height=380)
        for axes, (head, panel) in zip(all_axes, panels.items(), strict=True):
            axes.set(title=head, xlabel=xlabel, xscale="log", yscale="log")
            _draw_intervals(axes, panel, colours)
            for value in lines.values():
                axes.axhline(value, color=INK, linestyle=(0, (4, 2)), linewidth=1.2)
            set_log_ticks(axes.xaxis, (1, 2, 5))
        all_axes[0].set_ylabel(ylabel)
        lowest, highest = zip(*(axes.get_ylim() for axes in all_axes), strict=True)
        for axes, panel in zip(all_axes, panels.values(), strict=True):
            axes.set_ylim(min(lowest), max(highest))
            set_log_ticks(axes.yaxis, (1, 2, 3, 5))
            ends = {name: curve[-1, 1] for name, curve in panel.items()} | dict(lines)
            shades = [colours.get(name, INK) for name in ends]
            label_ends(axes, list(ends), list(ends.values()), shades, fixed=lines)
    return figure


def _panels(curves: Mapping, title: str) -> dict[str, dict[str, np.ndarray]]:
    """The points of each curve by panel; without panels there is one with this title."""
    nested = bool(curves) and all(isinstance(panel, Mapping) for panel in curves.values())
    panels = curves if nested else {title: curves}
    return {head: {name: _points(name, c) for name, c in panel.items()} for head, panel in panels.items()}


def _points(name: str, curve) -> np.ndarray:
    """The points of a curve, (cost, value, low, high) [n, 4] by rising cost, or a ValueError."""
    points = np.array(sorted(curve), dtype=float).reshape(-1, 4)
    if not len(points) or not (points[:, :2] > 0).all():
        raise ValueError(f"curve {name!r} must have points (cost > 0, value > 0, low, high)")
    return points


def _draw_intervals(axes, panel: Mapping[str, np.ndarray], colours: Mapping[str, str]) -> None:
    """Draw curves with their intervals, each curve 2 % of the cost beside the last."""
    for i, (name, curve) in enumerate(panel.items()):
        cost, value, low, high = curve.T
        cost = cost * 1.02 ** (i - (len(panel) - 1) / 2)
        dashes = (0, (5, 3)) if i % 2 else "-"  # where two coincide both are seen
        axes.plot(cost, value, color=colours[name], linestyle=dashes, marker="o", markersize=4, linewidth=1.5)
        axes.vlines(cost, np.maximum(low, value / 10), high, color=colours[name], alpha=0.6, linewidth=1.5)


def plot_lines(
    curves: Mapping, xlabel: str, ylabel: str, *, scales: str = "", reference: float | None = None, title=""
) -> Figure:
    """Draw curves by name over one x axis, for figures that need nothing more.

    Parameters
    ----------
    curves : mapping of name to (x, y)
        Two sequences of numbers each. Names that end with an asterisk are drawn dashed, without it.
    scales : str
        Which axes are logarithmic: "", "x", "y" or "xy".
    reference : float, optional
        A height to compare with, drawn as a dashed line.

    Raises
    ------
    ValueError
        If there is no curve or more than seven, or one has unequal numbers of x and y.
    """
    colours = pick_colours(curves)
    names = [name.rstrip("*") for name in curves]
    with rc_context(STYLE):
        figure, (axes,) = new_figure(f"{ylabel} over {xlabel} for {', '.join(names)}", height=320)
        axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
        for (name, curve), label, colour in zip(curves.items(), names, colours, strict=True):
            x, y = (np.asarray(values, dtype=float) for values in curve)
            if len(x) != len(y) or not len(x):
                raise ValueError(
                    f"curve {label!r} must have as many x as y, at least one; got {len(x)}, {len(y)}"
                )
            style = {"marker": "o", "markersize": 3 if len(x) < 50 else 0, "linewidth": 1.5}
            axes.plot(x, y, "--" if name.endswith("*") else "-", color=colour, label=label, **style)
        if reference is not None:
            axes.axhline(reference, color=INK, linestyle=(0, (4, 2)), linewidth=1.2)
        axes.set(xscale="log" if "x" in scales else "linear", yscale="log" if "y" in scales else "linear")
        for axis in [axes.xaxis] * ("x" in scales) + [axes.yaxis] * ("y" in scales):
            set_log_ticks(axis, (1, 2, 5))
        figure.legend(ncols=len(names), loc="outside upper center", frameon=False, fontsize=FONT)
    return figure
