"""What a run logs: read back from TensorBoard's events, and wandb's own package without a network."""

import io
import subprocess
import sys

import numpy as np
import pytest
import torch
from accelerate.tracking import TensorBoardTracker
from conftest import Spy, make_conditional_unet, make_dataset, make_noise_scheduler, make_unet, short_run
from PIL import Image
from torch import nn

from helpers.pipelines import LabelEmbedder
from helpers.sampling import make_scheduler, sample_images
from helpers.training import tracking
from helpers.training.tracking import make_grid

pytestmark = pytest.mark.usefixtures("one_thread")


def read_events(folder):
    """Read all events of one run, as TensorBoard shows them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder), {"scalars": 0, "images": 0}).Reload()


def assert_logged(folder, history) -> None:
    """The events hold the losses and learning rates of the history, each once, at its step."""
    events = read_events(folder)
    for name, expected in (("loss", history.losses), ("learning_rate", history.learning_rates)):
        logged = [(event.step, event.value) for event in events.Scalars(name)]
        assert logged == [(step, float(np.float32(value))) for step, value in enumerate(expected, 1)]


def read_samples(folder) -> dict:
    """Read the logged pictures, by step."""
    samples = read_events(folder).Images("samples")
    return {e.step: np.array(Image.open(io.BytesIO(e.encoded_image_string))) for e in samples}


class Interrupted(Spy):
    """A dataset at which the user loses patience."""

    def __init__(self, after: int):
        super().__init__(make_dataset(12, size=8))
        self.after, self.fingerprint = after, self.dataset.fingerprint

    def __getitem__(self, index):
        if len(self.read) == self.after:
            raise KeyboardInterrupt
        return super().__getitem__(index)


# --- TensorBoard ----------------------------------------------------------------------------------


def test_events_hold_the_losses_and_learning_rates_of_the_history(tmp_path):
    history = short_run(5, log_with="tensorboard", log_dir=tmp_path / "log", warmup_steps=2)
    assert len(history.losses) == 5
    assert_logged(tmp_path / "log", history)
    assert "samples" not in read_events(tmp_path / "log").Tags()["images"]
    (settings,) = (tmp_path / "log").glob("*/hparams.yml")
    assert "warmup_steps: 2" in settings.read_text() and "null" not in settings.read_text()


def test_samples_are_of_the_averaged_weights_and_the_training_goes_on_as_without_them(tmp_path):
    def run(**options):
        torch.manual_seed(1)
        unet, condition = make_conditional_unet(), LabelEmbedder(2, 12, ("a", "b"), label_dropout=0.3)
        history = short_run(5, unet=unet, condition=condition, seed=7, ema_decay=0.5, **options)
        return history, unet, condition, torch.rand(1)

    plain, unet, condition, number = run()
    options = {"log_with": "tensorboard", "log_dir": tmp_path / "log", "sample_every": 2}
    logged, logged_unet, logged_condition, logged_number = run(**options)
    assert logged.losses == plain.losses and torch.equal(number, logged_number)
    parts = zip((unet, condition), (logged_unet, logged_condition), strict=True)
    for a, b in ((one.state_dict(), other.state_dict()) for one, other in parts):
        assert all(torch.equal(a[name], b[name]) for name in a)
    assert_logged(tmp_path / "log", logged)
    samples = read_samples(tmp_path / "log")
    assert list(samples) == [2, 4, 5]  # every second step, and the end
    # The UNet is left with the averaged weights: it draws the last samples again.
    labels = torch.eye(2).repeat(4, 1)
    scheduler, drawn = make_scheduler(make_noise_scheduler()), {"condition": condition, "labels": labels}
    expected = make_grid(sample_images(unet, scheduler, 8, 10, seed=7, **drawn))
    assert np.array_equal(samples[5], expected) and not np.array_equal(samples[2], expected)


def test_labels_that_are_no_classes_are_those_of_the_first_items(tmp_path, monkeypatch):
    class Tokens(Spy):
        def __getitem__(self, index):
            return super().__getitem__(index)[0], torch.tensor([index, 3])

    seen, condition = [], nn.Embedding(12, 12)
    monkeypatch.setattr(tracking, "sample_images", lambda *_, labels, **__: seen.append(labels) or grey())
    options = {"log_with": "tensorboard", "log_dir": tmp_path, "sample_every": 2}
    short_run(2, make_conditional_unet(), Tokens(make_dataset(12, size=8)), condition=condition, **options)
    assert len(seen) == 1 and seen[0].tolist() == [[i, 3] for i in range(8)]


def grey() -> torch.Tensor:
    """Eight grey pictures of one channel; one holds a NaN."""
    images = torch.zeros(8, 1, 8, 8)
    images[0, 0, 0, 0] = torch.nan
    return images


def test_a_grid_has_two_rows_of_enlarged_pictures_for_any_weights():
    grid = make_grid(grey())
    assert grid.shape == (2 * 64, 4 * 64, 3) and grid.dtype == np.uint8
    assert not grid[:8, :8].any() and (grid[8:] == 128).all()
    assert make_grid(torch.zeros(8, 3, 80, 80)).shape == (160, 320, 3)


def test_an_interrupted_run_closes_its_tracker_and_goes_on_at_the_right_step(tmp_path, monkeypatch):
    closed, finish = [], TensorBoardTracker.finish
    monkeypatch.setattr(TensorBoardTracker, "finish", lambda self: closed.append(self) or finish(self))
    options = {"checkpoint_dir": tmp_path, "checkpoint_steps": 2, "log_with": "tensorboard"}
    with pytest.raises(KeyboardInterrupt):  # in step 6; one more item is read to look at its shape
        short_run(8, dataset=Interrupted(1 + 5 * 4), **options)
    assert len(closed) == 1 and closed[0].writer.all_writers is None
    assert [event.step for event in read_events(tmp_path / "logs").Scalars("loss")] == [1, 2, 3, 4, 5]
    history = short_run(8, dataset=Interrupted(-1), **options)
    assert len(closed) == 2
    assert_logged(tmp_path / "logs", history)  # step 5, of which there was no checkpoint, once
    before = sorted(tmp_path.rglob("*"))
    assert len(short_run(8, dataset=Interrupted(-1), **options).losses) == 8  # nothing left to do or log
    assert sorted(tmp_path.rglob("*")) == before


def test_without_any_folder_each_run_gets_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    history = short_run(2, log_with="tensorboard")
    (folder,) = tmp_path.glob("runs/logs/*")
    assert_logged(folder, history)


# --- Weights & Biases -----------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["WANDB_DIR", "log_dir"])
def test_wandb_runs_without_a_network(tmp_path, monkeypatch, where):
    quiet = {"MODE": "offline", "SILENT": "true", "CONSOLE": "off", "ERROR_REPORTING": "false"}
    for name, value in quiet.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    for name in ("CONFIG_DIR", "CACHE_DIR", "DATA_DIR", "DIR"):
        monkeypatch.setenv(f"WANDB_{name}", str(tmp_path))
    log_dir = tmp_path / "new" if where == "log_dir" else None
    plain = short_run(3)
    history = short_run(3, log_with="wandb", log_dir=log_dir, sample_every=2)
    assert history.losses == plain.losses
    (run,) = ((log_dir or tmp_path) / "wandb").glob("offline-run-*")
    assert list(run.glob("*.wandb"))
    pictures = [path.name for path in run.glob("files/media/images/samples_*.png")]
    assert sorted(name.split("_")[1] for name in pictures) == ["2", "3"]


# --- errors ---------------------------------------------------------------------------------------

BAD_SETTINGS = {
    "log_with 'mlflow' is unknown; expected 'tensorboard' or 'wandb'": {"log_with": "mlflow"},
    'sample_every is for a tracker: pass log_with="tensorboard" or "wandb"': {
        "log_with": None,
        "sample_every": 5,
    },
    "log_dir is for a tracker: pass log_with=": {"log_with": None, "log_dir": "somewhere"},
    "sample_every must be at least 1, or None for no samples; got 0": {"sample_every": 0},
    r"pictures of 1 or 3 channels .* they are \(2, 8, 8\)": {
        "sample_every": 5,
        "unet": make_unet(size=8, in_channels=2),
        "dataset": [(torch.zeros(2, 8, 8), torch.zeros(2))] * 4,
    },
}


@pytest.mark.parametrize("message", BAD_SETTINGS)
def test_bad_settings_are_refused_before_any_work(message, tmp_path):
    options = {"log_with": "tensorboard", "checkpoint_dir": tmp_path / "new"} | BAD_SETTINGS[message]
    with pytest.raises(ValueError, match=message):
        short_run(**options)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("package", ["tensorboard", "wandb"])
def test_a_missing_package_is_named_with_the_line_that_installs_it(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=f'log_with="{package}" needs a package: pip install {package}$'):
        short_run(log_with=package)


@pytest.mark.slow
def test_importing_the_training_loads_no_tracker():
    code = "import sys, helpers.training; print({'tensorboard', 'wandb'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_package_that_came_after_accelerate_needs_a_restart(monkeypatch):
    monkeypatch.setattr(tracking, "get_available_trackers", lambda: [])
    with pytest.raises(ImportError, match="no tensorboard: pip install tensorboard, then restart Python"):
        short_run(log_with="tensorboard")
