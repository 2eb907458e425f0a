"""A page on which anyone can have sprites drawn: by steering, or by a prompt. `make demo` opens it.

python -m helpers.demo [--host 127.0.0.1] [--port 7860] [--share] [--open]
"""

import argparse
import sys
from collections.abc import Callable
from functools import cache

import torch
from PIL import Image

from .demo_text import (
    MAX_IMAGES,
    MAX_LENGTH,
    MAX_STEPS,
    check_length,
    check_numbers,
    enlarge,
    press,
    step_reporter,
    text_tab,
)
from .evaluation import load_classifier
from .guidance import (
    GuidedDDPMPipeline,
    check_color,
    check_prompt,
    class_loss,
    color_loss,
    embed_images,
    embed_text,
    great_circle_loss,
    load_clip,
)
from .sampling import good_steps, make_scheduler
from .weights import load_pipeline

ANY = "any"
MAX_GUIDANCE = 2.0
GUIDANCE_LOSS_SCALE = 100.0
GUIDANCE = {"through_unet": True, "max_move": 1.0, "num_recurrences": 2}
EXAMPLES = (  # prompt, label, whether the colour counts, seed
    ("a red potion", ANY, False, 0),
    ("hero with a blue hat", ANY, False, 1),
    ("a green slime", ANY, False, 2),
    ("", "spell", True, 3),
)


@cache
def load_guided_pipeline() -> GuidedDDPMPipeline:
    """Load the unconditional sprite model into the pipeline that a loss can steer."""
    plain = load_pipeline("unconditional")
    pipeline = GuidedDDPMPipeline(plain.unet.eval().requires_grad_(False), make_scheduler(plain.scheduler))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def parse_color(text: str) -> tuple[float, ...] | None:
    """Read "#rrggbb", "rgb(r, g, b)" or "rgba(…)" as three floats in [0, 1]; None if there is none."""
    text = (text or "").strip().lower()
    if not text or text == ANY:
        return None
    try:
        if text.startswith("#") and len(text) == 7:
            return tuple(int(text[i : i + 2], 16) / 255 for i in (1, 3, 5))
        parts = [float(part) for part in text[text.index("(") + 1 : text.index(")")].split(",")]
        return tuple(check_color([part / 255 for part in parts[:3]]).tolist())
    except ValueError as error:
        raise ValueError(f"a colour is written #rrggbb or rgb(26, 153, 230); got {text!r}") from error


def make_loss(prompt: str, color: str, label: str) -> tuple[Callable | None, str]:
    """Add up the losses of all that is asked for; also return a note, or "" if nothing was cut off.

    Raises
    ------
    ValueError
        If nothing is asked for, or a part of it cannot be used.
    """
    losses, note, classifier = [], "", load_classifier()
    if prompt.strip():
        clip, tokenizer = load_clip()
        prompt, note = check_prompt(prompt, tokenizer)
        text_embeds = embed_text(prompt, clip, tokenizer)
        losses.append(lambda images: great_circle_loss(embed_images(images, clip), text_embeds))
    if (target := parse_color(color)) is not None:
        losses.append(lambda images: color_loss(images, target))
    if label != ANY:
        names = classifier.config.class_names
        if label not in names:
            raise ValueError(f"unknown label {label!r}; expected {ANY!r} or one of {', '.join(names)}")
        number = names.index(label)
        losses.append(lambda images: 0.2 * class_loss(images, classifier, number))
    if not losses:
        raise ValueError('ask for something: words such as "a red potion", a colour, or a label')
    return lambda images: sum(loss(images) for loss in losses), note


def draw_sprites(
    prompt: str = "",
    color: str = "",
    label: str = ANY,
    seed: int = 0,
    steps: int = 20,
    guidance: float = 1.0,
    count: int = 4,
    on_step: Callable[[int, int], None] = lambda done, steps: None,
) -> tuple[list[Image.Image], str]:
    """Draw what is asked for: what the button of the page calls.

    Parameters
    ----------
    prompt, color : str, "" for none; a colour is "#rrggbb" or "rgb(r, g, b)"
    label : a class name, or "any"
    seed, steps, count : int
    guidance : float, 0 (no guidance) to 2
    on_step : callable that gets the number of steps done, and of all

    Returns
    -------
    list of PIL images, 128 pixels wide; a note on what was cut off, or ""

    Raises
    ------
    ValueError
        If a value is out of its range, or nothing that can be drawn is asked for.
    """
    check_numbers(seed=seed, count=count, steps=steps)
    if guidance is None or not 0 <= guidance <= MAX_GUIDANCE:
        raise ValueError(f"guidance must be from 0 to {MAX_GUIDANCE}; got {guidance!r}")
    loss_fn, note = make_loss(check_length(prompt), color, label)
    pipeline = load_guided_pipeline()

    images = pipeline(
        int(count),
        loss_fn,
        guidance_loss_scale=GUIDANCE_LOSS_SCALE * guidance,
        **GUIDANCE,
        generator=torch.Generator().manual_seed(int(seed)),
        num_inference_steps=int(steps),
        callback_on_step_end=step_reporter(on_step),
    ).images
    return enlarge(images), note


def make_demo():
    """Build the page, a `gradio.Blocks` of two tabs; `launch` it with `launch_options()`."""
    import gradio as gr  # slow to import, so only when it is used

    def make_gallery():
        look = {"columns": 2, "height": 370, "object_fit": "contain", "interactive": False, "format": "png"}
        return gr.Gallery(label="Sprites", **look)

    with gr.Blocks(analytics_enabled=False, title="Sprites on demand") as page:
        gr.Markdown("# Sprites on demand")
        with gr.Tab("guidance"):
            guidance_tab(make_gallery)
        with gr.Tab("text to sprite"):
            text_tab(make_gallery)
    return page.queue(max_size=16)


def guidance_tab(make_gallery: Callable) -> None:
    """Lay out the tab of the model that losses steer, within a `gradio.Tab` that is being made.

    Parameters
    ----------
    make_gallery : callable without arguments that returns a new `gradio.Gallery`
    """
    import gradio as gr

    def draw(prompt, label, tinted, color, *numbers, progress=gr.Progress()):  # noqa: B008
        return press(draw_sprites, "Drawn", progress, prompt, color if tinted else "", label, *numbers)

    names = load_classifier().config.class_names
    possible = [n for n in good_steps(load_guided_pipeline().scheduler, MAX_STEPS) if n >= 5]
    gr.Markdown("A model that knows no words, steered while it draws.")
    with gr.Row():
        with gr.Column():
            prompt = gr.Textbox(label="Prompt", placeholder="a red potion", max_length=MAX_LENGTH)
            with gr.Row():
                label = gr.Dropdown([ANY, *names], value=ANY, label="Label")
                with gr.Column(min_width=160):
                    tinted = gr.Checkbox(label="In this colour")
                    color = gr.ColorPicker("#1a99e6", label="Colour")
            button = gr.Button("Draw", variant="primary")
            with gr.Accordion("More", open=False):
                seed = gr.Number(0, label="Seed", precision=0, minimum=0)
                steps = gr.Slider(possible[0], possible[-1], 20, step=1, label="Steps")
                guidance = gr.Slider(0, MAX_GUIDANCE, 1, label="Guidance")
                count = gr.Slider(1, MAX_IMAGES, 4, step=1, label="Sprites")
        with gr.Column():
            gallery, message = make_gallery(), gr.Markdown(elem_id="message")
    inputs = [prompt, label, tinted, color, seed, steps, guidance, count]
    for trigger in (button.click, prompt.submit):
        # One visitor at a time is drawn for; the others wait in a queue.
        trigger(draw, inputs, [gallery, message], concurrency_limit=1, concurrency_id="draw")
    examples = [list(example) for example in EXAMPLES]
    gr.Examples(examples, [prompt, label, tinted, seed], cache_examples=False)


def launch_options(host: str = "127.0.0.1", port: int | None = None, share: bool = False) -> dict:
    """Options for `launch`: system fonts, no uploads, and nobody but this machine unless told otherwise."""
    import gradio as gr

    theme = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    quiet = {"footer_links": [], "max_file_size": 1, "show_error": False}
    return {"server_name": host, "server_port": port, "share": share, "theme": theme, **quiet}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1", help='"0.0.0.0" lets other machines in')
    parser.add_argument("--port", type=int, help="by default the first free one from 7860")
    parser.add_argument("--share", action="store_true", help="a public address through Gradio's servers")
    parser.add_argument("--open", action="store_true", help="open it in a browser")
    args = parser.parse_args()
    try:
        make_demo().launch(**launch_options(args.host, args.port, args.share), inbrowser=args.open)
    except OSError as error:  # no weights, no such host, or a port that is taken
        sys.exit(f"demo: {error}")


if __name__ == "__main__":
    main()
