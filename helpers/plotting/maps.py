"""Scores in two dimensions, as a map: the figure of `plotting` for grids of settings."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from .style import STYLE, new_figure


def plot_score_map(
    scores: Mapping,
    rows: Sequence[str],
    columns: Sequence,
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
) -> Figure:
    """Draw scores of a grid of settings: a colour on a log scale, the value, and half of its interval.

    Parameters
    ----------
    scores : mapping of (row, column) to a stored score, a dict with value, low and high
        What is missing stays white. Values must be above 0; lower is better, and lighter.
    rows, columns : sequences of the names, in their order

    Raises
    ------
    ValueError
        If no cell of the grid has a score, or one is not above 0.
    """
    found = {(i, j): scores.get((r, c)) for i, r in enumerate(rows) for j, c in enumerate(columns)}
    found = {place: score for place, score in found.items() if score}
    if not found or min(score["value"] for score in found.values()) <= 0:
        raise ValueError("a map needs at least one score, and all above 0")
    logs = np.full((len(rows), len(columns)), np.nan)
    for place, score in found.items():
        logs[place] = np.log(score["value"])
    with rc_context(STYLE):
        alt = f"map of scores, {len(rows)} by {len(columns)}: {title or ylabel or xlabel}"
        figure, (axes,) = new_figure(alt, height=70 + 34 * len(rows))
        axes.imshow(logs, cmap="viridis_r", aspect="auto")
        for (i, j), score in found.items():
            dark = logs[i, j] > (np.nanmin(logs) + np.nanmax(logs)) / 2
            words = f"{score['value']:.1f} ± {(score['high'] - score['low']) / 2:.1f}"
            axes.text(j, i, words, ha="center", va="center", color="white" if dark else "black")
        axes.set(
            xticks=range(len(columns)), yticks=range(len(rows)), xlabel=xlabel, ylabel=ylabel, title=title
        )
        axes.set(xticklabels=columns, yticklabels=rows)
        axes.grid(False)
    return figure
