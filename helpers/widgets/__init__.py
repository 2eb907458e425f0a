"""Explorers to play with in a notebook, which leave a still picture where widgets are not shown."""

from .labels import LabelExplorer, label_explorer
from .noise import NoiseExplorer, noise_explorer

__all__ = ["LabelExplorer", "NoiseExplorer", "label_explorer", "noise_explorer"]
