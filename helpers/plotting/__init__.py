"""Every figure that two notebooks share, and the look of all: end a cell with the call to show one."""

# ruff: noqa: F401 (what is imported here is what the package offers)

from .curves import plot_lines, plot_losses, plot_noise_schedule, plot_quality_vs_cost
from .diagrams import plot_text_to_image, plot_timestep_counting, plot_unet
from .images import (
    plot_dataset,
    plot_denoising_steps,
    plot_forward_process,
    plot_generated_images,
    plot_nearest_neighbours,
    to_images,
    to_tensor,
)
from .maps import plot_score_map
from .style import BLACK, BLUE, GREEN, ORANGE, PALETTE, PURPLE, SKY_BLUE, VERMILION, draw_panels, new_figure
