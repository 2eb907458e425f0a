"""The training loop of notebook 01, made reusable: one function for every model of the series."""

from .config import TrainingConfig, TrainingDivergedError, TrainingHistory, choose_precision, get_device
from .data_order import ResumableBatchSampler
from .loop import train
from .loss import diffusion_loss
from .trainer import Trainer

__all__ = [
    "ResumableBatchSampler",
    "Trainer",
    "TrainingConfig",
    "TrainingDivergedError",
    "TrainingHistory",
    "choose_precision",
    "diffusion_loss",
    "get_device",
    "train",
]
