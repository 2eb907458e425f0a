"""The whole run: check, resume, train, save."""

import reprlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path

import torch
from accelerate.state import AcceleratorState, GradientState, PartialState
from torch import nn
from torch.utils.data import Dataset

from ..datasets.core import class_weights
from ..progress import progress_bar
from .checkpoints import drop_averages, list_checkpoints, load_checkpoint, save_average, save_checkpoint
from .config import TrainingConfig, TrainingHistory, check_run, get_device
from .data_order import ResumableBatchSampler, read_batches
from .tracking import check_tracking, track
from .trainer import Trainer


def train(
    unet: nn.Module,
    noise_scheduler,
    dataset: Dataset,
    num_steps: int,
    *,
    condition: Callable[[torch.Tensor], dict | torch.Tensor] | None = None,
    batch_size: int = TrainingConfig.batch_size,
    learning_rate: float = TrainingConfig.learning_rate,
    warmup_steps: int = TrainingConfig.warmup_steps,
    weight_decay: float = TrainingConfig.weight_decay,
    gradient_accumulation_steps: int = TrainingConfig.gradient_accumulation_steps,
    max_grad_norm: float = TrainingConfig.max_grad_norm,
    ema_decay: float = TrainingConfig.ema_decay,
    mixed_precision: str = TrainingConfig.mixed_precision,
    balanced: bool = TrainingConfig.balanced,
    snr_gamma: float | None = TrainingConfig.snr_gamma,
    weighting: str = TrainingConfig.weighting,
    log_sigma: tuple[float, float] | None = TrainingConfig.log_sigma,
    seed: int = TrainingConfig.seed,
    lr_scheduler: str = TrainingConfig.lr_scheduler,
    optimizer_options: dict | None = None,
    ema_options: dict | None = None,
    num_workers: int = 0,
    device: torch.device | str | None = None,
    checkpoint_dir: str | Path | None = None,
    checkpoint_steps: int | None = None,
    checkpoint_minutes: float | None = None,
    checkpoints_total_limit: int | None = 2,
    average_steps: Sequence[int] = (),
    resume: bool | str | Path = True,
    log_with: str | None = None,
    log_dir: str | Path | None = None,
    sample_every: int | None = None,
    on_step: Callable[[Trainer], None] | None = None,
) -> TrainingHistory:
    """Train a diffusion model, and leave the averaged (EMA) weights in `unet`.

    Started by `accelerate launch` in several processes, each takes its part of every batch; together they
    take the steps of one process with a batch that many times as large. The first one logs and saves.

    Parameters
    ----------
    unet, noise_scheduler : UNet2DModel or UNet2DConditionModel, SchedulerMixin
        The UNet is trained in place, on `device`, to answer with the scheduler's `prediction_type`; with
        `FlowMatchEulerDiscreteScheduler`, with the velocity of the straight path.
    dataset : Dataset
        Items (image [channels, height, width] in [-1, 1], label [num_classes]).
    num_steps : int
        Optimizer steps in all, those of a resumed run included.
    condition : callable, optional
        See `diffusion_loss`. If it is a module, it is trained, averaged and saved with the UNet.
    batch_size, gradient_accumulation_steps : int
        Images per forward pass of a process, and the passes whose gradients are averaged for one step.
    learning_rate, warmup_steps, weight_decay : float, int, float
        AdamW (arXiv 1711.05101) with a linear warm-up, then a cosine decay to zero, in optimizer steps.
    max_grad_norm : float
        Gradients are scaled down to this Euclidean norm.
    ema_decay : float
        Upper bound of the decay of the averaged weights; it warms up as 1 - (1 + step)^(-3/4).
    mixed_precision : {"auto", "no", "bf16", "fp16"}
        "auto" takes bf16 where the hardware computes in it, fp16 on older CUDA GPUs, else none. With fp16 a
        step whose gradient overflows is skipped: it counts nowhere, and the next batch is tried.
    balanced : bool
        Draw each class equally often, however many images it has.
    snr_gamma : float, optional
        Weight the timesteps by min(SNR, γ), see `diffusion_loss`; without it all count the same.
    weighting, log_sigma : str, (float, float), optional
        Other weights and noise levels, see `diffusion_loss`.
    seed : int
        Same seed, same machine: same losses and weights; bit for bit on a CPU, and on CUDA after
        `torch.use_deterministic_algorithms(True)`.
    lr_scheduler : str
        What follows the warm-up: "cosine", "linear", "constant_with_warmup", ... as in diffusers'
        `get_scheduler`; "constant" knows no warm-up.
    optimizer_options, ema_options : dict, optional
        More for AdamW, such as `betas` and `eps`, and for `EMAModel`, such as `inv_gamma` and `power`.
    num_workers : int
        Processes that read the data ahead, for data that are slow to read.
    device : torch.device or str, optional
        By default `get_device()`.
    checkpoint_dir, checkpoint_steps, checkpoint_minutes : path-like, int, float, optional
        Where to write the state, and every how many steps or minutes; the end is always written.
    checkpoints_total_limit : int, optional
        How many checkpoints stay, the newest; with None all do.
    average_steps : sequence of int
        Write the averaged weights at these steps into `checkpoint_dir` too, see `save_average`.
    resume : bool or path-like
        Continue from the newest checkpoint in `checkpoint_dir`, or from this one, and end as a run that was
        never stopped: bit for bit where the same seed gives the same weights.
    log_with : {"tensorboard", "wandb"}, optional
        Log "loss" and "learning_rate" of each step, numbered from 1, in TensorBoard or Weights & Biases. The
        run itself stays the same, bit for bit; a resumed one goes on with its step numbers.
    log_dir : path-like, optional
        Folder for this run's logs. By default TensorBoard's are in `checkpoint_dir`/logs, or else in a new
        folder in runs/logs (to look at: `tensorboard --logdir runs/logs`); wandb chooses its own.
    sample_every : int, optional
        Every so many steps, and at the end, draw 8 pictures with the averaged weights and log them as
        "samples": in 10 steps, from the same noises each time, of each class in turn if there are classes.
    on_step : callable, optional
        Called with the `Trainer` after each step, by the first process only.

    Raises
    ------
    ValueError
        Before any work, if the arguments do not fit together, or the checkpoint is damaged or of another run.
    ImportError
        Before any work, if the package of `log_with` is not installed.
    TrainingDivergedError
        If the loss, the gradient or a weight is not finite.
    """
    optimizer_options, ema_options = optimizer_options or {}, ema_options or {}
    given = locals()
    config = TrainingConfig(**{field.name: given[field.name] for field in fields(TrainingConfig)})
    device = torch.device(device or get_device())
    if average_steps and not checkpoint_dir:
        raise ValueError("average_steps needs a checkpoint_dir to write to")
    # The caller's random numbers and Accelerator go on as if nothing had happened here.
    with torch.random.fork_rng(), _separate_accelerate_state():
        processes = PartialState(cpu=device.type == "cpu").num_processes
        first = check_run(unet, noise_scheduler, dataset, config, device, processes)
        told = log_with, log_dir, checkpoint_dir, sample_every
        tracking = check_tracking(*told, unet, noise_scheduler, dataset, first)
        options = tracking.accelerator_options()
        trainer = Trainer(unet, noise_scheduler, condition, config, device, **options)
        fingerprint = getattr(dataset, "fingerprint", lambda: f"{len(dataset)} items")
        trainer.settings["data and labels"] = fingerprint()
        if checkpoint_dir and resume:
            _resume(trainer, checkpoint_dir, None if resume is True else Path(resume))
        due = (checkpoint_steps, checkpoint_minutes, average_steps)
        if checkpoint_dir:  # of another run, or to be written again
            drop_averages(checkpoint_dir, after=trainer.step)
        with track(trainer, tracking) as log:
            _run(trainer, dataset, num_workers, checkpoint_dir, checkpoints_total_limit, *due, log, on_step)
    trainer.ema.copy_to(trainer.parameters)
    trainer.modules.eval()
    return trainer.history


@contextmanager
def _separate_accelerate_state():
    """Set aside the device and precision that Accelerate keeps for the process; put them back at the end."""
    shared = [kind._shared_state for kind in (PartialState, AcceleratorState, GradientState)]
    before = [dict(state) for state in shared]
    try:
        for state in shared:
            state.clear()
        yield
    finally:
        for state, values in zip(shared, before, strict=True):
            state.clear()
            state.update(values)


def _resume(trainer: Trainer, folder: str | Path, chosen: Path | None) -> None:
    """Restore the newest checkpoint, if there is one, or the chosen one; it must belong to this very run."""
    checkpoints = [chosen] if chosen else list_checkpoints(folder)
    if not checkpoints:
        return
    path, instead = checkpoints[-1], "choose another checkpoint_dir, or pass resume=False"
    (tensors, info), (own_tensors, own_info) = load_checkpoint(path), trainer.state()
    if lacking := own_info.keys() - info.keys():
        raise ValueError(f"{path} lacks {', '.join(sorted(lacking))}; {instead}")
    # What older checkpoints do not know was as it is by default.
    settings = asdict(TrainingConfig(0)) | {"num_processes": 1} | info["settings"]
    others = [
        f"{name}={reprlib.repr(settings.get(name))} (now {reprlib.repr(value)})"
        for name, value in trainer.settings.items()
        if settings.get(name) != value
    ]
    if others:
        raise ValueError(f"{path} was written by a run with {', '.join(others)}; {instead}")
    shapes = {name: value.shape for name, value in tensors.items() if not name.startswith("optimizer.")}
    if shapes != {name: value.shape for name, value in own_tensors.items()}:
        raise ValueError(f"{path} holds the weights of another UNet or condition; {instead}")
    trainer.restore(tensors, info)


def _open_batches(trainer: Trainer, dataset: Dataset, num_workers: int) -> Iterator:
    """Read this process's part of the remaining batches."""
    config, start = trainer.config, trainer.batches_seen
    weights = class_weights(dataset) if config.balanced else None
    # Open at the end: how many batches fp16 will skip is not known. Accelerate does not prepare the loader,
    # as it would read one batch ahead, with other random numbers than after a resume.
    whole = config.batch_size * trainer.share[1]
    options = (start, sys.maxsize, config.seed, weights, trainer.share)
    return read_batches(dataset, ResumableBatchSampler(len(dataset), whole, *options), num_workers)


def _run(
    trainer, dataset, num_workers, folder, keep, every_steps, every_minutes, average_steps, log, on_step
) -> None:
    """Take the remaining steps and log each, writing the state when it is due and at the end."""
    config, is_main = trainer.config, trainer.accelerator.is_main_process
    batches = _open_batches(trainer, dataset, num_workers)
    images_per_step = config.batch_size * config.gradient_accumulation_steps * trainer.share[1]
    before, begun, saved, running = trainer.history.seconds, time.monotonic(), time.monotonic(), None
    first = trainer.step
    with progress_bar(config.num_steps, first, disable=not is_main) as bar:
        while trainer.step < config.num_steps:
            loss = trainer.train_step(batches)
            seconds = time.monotonic() - begun
            trainer.history.seconds = before + seconds
            running = loss if running is None else 0.98 * running + 0.02 * loss
            speed = images_per_step * (trainer.step - first) / seconds
            bar.set_postfix_str(f"loss {running:.4f}, {speed:.0f} images/s", refresh=False)
            bar.update()
            # Both before the checkpoint: a run that goes on from it comes by here no more.
            log()
            if on_step and is_main:
                on_step(trainer)
            if trainer.step in average_steps and folder and is_main:
                save_average(folder, trainer.step, trainer.modules, trainer.ema.shadow_params)
            due = trainer.step == config.num_steps or (every_steps and trainer.step % every_steps == 0)
            if due or (every_minutes and time.monotonic() - saved >= 60 * every_minutes):
                trainer.check_weights()
                if folder and is_main:
                    save_checkpoint(folder, trainer.step, *trainer.state(), keep=keep)
                saved = time.monotonic()
