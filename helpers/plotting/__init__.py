"""Every figure that two notebooks share, and the look of all. Each `plot_…` returns a matplotlib `Figure`.

End a cell with the call and the figure is shown once; `figure.savefig("name.png")` writes the same picture.
"""

from .curves import plot_losses, plot_noise_schedule, plot_quality_vs_cost
from .images import (
    plot_dataset,
    plot_denoising_steps,
    plot_forward_process,
    plot_generated_images,
    plot_nearest_neighbours,
    to_images,
    to_tensor,
)
from .style import BLACK, BLUE, GREEN, ORANGE, PALETTE, PURPLE, SKY_BLUE, VERMILION, draw_panels, new_figure

__all__ = [
    "BLACK",
    "BLUE",
    "GREEN",
    "ORANGE",
    "PALETTE",
    "PURPLE",
    "SKY_BLUE",
    "VERMILION",
    "draw_panels",
    "new_figure",
    "plot_dataset",
    "plot_denoising_steps",
    "plot_forward_process",
    "plot_generated_images",
    "plot_losses",
    "plot_nearest_neighbours",
    "plot_noise_schedule",
    "plot_quality_vs_cost",
    "to_images",
    "to_tensor",
]
