"""Draw sprites with shipped weights: the picture in the README, weights/NAME.png.

python scripts/draw_samples.py unconditional
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from diffusers import DDPMPipeline  # noqa: E402

from helpers.checkpoints import write_file  # noqa: E402
from helpers.plotting import plot_generated_images  # noqa: E402
from helpers.training import get_device  # noqa: E402
from helpers.weights import find_weights  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="a folder in weights/")
    parser.add_argument("--rows", type=int, default=3)
    parser.add_argument("--cols", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    folder = find_weights(args.name)
    pipeline = DDPMPipeline.from_pretrained(folder).to(get_device())
    generator = torch.Generator().manual_seed(args.seed)
    steps = pipeline.scheduler.config.num_train_timesteps
    # The first ones drawn, not the best ones: the picture is to show what a reader gets.
    images = pipeline(args.rows * args.cols, generator, num_inference_steps=steps).images
    write_file(
        folder.with_suffix(".png"), plot_generated_images(images, args.rows, args.cols, scale=3).to_png()
    )
    print(folder.with_suffix(".png"))


if __name__ == "__main__":
    main()
