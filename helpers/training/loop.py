"""The whole run: check, resume, train, save."""

import time
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from ..datasets.core import class_weights
from ..progress import progress_bar
from .checkpoints import list_checkpoints, load_checkpoint, save_checkpoint
from .config import PRECISIONS, PREDICTION_TYPES, TrainingConfig, TrainingHistory, get_device
from .data_order import ResumableBatchSampler
from .trainer import Trainer


def _check(unet, noise_scheduler, dataset, config: TrainingConfig) -> None:
    """Find what would fail later; raise ValueError before any work is done."""
    for name in ("num_steps", "batch_size", "gradient_accumulation_steps"):
        if getattr(config, name) < 1:
            raise ValueError(f"{name} must be at least 1, not {getattr(config, name)}")
    if config.balanced and not hasattr(dataset, "labels"):
        raise ValueError(f"balanced=True needs a dataset with .labels; {type(dataset).__name__} has none")
    if len(dataset) < config.batch_size:
        raise ValueError(f"batch_size={config.batch_size} is larger than the dataset ({len(dataset)} images)")
    image = dataset[0][0]
    channels, (height, width) = image.shape[0], image.shape[-2:]
    factor = 2 ** (len(unet.config.down_block_types) - 1)
    if channels != unet.config.in_channels:
        raise ValueError(f"the images have {channels} channels, the UNet expects {unet.config.in_channels}")
    if height % factor or width % factor:
        raise ValueError(
            f"images of {height}×{width} do not fit this UNet, which halves them "
            f"{len(unet.config.down_block_types) - 1} times: use a size divisible by {factor}"
        )
    if noise_scheduler.config.prediction_type not in PREDICTION_TYPES:
        raise ValueError(
            f"prediction_type {noise_scheduler.config.prediction_type!r} is unknown; "
            f"expected one of {', '.join(PREDICTION_TYPES)}"
        )
    if config.snr_gamma is not None and not config.snr_gamma > 0:
        raise ValueError(f"snr_gamma must be above 0, or None for no weighting; got {config.snr_gamma}")
    if config.mixed_precision not in PRECISIONS:
        raise ValueError(f"mixed_precision {config.mixed_precision!r} is none of {', '.join(PRECISIONS)}")


def _describe(dataset: Dataset) -> str:
    """What tells one dataset from another in a checkpoint."""
    return dataset.fingerprint() if hasattr(dataset, "fingerprint") else f"{len(dataset)} items"


def _resume(trainer: Trainer, folder: str | Path, data: str) -> None:
    """Restore the newest checkpoint, if there is one and it belongs to this configuration and data."""
    checkpoints = list_checkpoints(folder)
    if not checkpoints:
        return
    tensors, info = load_checkpoint(checkpoints[-1])
    now = asdict(trainer.config)
    other = [
        f"{k}={info['config'].get(k)!r} (now {v!r})" for k, v in now.items() if info["config"].get(k) != v
    ]
    if other:
        raise ValueError(
            f"{checkpoints[-1]} was written by a run with {', '.join(other)}; resuming takes the same "
            "settings. Choose another checkpoint_dir, or pass resume=False."
        )
    if info.get("data", data) != data:
        raise ValueError(
            f"{checkpoints[-1]} was written by a run on other data (or on other labels); to train on these, "
            "choose another checkpoint_dir, or pass resume=False."
        )
    if info.get("noise_scheduler", trainer.noise) != trainer.noise:
        raise ValueError(
            f"{checkpoints[-1]} was written by a run with the noise scheduler {info['noise_scheduler']} (now "
            f"{trainer.noise}); take the same one, choose another checkpoint_dir, or pass resume=False."
        )
    stored = {k.removeprefix("model."): v.shape for k, v in tensors.items() if k.startswith("model.")}
    if stored != {k: v.shape for k, v in trainer.modules.state_dict().items()}:
        raise ValueError(
            f"{checkpoints[-1]} holds the weights of another UNet or condition; build the same ones, "
            "choose another checkpoint_dir, or pass resume=False."
        )
    trainer.restore(tensors, info)


def train(
    unet: nn.Module,
    noise_scheduler,
    dataset: Dataset,
    num_steps: int,
    *,
    condition: Callable[[torch.Tensor], dict | torch.Tensor] | None = None,
    checkpoint_dir: str | Path | None = None,
    checkpoint_steps: int | None = None,
    checkpoint_minutes: float | None = None,
    resume: bool = True,
    device: torch.device | str | None = None,
    **hyper_parameters,
) -> TrainingHistory:
    """Train a diffusion model, and leave the averaged (EMA) weights in `unet`.

    Parameters
    ----------
    unet : UNet2DModel or UNet2DConditionModel
        Trained in place; moved to `device`.
    noise_scheduler : SchedulerMixin
        Its `prediction_type` decides what the UNet learns: "epsilon", "v_prediction" or "sample".
    dataset : Dataset
        Items (image [channels, height, width] in [-1, 1], label [num_classes]).
    num_steps : int
        Optimizer steps in all, those of a resumed run included.
    condition : callable, optional
        See `diffusion_loss`. If it is a module, it is trained, averaged and saved with the UNet.
    checkpoint_dir : path-like, optional
        Where to keep the state; without it nothing is written.
    checkpoint_steps, checkpoint_minutes : optional
        Write the state every so many steps, or minutes; the end of the run is always written.
    resume : bool
        Continue from the newest checkpoint in `checkpoint_dir`. The result is bit for bit that of a
        run that was never stopped.
    device : optional
        By default `get_device()`.
    **hyper_parameters
        Fields of `TrainingConfig`: batch_size, learning_rate, ema_decay, seed, ...

    Returns
    -------
    TrainingHistory

    Raises
    ------
    ValueError
        If dataset, UNet, scheduler and settings do not fit together; before any work is done.
    TrainingDivergedError
        If the loss or the gradient is not finite.
    """
    known = {f.name for f in fields(TrainingConfig)}
    if unknown := set(hyper_parameters) - known:
        raise ValueError(f"unknown setting {', '.join(sorted(unknown))}; expected {', '.join(sorted(known))}")
    config = TrainingConfig(num_steps=num_steps, **hyper_parameters)
    with torch.random.fork_rng():  # reading an item may toss the dataset's coins
        _check(unet, noise_scheduler, dataset, config)
    trainer = Trainer(unet, noise_scheduler, condition, config, torch.device(device or get_device()))
    if checkpoint_dir and resume:
        _resume(trainer, checkpoint_dir, _describe(dataset))
    # The caller's random numbers go on as if nothing had been drawn here.
    with torch.random.fork_rng():
        _run(trainer, dataset, checkpoint_dir, checkpoint_steps, checkpoint_minutes)
    trainer.ema.copy_to(trainer.modules.parameters())
    trainer.modules.eval()
    return trainer.history


def _run(trainer: Trainer, dataset, folder, every_steps, every_minutes) -> None:
    """Take the remaining steps, writing the state when it is due and at the end."""
    config, weights, data = trainer.config, None, _describe(dataset)
    if config.balanced:
        weights = class_weights(dataset)
    parts = config.gradient_accumulation_steps
    start, stop = trainer.step * parts, config.num_steps * parts
    sampler = ResumableBatchSampler(len(dataset), config.batch_size, start, stop, config.seed, weights)
    batches = iter(DataLoader(dataset, batch_sampler=sampler))
    before, begun, saved = trainer.history.seconds, time.monotonic(), time.monotonic()
    running = None
    with progress_bar(config.num_steps, trainer.step) as bar:
        while trainer.step < config.num_steps:
            loss = trainer.train_step(batches)
            trainer.history.seconds = before + time.monotonic() - begun
            running = loss if running is None else 0.98 * running + 0.02 * loss
            bar.set_postfix_str(f"loss {running:.4f}", refresh=False)
            bar.update()
            due = every_steps and trainer.step % every_steps == 0
            due = due or (every_minutes and time.monotonic() - saved >= 60 * every_minutes)
            if due or trainer.step == config.num_steps:
                trainer.check_weights()
            if folder and (due or trainer.step == config.num_steps):
                tensors, info = trainer.state()
                save_checkpoint(folder, trainer.step, tensors, info | {"data": data})
                saved = time.monotonic()
