"""What a training run is told and what it leaves behind: settings, history, device, precision."""

from dataclasses import dataclass, field

import torch
from accelerate.utils import parse_flag_from_env
from diffusers.optimization import SchedulerType

from ..sampling import prediction_type_of
from .weighting import check_weighting

PREDICTION_TYPES = ("epsilon", "v_prediction", "sample")
PRECISIONS = ("auto", "no", "bf16", "fp16")
LR_SCHEDULERS = tuple(kind.value for kind in SchedulerType if kind.value != "piecewise_constant")


class TrainingDivergedError(RuntimeError):
    """The loss, the gradient or a weight stopped being a finite number."""


@dataclass(frozen=True)
class TrainingConfig:
    """Hyper-parameters of a run: what they mean stands at `train`, which takes each by its name."""

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
    snr_gamma: float | None = None
    weighting: str = "uniform"
    log_sigma: tuple[float, float] | None = None
    seed: int = 0
    lr_scheduler: str = "cosine"
    optimizer_options: dict = field(default_factory=dict)
    ema_options: dict = field(default_factory=dict)

    def weighting_options(self) -> dict:
        """What `diffusion_loss` has to know of these."""
        return {name: getattr(self, name) for name in ("snr_gamma", "weighting", "log_sigma")}


@dataclass
class TrainingHistory:
    """What a run leaves behind: one loss and one learning rate per step, and the seconds it took."""

    losses: list[float] = field(default_factory=list)
    learning_rates: list[float] = field(default_factory=list)
    seconds: float = 0.0


def get_device() -> torch.device:
    """Return the best device here: CUDA, then MPS, then the CPU, which `accelerate launch --cpu` asks for."""
    if parse_flag_from_env("ACCELERATE_USE_CPU"):
        return torch.device("cpu")
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


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


def check_run(
    unet, noise_scheduler, dataset, config: TrainingConfig, device: torch.device, processes: int = 1
) -> tuple:
    """Raise ValueError for data, UNet, scheduler and settings that do not fit; return the first item."""
    for name in ("num_steps", "batch_size", "gradient_accumulation_steps"):
        if getattr(config, name) < 1:
            raise ValueError(f"{name} must be at least 1, not {getattr(config, name)}")
    images, kind = len(dataset), prediction_type_of(noise_scheduler)
    if config.balanced and not hasattr(dataset, "labels"):
        raise ValueError(f"balanced=True needs a dataset with .labels; {type(dataset).__name__} has none")
    if images < config.batch_size * processes:
        each = f" in each of {processes} processes" if processes > 1 else ""
        larger = f"batch_size={config.batch_size}{each} is larger than the dataset ({images} images)"
        fewer = " and fewer processes" if images < processes else ""
        fitting = f"take batch_size={max(1, images // processes)} or less{fewer}"
        smaller = f"{fitting}; gradient_accumulation_steps=... averages over several"
        raise ValueError(f"{larger}: {smaller if images else 'it needs some'}")
    first = dataset[0]
    channels, height, width = first[0].shape
    if channels != unet.config.in_channels:
        raise ValueError(f"the images have {channels} channels, the UNet expects {unet.config.in_channels}")
    halvings = len(unet.config.down_block_types) - 1
    if height % 2**halvings or width % 2**halvings:
        raise ValueError(
            f"images of {height}×{width} do not fit this UNet, which halves them {halvings} times: "
            f"use a size divisible by {2**halvings}"
        )
    size = unet.config.sample_size
    if size is not None and (size if isinstance(size, int) else tuple(size)) not in (height, (height, width)):
        raise ValueError(
            f"the images are {height}×{width} pixels, the UNet draws sample_size={size}: load them in that "
            "size (image_size=...), or build a UNet with theirs"
        )
    if kind not in (*PREDICTION_TYPES, "flow_prediction"):
        expected = ", ".join(PREDICTION_TYPES)
        raise ValueError(f"prediction_type {kind!r} is unknown; expected one of {expected}")
    check_weighting(config.weighting, config.snr_gamma, config.log_sigma)
    if config.lr_scheduler not in LR_SCHEDULERS:
        raise ValueError(f"lr_scheduler {config.lr_scheduler!r} is none of {', '.join(LR_SCHEDULERS)}")
    if config.mixed_precision not in PRECISIONS:
        raise ValueError(f"mixed_precision {config.mixed_precision!r} is none of {', '.join(PRECISIONS)}")
    if config.mixed_precision == "fp16" and device.type == "cpu":
        raise ValueError('mixed_precision="fp16" needs a GPU; on a CPU take "auto", "bf16" or "no"')
    return first
