"""Train the sprite classifier that judges labels and gives the features for distances.

python scripts/train_classifier.py
"""

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

from helpers.datasets import ImageDataset, load_sprites
from helpers.evaluation import SpriteClassifier
from helpers.evaluation.tables import markdown_table
from helpers.files import describe_device
from scripts.cards import save_trained, stamp

ROOT = Path(__file__).resolve().parents[1]
MAX_NOISE = 0.3  # strongest noise in training; pixels lie in [-1, 1]
STOP_WORDS = {"a", "an", "the", "with", "and", "of", "in", "on"}


def split_words(caption: str) -> set[str]:
    return set(caption.replace(",", " ").split())


def word_targets(captions: Sequence[str], words: Sequence[str]) -> torch.Tensor:
    """Whether each word stands in each caption, float32 [len(captions), len(words)]."""
    return torch.tensor([[float(word in found) for word in words] for found in map(split_words, captions)])


def classifier_loss(model: SpriteClassifier, images, labels, words) -> torch.Tensor:
    """Add up the losses of the three heads, on images [n, c, h, w] of which half have been made noisy."""
    noise = torch.rand(len(images), 1, 1, 1)
    noise = noise * (torch.rand(noise.shape) < 0.5)
    noisy = images + MAX_NOISE * noise * torch.randn(images.shape)
    class_logits, word_logits, level = model(noisy.clamp(-1, 1))
    # Summed over words and weighted for noise, so that no head drowns the others.
    word_loss = F.binary_cross_entropy_with_logits(word_logits, words) * words.shape[1]
    return F.cross_entropy(class_logits, labels) + word_loss + 100 * F.mse_loss(level, noise.flatten())


def choose_words(dataset: ImageDataset, at_least: int = 50) -> tuple[str, ...]:
    """Return the words that stand in that many captions, articles and the like left out."""
    counts = Counter(word for caption in dataset.captions for word in split_words(caption))
    return tuple(sorted(w for w, n in counts.items() if n >= at_least and w not in STOP_WORDS))


def fit(dataset: ImageDataset, words: tuple[str, ...], epochs: int, seed: int) -> SpriteClassifier:
    """Train with AdamW and a one-cycle learning rate (arXiv 1708.07120), then standardise the features."""
    torch.manual_seed(seed)
    model = SpriteClassifier(dataset.class_names, words, image_size=dataset.images.shape[1])
    images = dataset.as_tensor()
    data = TensorDataset(images, dataset.labels, word_targets(dataset.captions, words))
    batches = DataLoader(data, batch_size=min(128, len(data)), shuffle=True, drop_last=True)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, epochs * len(batches))
    for _ in tqdm(range(epochs), desc="training", unit="epoch"):
        for batch in batches:
            classifier_loss(model, *batch).backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    model.eval().requires_grad_(False)
    hidden = torch.cat([model.body(part) for part in images.split(1000)])
    model.feature_mean.copy_(hidden.mean(0))
    model.feature_std.copy_(hidden.std(0))
    return model


def judge(model: SpriteClassifier, dataset: ImageDataset) -> dict:
    """Accuracy of the class and of single words on pictures that training did not see."""
    class_logits, word_logits, _ = model(dataset.as_tensor())
    words = word_targets(dataset.captions, model.config.words)
    return {
        "held_out_images": len(dataset),
        "class_accuracy": round(float((class_logits.argmax(1) == dataset.labels).float().mean()), 5),
        "word_accuracy": round(float(((word_logits > 0) == (words > 0)).float().mean()), 5),
    }


def card_table(run: dict) -> str:
    """Make the model card's table out of training.json."""
    rows = {
        "command": f"`{run['command']}`",
        "data": run["data"],
        "class accuracy on held-out sprites": f"{run['class_accuracy']:.2%} of {run['held_out_images']:,}",
        "accuracy on single words of the caption": f"{run['word_accuracy']:.2%} of {run['words']} words",
        "parameters": f"{run['parameters']:,}",
        "device": run["device"],
        "wall-clock seconds": run["seconds"],
    }
    return markdown_table(("", ""), rows.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, help="another sprites.npz")
    parser.add_argument("--output", type=Path, default=ROOT / "weights", help="folder that holds them")
    args = parser.parse_args()
    begun = time.monotonic()
    dataset = load_sprites("train", path=args.data)
    words = choose_words(dataset, at_least=min(50, len(dataset) // 100))
    model = fit(dataset, words, args.epochs, args.seed)
    run = {
        "command": f"python scripts/train_classifier.py --epochs {args.epochs} --seed {args.seed}",
        "data": f"{args.data or 'data/sprites.npz'}, split train",
        **judge(model, load_sprites("test", path=args.data)),
        "words": len(words),
        "parameters": sum(p.numel() for p in model.parameters()),
        "device": describe_device(torch.device("cpu")),
        "seconds": round(time.monotonic() - begun),
    }

    save_trained(args.output / "sprite_classifier", run, model)
    stamp(args.output / "README.md", "sprite_classifier", card_table(run))
    print(f"{args.output / 'sprite_classifier'}: class accuracy {run['class_accuracy']:.2%}")


if __name__ == "__main__":
    main()
