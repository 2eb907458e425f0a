"""How often do the 95 % intervals of `helpers.evaluation` hold what they should? Draw again and again.

    python benchmarks/coverage.py

Writes benchmarks/results/coverage.json and prints a table. Takes about 20 minutes.
"""

from collections.abc import Callable

import numpy as np
import torch

from benchmarks.json_files import machine_facts, parse_options, write_json
from helpers import evaluation
from helpers.datasets import CLASS_NAMES, load_sprites
from helpers.evaluation import Score, extract_features, markdown_table
from scripts.make_sprites import draw_class

NUM_FEATURES = 48  # the sprite classifier's
PER_CLASS = 24_000  # new sprites to draw from


def scores(features: torch.Tensor, reference: torch.Tensor) -> dict[str, Score]:
    """Every score that is measured between features."""
    precision, recall = evaluation.precision_recall(features, reference, num_reference=5000)
    frechet = evaluation.frechet_distance(features, reference)
    kernel = evaluation.kernel_distance(features, reference)
    return {"frechet": frechet, "kernel": kernel, "precision": precision, "recall": recall}


def coverage(
    draw: Callable[[int], torch.Tensor], reference: torch.Tensor, repetitions: int
) -> dict[str, dict]:
    """Draw so many sets of features; count the intervals that hold the mean over all sets.

    `ratio` is how wide the intervals are in units of the spread that they should show; 1 is ideal.
    """
    found = [scores(draw(seed), reference) for seed in range(repetitions)]
    result = {}
    for key in found[0]:
        value, low, high, _ = torch.tensor([row[key] for row in found], dtype=torch.float64).T
        held = (low <= value.mean()) & (value.mean() <= high)
        ratio = (high - low).mean() / (2 * 1.96 * value.std())
        result[key] = {"coverage": float(held.double().mean()), "ratio": float(ratio)}
    return result


def gaussian(count: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> torch.Tensor:
    """Features that are independent and normal."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, NUM_FEATURES, generator=generator) * scale + shift


def choose(pool: torch.Tensor, count: int, seed: int) -> torch.Tensor:
    """So many rows at random; few of many, so that two seeds hardly share any."""
    return pool[torch.randperm(len(pool), generator=torch.Generator().manual_seed(seed))[:count]]


def main() -> None:
    args = parse_options(
        __doc__, "coverage", "coverage.json", repetitions=([200, 20], "of 200 and 5,000 images")
    )
    fresh = np.stack([s.image for name in CLASS_NAMES for s in draw_class(name, PER_CLASS, seed=1)])
    parts = torch.from_numpy(fresh).permute(0, 3, 1, 2).split(1000)
    pool = torch.cat([extract_features(part / 127.5 - 1) for part in parts])
    sprites, _ = evaluation.real_halves(extract_features(load_sprites("all").as_tensor()))
    normal = gaussian(len(sprites), seed=10**6)
    result = {"command": args.command} | machine_facts()
    for n, repetitions in zip((200, 5000), args.repetitions, strict=True):
        sources = {
            "Gaussian, same": (lambda seed, n=n: gaussian(n, seed), normal),
            "Gaussian, shifted": (lambda seed, n=n: gaussian(n, seed, 0.1, 0.9), normal),
            "new sprites": (lambda seed, n=n: choose(pool, n, seed), sprites),
        }
        result[str(n)] = {name: coverage(*source, repetitions) for name, source in sources.items()}
    write_json(args.output, result)
    rows = [
        [n, name, *(f"{c['coverage']:.0%} ({c['ratio']:.2f})" for c in found.values())]
        for n in ("200", "5000")
        for name, found in result[n].items()
    ]
    print(markdown_table(["images", "features", "Fréchet", "kernel", "precision", "recall"], rows))


if __name__ == "__main__":
    main()
