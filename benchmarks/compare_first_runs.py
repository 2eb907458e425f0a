"""What can a reader's own model draw after three minutes? One class or five, plain loss or min-SNR.

Trains the UNet of notebook 01 four times for as many steps as the notebook does, draws the same noises with
each, and writes benchmarks/results/first_runs.json and first_runs.png. About a quarter of an hour.
"""

from itertools import product
from pathlib import Path

import torch
from diffusers import DDPMPipeline

from benchmarks.json_files import machine_facts, parse_options, write_json
from helpers import RESULTS
from helpers.datasets import load_sprites
from helpers.evaluation import Score, kernel_distance, markdown_table, real_halves
from helpers.files import write_file
from helpers.models import build_unconditional
from helpers.plotting import plot_generated_images
from helpers.sampling import generate_images, make_scheduler
from helpers.training import train
from scripts.cards import stamp

README = Path(__file__).with_name("README.md")
DATA = {"heroes": "hero", "all five classes": ("hero", "non-hero", "food", "spell", "side-facing hero")}
LOSSES = {"plain loss": None, "min-SNR": 5.0}
SHOWN = 12  # sprites in a row of the picture


def run(classes, snr_gamma: float | None, args) -> tuple[torch.Tensor, dict]:
    """Train, draw and score once."""
    torch.manual_seed(args.seed)
    unet, noise_scheduler = build_unconditional()
    dataset, held_out = (load_sprites(split).select(classes) for split in ("train", "test"))
    history = train(
        unet, noise_scheduler, dataset, args.steps, snr_gamma=snr_gamma, seed=args.seed, device="cpu"
    )
    pipeline = DDPMPipeline(unet, make_scheduler(noise_scheduler))
    images, real = generate_images(pipeline, args.samples, seed=args.seed), held_out.as_tensor()
    floor = kernel_distance(*real_halves(real))
    scores = {"kernel_distance": kernel_distance(images, real)._asdict(), "floor": floor._asdict()}
    return images[:SHOWN], scores | {"training_seconds": round(history.seconds)}


def table(result: dict) -> str:
    """Make the Markdown table: a row for each run, with its floor."""
    head = ["trained on", "loss", "kernel distance", "of real sprites"]
    rows = []
    for row in result["rows"]:
        distances = [f"{Score(**row[key]):.2f}" for key in ("kernel_distance", "floor")]
        rows.append([row["data"], row["loss"], *distances])
    return markdown_table(head, rows)


def main() -> None:
    options = {"steps": (500, "training steps"), "samples": (200, None), "seed": (0, None)}
    args = parse_options(__doc__, "compare_first_runs", "first_runs.json", **options)
    result, rows = {"command": args.command} | machine_facts() | {"rows": []}, []
    for (data, classes), (loss, snr_gamma) in product(DATA.items(), LOSSES.items()):
        shown, scores = run(classes, snr_gamma, args)
        rows.append(shown)
        result["rows"].append({"data": data, "loss": loss} | scores)
        print(result["rows"][-1], flush=True)
        write_json(args.output, result)
    titles = [f"{row['data']}, {row['loss']}" for row in result["rows"]]
    figure = plot_generated_images(torch.cat(rows), rows=len(rows), cols=SHOWN, titles=titles)
    write_file(args.output.with_suffix(".png"), figure.to_png())
    if args.output == RESULTS / "first_runs.json":
        stamp(README, "first runs", table(result))


if __name__ == "__main__":
    main()
