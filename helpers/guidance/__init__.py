"""Steer an unconditional model by a loss while it draws: the pipeline, and losses for it."""

# ruff: noqa: F401 (what is imported here is what the package offers)

from .losses import (
    check_color,
    class_loss,
    color_loss,
    foreground,
    great_circle_loss,
    inpainting_loss,
    random_cuts,
)
from .pipeline import GuidedDDPMPipeline, loss_gradient
from .text import check_prompt, embed_images, embed_text, load_clip
