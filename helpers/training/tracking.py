"""Follow a run in TensorBoard or Weights & Biases, through Accelerate's trackers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from accelerate.tracking import get_available_trackers

from ..sampling import check_steps, good_steps, make_scheduler, sample_images
from .trainer import Trainer

TRACKERS = {"tensorboard": ("tensorboard", "torch.utils.tensorboard"), "wandb": ("wandb",)}
SAMPLES, SAMPLE_STEPS, COLUMNS, TILE = 8, 10, 4, 64


@dataclass(frozen=True)
class Tracking:
    """Where a run is logged, and every how many steps pictures are drawn for it; what they are drawn with."""

    log_with: str | None = None
    log_dir: Path | None = None
    sample_every: int | None = None
    scheduler: object = None
    labels: torch.Tensor | None = None

    def accelerator_options(self) -> dict:
        """Return what Accelerator has to be told."""
        return {"log_with": self.log_with, "project_dir": self.log_dir and self.log_dir.parent}


def check_tracking(log_with, log_dir, checkpoint_dir, sample_every, unet, noise_scheduler, dataset, first):
    """Return a Tracking, or raise for what would fail later; `first` is the first item of the dataset."""
    if log_with is None:
        for name, value in {"log_dir": log_dir, "sample_every": sample_every}.items():
            if value is not None:
                raise ValueError(f'{name} is for a tracker: pass log_with="tensorboard" or "wandb" as well')
        return Tracking()
    if log_with not in TRACKERS:
        raise ValueError(f"log_with {log_with!r} is unknown; expected {' or '.join(map(repr, TRACKERS))}")
    if sample_every is not None and sample_every < 1:
        raise ValueError(f"sample_every must be at least 1, or None for no samples; got {sample_every}")
    _check_installed(log_with)
    if log_dir is None and log_with == "tensorboard":
        in_checkpoints = checkpoint_dir and Path(checkpoint_dir) / "logs"
        log_dir = in_checkpoints or Path("runs", "logs", f"{datetime.now():%Y-%m-%d_%H-%M-%S}")
    log_dir = None if log_dir is None else Path(log_dir)
    if sample_every is None:
        return Tracking(log_with, log_dir)
    image, label = first
    if image.shape[0] not in (1, 3) or unet.config.sample_size is None:
        raise ValueError(
            f"sample_every draws pictures of 1 or 3 channels in the UNet's sample_size: they are "
            f"{tuple(image.shape)}, sample_size={unet.config.sample_size}"
        )
    scheduler = make_scheduler(noise_scheduler)
    check_steps(scheduler, _sample_steps(scheduler))
    return Tracking(log_with, log_dir, sample_every, scheduler, _sample_labels(dataset, label))


def _check_installed(log_with: str) -> None:
    """Raise ImportError, with the line that helps, unless the tracker's package can be used."""
    try:
        for module in TRACKERS[log_with]:
            import_module(module)
    except ImportError as error:
        raise ImportError(f'log_with="{log_with}" needs a package: pip install {log_with}') from error
    # Accelerate has looked for packages when it was imported, and a folder ./wandb can be imported too.
    if log_with not in map(str, get_available_trackers()):
        raise ImportError(f"Accelerate found no {log_with}: pip install {log_with}, then restart Python")


def _sample_steps(scheduler) -> int:
    """Choose the most steps, up to SAMPLE_STEPS, that this scheduler can take."""
    return max(good_steps(scheduler, SAMPLE_STEPS), default=SAMPLE_STEPS)


def _sample_labels(dataset, label: torch.Tensor) -> torch.Tensor:
    """Choose the labels to draw: each class in turn, or the first of the dataset if these are no classes."""
    if label.is_floating_point():
        return torch.eye(len(label))[torch.arange(SAMPLES) % len(label)]
    return torch.stack([dataset[i % len(dataset)][1] for i in range(SAMPLES)])


@contextmanager
def track(trainer: Trainer, tracking: Tracking) -> Iterator[Callable[[], None]]:
    """Yield what logs the step that was just taken; the tracker is closed however the run ends."""
    if tracking.log_with is None or trainer.step >= trainer.config.num_steps:
        yield lambda: None
        return
    name, options = "diffusion", {}
    if tracking.log_with == "tensorboard":
        # What an interrupted run has logged after its last checkpoint is replaced by the same steps.
        name, options = tracking.log_dir.name, {"purge_step": trainer.step + 1}
    elif tracking.log_dir is not None:
        tracking.log_dir.mkdir(parents=True, exist_ok=True)
        options = {"dir": str(tracking.log_dir)}
    config = asdict(trainer.config)
    config |= config.pop("optimizer_options") | config.pop("ema_options")
    kinds = (int, float, str)  # what a table of settings takes
    settings = {k: v if isinstance(v, kinds) else str(v) for k, v in config.items() if v is not None}
    accelerator = trainer.accelerator
    accelerator.init_trackers(name, settings, {tracking.log_with: options})
    try:
        yield lambda: _log(trainer, tracking)
    finally:
        # Not end_training: it would also end the process group, which may be the caller's.
        for tracker in accelerator.trackers:
            tracker.finish()


def _log(trainer: Trainer, tracking: Tracking) -> None:
    """Log the newest loss and learning rate, and samples if they are due."""
    step, every = trainer.step, tracking.sample_every
    if not trainer.accelerator.is_main_process:
        return
    # Samples come second: wandb names their files after the step that it has heard of.
    values = {"loss": trainer.history.losses[-1], "learning_rate": trainer.history.learning_rates[-1]}
    trainer.accelerator.log(values, step)
    if every is None or (step % every and step < trainer.config.num_steps):
        return
    log_samples(trainer, tracking.log_with, make_grid(_draw(trainer, tracking)))


def log_samples(trainer: Trainer, log_with: str, samples: np.ndarray) -> None:
    """Log one picture uint8 [height, width, 3] as "samples" of the step that was just taken."""
    tracker, step = trainer.accelerator.get_tracker(log_with), trainer.step
    if log_with == "tensorboard":
        tracker.log_images({"samples": samples[None]}, step, dataformats="NHWC")
        tracker.writer.flush()  # as the tracker does after numbers: a checkpoint may follow, and then a kill
    else:
        tracker.log_images({"samples": [samples]}, step)


def _draw(trainer: Trainer, tracking: Tracking) -> torch.Tensor:
    """Draw from the same noises each time with the averaged weights; the training goes on with its own."""
    condition, steps = trainer.modules.condition, _sample_steps(tracking.scheduler)
    labels = None if condition is None else tracking.labels
    options = {"condition": condition, "labels": labels, "seed": trainer.config.seed}
    with trainer.averaged_weights():
        return sample_images(trainer.unet, tracking.scheduler, SAMPLES, steps, **options)


def make_grid(images: torch.Tensor) -> np.ndarray:
    """Put images [n, c, h, w] in [-1, 1] into one picture uint8 [height, width, 3], small ones enlarged."""
    from torchvision import utils  # slow to import, so only when there is something to draw

    scale = -(-TILE // images.shape[-1])
    # Weights that are about to diverge may draw NaN: a black pixel, and the run says so itself.
    pixels = ((images.nan_to_num(-1) + 1) * 127.5).round().byte()
    grid = utils.make_grid(pixels, nrow=COLUMNS, padding=0)
    return grid.repeat_interleave(scale, 1).repeat_interleave(scale, 2).permute(1, 2, 0).numpy()
