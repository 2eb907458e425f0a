"""The training loop of notebook 01, made reusable: one function for every model of the series."""

from .loop import train
from .parts import (
    PREDICTION_TYPES,
    StepSampler,
    TrainingConfig,
    TrainingDivergedError,
    TrainingHistory,
    choose_precision,
    get_device,
    progress_bar,
)
from .state import Trainer, diffusion_loss, min_snr_weights

__all__ = [
    "PREDICTION_TYPES",
    "StepSampler",
    "Trainer",
    "TrainingConfig",
    "TrainingDivergedError",
    "TrainingHistory",
    "choose_precision",
    "diffusion_loss",
    "get_device",
    "min_snr_weights",
    "progress_bar",
    "train",
]
