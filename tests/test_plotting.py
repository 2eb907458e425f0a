"""Figures: what they show, that pixels stay sharp, and what they refuse."""

import base64
import io
from itertools import pairwise
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler
from PIL import Image

from helpers import plotting
from helpers.plotting.style import FACE_RGB, GAP, PAD, RATIO, WIDTH, pick_colours
from scripts.make_sprites import CLASS_NAMES, draw_sprite

SPRITES = np.stack([draw_sprite(name, 0, i).image for name in CLASS_NAMES for i in range(4)])
CURVES = {"ours": [(1, 80, 70, 90), (4, 9, 8, 10)], "theirs": [(1, 300, 280, 320), (60, 40, 35, 45)]}
TENSORS = plotting.to_tensor(SPRITES)
SCHEDULERS = {
    "linear": DDPMScheduler(100),
    "cosine": DDPMScheduler(100, beta_schedule="squaredcos_cap_v2"),
}
DATASET = SimpleNamespace(images=SPRITES, labels=np.repeat(np.arange(5), 4), class_names=CLASS_NAMES)


def shown(figure) -> np.ndarray:
    """The pixels that a notebook shows."""
    png = figure._repr_mimebundle_()[0]["image/png"]
    return np.array(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB"))


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


ALL = {
    "generated": lambda: plotting.plot_generated_images(SPRITES[:4], 2, 2),
    "dataset": lambda: plotting.plot_dataset(DATASET, num_images=2),
    "schedule": lambda: plotting.plot_noise_schedule(SCHEDULERS),
    "forward": lambda: plotting.plot_forward_process(TENSORS[0], SCHEDULERS),
    "losses": lambda: plotting.plot_losses([1.0, 0.5, 0.25]),
    "denoising": lambda: plotting.plot_denoising_steps(TENSORS[:3], [99, 50, 0]),
    "quality": lambda: plotting.plot_quality_vs_cost(CURVES, "minutes", floor=2.0, title="Quality"),
    "own": lambda: plotting.new_figure("a line", cols=2, width=600)[0],
    "neighbours": lambda: plotting.plot_nearest_neighbours(TENSORS[:3], TENSORS[3:6]),
}


@pytest.mark.parametrize("name", ALL)
def test_a_figure_is_shown_once_at_its_size_and_small(name):
    figure = ALL[name]()
    data, metadata = figure._repr_mimebundle_()
    assert isinstance(figure, plt.Figure) and not plt.get_fignums()
    assert set(data) == {"text/plain", "image/png"} and "\n" not in data["text/plain"]
    assert len(base64.b64decode(data["image/png"])) < 60_000
    assert shown(figure).shape[1] == RATIO * metadata["image/png"]["width"] <= RATIO * WIDTH
    assert (shown(figure)[0, 0] >= 240).all()  # an opaque, light face also in dark JupyterLab


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
    png = np.array(Image.open(io.BytesIO(base64.b64decode(output.data["image/png"]))).convert("RGB"))
    assert np.array_equal(png, shown(ALL["generated"]()))


@pytest.mark.parametrize("name", ALL)
def test_no_text_is_small_or_cropped(name):
    figure = ALL[name]()
    assert all(text.get_fontsize() >= 8 for text in figure.findobj(plt.Text) if text.get_text())
    figure.draw_without_rendering()
    drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert drawn.x0 >= 0 and drawn.y0 >= 0 and drawn.x1 <= width and drawn.y1 <= height


def test_style_stays_inside():
    before = dict(plt.rcParams)
    ALL["losses"]()
    assert dict(plt.rcParams) == before


def test_saved_file_holds_the_same_pixels(tmp_path):
    figure = ALL["generated"]()
    figure.savefig(tmp_path / "grid.png")
    saved = np.array(Image.open(tmp_path / "grid.png").convert("RGB"))
    assert (saved == shown(figure)).all()


# to_images


@pytest.mark.parametrize(
    "images",
    [
        TENSORS[:2],
        TENSORS[:2].numpy(),
        list(TENSORS[:2]),
        SPRITES[:2],
        torch.from_numpy(SPRITES[:2]),
        [Image.fromarray(sprite) for sprite in SPRITES[:2]],
    ],
    ids=["tensor", "float array", "list of tensors", "uint8", "uint8 tensor", "PIL"],
)
def test_to_images_takes_every_form(images):
    result = plotting.to_images(images)
    assert result.dtype == np.uint8 and (result == SPRITES[:2]).all()


@pytest.mark.parametrize(
    "image",
    [TENSORS[0, :1], TENSORS[:1, :1], SPRITES[0, :, :, :1], SPRITES[0, :, :, 0], TENSORS[0, :1].bfloat16()],
    ids=["c h w", "n c h w", "h w c", "h w", "bfloat16"],
)
def test_to_images_turns_one_grey_image_into_three_channels(image):
    result = plotting.to_images(image)
    assert result.shape == (1, 16, 16, 3) and (result[..., 0] == result[..., 2]).all()


def test_to_images_clips_and_lays_transparency_on_white():
    assert plotting.to_images(torch.full((3, 2, 2), -7.0)).max() == 0
    assert plotting.to_images(torch.full((3, 2, 2), 7.0)).min() == 255
    assert plotting.to_images(Image.new("RGBA", (4, 4), (0, 0, 0, 0))).min() == 255


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(2, 5, 8, 8), r"float32 of shape \(2, 5, 8, 8\)"),
        (np.zeros((2, 8, 8, 3)), r"float64 of shape \(2, 8, 8, 3\)"),
        (np.zeros((2, 8, 8, 3), np.int64), "int64"),
        (np.zeros((0, 8, 8, 3), np.uint8), r"\(0, 8, 8, 3\)"),
        ([], r"shape \(0,\)"),
        (torch.full((1, 3, 2, 2), torch.nan), "NaN"),
        ([SPRITES[0], SPRITES[0, :8]], r"different shapes: \(8, 16, 3\), \(16, 16, 3\)"),
    ],
)
def test_to_images_names_what_it_cannot_take(images, message):
    with pytest.raises(ValueError, match=message):
        plotting.to_images(images)


# Grids


def test_grid_pixels_are_unblurred_blocks_at_whole_places():
    pixels = shown(plotting.plot_generated_images(TENSORS[:16], 4, 4, scale=5))
    zoom, pitch = 5 * RATIO, (16 * 5 + GAP) * RATIO
    for i, sprite in enumerate(SPRITES[:16]):
        y, x = PAD * RATIO + i // 4 * pitch, PAD * RATIO + i % 4 * pitch
        block = sprite.repeat(zoom, axis=0).repeat(zoom, axis=1)
        assert (pixels[y : y + len(block), x : x + len(block)] == block).all()
        assert (pixels[y, x + len(block)] == FACE_RGB).all()


def test_sixteen_sprites_stay_under_30_kb():
    assert len(plotting.plot_generated_images(SPRITES[:16], 4, 4).to_png()) < 30_000


def test_large_images_keep_one_pixel_each_at_least():
    assert shown(plotting.plot_generated_images(torch.zeros(12, 3, 256, 256), 1, 12)).shape[1] > 12 * 256


@pytest.mark.parametrize(
    ("titles", "expected"),
    [(list("abcd"), list("abcd")), (["first", "second"], ["first", "second"]), (None, [])],
    ids=["per image", "per row", "none"],
)
def test_titles(titles, expected):
    figure = plotting.plot_generated_images(SPRITES[:4], 2, 2, titles)
    assert texts(figure) == expected
    assert count_tiles(figure, 12) == 4


def test_columns_and_rows_have_titles():
    figure = plotting.plot_generated_images(SPRITES[:4], 2, 2, ["first", "second"], col_titles=["a", "b"])
    assert sorted(texts(figure)) == ["a", "b", "first", "second"] and count_tiles(figure, 12) == 4
    assert texts(plotting.plot_generated_images(SPRITES[:4], 2, 2, col_titles=["a", "b"])) == ["a", "b"]


def test_long_titles_are_wrapped_in_words():
    captions = [draw_sprite("hero", 0, i).caption for i in range(2)]
    drawn = texts(plotting.plot_generated_images(SPRITES[:2], 1, 2, captions))
    assert [text.replace("\n", " ") for text in drawn] == captions and "\n" in drawn[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": 3, "cols": 4}, "3 rows × 4 columns are too few for 16 images"),
        ({"rows": 0, "cols": 4}, "0 rows"),
        ({"rows": 4, "cols": 4, "titles": ["a"] * 5}, "5 titles for 16 images in 4 rows"),
        ({"rows": 4, "cols": 4, "scale": 0.5}, "scale"),
        ({"rows": 4, "cols": 4, "col_titles": ["a"] * 3}, "3 col_titles for 4 columns"),
        ({"rows": 4, "cols": 4, "titles": ["a"] * 16, "col_titles": ["a"] * 4}, "16 titles for 4 rows"),
    ],
)
def test_grid_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        plotting.plot_generated_images(SPRITES[:16], **arguments)


def test_dataset_has_a_row_per_class_and_follows_the_seed():
    figure = plotting.plot_dataset(DATASET, num_images=3, seed=1)
    assert texts(figure) == list(CLASS_NAMES)
    again, other = (plotting.plot_dataset(DATASET, num_images=3, seed=seed) for seed in (1, 2))
    assert (shown(again) == shown(figure)).all() and (shown(other) != shown(figure)).any()
    assert count_tiles(figure, 12) == 15


def test_dataset_with_a_missing_and_a_small_class():
    images, labels = torch.from_numpy(SPRITES[:5]), torch.tensor([0, 0, 0, 0, 2])
    figure = plotting.plot_dataset(SimpleNamespace(images=images, labels=labels, class_names=CLASS_NAMES), 4)
    assert texts(figure) == ["hero", "food"]
    assert count_tiles(figure, 12) == 5
    with pytest.raises(ValueError, match="num_images"):
        plotting.plot_dataset(DATASET, num_images=0)


# Filmstrips


def test_forward_process_starts_clean_and_names_t_and_alpha():
    figure = plotting.plot_forward_process(TENSORS[0], SCHEDULERS["linear"], timesteps=[0, 99])
    alphas = SCHEDULERS["linear"].alphas_cumprod
    assert texts(figure) == ["$x_0$", f"t = 0\nᾱ = {alphas[0]:.3f}", f"t = 99\nᾱ = {alphas[99]:.3f}"]
    assert count_tiles(figure, 12) == 1


def test_forward_process_shows_the_closed_form():
    eps = torch.zeros(3, 16, 16)
    figure = plotting.plot_forward_process(TENSORS[0], SCHEDULERS["cosine"], timesteps=[50], noise=eps)
    grey = plotting.to_images(TENSORS[0] * SCHEDULERS["cosine"].alphas_cumprod[50].sqrt())[0]
    pixels, block = shown(figure), grey.repeat(12, axis=0).repeat(12, axis=1)
    left = pixels.shape[1] - PAD * RATIO - 192
    assert (pixels[-PAD * RATIO - 192 : -PAD * RATIO, left : left + 192] == block).all()


def test_forward_process_rows_for_schedules_and_images():
    figure = plotting.plot_forward_process(TENSORS[:2], SCHEDULERS, timesteps=[10, 99])
    assert [name for name in texts(figure) if name in SCHEDULERS] == list(SCHEDULERS)
    assert count_tiles(figure, 12) == 4  # two clean images, once for each schedule


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"timesteps": [100]}, r"0 … 99; got \[100\]"),
        ({"timesteps": []}, "timesteps"),
        ({"noise": torch.zeros(3, 8, 8)}, r"\(1, 3, 16, 16\); got \(3, 8, 8\)"),
    ],
)
def test_forward_process_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        plotting.plot_forward_process(TENSORS[0], SCHEDULERS["linear"], **arguments)


def test_denoising_steps_with_and_without_estimates():
    steps = [image[None] for image in TENSORS[:3]]
    figure = plotting.plot_denoising_steps(steps, torch.tensor([99, 50, 0]), x0_estimates=TENSORS[3:6])
    assert texts(figure) == ["$x_t$", "t = 99", "t = 50", "t = 0", "estimate of $x_0$"]
    assert count_tiles(figure, 12) == 6
    with pytest.raises(ValueError, match=r"one image per timestep \(2\); got 3"):
        plotting.plot_denoising_steps(steps, [99, 0])


def test_nearest_neighbours_stand_beneath_with_their_distance():
    figure = plotting.plot_nearest_neighbours(SPRITES[:2], SPRITES[2:4], np.array([0.5, 1.25]))
    assert "0.50" in texts(figure) and "1.25" in texts(figure)
    assert count_tiles(figure, 12) == 4
    with pytest.raises(ValueError, match=r"\[2, 2, 1\]"):
        plotting.plot_nearest_neighbours(SPRITES[:2], SPRITES[2:4], [0.5])


# Curves


def test_noise_schedule_draws_signal_noise_and_ratio():
    figure = plotting.plot_noise_schedule(SCHEDULERS)
    left, right = figure.axes
    alphas = SCHEDULERS["linear"].alphas_cumprod.numpy()
    assert np.allclose(left.lines[0].get_ydata(), np.sqrt(alphas))
    assert np.allclose(left.lines[1].get_ydata(), np.sqrt(1 - alphas), atol=1e-6)
    assert np.allclose(right.lines[0].get_ydata(), 10 * np.log10(alphas / (1 - alphas)), atol=1e-2)
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["linear", "cosine"]
    assert {right.lines[i].get_color() for i in (0, 1)} <= set(pick_colours(range(7)))


def test_noise_schedule_that_ends_at_no_signal():
    scheduler = DDPMScheduler(100, rescale_betas_zero_snr=True)
    scheduler.alphas_cumprod[-1] = 0
    assert np.isfinite(plotting.plot_noise_schedule(scheduler).axes[1].lines[0].get_ydata()).all()


def test_a_figure_of_ones_own_has_the_look_of_the_others():
    figure, (left, right) = plotting.new_figure("two lines", cols=2)
    shared = plotting.plot_losses([1.0, 0.5])
    assert figure.get_facecolor() == shared.get_facecolor()
    for axes in (left, right):
        assert not axes.spines["top"].get_visible() and axes.get_xgridlines()[0].get_visible()
        assert axes.plot([0, 1])[0].get_color() == plotting.BLUE
        assert axes.plot([1, 0])[0].get_color() == plotting.VERMILION


@pytest.mark.parametrize("schedulers", [{}, {str(i): DDPMScheduler(10) for i in range(8)}, SimpleNamespace()])
def test_noise_schedule_refuses(schedulers):
    with pytest.raises(ValueError, match=r"curves|alphas_cumprod"):
        plotting.plot_noise_schedule(schedulers)


def test_losses_on_two_scales_raw_and_mean():
    losses = np.linspace(2, 1, 101)
    figure = plotting.plot_losses(SimpleNamespace(losses=list(losses)), window=5)
    assert [axes.get_yscale() for axes in figure.axes] == ["linear", "log"]
    for axes in figure.axes:
        raw, mean = (line.get_ydata() for line in axes.lines)
        assert (raw == losses).all() and np.allclose(mean[2:-2], losses[2:-2])
        assert axes.get_xlabel() == "training step" and axes.get_ylabel() == "mean squared error"


def test_losses_compares_runs_of_different_length():
    figure = plotting.plot_losses({"lean": [1.0, 0.5], "textbook": SimpleNamespace(losses=[1.0, 0.7, 0.6])})
    assert texts(figure) == ["lean", "textbook"] and len(figure.axes[0].lines) == 4


def test_end_labels_keep_apart():
    figure = plotting.plot_losses({f"run {i}": [1.0, 0.5 + i / 1e4] for i in range(7)})
    figure.draw_without_rendering()
    boxes = sorted((text.get_window_extent() for text in figure.axes[1].texts), key=lambda box: box.y0)
    assert all(lower.y1 <= upper.y0 for lower, upper in pairwise(boxes))


@pytest.mark.parametrize(("losses", "window"), [([], None), ([[1.0]], None), ([1.0], 0)])
def test_losses_refuses(losses, window):
    with pytest.raises(ValueError, match="losses"):
        plotting.plot_losses(losses, window)


# --- quality against cost -------------------------------------------------------------------------


def test_quality_curves_are_drawn_in_order_with_the_floor():
    figure = plotting.plot_quality_vs_cost({"ours": CURVES["ours"][::-1]}, "minutes", floor=2.0)
    (axes,) = figure.axes
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert axes.lines[0].get_xdata().tolist() == [1, 4] and axes.lines[0].get_ydata().tolist() == [80, 9]
    assert list(axes.lines[1].get_ydata()) == [2.0, 2.0]
    assert {text.get_text() for text in axes.texts} == {"ours", "real images"}


def test_quality_curves_that_cannot_be_drawn_are_refused():
    for points in ([], [(0, 1, 1, 1)], [(1, -1, 1, 1)]):
        with pytest.raises(ValueError, match="curve 'ours' must have points"):
            plotting.plot_quality_vs_cost({"ours": points}, "minutes")
    with pytest.raises(ValueError, match="1 to 7 curves"):
        plotting.plot_quality_vs_cost({}, "minutes")
