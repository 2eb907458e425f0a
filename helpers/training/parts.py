"""What a training run is made of: settings, history, device, precision, order of the data, progress."""

import sys
from dataclasses import dataclass, field

import torch
from torch.utils.data import Sampler
from tqdm import tqdm

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


def mix_seed(seed: int, number: int) -> int:
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
                generator = torch.Generator().manual_seed(mix_seed(self.seed, epoch))
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
