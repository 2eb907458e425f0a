"""Three ways for a label to get into a UNet, trained alike and scored: notebook 02's table.

Writes benchmarks/results/conditioning.json. About twenty minutes on two cores; a run that is stopped goes on.
"""

import statistics
import time

import torch
from diffusers import UNet2DConditionModel, UNet2DModel
from torch import nn

from benchmarks.json_files import machine_facts, parse_options, read_or_begin, real_features, write_json
from helpers.datasets import ImageDataset, load_sprites
from helpers.evaluation import frechet_distance, label_accuracy
from helpers.models import build_label_conditioned, build_noise_scheduler
from helpers.pipelines import LabelEmbedder
from helpers.sampling import DEFAULT_STEPS, make_scheduler, quantize, sample_images
from helpers.training import train

TEXTBOOK_STEP_COST = 4  # a step of the textbook's UNet takes about as long as four of the lean one
LEAN = {"sample_size": 16, "layers_per_block": 1, "block_out_channels": (32, 64, 96), "norm_num_groups": 8}
LEAN |= {"down_block_types": ("DownBlock2D", "DownBlock2D", "AttnDownBlock2D")}
LEAN |= {"up_block_types": ("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"), "out_channels": 3}


class LabelPlanes(nn.Module):
    """A UNet that gets each class as an extra input channel: ones for the class asked for, else zeros."""

    def __init__(self, num_classes: int):
        super().__init__()
        self.unet = UNet2DModel(in_channels=3 + num_classes, **LEAN)
        self.config = type(self.unet.config)(dict(self.unet.config) | {"in_channels": 3})

    def forward(self, sample, timestep, labels):
        planes = labels[:, :, None, None].expand(-1, -1, *sample.shape[2:])
        return self.unet(torch.cat([sample, planes], dim=1), timestep)


def class_embedding(num_classes: int):
    """An embedding added to the timestep's, diffusers' `num_class_embeds`."""
    unet = UNet2DModel(in_channels=3, num_class_embeds=num_classes, **LEAN)
    return unet, lambda labels: {"class_labels": labels.argmax(1)}


def cross_attention(label_dropout: float):
    """A sequence of one to attend to; with labels dropped it is what is shipped."""

    def build(num_classes: int):
        unet, class_net, _ = build_label_conditioned([str(i) for i in range(num_classes)])
        return unet, LabelEmbedder(num_classes, class_net.config.embedding_dim, label_dropout=label_dropout)

    return build


def textbook(cross_attention_dim: int):
    """The textbook's conditional UNet, with the width of text or with that of the embedding."""

    def build(num_classes: int):
        unet = UNet2DConditionModel(
            sample_size=16,
            in_channels=3,
            out_channels=3,
            layers_per_block=2,
            block_out_channels=(64, 128),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            encoder_hid_dim=64,
            cross_attention_dim=cross_attention_dim,
        )
        return unet, LabelEmbedder(num_classes, 64)

    return build


DROPPED = "cross-attention, one label in ten dropped"
VARIANTS = {
    "extra input channels": lambda n: (LabelPlanes(n), lambda labels: {"labels": labels}),
    "class embedding": class_embedding,
    "cross-attention": cross_attention(0.0),
    DROPPED: cross_attention(0.1),
    "textbook, cross_attention_dim=1280": textbook(1280),
    "textbook, cross_attention_dim=64": textbook(64),
}


def compare(name: str, dataset: ImageDataset, steps: int, samples: int, reference: torch.Tensor) -> dict:
    """Train one variant, then score what it draws; return rows for the table."""
    num_classes = len(dataset.class_names)
    torch.manual_seed(0)
    unet, condition = VARIANTS[name](num_classes)
    history = train(unet, build_noise_scheduler(), dataset, steps, condition=condition, device="cpu")
    labels = torch.eye(num_classes)[torch.arange(samples) % num_classes]
    scheduler = make_scheduler(build_noise_scheduler())
    options = {"condition": condition, "labels": labels}
    modules = [unet, condition] if isinstance(condition, nn.Module) else [unet]
    facts = {
        "parameters": sum(p.numel() for module in modules for p in module.parameters()),
        "milliseconds_per_step": round(1000 * history.seconds / steps, 1),
        "steps": steps,
        "loss": round(statistics.mean(history.losses[-100:]), 4),
    }
    rows = {}
    for scale in (1.0, 2.0) if name == DROPPED else (1.0,):
        images = sample_images(unet, scheduler, samples, DEFAULT_STEPS, guidance_scale=scale, **options)
        rows[name if scale == 1 else f"{name}, guidance {scale:g}"] = facts | {
            "label_accuracy": label_accuracy(quantize(images), labels)._asdict(),
            "frechet_distance": frechet_distance(quantize(images), reference)._asdict(),
        }
    return rows


def main() -> None:
    options = {"steps": (500, "a quarter of them for the textbook's UNet"), "samples": (400, None)}
    args = parse_options(__doc__, "compare_conditioning", "conditioning.json", **options)
    result = read_or_begin(args.output, args.command, variants={})
    reference, others = real_features()
    result |= {"floor": frechet_distance(others[: args.samples], reference)._asdict(), **machine_facts()}
    for name in [name for name in VARIANTS if name not in result["variants"]]:
        begun = time.monotonic()
        steps = args.steps // TEXTBOOK_STEP_COST if name.startswith("textbook") else args.steps
        rows = compare(name, load_sprites("train"), steps, args.samples, reference)
        result["variants"] |= rows
        write_json(args.output, result)
        print(f"{rows}, {time.monotonic() - begun:.0f} s in all", flush=True)


if __name__ == "__main__":
    main()
