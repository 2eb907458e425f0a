"""The page's tab for text_to_sprite, the small Stable Diffusion; `helpers.demo` puts it on the page."""

from collections.abc import Callable
from functools import cache

import torch
from PIL import Image

from .guidance import check_prompt
from .weights import load_pipeline

MAX_IMAGES, MAX_STEPS, MAX_LENGTH, MAX_SCALE = 8, 40, 200, 10.0
ZOOM = 8  # screen pixels a pixel
EXAMPLES = (  # words, not wanted, seed
    ("a red potion", "", 0),
    ("side-facing hero with brown hair and a sword", "", 1),
    ("a potion", "a red potion", 2),
    ("a green slime", "", 3),
)


@cache
def load_text_pipeline():
    """Load the `StableDiffusionPipeline` of sprites."""
    pipeline = load_pipeline("text_to_sprite")
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def check_numbers(**numbers: int | None) -> None:
    """Raise ValueError unless seed, count and steps, or those of them given, are whole and in range."""
    bounds = {"seed": (0, 2**31 - 1), "count": (1, MAX_IMAGES), "steps": (1, MAX_STEPS)}
    for name, value in numbers.items():
        low, high = bounds[name]
        if value is None or value != int(value) or not low <= value <= high:
            raise ValueError(f"{name} must be a whole number from {low} to {high:,}; got {value!r}")


def check_length(prompt: str | None) -> str:
    """Return the prompt, "" for None; raise ValueError if it is too long for a page."""
    if len(prompt := prompt or "") > MAX_LENGTH:
        raise ValueError(f"the prompt may have {MAX_LENGTH} characters; got {len(prompt)}")
    return prompt


def enlarge(images: list[Image.Image]) -> list[Image.Image]:
    """Make each pixel a square that can be seen."""
    size = [ZOOM * side for side in images[0].size]
    return [image.resize(size, Image.Resampling.NEAREST) for image in images]


def step_reporter(on_step: Callable[[int, int], None]) -> Callable:
    """Make a `callback_on_step_end` that says how many steps are done, and of how many."""

    def report(pipeline, i, t, kwargs):
        on_step(i + 1, len(pipeline.scheduler.timesteps))
        return kwargs

    return report


def press(draw: Callable, done: str, progress, *asked) -> tuple[list | None, str]:
    """Answer a button: images for the gallery and a line for the message, also where `draw` refuses.

    Parameters
    ----------
    draw : `draw_text`, or another that takes `on_step` and returns images and a note
    done : what is said to have been done: "Drawn"
    progress : gradio.Progress
    *asked : what `draw` is asked for
    """
    try:
        images, note = draw(*asked, on_step=lambda done, steps: progress((done, steps)))
    except ValueError as error:
        return None, f"**Not {done.lower()}.** {str(error)[0].upper()}{str(error)[1:]}."
    return images, f"The prompt was {note}." if note else f"{done}. Another seed gives other sprites."


def draw_text(
    prompt: str = "",
    negative_prompt: str = "",
    seed: int = 0,
    steps: int = 20,
    guidance_scale: float = 3.0,
    count: int = 4,
    on_step: Callable[[int, int], None] = lambda done, steps: None,
) -> tuple[list[Image.Image], str]:
    """Draw what a prompt says: what the button of the tab calls.

    Parameters
    ----------
    prompt, negative_prompt : str, each may be empty: anything, and nothing in particular
    seed, steps, count : int
    guidance_scale : float, 1 (no guidance, and the negative prompt has no say) to 10
    on_step : callable that gets the number of steps done, and of all

    Returns
    -------
    list of PIL images, 128 pixels wide; a note on what was cut off, or ""

    Raises
    ------
    ValueError
        If a number is out of its range, or a prompt is too long or has a word that no caption had.
    """
    check_numbers(seed=seed, count=count, steps=steps)
    if guidance_scale is None or not 1 <= guidance_scale <= MAX_SCALE:
        raise ValueError(f"guidance_scale must be from 1 to {MAX_SCALE:g}; got {guidance_scale!r}")
    texts, notes = [check_length(text).strip() for text in (prompt, negative_prompt)], ["", ""]
    pipeline = load_text_pipeline()
    for i, text in enumerate(texts):
        if text:
            texts[i], notes[i] = check_prompt(text, pipeline.tokenizer)

    images = pipeline(
        texts[0],
        negative_prompt=texts[1],
        num_images_per_prompt=int(count),
        num_inference_steps=int(steps),
        guidance_scale=float(guidance_scale),
        generator=torch.Generator().manual_seed(int(seed)),
        callback_on_step_end=step_reporter(on_step),
    ).images
    return enlarge(images), max(notes)


def text_tab(make_gallery: Callable) -> None:
    """Lay out the tab, within a `gradio.Tab` that is being made.

    Parameters
    ----------
    make_gallery : callable without arguments that returns a new `gradio.Gallery`
    """
    import gradio as gr  # slow to import, so only when it is used

    def paint(*asked, progress=gr.Progress()):  # noqa: B008
        return press(draw_text, "Painted", progress, *asked)

    gr.Markdown("A small Stable Diffusion: it was trained with captions, and reads every word of a prompt.")
    with gr.Row():
        with gr.Column():
            words = gr.Textbox(label="Words", placeholder="a red potion", max_length=MAX_LENGTH)
            unwanted = gr.Textbox(label="Not wanted", placeholder="a red potion", max_length=MAX_LENGTH)
            button = gr.Button("Paint", variant="primary")
            with gr.Accordion("Settings", open=False):
                seed = gr.Number(0, label="Random seed", precision=0, minimum=0)
                steps = gr.Slider(5, MAX_STEPS, 20, step=1, label="num_inference_steps")
                scale = gr.Slider(1, MAX_SCALE, 3, step=0.5, label="guidance_scale")
                count = gr.Slider(1, MAX_IMAGES, 4, step=1, label="num_images_per_prompt")
        with gr.Column():
            gallery, message = make_gallery(), gr.Markdown(elem_id="text-message")
    inputs = [words, unwanted, seed, steps, scale, count]
    for trigger in (button.click, words.submit):
        trigger(paint, inputs, [gallery, message], concurrency_limit=1, concurrency_id="draw")
    gr.Examples([list(example) for example in EXAMPLES], [words, unwanted, seed], cache_examples=False)
