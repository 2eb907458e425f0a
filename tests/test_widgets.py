"""The explorers without a front end: their callbacks, their pictures, and what a notebook keeps of them."""

import io

import numpy as np
import pytest
from conftest import make_noise_scheduler, make_unet
from PIL import Image
from test_pipelines import make_pipeline

from helpers.plotting import to_tensor
from helpers.plotting.curves import snr_db
from helpers.plotting.style import PAD, RATIO
from helpers.sampling import SCHEDULERS, good_steps, make_scheduler
from helpers.widgets import (
    base,
    label_explorer,
    noise,
    noise_explorer,
    sampler_playground,
    samplers,
)
from helpers.widgets.noise import SIDE, TOP
from scripts.make_sprites import draw_sprite

SPRITES = [draw_sprite(name, 0, 0).image for name in ("hero", "food")]


@pytest.fixture
def explorer():
    return noise_explorer(SPRITES, num_train_timesteps=100)


def shown(explorer) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(explorer.picture.value)).convert("RGB"))


def tile(explorer, column: int) -> np.ndarray:
    """One pixel of each block of a tile, having seen that the block is of one colour."""
    left, top, zoom = (PAD + column * (SIDE + PAD)) * RATIO, TOP * RATIO, SIDE // 16 * RATIO
    block = shown(explorer)[top : top + 16 * zoom, left : left + 16 * zoom]
    small = block[::zoom, ::zoom]
    assert (block == small.repeat(zoom, axis=0).repeat(zoom, axis=1)).all()
    return small


def test_snr_in_decibels():
    assert np.allclose(snr_db([0.5, 10 / 11, 1 / 101]), [0, 10, -20])
    assert np.isfinite(snr_db([0.0, 1.0])).all()


def test_the_picture_shows_the_clean_and_the_noisy_sprite(explorer):
    assert (tile(explorer, 0) == SPRITES[0]).all()
    explorer.timestep.value = 0
    little = np.abs(tile(explorer, 1).astype(int) - SPRITES[0]).mean()
    explorer.timestep.value = 99
    assert little < np.abs(tile(explorer, 1).astype(int) - SPRITES[0]).mean() / 10


def test_each_control_redraws(explorer):
    seen = {explorer.picture.value}
    for control, value in ((explorer.timestep, 70), (explorer.schedule, "linear"), (explorer.image, 1)):
        control.value = value
        assert explorer.picture.value not in seen
        seen.add(explorer.picture.value)
    assert (tile(explorer, 0) == SPRITES[1]).all()
    alpha = explorer.noise_schedulers["linear"].alphas_cumprod[70]
    assert f"SNR {snr_db(alpha):.1f} dB" in explorer.message.value


def test_the_dot_lies_on_the_curve():
    schedulers = noise_explorer(SPRITES, 100).noise_schedulers
    background, places = noise.draw_background(schedulers, "linear")
    x, y = places[50].round().astype(int)
    blue = background[y - 3 : y + 4, x - 3 : x + 4].reshape(-1, 3)
    assert (blue == [0x00, 0x72, 0xB2]).all(axis=1).any()
    clean = to_tensor(SPRITES[0])[0]
    drawn = noise.draw_noise_level(background, places[50], clean, clean)
    assert (drawn[y, x] == 0).all() and (background[y, x] != 0).any()


def test_an_error_is_shown_and_the_panel_goes_on(explorer, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("no <ink> left")

    with monkeypatch.context() as patch:
        patch.setattr(noise, "draw_noise_level", fail)
        explorer.timestep.value = 3
    assert explorer.message.value == "<b>RuntimeError</b>: no &lt;ink&gt; left"
    explorer.timestep.value = 4
    assert "SNR" in explorer.message.value


def test_display_gives_the_widget_and_a_still_picture(explorer, monkeypatch):
    displayed = []
    monkeypatch.setattr(base, "display", lambda data, raw=False: displayed.append(data))
    explorer._ipython_display_()
    widget, figure = displayed
    view = widget["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == explorer.model_id and "Run this cell" in widget["text/plain"]
    assert "image/png" in figure._repr_mimebundle_()[0]


def test_images_of_other_sizes():
    for size in (28, 200, 700):
        explorer = noise_explorer(np.zeros((1, size, size, 1), np.uint8), 10)
        assert "SNR" in explorer.message.value
        assert shown(explorer).shape == (240 * RATIO, 864 * RATIO, 3)


def test_refuses_bad_arguments():
    with pytest.raises(ValueError, match="num_train_timesteps"):
        noise_explorer(SPRITES, num_train_timesteps=1)
    with pytest.raises(ValueError, match="shape"):
        noise_explorer(np.zeros((2, 8, 8, 3)))


# --- labels ---------------------------------------------------------------------------------------


@pytest.fixture
def labels(one_thread):
    return label_explorer(make_pipeline(), num_inference_steps=2)


def test_labels_seed_steps_and_guidance_redraw(labels):
    seen = {labels.picture.value}
    for control, value in ((labels.label, 1), (labels.seed, 5), (labels.steps, 3), (labels.guidance, 4.0)):
        control.value = value
        assert labels.picture.value not in seen and "food: 4 images in" in labels.message.value
        seen.add(labels.picture.value)
    labels.seed.value = 0
    labels.seed.value = 5
    assert labels.picture.value in seen


def test_error_of_the_pipeline_is_shown_and_the_panel_goes_on(labels):
    labels.pipeline.class_net.register_to_config(label_dropout=0.0)
    labels.guidance.value = 3.0
    assert "<b>ValueError</b>" in labels.message.value and "label_dropout" in labels.message.value
    labels.guidance.value = 1.0
    assert "hero: 4 images in" in labels.message.value


def test_still_picture_has_a_row_for_each_class(labels):
    figure = labels.static_picture()
    texts = [text.get_text() for axes in (figure, *figure.axes) for text in axes.texts]
    assert {"hero", "food", "spell"} <= set(texts)
    assert "12 images in 3 rows" in figure.alt


def test_progress_bar_of_the_pipeline_is_as_it_was(labels, capsys):
    labels.pipeline.set_progress_bar_config(desc="my bar")
    labels.seed.value = 7
    assert "my bar" not in capsys.readouterr().err
    labels.pipeline(["hero"], num_inference_steps=2)
    assert "my bar" in capsys.readouterr().err


def test_pipeline_without_labels_is_refused():
    with pytest.raises(TypeError, match="takes no labels"):
        label_explorer(object())


# --- samplers -------------------------------------------------------------------------------------


@pytest.fixture
def playground(one_thread):
    return sampler_playground(make_unet().eval(), make_noise_scheduler(), num_inference_steps=11)


def test_each_setting_of_the_sampler_redraws(playground):
    seen = {playground.picture.value}
    p = playground
    for control, value in ((p.seed, 3), (p.eta, 0.5), (p.spacing, "trailing"), (p.steps, 6)):
        control.value = value
        assert playground.picture.value not in seen and "ddim, " in playground.message.value
        seen.add(playground.picture.value)


@pytest.mark.parametrize("name", list(SCHEDULERS))
def test_every_scheduler_can_be_played_with(playground, name):
    playground.clip.value, playground.eta.value = "yes", 0.3
    playground.scheduler_name.value = name
    assert f"{name}, {playground.steps.value} steps in <b>" in playground.message.value
    assert ("only ddim takes eta" in playground.message.value) == (name != "ddim")
    clips = name in ("ddim", "ddpm", "heun")
    assert ("clip_sample is no setting of it" in playground.message.value) != clips
    assert playground.make_scheduler().config.get("clip_sample", False) == clips


@pytest.mark.parametrize("name", list(SCHEDULERS))
def test_only_steps_that_suit_are_offered(playground, name, monkeypatch):
    assert playground.steps.value == 10 and list(playground.steps.options)[:4] == [10, 12, 16, 23]
    drawn, sample = [], playground.sample
    monkeypatch.setattr(playground, "sample", lambda: drawn.append(playground.steps.value) or sample())
    for control, value in ((playground.scheduler_name, name), (playground.spacing, "trailing")):
        before, changes = playground.steps.value, control.value != value
        drawn.clear()
        control.value = value
        good = good_steps(playground.make_scheduler(), 100)
        assert list(playground.steps.options) == good and playground.steps.value in good
        assert abs(playground.steps.value - before) == min(abs(n - before) for n in good)
        assert drawn == [playground.steps.value] * changes  # once, and with no number in between
        assert "Error" not in playground.message.value


@pytest.mark.parametrize("name", list(SCHEDULERS))
def test_playground_draws_with_the_defaults_of_the_series_unless_told(playground, name):
    playground.scheduler_name.value = name
    assert playground.make_scheduler().config == make_scheduler(make_noise_scheduler(), name).config
    playground.spacing.value = "trailing"
    assert playground.make_scheduler().config.timestep_spacing == "trailing"


def test_playground_survives_an_error(playground, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(playground, "unet", None)
        playground.seed.value = 9
    assert "<b>AttributeError</b>" in playground.message.value
    playground.seed.value = 10
    assert "10 steps in" in playground.message.value


def test_frames_are_evenly_spaced_and_end_at_the_end():
    assert samplers.evenly(20, 5) == [0, 5, 10, 14, 19]
    assert samplers.evenly(3, 9) == [0, 1, 2] and samplers.evenly(1, 9) == [0]
