"""Diagrams that are drawn from the model itself: a UNet with its shapes."""

import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from .style import BLUE, FONT, GREEN, INK, STYLE, VERMILION, WIDTH, new_figure

BOX, ROW = (240, 58), 92  # a block's width and height, and the distance of two levels, in screen pixels


def plot_unet(unet) -> Figure:
    """Draw a UNet (arXiv 1505.04597) as its blocks, with shapes, skip connections, and where t enters.

    The picture is drawn from the model: its shapes are those of a forward pass without numbers (on the
    "meta" device), so a large model costs no arithmetic and its weights are not touched.

    Parameters
    ----------
    unet : UNet2DModel or UNet2DConditionModel
        With a `sample_size`. Blocks with cross-attention are marked by what they attend to.

    Raises
    ------
    TypeError
        If it has no down_blocks, mid_block and up_blocks as the UNets of diffusers have.
    ValueError
        If its configuration has no sample_size.
    """
    if not all(hasattr(unet, part) for part in ("down_blocks", "mid_block", "up_blocks", "config")):
        raise TypeError(f"expected a UNet2DModel or UNet2DConditionModel; got {type(unet).__name__}")
    if unet.config.sample_size is None:
        raise ValueError("this UNet has no sample_size: set it, as in unet.register_to_config(sample_size=16)")
    shapes, levels = _trace_shapes(unet), len(unet.down_blocks)
    height = ROW * (levels + 1) + 34
    with rc_context(STYLE):
        alt = f"a UNet of {levels} levels: {_size(shapes['conv_in'])} in, {_size(shapes['mid_block'])} inside"
        figure, (axes,) = new_figure(alt, height=height)
        axes.set(xlim=(0, WIDTH), ylim=(height, 0))
        axes.set_axis_off()
        left, middle, right, top = 160, WIDTH / 2, WIDTH - 160, 86
        rows = [top + ROW * i for i in range(levels)]
        _draw_ends(axes, unet, shapes, left, right, top)
        for i, y in enumerate(rows):
            down, up = f"down_blocks.{i}", f"up_blocks.{levels - 1 - i}"
            _draw_block(axes, left, y, down, unet.down_blocks[i], shapes[down])
            _draw_block(axes, right, y, up, unet.up_blocks[levels - 1 - i], shapes[up])
            _arrow(axes, (left + BOX[0] / 2, y), (right - BOX[0] / 2, y), "#999999", dashed=True)
            skips = len(unet.up_blocks[levels - 1 - i].resnets)
            axes.text(middle, y - 9, f"{skips} skip connections", ha="center", fontsize=FONT, color="#666666")
            if i + 1 < levels:
                _arrow(axes, (left, y + BOX[1] / 2), (left, y + ROW - BOX[1] / 2), INK, "half the size")
                _arrow(axes, (right, y + ROW - BOX[1] / 2), (right, y + BOX[1] / 2), INK, "twice the size")
        bottom = rows[-1] + ROW
        _draw_block(axes, middle, bottom, "mid_block", unet.mid_block, shapes["mid_block"])
        _arrow(axes, (left, rows[-1] + BOX[1] / 2), (middle - BOX[0] / 2, bottom), INK)
        _arrow(axes, (middle + BOX[0] / 2, bottom), (right, rows[-1] + BOX[1] / 2), INK)
    return figure


def _trace_shapes(unet) -> dict[str, tuple]:
    """Shape [channels, height, width] at which each block works, and the length of the time embedding."""
    shapes = {}
    with torch.device("meta"):
        skeleton = type(unet).from_config(unet.config)
        for name, module in skeleton.named_modules():
            block, _, part = name.partition(".resnets.")
            if (part and "." not in part) or name in ("conv_in", "conv_out", "time_embedding"):
                module.register_forward_hook(
                    lambda module, given, out, key=block: shapes.update({key: tuple(out.shape[1:])})
                )
        size = unet.config.sample_size
        size = (size, size) if isinstance(size, int) else tuple(size)
        inputs = [torch.empty(1, unet.config.in_channels, *size), torch.zeros(1)]
        if "cross_attention_dim" in unet.config:
            inputs.append(torch.empty(1, 1, unet.config.cross_attention_dim))
        skeleton(*inputs)
    return shapes


def _size(shape: tuple) -> str:
    """A shape in words: "16×16, 32 channels"."""
    channels, height, width = shape
    return f"{height}×{width}, {channels} channels"


def _draw_block(axes, x: float, y: float, name: str, block, shape: tuple) -> None:
    """Draw one block around (x, y): name, shape, what is in it, and a green t where the timestep enters."""
    attentions = [layer for layer in getattr(block, "attentions", None) or () if layer is not None]
    crosses = getattr(block, "has_cross_attention", False)
    colour = VERMILION if attentions else BLUE
    words = [f"{len(block.resnets)} residual block{'s' if len(block.resnets) > 1 else ''}"]
    if attentions:
        words.append(f"{len(attentions)} {'cross-' if crosses else 'self-'}attention")
    _box(axes, x, y, *BOX, colour)
    axes.text(x, y - 17, name, ha="center", va="center", fontsize=FONT, family="DejaVu Sans Mono")
    axes.text(x, y, _size(shape), ha="center", va="center", fontsize=FONT + 1, weight="bold")
    axes.text(x, y + 18, ", ".join(words), ha="center", va="center", fontsize=FONT)
    _badge(axes, x - BOX[0] / 2, y - BOX[1] / 2, "t", GREEN)
    if crosses:
        _badge(axes, x + BOX[0] / 2, y - BOX[1] / 2, "c", VERMILION)


def _draw_ends(axes, unet, shapes: dict, left: float, right: float, top: float) -> None:
    """Draw what goes in and out at the top, and in the free corners below what the badges mean."""
    start, end, y = shapes["conv_in"], shapes["conv_out"], 20
    image = f"$x_t$: {start[1]}×{start[2]}, {unet.config.in_channels} channels"
    prediction = f"prediction: {end[1]}×{end[2]}, {end[0]} channels"
    for x, words in ((left, image), (right, prediction)):
        axes.text(x, y - 8, words, ha="center", va="center", fontsize=FONT + 1)
    _arrow(axes, (left, y), (left, top - BOX[1] / 2), INK, "conv_in")
    _arrow(axes, (right, top - BOX[1] / 2), (right, y), INK, "conv_out")
    y = top + ROW * len(unet.down_blocks) + 4
    count = shapes["time_embedding"][0]
    legend = [(32, GREEN, "t", f"the timestep, as {count} numbers,\ngoes into every residual block")]
    if "cross_attention_dim" in unet.config:
        width = unet.config.cross_attention_dim
        words = f"the condition: a sequence of vectors\nof {width} numbers, which is attended to"
        legend.append((right - 110, VERMILION, "c", words))
    for x, colour, letter, words in legend:
        _badge(axes, x, y, letter, colour)
        axes.text(x + 16, y, words, va="center", fontsize=FONT, linespacing=1.35)


def _box(axes, x: float, y: float, width: float, height: float, colour: str) -> None:
    """A rounded box around (x, y)."""
    corner, style = (x - width / 2, y - height / 2), "round,pad=0,rounding_size=6"
    box = FancyBboxPatch(corner, width, height, boxstyle=style, facecolor="white", edgecolor=colour, lw=1.6)
    axes.add_patch(box)


def _badge(axes, x: float, y: float, letter: str, colour: str) -> None:
    """A small disc with a letter in it."""
    axes.plot([x], [y], "o", color=colour, markersize=13, zorder=3)
    style = {"color": "white", "weight": "bold", "fontsize": FONT, "zorder": 4}
    axes.text(x, y, letter, ha="center", va="center_baseline", **style)


def _arrow(axes, start, end, colour: str, words: str = "", dashed: bool = False) -> None:
    """An arrow, with words beside its middle."""
    style = {"arrowstyle": "-|>", "color": colour, "lw": 1.2, "shrinkA": 2, "shrinkB": 2}
    style |= {"linestyle": (0, (4, 3)) if dashed else "-"}
    axes.annotate("", end, start, arrowprops=style)
    x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    axes.text(x + 8, y, words, va="center", fontsize=FONT - 1, color="#666666")
