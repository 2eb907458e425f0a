"""Train the same UNet on latents and on pixels for a little: GFLOP, seconds of one core, Fréchet distance.

Writes the section latents_or_pixels of benchmarks/results/text_to_sprite.json, row by row.
"""

import json
import time

import torch
from diffusers import UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.json_files import machine_facts, parse_options, real_features, write_json
from helpers.datasets.captions import CaptionedLatents
from helpers.evaluation import extract_features, frechet_distance
from helpers.models import build_noise_scheduler, dry_run
from helpers.sampling import DEFAULT_STEPS, make_scheduler, quantize, sample_images
from helpers.training import train
from scripts.evaluate_text_to_sprite import draw, load_shipped
from scripts.sprite_captions import load_captioned
from scripts.train_text_to_sprite import build_unet, make_condition, make_dataset, make_pipeline


def count_gflop(unet, tokens: int = 24) -> float:
    """GFLOP of one pass through a text-conditioned UNet for one image, none of them computed."""
    skeleton, inputs = dry_run(unet)
    inputs[2] = torch.empty(1, tokens, unet.config.cross_attention_dim, device="meta")
    with FlopCounterMode(display=False) as counter:
        skeleton(*inputs)
    return counter.get_total_flops() / 1e9


def on_paper() -> dict:
    """The UNet of Stable Diffusion 1.5 for 512×512, on its latents and on the pixels themselves."""
    shape = {"cross_attention_dim": 768, "block_out_channels": (320, 640, 1280, 1280)}
    rows = {}
    for name, channels, size in (("latents", 4, 64), ("pixels", 3, 512)):
        with torch.device("meta"):
            unet = UNet2DConditionModel(
                sample_size=size, in_channels=channels, out_channels=channels, **shape
            )
        rows[name] = {"size": f"{channels}×{size}×{size}", "gflop": round(count_gflop(unet, 77))}
    return rows


class Contest:
    """The data, the text encoder and the real sprites that both sides share."""

    def __init__(self, samples: int, seed: int):
        self.seed, self.shipped = seed, load_shipped()
        dataset, captions, unseen = load_captioned("train")
        kept = [i for i, back in enumerate(unseen) if not back]
        images, captions = dataset.as_tensor()[kept], [captions[i] for i in kept]
        tokenizer = self.shipped.tokenizer
        self.latents = make_dataset(self.shipped.vae, images, captions, tokenizer)
        self.pixels = CaptionedLatents(images, torch.zeros_like(images), captions, tokenizer)
        self.prompts = load_captioned("test")[1][:samples]
        self.condition = make_condition(self.shipped.text_encoder)
        self.reference, _ = real_features()

    def run(self, way: str, steps: int) -> dict:
        """Train for so many steps, draw, and measure; seconds are those of one core."""
        torch.manual_seed(self.seed)
        unet = build_unet() if way == "latents" else build_unet(3, 16)
        noise_scheduler, data = build_noise_scheduler(), getattr(self, way)
        options = {"condition": self.condition, "snr_gamma": 5.0, "seed": self.seed, "device": "cpu"}
        begun = time.process_time()
        train(unet, noise_scheduler, data, steps, **options)
        seconds, begun = time.process_time() - begun, time.process_time()
        images = self.draw(way, unet, noise_scheduler)
        return {
            "way": way,
            "size": "×".join(map(str, data[0][0].shape)),
            "gflop": round(count_gflop(unet), 4),
            "images": 32 * steps,
            "seconds": round(seconds, 1),
            "seconds_per_image": round((time.process_time() - begun) / len(images), 4),
            "frechet_distance": frechet_distance(extract_features(images), self.reference)._asdict(),
        }

    def draw(self, way: str, unet, noise_scheduler) -> torch.Tensor:
        """Draw the held-out captions without guidance."""
        if way == "latents":
            parts = self.shipped.vae, self.shipped.text_encoder, self.shipped.tokenizer
            pipeline = make_pipeline(*parts, unet, noise_scheduler)
            pipeline.set_progress_bar_config(disable=True)
            return draw(pipeline, self.prompts, 1.0, self.seed)[0]
        tokens = self.shipped.tokenizer(
            self.prompts, padding="max_length", truncation=True, return_tensors="pt"
        )
        options = {"condition": self.condition, "labels": tokens.input_ids, "seed": self.seed}
        scheduler = make_scheduler(noise_scheduler)
        return quantize(sample_images(unet, scheduler, len(self.prompts), DEFAULT_STEPS, **options))


def main() -> None:
    options = {"steps": (150, "of the UNet on pixels"), "samples": (250, None), "seed": (0, None)}
    args = parse_options(__doc__, "compare_latents", "text_to_sprite.json", **options)
    result = json.loads(args.output.read_text(encoding="utf-8")) if args.output.is_file() else {}
    section = result.get("latents_or_pixels", {})
    if section.get("command") != args.command:
        section = {"command": args.command, **machine_facts(), "on_paper": on_paper(), "rows": []}
    contest = Contest(args.samples, args.seed)
    # Pixels, latents of as many images, and latents for as long as the pixels took.
    for number in range(len(section["rows"]), 3):
        way, steps = ("pixels", "latents", "latents")[number], args.steps
        if number == 2:
            pixels, latents = section["rows"]
            steps = round(args.steps * pixels["seconds"] / latents["seconds"])
        section["rows"].append(contest.run(way, steps))
        result = json.loads(args.output.read_text(encoding="utf-8")) if args.output.is_file() else {}
        write_json(args.output, result | {"latents_or_pixels": section})
        print(section["rows"][-1], flush=True)


if __name__ == "__main__":
    main()
