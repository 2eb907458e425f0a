"""Explorers to play with in a notebook, which leave a still picture where widgets are not shown."""

from .labels import label_explorer
from .noise import noise_explorer
from .samplers import sampler_playground

__all__ = ["label_explorer", "noise_explorer", "sampler_playground"]
