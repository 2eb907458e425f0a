"""What a training run is told and what it leaves behind: settings, history, device, precision."""

from dataclasses import dataclass, field

import torch

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
    snr_gamma : float, optional
        Weight the timesteps by min(SNR, γ) (see `min_snr_weights`); without it all count the same.
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
    snr_gamma: float | None = None
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
