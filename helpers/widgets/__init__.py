"""Explorers to play with in a notebook, which leave a still picture where widgets are not shown."""

from .labels import LabelExplorer, label_explorer
from .noise import NoiseExplorer, noise_explorer
from .samplers import DenoisingPlayer, SamplerPlayground, denoising_player, sampler_playground

__all__ = [
    "DenoisingPlayer",
    "LabelExplorer",
    "NoiseExplorer",
    "SamplerPlayground",
    "denoising_player",
    "label_explorer",
    "noise_explorer",
    "sampler_playground",
]
