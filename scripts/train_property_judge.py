"""Train the judge of text_to_sprite: it looks for properties that captions name, such as "red tunic".

python scripts/train_property_judge.py
"""

import argparse
import random
import time
from collections import Counter
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

from helpers.datasets import ImageDataset, load_sprites
from helpers.datasets.captions import find_properties
from helpers.evaluation import SpriteClassifier
from helpers.evaluation.prompts import COLOURS, judge_prompts, main_colour, shares_right
from helpers.evaluation.tables import markdown_table
from helpers.files import describe_device, package_versions
from scripts.cards import save_trained, stamp
from scripts.train_clip import full_captions

ROOT = Path(__file__).resolve().parents[1]
NUM_FEATURES = 192
MAX_NOISE = 0.2  # strongest noise in training; pixels lie in [-1, 1]


class Properties:
    """The words of the judge: things, and what captions say of them, which is asked where the thing is.

    Most properties are rare, and a plain yes or no to each would be "no" to all. So the colours of a thing
    compete with each other, and the rest is a yes or no where the thing is there.
    """

    def __init__(self, captions: list[str], at_least: int = 8):
        counts = Counter(name for caption in captions for name in find_properties(caption))
        kept = {name for name, count in counts.items() if count >= at_least}
        things = {name.split()[-1] for name in kept}
        self.words = tuple(sorted(things) + sorted(kept - things))
        self.index = {word: i for i, word in enumerate(self.words)}
        self.num_things = len(things)
        self.thing_of = torch.tensor([self.index[word.split()[-1]] for word in self.words])
        coloured = [word.split()[0] in COLOURS and " " in word for word in self.words]
        self.coloured = torch.tensor(coloured)
        self.plain = ~self.coloured & (torch.arange(len(self.words)) >= self.num_things)

    def targets(self, captions: list[str]) -> torch.Tensor:
        """1 for each word of the judge in each caption, float32 [len(captions), words]."""
        rows = torch.zeros(len(captions), len(self.words))
        for row, caption in zip(rows, captions, strict=True):
            named = [name for name in find_properties(caption) if name in self.index]
            row[[self.index[name] for name in named]] = 1
            row[[self.index[name.split()[-1]] for name in named]] = 1
        return rows

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Sum over words of the losses of things, of colours of things, and of the rest; mean over images."""
        n, things = self.num_things, targets[:, : self.num_things]
        loss = F.binary_cross_entropy_with_logits(logits[:, :n], things, reduction="sum")
        there = targets[:, self.thing_of[self.plain]]
        loss = loss + F.binary_cross_entropy_with_logits(
            logits[:, self.plain], targets[:, self.plain], weight=there, reduction="sum"
        )
        owner = self.thing_of[self.coloured].expand(len(logits), -1)
        scores, wanted = logits[:, self.coloured], targets[:, self.coloured]
        empty = torch.zeros_like(things)
        total = empty.scatter_add(1, owner, scores.clamp(max=30).exp()).log()  # of each thing's colours
        count = empty.scatter_add(1, owner, wanted).clamp(min=1)
        chosen = (total.gather(1, owner) - scores.clamp(max=30)) * wanted / count.gather(1, owner)
        return (loss + chosen.sum()) / len(logits)


def fit(dataset: ImageDataset, properties: Properties, epochs: int, seed: int) -> SpriteClassifier:
    """Train with AdamW and a one-cycle learning rate (arXiv 1708.07120); half of the pictures are noisy."""
    torch.manual_seed(seed)
    settings = {"image_size": dataset.images.shape[1], "num_features": NUM_FEATURES}
    judge = SpriteClassifier(dataset.class_names, properties.words, **settings)
    data = TensorDataset(dataset.as_tensor(), dataset.labels, properties.targets(dataset.captions))
    batches = DataLoader(data, batch_size=min(128, len(data)), shuffle=True, drop_last=True)
    optimizer = torch.optim.AdamW(judge.parameters(), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, epochs * len(batches))
    for _ in tqdm(range(epochs), desc="training", unit="epoch"):
        for images, labels, targets in batches:
            noise = MAX_NOISE * torch.rand(len(images), 1, 1, 1) * (torch.rand(len(images), 1, 1, 1) < 0.5)
            classes, words, level = judge((images + noise * torch.randn_like(images)).clamp(-1, 1))
            loss = F.cross_entropy(classes, labels) + properties.loss(words, targets)
            (loss + F.mse_loss(level, noise.flatten())).backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    return judge.eval().requires_grad_(False)


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
    facts = shares_right(judge_prompts(images, captions, judge))
    rng = random.Random(0)
    other = [recolour(caption, rng) for caption in captions]
    kept = [i for i, caption in enumerate(other) if caption]
    fooled = shares_right(judge_prompts(images[kept], [other[i] for i in kept], judge))
    facts["wrong_colour_taken_for_right"] = fooled["colour_right"]
    return {"held_out_images": len(dataset)} | facts


def card_table(run: dict) -> str:
    """Make the model card's table out of training.json."""
    rows = {
        "command": f"`{run['command']}`",
        "data": run["data"],
        "things and properties known": run["words"],
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
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=ROOT / "weights", help="folder that holds them")
    args = parser.parse_args()
    begun = time.monotonic()
    dataset = load_sprites("train")
    properties = Properties(dataset.captions)
    judge = fit(dataset, properties, args.epochs, args.seed)
    run = {
        "command": f"python scripts/train_property_judge.py --epochs {args.epochs} --seed {args.seed}",
        "data": "data/sprites.npz, split train",
        **judge_the_judge(judge, load_sprites("test")),
        "words": len(properties.words),
        "parameters": sum(p.numel() for p in judge.parameters()),
        "device": describe_device(torch.device("cpu")),
        "seconds": round(time.monotonic() - begun),
        "versions": package_versions(),
    }

    save_trained(args.output / "property_judge", run, judge)
    stamp(args.output / "README.md", "property_judge", card_table(run))
    print(f"{args.output / 'property_judge'}: class and all properties found {run['all_right']['value']:.1%}")


if __name__ == "__main__":
    main()
