"""Score text_to_sprite: does it draw what captions ask for, also in combinations that it has never seen?

    python scripts/evaluate_text_to_sprite.py

Writes benchmarks/results/text_to_sprite.json, section by section, and stamps the model card. A run that is
stopped goes on where it was; delete the file to score again.
"""

import argparse
import json
import random
import time
from pathlib import Path

import torch

from helpers import RESULTS
from helpers.datasets import load_sprites
from helpers.datasets.captions import find_properties, split_parts
from helpers.evaluation import extract_features, frechet_distance, proportion, real_halves
from helpers.evaluation.prompts import judge_prompts, shares_right
from helpers.files import describe_device, package_versions, write_file
from helpers.sampling import DEFAULT_STEPS, quantize
from helpers.weights import load_pipeline
from scripts import text_to_sprite_card
from scripts.cards import stamp
from scripts.sprite_captions import UNSEEN, find_unseen, keep_parts, load_captioned, swap
from scripts.sprite_vae import reconstruct

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = RESULTS / "text_to_sprite.json"
GUIDANCE_SCALES = (1.0, 2.0, 3.0, 5.0, 7.5)


def load_shipped(folder: str = "text_to_sprite"):
    """Load the pipeline, without a progress bar for each batch."""
    pipeline = load_pipeline(folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def draw(pipeline, prompts: list[str], guidance_scale: float, seed: int, batch_size: int = 100):
    """Images [n, 3, 16, 16] in [-1, 1], rounded as in a picture file, and the seconds for each."""
    generator, parts, begun = torch.Generator().manual_seed(seed), [], time.perf_counter()
    options = {"num_inference_steps": DEFAULT_STEPS, "output_type": "pt", "generator": generator}
    for start in range(0, len(prompts), batch_size):
        batch = prompts[start : start + batch_size]
        parts.append(pipeline(batch, guidance_scale=guidance_scale, **options).images)
    return quantize(torch.cat(parts) * 2 - 1), (time.perf_counter() - begun) / len(prompts)


def shares(images: torch.Tensor, prompts: list[str]) -> dict:
    """What share the judge takes for right, each with its interval."""
    return shares_right(judge_prompts(images, prompts))


class Scores:
    """The sections of the results, each measured on the same pipeline."""

    def __init__(self, pipeline, samples: int, seed: int):
        self.pipeline, self.samples, self.seed = pipeline, samples, seed
        dataset, captions, unseen = load_captioned("test")
        order = random.Random(seed).sample(range(len(captions)), len(captions))
        order = [i for i in order if not unseen[i]]
        images = dataset.as_tensor()
        self.test = [captions[i] for i in order[:samples]]
        self.real = images[order[:samples]]
        self.other = [captions[i] for i in order[samples:]]  # the guidance scale is chosen with these
        whole = extract_features(load_sprites("all").as_tensor())
        self.reference, self.others = real_halves(whole)
        self.unseen_test = [i for i, back in enumerate(unseen) if back]
        self.unseen_real = images[self.unseen_test], [captions[i] for i in self.unseen_test]

    def distance(self, images) -> dict:
        return frechet_distance(extract_features(images), self.reference)._asdict()

    def real_sprites(self, _) -> dict:
        """The ceiling of each share, and the floor of the distance: real sprites with these captions."""
        return shares(self.real, self.test) | {
            "frechet_distance": frechet_distance(self.others[: len(self.test)], self.reference)._asdict(),
            "frechet_distance_of_these": self.distance(self.real),
            "unseen": shares(*self.unseen_real),
        }

    def vae(self, _) -> dict:
        """Real sprites through the VAE and back: what no UNet can better."""
        decoded = quantize(reconstruct(self.pipeline.vae, self.real))
        return shares(decoded, self.test) | {"frechet_distance": self.distance(decoded)}

    def guidance(self, _) -> list[dict]:
        """Other held-out captions at each guidance scale, from the same noises."""
        rows, prompts = [], self.other[: max(200, self.samples // 5)]
        for scale in GUIDANCE_SCALES:
            images, seconds = draw(self.pipeline, prompts, scale, self.seed)
            row = {"guidance_scale": scale} | shares(images, prompts)
            rows.append(row | {"frechet_distance": self.distance(images), "seconds_per_image": seconds})
        return rows

    def held_out(self, result: dict) -> dict:
        """The captions that the aims are about, and which properties are drawn best and worst."""
        images, seconds = draw(self.pipeline, self.test, result["guidance_scale"], self.seed)
        verdicts = judge_prompts(images, self.test)
        scores = {"frechet_distance": self.distance(images), "seconds_per_image": seconds}
        return (
            shares_right(verdicts)
            | scores
            | {
                "by_class": by_group(verdicts, [split_parts(prompt)[0] for prompt in self.test]),
                "by_property": by_property(verdicts["properties"]),
            }
        )

    def parts(self, result: dict) -> list[dict]:
        """Prompts that name one, two and three parts besides the class; real sprites of them beside."""
        rows, rng = [], random.Random(self.seed)
        for count in (1, 2, 3):
            longer = [i for i, caption in enumerate(self.test) if len(split_parts(caption)) > count]
            chosen = rng.sample(longer, min(len(longer), self.samples // 8))
            prompts = [keep_parts(self.test[i], count, rng) for i in chosen]
            images, _ = draw(self.pipeline, prompts, result["guidance_scale"], self.seed)
            row = {"parts": count, "example": prompts[0]} | shares(images, prompts)
            rows.append(row | {"real": shares(self.real[chosen], prompts)})
        return rows

    def unseen(self, result: dict) -> dict:
        """Combinations kept back from training, and the same captions with another half that was not."""
        pairs, rng = [], random.Random(self.seed)
        captions = [*load_captioned("train")[1], *load_captioned("test")[1]]
        every = sorted({p for caption in captions for p in find_properties(caption)})
        for combination in UNSEEN:
            name = " + ".join(combination)
            fitting = [caption for caption in captions if find_unseen(caption) == [name]]
            swapped = [(c, *swap(c, combination, every, rng)) for c in rng.sample(fitting, len(fitting))]
            pairs += [(name, *row) for row in swapped if row[1]][: max(1, self.samples // 100)]
        rows = {}
        for kind, column in (("unseen", 1), ("seen", 2)):
            prompts = [row[column] for row in pairs]
            images, _ = draw(self.pipeline, prompts, result["guidance_scale"], self.seed)
            verdicts = judge_prompts(images, prompts)
            wanted = [row[0].split(" + ")[-1] if kind == "unseen" else row[3] for row in pairs]
            right = [row.get(thing, False) for row, thing in zip(verdicts["properties"], wanted, strict=True)]
            rows[kind] = shares_right(verdicts) | {
                "combination_right": proportion(torch.tensor(right))._asdict()
            }
            names = [row[0] for row in pairs]
            rows[kind]["by_combination"] = {
                name: round(
                    sum(r for r, n in zip(right, names, strict=True) if n == name) / names.count(name), 3
                )
                for name in dict.fromkeys(names)
            }
        return rows | {"examples": [list(row[1:3]) for row in pairs[:: max(1, len(pairs) // 14)]]}


def by_group(verdicts: dict, groups: list[str]) -> dict:
    """Shares by class."""
    rows = {}
    for name in dict.fromkeys(groups):
        chosen = [i for i, group in enumerate(groups) if group == name]
        found = {k: [verdicts[k][i] for i in chosen] for k in ("class_right", "colour_right", "all_right")}
        found = {k: [x for x in row if x is not None] for k, row in found.items()}
        rows[name] = {k: round(sum(row) / len(row), 4) for k, row in found.items() if row} | {
            "n": len(chosen)
        }
    return rows


def by_property(rows: list[dict], at_least: int = 10) -> dict:
    """Share right of each property that was asked for so often, the best first."""
    hits: dict[str, list[bool]] = {}
    for row in rows:
        for name, right in row.items():
            hits.setdefault(name, []).append(right)
    found = {
        name: [round(sum(row) / len(row), 3), len(row)] for name, row in hits.items() if len(row) >= at_least
    }
    return dict(sorted(found.items(), key=lambda item: (-item[1][0], item[0])))


def choose_scale(rows: list[dict]) -> float:
    """The lowest scale at which almost as many captions are all right as at the best: more costs distance."""
    best = max(row["all_right"]["value"] for row in rows)
    return next(row["guidance_scale"] for row in rows if row["all_right"]["value"] >= best - 0.02)


def score_shipped(samples: int = 1000, seed: int = 0, output: Path = OUTPUT) -> dict:
    """Measure what the file does not hold yet, write each section, stamp the card."""
    command = f"python scripts/evaluate_text_to_sprite.py --samples {samples} --seed {seed}"
    result = json.loads(output.read_text(encoding="utf-8")) if output.is_file() else {}
    if result.get("command") != command:
        kept = {key: result[key] for key in ("latents_or_pixels",) if key in result}
        result = (
            kept
            | {"command": command, "device": describe_device(torch.device("cpu"))}
            | {
                "versions": package_versions(("torch", "diffusers", "transformers")),
                "num_inference_steps": DEFAULT_STEPS,
                "unseen_combinations": [" + ".join(combination) for combination in UNSEEN],
            }
        )
    scores = Scores(load_shipped(), samples, seed)
    for section in ("real_sprites", "vae", "guidance", "held_out", "parts", "unseen"):
        if section not in result:
            result[section] = getattr(scores, section)(result)
            if section == "guidance":
                result["guidance_scale"] = choose_scale(result["guidance"])
            write_file(output, (json.dumps(result, indent=1) + "\n").encode())
            print(f"{section} done", flush=True)
    if output == OUTPUT:
        stamp(ROOT / "weights" / "README.md", "text_to_sprite scores", text_to_sprite_card.card_text(result))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args()
    print(text_to_sprite_card.card_text(score_shipped(args.samples, args.seed, args.output)))


if __name__ == "__main__":
    main()
