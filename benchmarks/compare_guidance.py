"""Guide the unconditional sprite model by colour, by class and by words: hits, Fréchet distance, seconds.

Writes benchmarks/results/guidance.json, section by section; a run that is stopped goes on where it was.
"""

import random
import re
import time
from functools import partial
from pathlib import Path

import torch

from benchmarks.json_files import machine_facts, parse_options, read_or_begin, real_features, write_json
from helpers import RESULTS
from helpers.datasets import load_sprites
from helpers.evaluation import (
    Score,
    extract_features,
    frechet_distance,
    label_accuracy,
    load_classifier,
    markdown_table,
    proportion,
)
from helpers.guidance import (
    GuidedDDPMPipeline,
    color_loss,
    embed_images,
    embed_text,
    great_circle_loss,
    load_clip,
    random_cuts,
)
from helpers.sampling import generate_images, make_scheduler, quantize
from helpers.weights import load_pipeline
from scripts.cards import stamp

README = Path(__file__).with_name("README.md")
TARGET = (0.1, 0.6, 0.9)  # the colour that is asked for
COLORS = ["red", "orange", "yellow", "lime", "green", "teal", "blue", "indigo", "purple", "pink"]
COLORS += ["brown", "white", "grey", "black"]
THINGS = {  # what is asked for in a colour, as captions call it
    "hero": ["hero with {} tunic", "hero with {} robe", "hero with {} hat", "hero with {} vest"],
    "non-hero": ["{} ghost", "{} crab", "{} robot", "{} owl", "{} slime", "{} spider", "{} dragon", "{} bat"],
    "food": ["{} cherries", "{} apple", "{} grapes", "{} fish", "{} pumpkin", "{} strawberry", "{} carrot"],
    "spell": ["{} potion", "{} book", "{} bow", "{} wand", "{} shield", "{} wizard hat"],
}
THINGS["side-facing hero"] = [f"side-facing {thing}" for thing in THINGS["hero"]]
LEAST = 8  # so often must a colour and a thing stand together in the captions
BY_WORDS = {"through_unet": True, "guidance_loss_scale": 100.0, "max_move": 1.0, "num_recurrences": 2}
WAYS = {  # of guiding by words: what differs from BY_WORDS, and cuts
    "recommended": {},
    "a third of the scale": {"guidance_loss_scale": 33.0},
    "three times the scale": {"guidance_loss_scale": 300.0},
    "no limit of the move": {"max_move": None},
    "normalised gradients": {"normalize": True, "guidance_loss_scale": 0.3, "max_move": None},
    "one gradient step": {"num_recurrences": 1},
    "around the UNet": {"through_unet": False},
    "noisy half only": {"guide_until": 0.5},
    "clean half only": {"guide_from": 0.5},
    "four cuts": {"cuts": 4},
}


def make_prompts(per_class: int, seed: int = 0) -> list[tuple[str, int, str]]:
    """Draw prompts that name a thing in a colour that the captions know it in: (prompt, class, colour)."""
    dataset, rng, prompts = load_sprites("train"), random.Random(seed), []
    for number, name in enumerate(dataset.class_names):
        captions = [c for c, k in zip(dataset.captions, dataset.labels.tolist(), strict=True) if k == number]
        text, known = "\n".join(captions), []
        for thing in THINGS[name]:
            noun = thing.split("{} ")[1]
            counts = {c: len(re.findall(rf"\b{c} {noun}\b", text)) for c in COLORS}
            known += [(thing, color) for color, count in counts.items() if count >= LEAST]
        for thing, color in rng.sample(known, per_class):
            article = "" if thing.endswith(("cherries", "grapes")) else "an " if color[0] in "oi" else "a "
            prompts.append((thing.format(article + color), number, color))
    return prompts


class Painter:
    """Draws batches with the guided pipeline, from the same noises each time, and takes the time."""

    def __init__(self, seed: int):
        plain = load_pipeline("unconditional")
        self.pipeline = GuidedDDPMPipeline(plain.unet.requires_grad_(False), make_scheduler(plain.scheduler))
        self.pipeline.set_progress_bar_config(disable=True)
        self.seed = seed

    def draw(self, count: int, make_loss, batch_size: int = 100, **settings) -> tuple[torch.Tensor, float]:
        """Images in [-1, 1] and seconds per image; `make_loss` gets the slice of a batch."""
        generator, parts, begun = torch.Generator().manual_seed(self.seed), [], time.perf_counter()
        for start in range(0, count, batch_size):
            batch = slice(start, min(start + batch_size, count))
            size, loss_fn = batch.stop - start, make_loss(batch)
            options = {"generator": generator, "output_type": "pt"} | settings
            parts.append(self.pipeline(size, loss_fn, **options).images * 2 - 1)
        return quantize(torch.cat(parts)), (time.perf_counter() - begun) / count


def by_color(painter: Painter, samples: int, reference) -> list[dict]:
    """Both ways to take the gradient, at several scales."""
    rows = []
    for through_unet in (False, True):
        for scale in (0, 10, 30, 100, 300) if not through_unet else (10, 30, 100, 300):
            images, seconds = painter.draw(
                samples,
                lambda batch: partial(color_loss, target_color=TARGET),
                guidance_loss_scale=float(scale),
                through_unet=through_unet,
                max_move=0.2,
            )
            distance = float(color_loss(images, TARGET)) / samples
            row = {"through_unet": through_unet, "guidance_loss_scale": scale, "color_distance": distance}
            row["frechet_distance"] = frechet_distance(extract_features(images), reference)._asdict()
            rows.append(row | {"seconds_per_image": seconds})
    return rows


def by_class(painter: Painter, samples: int, reference) -> list[dict]:
    """Classifier guidance of equally many images of each class, judged by CLIP, beside notebook 02's."""
    labels, classifier = torch.arange(samples) % 5, load_classifier()
    held_out = load_sprites("test")
    places = [torch.nonzero(held_out.labels == number)[:, 0].tolist() for number in range(5)]
    real = held_out.as_tensor()[[places[number][i // 5] for i, number in enumerate(labels.tolist())]]
    rows = [{"way": "real sprites"} | judge_classes(real, labels, reference)]

    def make_loss(batch):
        return lambda images: torch.nn.functional.cross_entropy(
            classifier(images)[0], labels[batch], reduction="sum"
        )

    ways = {
        "no guidance": {"guidance_loss_scale": 0.0},
        "classifier, around the UNet": {"guidance_loss_scale": 1.0, "max_move": 0.3},
        "classifier, through the UNet": {"guidance_loss_scale": 10.0, "max_move": 0.5, "through_unet": True},
    }
    for name, settings in ways.items():
        images, seconds = painter.draw(samples, make_loss, **settings)
        rows.append({"way": name} | judge_classes(images, labels, reference, seconds))
    pipeline = load_pipeline("label_conditioned")
    pipeline.scheduler = make_scheduler(pipeline.scheduler)
    for scale in (1.0, 1.5):
        begun = time.perf_counter()
        images = generate_images(pipeline, samples, labels=labels, guidance_scale=scale, seed=painter.seed)
        seconds = (time.perf_counter() - begun) / samples
        name = f"trained with labels, guidance_scale {scale:g}"
        rows.append({"way": name} | judge_classes(images, labels, reference, seconds))
    return rows


def judge_classes(images, labels, reference, seconds: float = 0.0) -> dict:
    """Class accuracy by the guide and by CLIP, which was not the guide; distance; seconds."""
    return {
        "by_clip": proportion(clip_classes(images) == labels)._asdict(),
        "by_classifier": label_accuracy(images, labels)._asdict(),
        "frechet_distance": frechet_distance(extract_features(images), reference)._asdict(),
        "seconds_per_image": seconds,
    }


def clip_classes(images: torch.Tensor) -> torch.Tensor:
    """The class whose name is nearest to each image in CLIP's space, int64 [n]."""
    clip, tokenizer = load_clip()
    names = load_classifier().config.class_names
    texts = torch.stack([embed_text(name, clip, tokenizer) for name in names])
    embeds = torch.cat([embed_images(part, clip) for part in images.split(500)])
    return (embeds @ texts.T).argmax(1)


def by_words(painter: Painter, samples: int, reference, name: str, prompts: list) -> dict:
    """Guidance by CLIP in one way, judged by the classifier's classes and words."""
    clip, tokenizer = load_clip()
    texts = torch.stack([embed_text(prompt, clip, tokenizer) for prompt, _, _ in prompts])
    settings = BY_WORDS | WAYS.get(name, {"guidance_loss_scale": 0.0})
    cuts, random_state = settings.pop("cuts", 0), torch.Generator().manual_seed(0)

    def make_loss(batch):
        wanted = texts[torch.arange(batch.start, batch.stop) % len(texts)]
        if not cuts:
            return lambda images: great_circle_loss(embed_images(images, clip), wanted)
        many = wanted.repeat(cuts, 1)
        return lambda images: (
            great_circle_loss(embed_images(random_cuts(images, cuts, random_state), clip), many) / cuts
        )

    images, seconds = painter.draw(samples, make_loss, **settings)
    return {"way": name} | judge_prompts(images, prompts, reference) | {"seconds_per_image": seconds}


def judge_prompts(images: torch.Tensor, prompts: list, reference) -> dict:
    """Share of images of the class and colour that were asked for, by the shipped classifier."""
    classifier, rows = load_classifier(), torch.arange(len(images)) % len(prompts)
    words = list(classifier.config.words)
    colors = torch.tensor([words.index(color) for _, _, color in prompts])[rows]
    wanted = torch.tensor([number for _, number, _ in prompts])[rows]
    class_logits, word_logits, _ = classifier(images)
    right_class, right_color = (
        class_logits.argmax(1) == wanted,
        word_logits.gather(1, colors[:, None])[:, 0] > 0,
    )
    return {
        "class_hits": proportion(right_class)._asdict(),
        "color_hits": proportion(right_color)._asdict(),
        "both": proportion(right_class & right_color)._asdict(),
        "frechet_distance": frechet_distance(extract_features(images), reference)._asdict(),
    }


def real_that_fit(prompts: list, samples: int) -> torch.Tensor:
    """Real sprites whose captions have the prompts' words: the best that any guidance could draw."""
    dataset, rng, chosen = load_sprites("all"), random.Random(0), []
    captions = [set(re.findall(r"[\w-]+", caption)) for caption in dataset.captions]
    for i in range(samples):
        prompt, number, _ = prompts[i % len(prompts)]
        words = set(re.findall(r"[\w-]+", prompt)) - {"a", "an"}
        same = [
            j for j, (c, k) in enumerate(zip(captions, dataset.labels.tolist(), strict=True))
            if k == number and words <= c
        ]  # fmt: skip
        chosen.append(rng.choice(same))
    return dataset.as_tensor()[chosen]


def table(result: dict) -> str:
    """Make a Markdown table of the ways to guide by words."""
    head = ["guidance by words", "class", "colour", "Fréchet distance"]
    return markdown_table(
        head,
        [
            [row["way"], f"{Score(**row['class_hits']):.0%}", f"{Score(**row['color_hits']):.0%}",
             f"{Score(**row['frechet_distance']):.1f}"]
            for row in result["words"]
        ],
    )  # fmt: skip


def main() -> None:
    args = parse_options(__doc__, "compare_guidance", "guidance.json", samples=(200, None), seed=(0, None))
    result = read_or_begin(args.output, args.command, **machine_facts(), words=[])
    reference, others = real_features()
    painter, prompts = Painter(args.seed), make_prompts(20)
    result["floor"] = frechet_distance(others[: args.samples], reference)._asdict()
    result["prompts"] = [prompt for prompt, _, _ in prompts]
    for name in ("real sprites that fit", "no guidance", *WAYS):
        if name in [row["way"] for row in result["words"]]:
            continue
        if name == "real sprites that fit":
            fitting = real_that_fit(prompts, args.samples)
            row = {"way": name} | judge_prompts(fitting, prompts, reference)
        else:
            row = by_words(painter, args.samples, reference, name, prompts)
        result["words"].append(row)
        write_json(args.output, result)
        print(row, flush=True)
    for section, measure in (("classes", by_class), ("colors", by_color)):
        if section not in result:
            result[section] = measure(painter, args.samples, reference)
            write_json(args.output, result)
    if args.output == RESULTS / "guidance.json":
        stamp(README, "guidance", table(result))
    print(table(result))


if __name__ == "__main__":
    main()
