"""Show the way of a training: sprites from the same noises after more and more steps, with their scores.

    python -m scripts.training_pictures unconditional --checkpoints runs

`scripts/train.py` ends with it. By hand it needs the trained weights, in weights/, and the folder where
their training kept its state; of weights trained further, the state of the first training shows the
beginning, if it is kept there too. It writes NAME_training.png and NAME_training.json beside the weights.
In weights/ it stamps the model card, too.
"""

import argparse
import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch

from helpers.datasets import load_sprites
from helpers.evaluation import Score, extract_features, frechet_distance, real_halves
from helpers.files import describe_device, package_versions, write_file
from helpers.plotting import plot_generated_images
from helpers.sampling import DEFAULT_SCHEDULER, DEFAULT_STEPS
from helpers.training import get_device
from helpers.training.checkpoints import list_averages, list_checkpoints, load_average
from helpers.weights import find_weights, load_pipeline
from scripts.cards import stamp
from scripts.evaluate import draw

ROOT = Path(__file__).resolve().parents[1]
SAMPLES, FEWEST, MOST = 1000, 200, 10_000  # sprites for each score; as many real ones are the most
SHOWN, WINDOW = 8, 500  # sprites in a row; steps around one whose losses are averaged
STEPS, SEED = DEFAULT_STEPS, 0


class Story(NamedTuple):
    """What `follow` found: `scores` for a JSON file, and a row of sprites for each line of the picture."""

    scores: dict
    sprites: list[torch.Tensor]

    @property
    def end(self) -> Score:
        """The Fréchet distance of the trained weights."""
        return Score(**self.scores["rows"][-1]["frechet_distance"])


def average_steps(num_steps: int) -> list[int]:
    """Steps below `num_steps` whose averaged weights are kept: 500, 2,000, 8,000, ..."""
    return [step for step in (500 * 4**k for k in range(20)) if step < num_steps]


def checkpoint_name(model: str, seed: int, start: dict | None) -> str:
    """Name the folder for a run's state; another start makes another run."""
    if start is None:
        return model
    return f"{model}-seed{seed}-{hashlib.sha256(json.dumps(start).encode()).hexdigest()[:8]}"


@cache
def load_reference() -> tuple[torch.Tensor, torch.Tensor]:
    """Features of the sprites that distances are measured to, and as many other sprites."""
    reference, others = real_halves(load_sprites("all").as_tensor())
    return extract_features(reference), others


def score(pipeline, samples: int) -> tuple[torch.Tensor, Score]:
    """Draw sprites, always from the same noises; return the first ones and the Fréchet distance of all."""
    images, _ = draw(pipeline.to(get_device()), samples, DEFAULT_SCHEDULER, STEPS, SEED)
    # Weights of a few steps may draw NaN: grey then, and far from any sprite.
    images = images.nan_to_num(0)
    return images[:SHOWN].cpu(), frechet_distance(images, load_reference()[0])


def earlier_trainings(run: dict) -> list[dict]:
    """Return the records of the trainings that weights were trained further from, the first one first."""
    start = run.get("started_from")
    return [*earlier_trainings(start), start] if start else []


def kept_weights(
    run: dict, name: str, checkpoints: Path, losses: Sequence[float] | None = None
) -> Iterator[tuple[dict, Path | None]]:
    """Yield a row of numbers and a file of averaged weights for each step that a training kept; its end last.

    Without `losses` it is an earlier training: those are read from its state, and its end is left out,
    because the next training keeps it as its step 0.
    """
    config, start = run["config"], run.get("started_from")
    state = checkpoints / checkpoint_name(name, config["seed"], start)
    per_step = config["batch_size"] * config["gradient_accumulation_steps"]
    before = sum(training["images_seen"] for training in earlier_trainings(run))
    steps = [0, *average_steps(config["num_steps"])]
    kept = {k: v for k, v in list_averages(state).items() if k in steps}
    ends = {} if losses is None else {config["num_steps"]: None}
    losses = last_losses(state) if losses is None else losses
    for step, file in (kept | ends).items():
        near = losses[max(0, step - WINDOW // 2) : step + WINDOW // 2]
        if near:
            loss = {"loss": "min-SNR" if config.get("snr_gamma") else "plain"}
            loss["mean_loss"] = round(sum(near) / len(near), 5)
            yield {"step": step, "images_seen": before + step * per_step} | loss, file


def follow(
    folder: Path, name: str, checkpoints: Path, losses: Sequence[float], samples: int = SAMPLES
) -> Story:
    """Draw and score sprites with the averaged weights of a run, as far as it kept them, and with its end.

    Parameters
    ----------
    folder : Path
        The trained pipeline, with its training.json.
    name : str
        The model that was trained, which names the folder of its state.
    checkpoints : Path
        Where the run has kept its state, and the trainings that it started from theirs.
    losses : sequence of float
        One for each step of the run.
    samples : int
        Sprites for each score, from 200 up to 10,000.

    Raises
    ------
    ValueError
        If a file of averaged weights is damaged, or of another model.
    """
    run = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    rows, sprites = [], []
    trainings = [*((training, None) for training in earlier_trainings(run)), (run, losses)]
    for training, its_losses in trainings:
        for row, file in kept_weights(training, name, checkpoints, its_losses):
            pipeline = load_pipeline(str(folder))
            if file is not None:
                parts = (getattr(pipeline, part, None) for part in ("unet", "class_net"))
                load_average(file, *(part for part in parts if part is not None))
            shown, distance = score(pipeline, samples)
            rows.append(row | {"frechet_distance": distance._asdict()})
            sprites.append(shown)
    reference, others = load_reference()
    floor = frechet_distance(others[:samples], reference)
    scores = {key: run[key] for key in ("command", "data")} | {
        "device": describe_device(get_device()),
        "versions": package_versions(),
        **{"sampler": DEFAULT_SCHEDULER, "num_inference_steps": STEPS, "samples": samples, "seed": SEED},
        "real": {"frechet_distance": floor._asdict()},
        "rows": rows,
    }
    return Story(scores, [*sprites, others[:SHOWN]])


def write_story(story: Story, folder: Path) -> Path:
    """Write the picture and its numbers beside the weights' folder; return the picture's path."""
    titles = [
        f"{row['images_seen']:,} images\n{row['loss']} loss {row['mean_loss']:.3f}\n"
        f"distance {row['frechet_distance']['value']:.2f}"
        for row in story.scores["rows"]
    ]
    titles.append(f"real sprites\ndistance {story.scores['real']['frechet_distance']['value']:.2f}")
    figure = plot_generated_images(torch.cat(story.sprites), len(titles), SHOWN, titles=titles, scale=3)
    figure.colours = 256  # a third of the file, and no eye tells the difference
    picture = folder.with_name(f"{folder.name}_training.png")
    write_file(picture, figure.to_png())
    write_file(picture.with_suffix(".json"), (json.dumps(story.scores, indent=2) + "\n").encode())
    return picture


def card_text(scores: dict, name: str) -> str:
    """Make what the model card says about the picture."""
    *images, end = (f"{row['images_seen']:,}" for row in scores["rows"])
    after = f"{', '.join(images)} and {end}" if images else end
    return (
        f"![Rows of sprites after {after} images of training, and one of real ones]({name}_training.png)\n\n"
        "*The same noises, drawn with the averaged weights that the training had by then, and real sprites. "
        f"The loss is the mean of {WINDOW} steps around; the distance is the Fréchet distance of "
        f"{scores['samples']:,} sprites, and compares within this picture only. The numbers are in "
        f"[`{name}_training.json`]({name}_training.json).*"
    )


def last_losses(folder: Path) -> list[float]:
    """Return the losses in the last checkpoint of a folder; none, if there is no checkpoint."""
    checkpoints = list_checkpoints(folder)
    if not checkpoints:
        return []
    return json.loads((checkpoints[-1] / "state.json").read_text(encoding="utf-8"))["history"]["losses"]


def read_losses(folder: Path, run: dict) -> list[float]:
    """Read the losses of a finished run out of its last checkpoint; ValueError if it is another run's."""
    losses = last_losses(folder)
    if not losses:
        raise FileNotFoundError(f"no checkpoint in {folder}: name the folder that the training was given")
    tail = losses[-500:]
    if round(sum(tail) / len(tail), 5) != run["mean_loss_of_last_500_steps"]:
        raise ValueError(
            f"{list_checkpoints(folder)[-1]} is not the end of the run that trained these weights"
        )
    return losses


def add_samples_option(parser: argparse.ArgumentParser) -> None:
    """Let the command line say how many sprites are scored, as far as there are scores for so many."""

    def count(text: str) -> int:
        if not FEWEST <= int(text) <= MOST:
            raise argparse.ArgumentTypeError(f"expected {FEWEST} to {MOST:,} sprites; got {text}")
        return int(text)

    parser.add_argument("--samples", type=count, default=SAMPLES, help="sprites for each score")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", help="a folder in weights/, or a path")
    parser.add_argument("--checkpoints", type=Path, default=ROOT / "runs", help="that train.py was given")
    add_samples_option(parser)
    args = parser.parse_args()
    folder = find_weights(args.weights)
    run = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    state = args.checkpoints / checkpoint_name(folder.name, run["config"]["seed"], run.get("started_from"))
    story = follow(folder, folder.name, args.checkpoints, read_losses(state, run), args.samples)
    print(write_story(story, folder))
    if folder.parent == ROOT / "weights":
        stamp(folder.parent / "README.md", f"{folder.name} training", card_text(story.scores, folder.name))


if __name__ == "__main__":
    main()
