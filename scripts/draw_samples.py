"""Draw sprites with shipped weights: weights/NAME.png, for the README.

python scripts/draw_samples.py label_conditioned
"""

import argparse
from pathlib import Path

import torch

from helpers.files import write_file
from helpers.plotting import plot_generated_images
from helpers.training import get_device
from helpers.weights import find_weights, load_pipeline

ROOT = Path(__file__).resolve().parents[1]


def draw(pipeline, rows: int, cols: int, seed: int) -> tuple[list, list[str] | None]:
    """Draw rows × cols images, with the pipeline's own scheduler; a row per class where labels are taken."""
    generator = torch.Generator().manual_seed(seed)
    if not hasattr(pipeline, "class_net"):
        steps = pipeline.scheduler.config.num_train_timesteps
        return pipeline(rows * cols, generator, num_inference_steps=steps).images, None
    names = pipeline.class_net.config.class_names
    return pipeline([name for name in names for _ in range(cols)], generator=generator).images, list(names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="a folder in weights/, or a path; the picture goes beside it")
    parser.add_argument("--rows", type=int, default=3, help="with labels there is a row for each class")
    parser.add_argument("--cols", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    folder = find_weights(args.name)
    picture = folder.with_name(f"{folder.name}.png")
    # The first ones drawn, not the best ones: the picture is to show what a reader gets.
    images, titles = draw(load_pipeline(args.name).to(get_device()), args.rows, args.cols, args.seed)
    figure = plot_generated_images(images, len(images) // args.cols, args.cols, scale=3, titles=titles)
    write_file(picture, figure.to_png())
    print(picture)


if __name__ == "__main__":
    main()
