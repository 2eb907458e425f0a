"""The explorer without a front end: its callbacks, its picture, and what a notebook keeps of it."""

import io
import time

import numpy as np
import pytest
from PIL import Image

from helpers import widgets
from helpers.figures import PAD, RATIO, to_tensor
from helpers.sprites import draw_sprite
from helpers.widgets import SIDE, TOP, noise_explorer

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
    assert np.allclose(widgets.signal_to_noise_db([0.5, 10 / 11, 1 / 101]), [0, 10, -20])
    assert np.isfinite(widgets.signal_to_noise_db([0.0, 1.0])).all()


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
    assert f"SNR {widgets.signal_to_noise_db(alpha):.1f} dB" in explorer.message.value


def test_the_dot_lies_on_the_curve():
    schedulers = noise_explorer(SPRITES, 100).noise_schedulers
    background, places = widgets.draw_background(schedulers, "linear")
    x, y = places[50].round().astype(int)
    blue = background[y - 3 : y + 4, x - 3 : x + 4].reshape(-1, 3)
    assert (blue == [0x00, 0x72, 0xB2]).all(axis=1).any()
    clean = to_tensor(SPRITES[0])[0]
    drawn = widgets.draw_noise_level(background, places[50], clean, clean)
    assert (drawn[y, x] == 0).all() and (background[y, x] != 0).any()


def test_an_update_is_fast(explorer):
    explorer.update()
    seconds = []
    for t in range(5):
        start = time.perf_counter()
        explorer.timestep.value = t
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.1


def test_an_error_is_shown_and_the_panel_goes_on(explorer, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("no <ink> left")

    with monkeypatch.context() as patch:
        patch.setattr(widgets, "draw_noise_level", fail)
        explorer.timestep.value = 3
    assert explorer.message.value == "<b>RuntimeError</b>: no &lt;ink&gt; left"
    explorer.timestep.value = 4
    assert "SNR" in explorer.message.value


def test_display_gives_the_widget_and_a_still_picture(explorer, monkeypatch):
    displayed = []
    monkeypatch.setattr(widgets, "display", lambda data, raw=False: displayed.append(data))
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
