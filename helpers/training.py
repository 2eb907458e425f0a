"""The training loop of notebook 01, made reusable: one function for every model of the series."""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers.optimization import get_cosine_schedule_with_warmup
from diffusers.training_utils import EMAModel
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler
from tqdm import tqdm

from .checkpoints import list_checkpoints, load_checkpoint, save_checkpoint

PREDICTION_TYPES = ("epsilon", "v_prediction", "sample")
PRECISIONS = ("auto", "no", "bf16", "fp16")


class TrainingDivergedError(RuntimeError):
    """The loss or the gradient stopped being a finite number."""


@dataclass(frozen=True)
class TrainingConfig:
    """Hyper-parameters of `train`.

    Attributes
    ----------
    num_steps : int
        Optimizer steps.
    batch_size : int
        Images per forward pass; one step sees `batch_size * gradient_accumulation_steps` images.
    learning_rate, warmup_steps, weight_decay
        AdamW (arXiv 1711.05101) with a linear warm-up, then a cosine decay to zero.
    max_grad_norm : float
        Gradients are scaled down to this Euclidean norm.
    ema_decay : float
        Upper bound of the decay of the averaged weights; it warms up as 1 - (1 + step)^(-3/4).
    mixed_precision : {"auto", "no", "bf16", "fp16"}
        "auto" takes bf16 where the hardware computes in it, fp16 on older CUDA GPUs, else none.
    balanced : bool
        Draw each class equally often, however many images it has.
    seed : int
        Same seed, same machine: same losses and weights, bit for bit.
    """

    num_steps: int
    batch_size: int = 32
    learning_rate: float = 2e-3
    warmup_steps: int = 100
    weight_decay: float = 0.01
    gradient_accumulation_steps: int = 1
    max_grad_norm: float = 1.0
    ema_decay: float = 0.9995
    mixed_precision: str = "auto"
    balanced: bool = False
    seed: int = 0


@dataclass
class TrainingHistory:
    """What a run leaves behind: one loss and one learning rate per step, and the seconds it took."""

    losses: list[float] = field(default_factory=list)
    learning_rates: list[float] = field(default_factory=list)
    seconds: float = 0.0


def get_device() -> torch.device:
    """Return the best device here: CUDA, then Apple's MPS, then the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _mix(seed: int, number: int) -> int:
    """Turn a seed and a step or epoch into one seed of 32 bits: the CPU's generator takes no more."""
    return (seed * 0x9E3779B1 + number) % 2**32


def choose_precision(mixed_precision: str, device: torch.device) -> str:
    """Turn "auto" into "bf16", "fp16" or "no", by what the hardware computes natively."""
    if mixed_precision != "auto":
        return mixed_precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device)[0] >= 8 else "fp16"
    # Emulated bf16 is slower than float32, so a CPU must have the instructions.
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    has_bf16 = any(getattr(torch.cpu, probe, bool)() for probe in probes)
    return "bf16" if device.type == "cpu" and has_bf16 else "no"


class StepSampler(Sampler):
    """Batches of indices for steps start, start + 1, ...; each epoch is a new seeded permutation."""

    def __init__(self, num_images: int, batch_size: int, start: int, stop: int, seed: int, weights=None):
        self.num_images, self.batch_size, self.seed, self.weights = num_images, batch_size, seed, weights
        self.start, self.stop = start, stop

    def __len__(self):
        return self.stop - self.start

    def __iter__(self):
        per_epoch, epoch, order = self.num_images // self.batch_size, None, None
        for batch in range(self.start, self.stop):
            if batch // per_epoch != epoch:
                epoch = batch // per_epoch
                generator = torch.Generator().manual_seed(_mix(self.seed, epoch))
                if self.weights is None:
                    order = torch.randperm(self.num_images, generator=generator)
                else:
                    order = torch.multinomial(self.weights, self.num_images, True, generator=generator)
            position = batch % per_epoch * self.batch_size
            yield order[position : position + self.batch_size].tolist()


class _DisplayFile:
    """A file that tqdm writes to and that shows the last line in place, as plain text in a notebook."""

    def __init__(self):
        from IPython.display import display

        self.handle = display({"text/plain": ""}, raw=True, display_id=True)

    def write(self, text: str) -> None:
        if text.strip():
            self.handle.update({"text/plain": text.strip("\r\n ")}, raw=True)

    def flush(self) -> None:
        pass


def progress_bar(total: int, initial: int = 0, desc: str = "training") -> tqdm:
    """Progress bar for terminals (stderr) and notebooks (one line of text that stays in the output)."""
    # A process can import ipykernel without being a kernel, as pytest with nbval does.
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    in_notebook = hasattr(shell, "kernel")
    where = {"file": _DisplayFile(), "ncols": 80, "ascii": " ▏▎▍▌▋▊▉█"} if in_notebook else {}
    return tqdm(total=total, initial=initial, desc=desc, mininterval=0.5, **where)


def _check(unet, noise_scheduler, dataset, config: TrainingConfig) -> None:
    """Find what would fail later; raise ValueError before any work is done."""
    for name in ("num_steps", "batch_size", "gradient_accumulation_steps"):
        if getattr(config, name) < 1:
            raise ValueError(f"{name} must be at least 1, not {getattr(config, name)}")
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
    if config.mixed_precision not in PRECISIONS:
        raise ValueError(f"mixed_precision {config.mixed_precision!r} is none of {', '.join(PRECISIONS)}")


def diffusion_loss(unet, noise_scheduler, images, condition=None, labels=None) -> torch.Tensor:
    """Mean squared error of one noisy batch, for the scheduler's own prediction type.

    Parameters
    ----------
    unet : ModelMixin
    noise_scheduler : SchedulerMixin
        With `add_noise`, and `get_velocity` for v-prediction (arXiv 2202.00512).
    images : Tensor [batch, channels, height, width]
        Clean, in [-1, 1].
    condition : callable, optional
        Turns `labels` into what the UNet is called with: a dict of keyword arguments, or a tensor
        that becomes `encoder_hidden_states`.
    labels : Tensor [batch, num_classes], optional

    Returns
    -------
    Tensor
        A scalar, float32.
    """
    noise = torch.randn_like(images)
    timesteps = torch.randint(
        noise_scheduler.config.num_train_timesteps, (len(images),), device=images.device
    )
    noisy_images = noise_scheduler.add_noise(images, noise, timesteps)
    extra = condition(labels) if condition is not None else {}
    extra = extra if isinstance(extra, dict) else {"encoder_hidden_states": extra}
    prediction = unet(noisy_images, timesteps, **extra).sample
    if noise_scheduler.config.prediction_type == "epsilon":
        target = noise
    elif noise_scheduler.config.prediction_type == "v_prediction":
        target = noise_scheduler.get_velocity(images, noise, timesteps)
    else:
        target = images
    return F.mse_loss(prediction.float(), target.float())


class _Trainer:
    """The state of one run: everything that a checkpoint has to hold."""

    def __init__(self, unet, noise_scheduler, condition, config: TrainingConfig, device: torch.device):
        self.unet, self.noise_scheduler, self.condition, self.config = (
            unet,
            noise_scheduler,
            condition,
            config,
        )
        self.device, self.precision = device, choose_precision(config.mixed_precision, device)
        modules = [unet, condition] if isinstance(condition, nn.Module) else [unet]
        self.modules = nn.ModuleList(modules).to(device).train()
        parameters = list(self.modules.parameters())
        self.optimizer = torch.optim.AdamW(
            parameters,
            config.learning_rate,
            weight_decay=config.weight_decay,
            fused=device.type in ("cpu", "cuda"),
        )
        self.lr_scheduler = get_cosine_schedule_with_warmup(
            self.optimizer, config.warmup_steps, config.num_steps
        )
        self.ema = EMAModel(parameters, decay=config.ema_decay, use_ema_warmup=True, power=3 / 4)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == "fp16")
        self.step, self.history = 0, TrainingHistory()

    def train_step(self, batches) -> float:
        """Take one optimizer step and return its loss."""
        # Each step's randomness depends on (seed, step) alone: that makes a resumed run exact.
        torch.manual_seed(_mix(self.config.seed, self.step))
        loss = self._accumulate(batches)
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.modules.parameters(), self.config.max_grad_norm)
        # With fp16 an infinite gradient is normal: the scaler skips the step and lowers its scale.
        if not math.isfinite(loss) or not (self.scaler.is_enabled() or torch.isfinite(norm)):
            raise self.diverged(f"loss {loss:.4g}, gradient norm {float(norm):.4g}")
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.history.losses.append(loss)
        self.history.learning_rates.append(self.lr_scheduler.get_last_lr()[0])
        self.lr_scheduler.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.ema.step(self.modules.parameters())
        self.step += 1
        return loss

    def diverged(self, what: str) -> TrainingDivergedError:
        """Make the error that says what happened, where, and what to try."""
        return TrainingDivergedError(
            f"{what} at step {self.step}, learning rate {self.optimizer.param_groups[0]['lr']:.2e}; "
            'try a lower learning_rate, a longer warm-up, or mixed_precision="no". '
            "Checkpoints that were written before this step are untouched."
        )

    def _accumulate(self, batches) -> float:
        """Add up the gradients of the step's batches; return their mean loss."""
        total, parts = 0.0, self.config.gradient_accumulation_steps
        dtype = torch.float16 if self.precision == "fp16" else torch.bfloat16
        for _ in range(parts):
            images, labels = (x.to(self.device) for x in next(batches))
            with torch.autocast(self.device.type, dtype, enabled=self.precision != "no"):
                loss = diffusion_loss(self.unet, self.noise_scheduler, images, self.condition, labels)
            self.scaler.scale(loss / parts).backward()
            total += loss.item() / parts
        return total

    def state(self) -> tuple[dict, dict]:
        """Return (tensors, info) for `save_checkpoint`."""
        tensors = {f"model.{k}": v for k, v in self.modules.state_dict().items()}
        tensors |= {f"ema.{i}": v for i, v in enumerate(self.ema.shadow_params)}
        for i, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{k}": v for k, v in values.items()}
        info = {
            "config": asdict(self.config),
            "history": asdict(self.history),
            "ema_step": self.ema.optimization_step,
            "lr_scheduler": self.lr_scheduler.state_dict(),
            "scaler": self.scaler.state_dict(),
        }
        return tensors, info

    def check_weights(self) -> None:
        """Raise TrainingDivergedError if a weight is not finite, so that no checkpoint ever holds one."""
        if not all(bool(p.isfinite().all()) for p in self.modules.parameters()):
            raise self.diverged("weights that are not finite")

    def restore(self, tensors: dict, info: dict) -> None:
        """Continue from what `state` returned."""
        groups = {name: {} for name in ("model", "ema", "optimizer")}
        for key, value in tensors.items():
            group, _, rest = key.partition(".")
            groups[group][rest] = value
        self.modules.load_state_dict(groups["model"])
        self.ema.shadow_params = [groups["ema"][str(i)].to(self.device) for i in range(len(groups["ema"]))]
        self.ema.optimization_step = info["ema_step"]
        moments: dict[int, dict] = {}
        for key, value in groups["optimizer"].items():
            index, _, name = key.partition(".")
            moments.setdefault(int(index), {})[name] = value
        self.lr_scheduler.load_state_dict(info["lr_scheduler"])
        optimizer_state = self.optimizer.state_dict() | {"state": moments}
        for group, rate in zip(optimizer_state["param_groups"], self.lr_scheduler.get_last_lr(), strict=True):
            group["lr"] = rate
        self.optimizer.load_state_dict(optimizer_state)
        self.scaler.load_state_dict(info["scaler"])
        self.history = TrainingHistory(**info["history"])
        self.step = info["step"]


def _resume(trainer: _Trainer, folder: str | Path) -> None:
    """Restore the newest checkpoint, if there is one and it belongs to this configuration."""
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
    trainer = _Trainer(unet, noise_scheduler, condition, config, torch.device(device or get_device()))
    if checkpoint_dir and resume:
        _resume(trainer, checkpoint_dir)
    # The caller's random numbers go on as if nothing had been drawn here.
    with torch.random.fork_rng():
        _run(trainer, dataset, checkpoint_dir, checkpoint_steps, checkpoint_minutes)
    trainer.ema.copy_to(trainer.modules.parameters())
    trainer.modules.eval()
    return trainer.history


def _run(trainer: _Trainer, dataset, folder, every_steps, every_minutes) -> None:
    """Take the remaining steps, writing the state when it is due and at the end."""
    config, weights = trainer.config, None
    if config.balanced:
        weights = (
            1.0 / torch.bincount(torch.as_tensor(dataset.labels)).double()[torch.as_tensor(dataset.labels)]
        )
    parts = config.gradient_accumulation_steps
    start, stop = trainer.step * parts, config.num_steps * parts
    sampler = StepSampler(len(dataset), config.batch_size, start, stop, config.seed, weights)
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
                save_checkpoint(folder, trainer.step, *trainer.state())
                saved = time.monotonic()
