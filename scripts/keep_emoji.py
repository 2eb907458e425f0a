"""Keep a trained model of 32×32 emoji in weights/emoji_32, with 16 bits a weight, its picture and its card.

python scripts/keep_emoji.py runs/emoji_32
"""

import argparse
import json
from pathlib import Path

import torch

from helpers.datasets import load_emoji
from helpers.evaluation import markdown_table, nearest_neighbours
from helpers.files import write_file, write_folder
from helpers.plotting import plot_generated_images
from helpers.sampling import make_scheduler, sample_images
from helpers.weights import load_pipeline
from scripts.cards import stamp

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
GROUP, COLS, SAMPLES = "Smileys & Emotion", 12, 200


def measure_copies(images: torch.Tensor) -> dict[str, float]:
    """Median distance to the nearest training picture: of drawn ones, and of emoji that were held out."""
    shown = load_emoji("train", 32, GROUP).as_tensor()
    shown = torch.cat([shown, shown.flip(-1)])
    sets = {"drawn": images, "held_out": load_emoji("test", 32, GROUP).as_tensor()}
    return {name: round(nearest_neighbours(s, shown)[0].median().item(), 4) for name, s in sets.items()}


def card_table(run: dict) -> str:
    """Make the model card's table out of training.json."""
    near = run["nearest_training_picture"]
    rows = {
        "command": f"`{run['command']}`",
        "steps": f"{run['steps']:,}, {run['images_seen']:,} images in all",
        "device": run["device"],
        "wall-clock seconds, with pauses": f"{run['seconds']:,}",
        "loss (mean of the last 500 steps)": run["mean_loss_of_last_500_steps"],
        f"median distance to the nearest training picture, of {SAMPLES} drawn": near["drawn"],
        "the same of emoji that were held out": near["held_out"],
        "note": run.get("note"),
        "versions": ", ".join(f"{name} {version}" for name, version in run["versions"].items()),
    }
    return markdown_table(("", ""), [(name, str(value)) for name, value in rows.items() if value is not None])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="what train_unconditional.py has written")
    args = parser.parse_args()
    pipeline = load_pipeline(str(args.folder), dtype=torch.float16)
    run = json.loads((args.folder / "training.json").read_text(encoding="utf-8"))
    place = WEIGHTS / "emoji_32"
    write_folder(place, pipeline.save_pretrained)
    # As a reader loads it: with the weights as they were kept.
    unet = load_pipeline("emoji_32").unet
    images = sample_images(unet, make_scheduler(pipeline.scheduler), SAMPLES, seed=0, batch_size=50)
    run["nearest_training_picture"] = measure_copies(images)
    write_file(place / "training.json", (json.dumps(run, indent=2) + "\n").encode())
    # The first ones drawn, not the best ones.
    figure = plot_generated_images(images[: 3 * COLS], 3, COLS, scale=2)
    write_file(WEIGHTS / "emoji_32.png", figure.to_png())
    stamp(WEIGHTS / "README.md", "emoji_32", card_table(run))
    print(place, run["nearest_training_picture"])


if __name__ == "__main__":
    main()
