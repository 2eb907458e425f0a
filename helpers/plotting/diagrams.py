"""Diagrams: a UNet, drawn from the model itself, and the two ways of counting noisy images."""

import itertools
import textwrap

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from ..models import dry_run
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
    skeleton, inputs = dry_run(unet)
    shapes = {}
    for name, module in skeleton.named_modules():
        block, _, part = name.partition(".resnets.")
        if (part and "." not in part) or name in ("conv_in", "conv_out", "time_embedding"):
            module.register_forward_hook(
                lambda module, given, out, key=block: shapes.update({key: tuple(out.shape[1:])})
            )
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


def plot_timestep_counting(num_train_timesteps: int) -> Figure:
    """Draw the chain of noisy images with the numbers that papers and code give them.

    Papers count them from 1 to T and call the clean image x₀; the code of diffusers counts the noisy ones
    from 0 to T - 1 = `num_train_timesteps` - 1.

    Raises
    ------
    ValueError
        If num_train_timesteps is below 4.
    """
    if num_train_timesteps < 4:
        raise ValueError(f"num_train_timesteps must be at least 4; got {num_train_timesteps}")
    count = num_train_timesteps
    papers = ["$x_0$", "$x_1$", "$x_2$", "…", f"$x_{{{count - 1}}}$", f"$x_{{{count}}}$"]
    code = ["", "t = 0", "t = 1", "…", f"t = {count - 2}", f"t = {count - 1}"]
    with rc_context(STYLE):
        alt = f"papers count the noisy images from 1 to {count}, the code from 0 to {count - 1}"
        figure, (axes,) = new_figure(alt, height=150)
        axes.set(xlim=(0, WIDTH), ylim=(150, 0))
        axes.set_axis_off()
        places = [185 + 118 * i for i in range(len(papers))]
        for y, words in ((36, "in the papers"), (112, "in the code")):
            axes.text(90, y, words, ha="right", va="center", fontsize=FONT + 1)
        for x, symbol, index in zip(places, papers, code, strict=True):
            axes.text(x, 36, symbol, ha="center", va="center", fontsize=FONT + 3)
            axes.text(x, 112, index, ha="center", va="center", fontsize=FONT + 1, color=GREEN)
            axes.plot([x], [74], "o", color="#BBBBBB" if symbol == "…" else INK, markersize=6)
        for start, end in itertools.pairwise(places):
            _arrow(axes, (start + 6, 74), (end - 6, 74), INK)
        axes.text(places[0], 112, "clean", ha="center", va="center", fontsize=FONT + 1)
        axes.text(places[-1], 136, "practically noise", ha="center", va="center", fontsize=FONT)
    return figure


def plot_text_to_image(pipeline, prompt: str = "a red potion") -> Figure:
    """Draw how a prompt becomes a picture (arXiv 2112.10752), with the shapes and sizes of this pipeline.

    Parameters
    ----------
    pipeline : StableDiffusionPipeline
        Only its configuration is read, and its parameters are counted.
    prompt : str
        Written at the start of the way.

    Raises
    ------
    TypeError
        If it has no tokenizer, text encoder, UNet, scheduler and VAE.
    """
    names = ("tokenizer", "text_encoder", "unet", "vae", "scheduler")
    if any(getattr(pipeline, name, None) is None for name in names):
        raise TypeError(f"expected a StableDiffusionPipeline with all parts; got {type(pipeline).__name__}")
    tokenizer, text_encoder, unet, vae = (getattr(pipeline, name) for name in names[:4])
    tokens, width = tokenizer.model_max_length, text_encoder.config.hidden_size
    size, pixels = unet.config.sample_size, unet.config.sample_size * pipeline.vae_scale_factor
    latents, top, low = f"{unet.config.in_channels}×{size}×{size}", 52, 176
    boxes = (  # x, y, colour, its words
        (190, top, BLUE, "tokenizer", f"{tokens} tokens", f"of {len(tokenizer):,} known"),
        (365, top, BLUE, "text_encoder", f"{tokens}×{width}", _count(text_encoder)),
        (365, low, VERMILION, "unet", f"noise, {latents}", _count(unet)),
        (540, low, GREEN, "scheduler", f"latents, {latents}", "no parameters"),
        (695, low, BLUE, "vae", "decoder", _count(vae)),
    )
    prompt = "\n".join(textwrap.wrap(f"“{prompt}”", 16))
    ends = ((62, top, prompt), (246, low, f"noise\n{latents}"), (816, low, f"image\n3×{pixels}×{pixels}"))
    arrows = ((top, 112, 120), (top, 260, 295), (low, 274, 295), (low, 610, 625), (low, 765, 780))
    with rc_context(STYLE):
        alt = "a prompt through tokenizer, text encoder, UNet and scheduler, and VAE, with their shapes"
        figure, (axes,) = new_figure(alt, height=240)
        axes.set(xlim=(0, WIDTH), ylim=(240, 0))
        axes.set_axis_off()
        for x, y, words in ends:
            axes.text(x, y, words, ha="center", va="center", fontsize=FONT, linespacing=1.4)
        for x, y, colour, name, shape, count in boxes:
            _box(axes, x, y, 140, 66, colour)
            axes.text(x, y - 20, name, ha="center", va="center", fontsize=FONT, family="DejaVu Sans Mono")
            axes.text(x, y, shape, ha="center", va="center", fontsize=FONT + 1, weight="bold")
            axes.text(x, y + 20, count, ha="center", va="center", fontsize=FONT)
        for y, start, end in arrows:
            _arrow(axes, (start, y), (end, y), INK)
        _arrow(axes, (365, top + 33), (365, low - 33), VERMILION, "cross-attention: places read tokens")
        _arrow(axes, (435, low - 12), (470, low - 12), GREEN)
        _arrow(axes, (470, low + 12), (435, low + 12), GREEN)
        axes.text(452, low + 48, "at every timestep", ha="center", va="center", fontsize=FONT, color=GREEN)
    return figure


def _count(module) -> str:
    """The number of a module's parameters in words: "2.2 M parameters"."""
    return f"{sum(p.numel() for p in module.parameters()) / 1e6:.2g} M parameters"
