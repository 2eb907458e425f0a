"""Figures: what they show, that pixels stay sharp, and what they refuse."""

import base64
import io
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler
from PIL import Image

from helpers import plotting
from helpers.plotting.style import FACE_RGB, GAP, PAD, RATIO, WIDTH
from scripts.make_sprites import CLASS_NAMES, draw_sprite

SPRITES = np.stack([draw_sprite(name, 0, i).image for name in CLASS_NAMES for i in range(4)])
CURVES = {"ours": [(1, 80, 70, 90), (4, 9, 8, 10)], "theirs": [(1, 300, 280, 320), (60, 40, 35, 45)]}
TENSORS = plotting.to_tensor(SPRITES)
COSINE = DDPMScheduler(100, beta_schedule="squaredcos_cap_v2")
SCHEDULERS = {"linear": DDPMScheduler(100), "cosine": COSINE}
DATASET = SimpleNamespace(images=SPRITES, labels=np.repeat(np.arange(5), 4), class_names=CLASS_NAMES)


def decoded(png: str) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB"))


def shown(figure) -> np.ndarray:
    """The pixels that a notebook shows."""
    return decoded(figure._repr_mimebundle_()[0]["image/png"])


def texts(figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts if text.get_text()]


def count_tiles(figure, zoom: int) -> int:
    """How many of the sprites stand in the figure as unblurred blocks of zoom × zoom pixels."""
    rows, found = [row.tobytes() for row in shown(figure)], 0
    for sprite in SPRITES:
        lines = [line.tobytes() for line in sprite.repeat(zoom, axis=0).repeat(zoom, axis=1)]
        middle = 8 * zoom
        for y in range(len(rows) - len(lines) + 1):
            x = rows[y + middle].find(lines[middle])
            while x >= 0:
                found += all(rows[y + i].startswith(line, x) for i, line in enumerate(lines))
                x = rows[y + middle].find(lines[middle], x + 1)
    return found


MAP = {
    (row, 10): {"value": value, "low": value - 1, "high": value + 1}
    for row, value in {"a": 2, "b": 30}.items()
}
ALL = {
    "generated": lambda: plotting.plot_generated_images(SPRITES[:4], 2, 2),
    "dataset": lambda: plotting.plot_dataset(DATASET, num_images=2),
    "schedule": lambda: plotting.plot_noise_schedule(SCHEDULERS),
    "forward": lambda: plotting.plot_forward_process(TENSORS[0], SCHEDULERS),
    "losses": lambda: plotting.plot_losses([1.0, 0.5, 0.25]),
    "denoising": lambda: plotting.plot_denoising_steps(TENSORS[:3], [99, 50, 0]),
    "quality": lambda: plotting.plot_quality_vs_cost(CURVES, "minutes", floor=2.0, title="Quality"),
    "lines": lambda: plotting.plot_lines(
        {"a": ([1, 2], [3, 4]), "b*": ([1, 2], [4, 3])}, "x", "y", scales="xy"
    ),
    "map": lambda: plotting.plot_score_map(MAP, ["a", "b"], [5, 10], "calls", "walk"),
    "own": lambda: plotting.new_figure("a line", cols=2, width=600)[0],
    "neighbours": lambda: plotting.plot_nearest_neighbours(TENSORS[:3], TENSORS[3:6]),
}


@pytest.mark.parametrize("name", ALL)
def test_a_figure_is_shown_once_at_its_size_small_and_with_all_its_text(name):
    figure = ALL[name]()
    data, metadata = figure._repr_mimebundle_()
    assert isinstance(figure, plt.Figure) and not plt.get_fignums()
    assert set(data) == {"text/plain", "image/png"} and "\n" not in data["text/plain"]
    assert len(base64.b64decode(data["image/png"])) < 60_000
    assert shown(figure).shape[1] == RATIO * metadata["image/png"]["width"] <= RATIO * WIDTH
    assert (shown(figure)[0, 0] >= 240).all()  # an opaque, light face also in dark JupyterLab
    assert all(text.get_fontsize() >= 8 for text in figure.findobj(plt.Text) if text.get_text())
    figure.draw_without_rendering()
    drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert drawn.x0 >= 0 and drawn.y0 >= 0 and drawn.x1 <= width and drawn.y1 <= height


def test_pyplot_does_not_crop_what_a_notebook_shows():
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.core.pylabtools import select_figure_formats
    from IPython.display import display
    from IPython.utils.capture import capture_output

    try:
        # What %matplotlib inline does when a notebook imports pyplot.
        select_figure_formats(InteractiveShell.instance(), {"retina"}, bbox_inches="tight")
        with capture_output() as captured:
            display(ALL["generated"]())
    finally:
        InteractiveShell.clear_instance()
    (output,) = captured.outputs
    assert np.array_equal(decoded(output.data["image/png"]), shown(ALL["generated"]()))


def test_style_stays_inside_and_a_saved_file_holds_the_same_pixels(tmp_path):
    before = dict(plt.rcParams)
    ALL["losses"]()
    assert dict(plt.rcParams) == before
    figure = ALL["generated"]()
    figure.savefig(tmp_path / "grid.png")
    assert (decoded(base64.b64encode((tmp_path / "grid.png").read_bytes())) == shown(figure)).all()


def test_grid_pixels_are_unblurred_blocks_at_whole_places():
    pixels = shown(plotting.plot_generated_images(TENSORS[:16], 4, 4, scale=5))
    zoom, pitch = 5 * RATIO, (16 * 5 + GAP) * RATIO
    for i, sprite in enumerate(SPRITES[:16]):
        y, x = PAD * RATIO + i // 4 * pitch, PAD * RATIO + i % 4 * pitch
        block = sprite.repeat(zoom, axis=0).repeat(zoom, axis=1)
        assert (pixels[y : y + len(block), x : x + len(block)] == block).all()
        assert (pixels[y, x + len(block)] == FACE_RGB).all()


def test_sixteen_sprites_stay_under_30_kb_and_large_images_keep_a_pixel_each():
    assert len(plotting.plot_generated_images(SPRITES[:16], 4, 4).to_png()) < 30_000
    assert shown(plotting.plot_generated_images(torch.zeros(12, 3, 256, 256), 1, 12)).shape[1] > 12 * 256


def test_long_titles_are_wrapped_in_words():
    captions = [draw_sprite("hero", 0, i).caption for i in range(2)]
    drawn = texts(plotting.plot_generated_images(SPRITES[:2], 1, 2, captions))
    assert [text.replace("\n", " ") for text in drawn] == captions and "\n" in drawn[0]


def test_dataset_follows_the_seed():
    first, again, other = (shown(plotting.plot_dataset(DATASET, num_images=3, seed=i)) for i in (1, 1, 2))
    assert (again == first).all() and (other != first).any()


def test_forward_process_shows_the_closed_form():
    eps = torch.zeros(3, 16, 16)
    figure = plotting.plot_forward_process(TENSORS[0], COSINE, timesteps=[50], noise=eps)
    grey = plotting.to_images(TENSORS[0] * COSINE.alphas_cumprod[50].sqrt())[0]
    pixels, block = shown(figure), grey.repeat(12, axis=0).repeat(12, axis=1)
    left = pixels.shape[1] - PAD * RATIO - 192
    assert (pixels[-PAD * RATIO - 192 : -PAD * RATIO, left : left + 192] == block).all()


def test_forward_process_rows_for_schedules_and_images():
    figure = plotting.plot_forward_process(TENSORS[:2], SCHEDULERS, timesteps=[10, 99])
    assert [name for name in texts(figure) if name in SCHEDULERS] == list(SCHEDULERS)
    assert count_tiles(figure, 12) == 4  # two clean images, once for each schedule


def grid(rows, cols, count=16, **titles):
    return plotting.plot_generated_images(SPRITES[:count], rows, cols, **titles)


def forward(**arguments):
    return plotting.plot_forward_process(TENSORS[0], SCHEDULERS["linear"], **arguments)


STEPS = [image[None] for image in TENSORS[:3]], torch.tensor([99, 50, 0]), TENSORS[3:6]
ALPHAS = [f"t = {t}\nᾱ = {SCHEDULERS['linear'].alphas_cumprod[t]:.3f}" for t in (0, 99)]
UNEVEN = SimpleNamespace(images=torch.from_numpy(SPRITES[:5]), class_names=CLASS_NAMES)
UNEVEN.labels = torch.tensor([0, 0, 0, 0, 2])  # a small class, and three without images
DENOISED = ["$x_t$", "t = 99", "t = 50", "t = 0", "estimate of $x_0$"]
NEAREST = ["generated", "nearest training\nimage, and distance", "0.50", "1.25"]


@pytest.mark.parametrize(
    ("draw", "expected", "tiles"),
    [
        (lambda: grid(2, 2, 4, titles="abcd"), "abcd", 4),
        (lambda: grid(2, 2, 4, titles="12"), "12", 4),
        (lambda: grid(2, 2, 4), "", 4),
        (lambda: grid(2, 2, 4, titles="12", col_titles="ab"), "1ab2", 4),
        (lambda: grid(2, 2, 4, col_titles="ab"), "ab", 4),
        (lambda: plotting.plot_dataset(DATASET, num_images=3), CLASS_NAMES, 15),
        (lambda: plotting.plot_dataset(UNEVEN, 4), ["hero", "food"], 5),
        (lambda: forward(timesteps=[0, 99]), ["$x_0$", *ALPHAS], 1),
        (lambda: plotting.plot_denoising_steps(*STEPS), DENOISED, 6),
        (lambda: plotting.plot_nearest_neighbours(SPRITES[:2], SPRITES[2:4], [0.5, 1.25]), NEAREST, 4),
    ],
)
def test_titles_and_tiles(draw, expected, tiles):
    figure = draw()
    assert texts(figure) == list(expected) and count_tiles(figure, 12) == tiles


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: grid(3, 4), "3 rows × 4 columns are too few for 16 images"),
        (lambda: grid(0, 4), "0 rows"),
        (lambda: grid(4, 4, titles=["a"] * 5), "5 titles for 16 images in 4 rows"),
        (lambda: grid(4, 4, scale=0.5), "scale"),
        (lambda: grid(4, 4, col_titles=["a"] * 3), "3 col_titles for 4 columns"),
        (lambda: grid(4, 4, titles=["a"] * 16, col_titles=["a"] * 4), "16 titles for 4 rows"),
        (lambda: plotting.plot_dataset(DATASET, num_images=0), "num_images"),
        (lambda: forward(timesteps=[100]), r"0 … 99; got \[100\]"),
        (lambda: forward(timesteps=[]), "timesteps"),
        (lambda: forward(noise=torch.zeros(3, 8, 8)), r"\(1, 3, 16, 16\); got \(3, 8, 8\)"),
        (lambda: plotting.plot_denoising_steps(TENSORS[:3], [99, 0]), r"per timestep \(2\); got 3"),
        (lambda: plotting.plot_nearest_neighbours(SPRITES[:2], SPRITES[2:4], [0.5]), r"\[2, 2, 1\]"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()
