"""What `plotting` draws with: the look, figures that stay sharp in a notebook, grids of crisp pixels."""

import base64
import io
import textwrap
from collections.abc import Sequence

import numpy as np
from cycler import cycler
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath
from matplotlib.ticker import LogLocator, NullFormatter
from PIL import Image

# Okabe and Ito's palette: told apart with any colour vision. Its yellow is too faint for lines.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY_BLUE, BLACK = PALETTE
INK, FACE = "#222222", "#f4f4f6"  # opaque and a shade off white: fine on light and dark, tiles' edges show
FACE_RGB = np.uint8([0xF4, 0xF4, 0xF6])
WIDTH, RATIO = 864, 2  # the column in screen pixels (9 inches at 96); drawn at 2 pixels each, for sharp text
PAD, GAP, LINE, FONT = 12, 6, 15, 9  # screen pixels around the grid, between tiles, per line of text; points
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "lines.linewidth": 2,
    "axes.axisbelow": True,
    "axes.edgecolor": "#888888",
    "axes.facecolor": "white",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 10,
    "axes.prop_cycle": cycler(color=PALETTE),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "grid.color": "#e3e3e6",
    "grid.linewidth": 0.8,
}
TICKS = {"labelsize": FONT, "labelcolor": INK, "color": "#888888"}
STYLE |= {f"{axis}tick.{key}": value for axis in "xy" for key, value in TICKS.items()}


class NotebookFigure(Figure):
    """A figure that a notebook shows at exactly its own pixels, whichever backend is active."""

    def __init__(self, width: int, height: int, alt: str, colours: int | None = None, **options):
        super().__init__(figsize=(width / 96, height / 96), dpi=96 * RATIO, facecolor=FACE, **options)
        self.alt, self.colours = alt, colours

    def to_pixels(self) -> np.ndarray:
        """Draw the figure: uint8 [height, width, 3], `RATIO` times as many pixels as on the screen."""
        (canvas := FigureCanvasAgg(self)).draw()
        return np.array(canvas.buffer_rgba())[..., :3]

    def to_png(self) -> bytes:
        """Return the figure as a PNG file."""
        return encode_png(self.to_pixels(), self.colours)

    def _repr_mimebundle_(self, include=None, exclude=None):
        data = {"text/plain": f"<Figure: {self.alt}>", "image/png": base64.b64encode(self.to_png()).decode()}
        return data, {"image/png": {"width": round(self.get_figwidth() * 96), "alt": self.alt}}

    def _ipython_display_(self):  # with pyplot, Jupyter would prefer its own display, cropped and blurred
        from IPython.display import display

        data, metadata = self._repr_mimebundle_()
        display(data, metadata=metadata, raw=True)


def encode_png(pixels: np.ndarray, colours: int | None = None) -> bytes:
    """Write uint8 [height, width, 3] as a PNG file; with the best so many colours it is a smaller one."""
    picture, file = Image.fromarray(pixels), io.BytesIO()
    if colours:
        picture = picture.quantize(colours, dither=Image.Dither.NONE)
    picture.save(file, "png")
    return file.getvalue()


def _measure(text: str) -> tuple[int, int]:
    """Width and height that a text takes, in screen pixels."""
    lines = text.split("\n") if text else []
    widths = [TextPath((0, 0), line, size=FONT * 96 / 72).get_extents().width for line in lines if line]
    return int(max(widths, default=0)) + 4, LINE * len(lines)


def draw_grid(images, rows: int, cols: int, alt: str, titles=(), row_titles=(), scale=None) -> NotebookFigure:
    """Draw uint8 [n, h, w, 3] as rows × cols tiles, each pixel a square block; lengths in screen pixels."""
    height, width = images.shape[1:3]
    titles = [*titles, *[""] * (rows * cols - len(titles))]
    row_titles = ["\n".join(textwrap.fill(line, 20) for line in str(t).split("\n")) for t in row_titles]
    left = max((_measure(text)[0] + GAP for text in row_titles), default=0)
    longest, room = max(height, width), (WIDTH - 2 * PAD - left + GAP) / cols - GAP
    zoom = max(1, int(RATIO * (scale or min(96 if longest <= 32 else 192, room) / longest)))
    zoom -= zoom % 2 if zoom > 1 else 0  # whole pixels on screens of either density
    tile_w, tile_h = -(-width * zoom // RATIO), -(-height * zoom // RATIO)
    cell = max(tile_w, *(_measure(text)[0] for text in titles))
    heads = [max(_measure(text)[1] for text in titles[r * cols : (r + 1) * cols]) for r in range(rows)]
    heads = heads[:1] + [head + GAP if head else 0 for head in heads[1:]]  # keep off the row above
    size = (2 * PAD + left + cols * (cell + GAP) - GAP, 2 * PAD + sum(heads) + rows * (tile_h + GAP) - GAP)
    canvas = np.tile(FACE_RGB, (size[1] * RATIO, size[0] * RATIO, 1))
    with rc_context(STYLE):
        figure = NotebookFigure(*size, alt)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        top, text = PAD, {"fontsize": FONT, "va": "center", "linespacing": 1.25}
        for row in range(rows):
            top += heads[row]
            if row < len(row_titles):
                axes.text(PAD + left - GAP, top + tile_h / 2, row_titles[row], ha="right", **text)
            for i in range(row * cols, min((row + 1) * cols, len(images))):
                x = PAD + left + i % cols * (cell + GAP) + (cell - tile_w) // 2
                block = images[i].repeat(zoom, axis=0).repeat(zoom, axis=1)
                canvas[top * RATIO :, x * RATIO :][: block.shape[0], : block.shape[1]] = block
                axes.text(x + tile_w / 2, top - 3, titles[i], ha="center", **text | {"va": "bottom"})
            top += tile_h + GAP
        axes.imshow(canvas, interpolation="nearest", aspect="auto", extent=(0, size[0], size[1], 0))
    return figure


def new_figure(alt: str, cols: int = 1, width: int = WIDTH, height: int = 300) -> tuple[NotebookFigure, list]:
    """An empty figure in the look of the series, and a list of its `cols` axes, side by side.

    Parameters
    ----------
    alt : str
        What the figure shows, in words, for readers who cannot see it.
    width, height : int
        Screen pixels; the column of a notebook is `WIDTH` = 864 of them.
    """
    with rc_context(STYLE):
        figure = NotebookFigure(width, height, alt, colours=128, layout="constrained")
        figure.get_layout_engine().set(w_pad=PAD / 96, h_pad=PAD / 96)
        return figure, list(figure.subplots(1, cols, squeeze=False)[0])


def draw_panels(alt: str, xlabel: str, *panels: tuple[str, str, str]) -> tuple[NotebookFigure, list]:
    """`new_figure` with titled axes over one x label: each panel is (title, y label, y scale)."""
    figure, axes = new_figure(alt, len(panels))
    for ax, (title, ylabel, yscale) in zip(axes, panels, strict=True):
        ax.set(title=title, xlabel=xlabel, ylabel=ylabel, yscale=yscale)
        ax.margins(x=0)
        if yscale == "log":
            set_log_ticks(ax.yaxis, (1, 2, 5))
    return figure, axes


def set_log_ticks(axis, digits: Sequence[int]) -> None:
    """Label a log axis in plain numbers, at these digits of each power of ten."""
    axis.set(major_locator=LogLocator(subs=digits), major_formatter="{x:g}")
    axis.set_minor_formatter(NullFormatter())


def label_ends(axes, names: Sequence[str], values: Sequence[float], colours: Sequence[str], fixed=()) -> None:
    """Write each curve's name beside its end, in its colour, and names at least a line apart.

    The names in `fixed` stay at their lines' ends, as far as there is room.
    """
    low, high, *ends = axes.transScale.transform([(1, y) for y in (*axes.get_ylim(), *values)])[:, 1]
    heights = np.nan_to_num((np.array(ends) - low) / (high - low)).clip(0, 1)
    order = np.argsort(heights, kind="stable")
    weights = np.array([1000.0 if name in fixed else 1.0 for name in names])
    for i, height in zip(order, _spread(heights[order], 0.08, weights[order]), strict=True):
        offset = {"xytext": (5, 0), "textcoords": "offset points", "va": "center", "fontsize": FONT}
        axes.annotate(names[i], (1, height), xycoords="axes fraction", color=colours[i], **offset)


def _spread(heights: np.ndarray, gap: float, weights: np.ndarray) -> np.ndarray:
    """Move rising heights in [0, 1] as little as it takes to be `gap` apart, the heavy ones the least."""
    groups = []  # of heights, each less its place in the row times the gap: these must not fall
    for place, (height, weight) in enumerate(zip(heights, weights, strict=True)):
        groups.append(([height - gap * place], [weight]))
        while len(groups) > 1 and _mean(groups[-2]) >= _mean(groups[-1]):
            (below, light), (above, heavy) = groups.pop(-2), groups.pop()
            groups.append((below + above, light + heavy))
    places = gap * np.arange(len(heights))
    spread = np.concatenate([[_mean(group)] * len(group[0]) for group in groups] or [[]])
    return spread.clip(0, 1 - places[-1] if len(places) else 1) + places


def _mean(group: tuple) -> float:
    """The mean of values by their weights."""
    return np.average(group[0], weights=group[1])


def pick_colours(names: Sequence[str]) -> tuple[str, ...]:
    """One colour per name, or a ValueError if there are more names than colours."""
    if not 1 <= len(names) <= len(PALETTE):
        raise ValueError(f"expected 1 to {len(PALETTE)} curves to compare; got {len(names)}")
    return PALETTE[: len(names)]
