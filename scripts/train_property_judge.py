"""Train the judge of text_to_sprite: it looks for properties that captions name, such as "red tunic".

python scripts/train_property_judge.py
"""

import argparse
import json
import random
import time
from pathlib import Path

import torch

from helpers.datasets import load_sprites
from helpers.datasets.captions import find_properties
from helpers.evaluation import proportion
from helpers.evaluation.prompts import COLOURS, judge_prompts, main_colour
from helpers.evaluation.tables import markdown_table
from helpers.files import describe_device, package_versions, write_folder
from scripts import train_classifier
from scripts.cards import stamp
from scripts.train_clip import full_captions

ROOT = Path(__file__).resolve().parents[1]
NUM_FEATURES = 128


def recolour(caption: str, rng: random.Random) -> str | None:
    """Put another colour for the caption's main one: the judge should not find it; None without a colour."""
    named = main_colour(caption)
    if named is None or named not in caption:
        return None
    colour, thing = named.split()
    return caption.replace(named, f"{rng.choice([c for c in COLOURS if c != colour])} {thing}", 1)


def judge_the_judge(judge, dataset) -> dict:
    """How often it finds what the captions of real sprites name, and a colour that they do not name."""
    captions, images = full_captions(dataset), dataset.as_tensor()
    found = judge_prompts(images, captions, judge)
    facts = {key: proportion(torch.tensor([x for x in found[key] if x is not None]))._asdict()
             for key in ("class_right", "colour_right", "all_right")}  # fmt: skip
    single = [x for row in found["properties"] for x in row.values()]
    facts["property_right"] = proportion(torch.tensor(single))._asdict()
    rng = random.Random(0)
    other = [recolour(caption, rng) for caption in captions]
    kept = [i for i, caption in enumerate(other) if caption]
    fooled = judge_prompts(images[kept], [other[i] for i in kept], judge)["colour_right"]
    facts["wrong_colour_taken_for_right"] = proportion(
        torch.tensor([x for x in fooled if x is not None])
    )._asdict()
    return {"held_out_images": len(dataset)} | facts


def card_table(run: dict) -> str:
    """Make the model card's table out of training.json."""
    rows = {
        "command": f"`{run['command']}`",
        "data": run["data"],
        "properties known": run["words"],
        "class right": f"{run['class_right']['value']:.1%} of {run['held_out_images']:,} held-out sprites",
        "main colour right": f"{run['colour_right']['value']:.1%}",
        "single properties found": f"{run['property_right']['value']:.1%}",
        "class and all properties found": f"{run['all_right']['value']:.1%}",
        "another colour taken for the main one": f"{run['wrong_colour_taken_for_right']['value']:.2%}",
        "parameters": f"{run['parameters']:,}",
        "device": run["device"],
        "wall-clock seconds": run["seconds"],
    }
    return markdown_table(("", ""), rows.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=ROOT / "weights", help="folder that holds them")
    args = parser.parse_args()
    begun = time.monotonic()
    dataset = load_sprites("train")
    words = train_classifier.choose_words(dataset, at_least=8, find=find_properties)
    settings = {"find": find_properties, "num_features": NUM_FEATURES}
    judge = train_classifier.fit(dataset, words, args.epochs, args.seed, **settings)
    run = {
        "command": f"python scripts/train_property_judge.py --epochs {args.epochs} --seed {args.seed}",
        "data": "data/sprites.npz, split train",
        **judge_the_judge(judge, load_sprites("test")),
        "words": len(words),
        "parameters": sum(p.numel() for p in judge.parameters()),
        "device": describe_device(torch.device("cpu")),
        "seconds": round(time.monotonic() - begun),
        "versions": package_versions(),
    }

    def write(folder: Path) -> None:
        judge.save_pretrained(folder)
        (folder / "training.json").write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")

    write_folder(args.output / "property_judge", write)
    stamp(args.output / "README.md", "property_judge", card_table(run))
    print(f"{args.output / 'property_judge'}: class and all properties found {run['all_right']['value']:.1%}")


if __name__ == "__main__":
    main()
