"""Train text_to_sprite, a small Stable Diffusion: VAE, then UNet, then the folder, its scores and its card.

    python scripts/train_text_to_sprite.py

Text encoder and tokenizer are those of weights/sprite_clip. A run that is stopped goes on when the same
command is given again: with the parts that are done, and the UNet's last checkpoint.
"""

import argparse
import json
import shutil
from dataclasses import asdict
from pathlib import Path
from statistics import mean

import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel, PreTrainedTokenizerFast

from helpers.datasets.captions import CaptionedLatents
from helpers.evaluation.tables import markdown_table
from helpers.files import describe_device, package_versions, write_folder
from helpers.guidance import load_clip
from helpers.models import build_noise_scheduler
from helpers.sampling import make_scheduler
from helpers.training import TrainingConfig, TrainingHistory, train
from scripts import evaluate_text_to_sprite
from scripts.cards import stamp
from scripts.sprite_captions import UNSEEN, load_captioned
from scripts.sprite_vae import encode, get_sharpened, get_vae, measure_vae

ROOT = Path(__file__).resolve().parents[1]
NAME = "text_to_sprite"
STEPS, FURTHER_STEPS = 5200, 3500


def build_unet(in_channels: int = 4, sample_size: int = 8) -> UNet2DConditionModel:
    """Build the UNet for latents, which attends to all tokens where it works at 8×8, 4×4 and 2×2."""
    return UNet2DConditionModel(
        sample_size=sample_size,
        in_channels=in_channels,
        out_channels=in_channels,
        layers_per_block=1,
        block_out_channels=(32, 64, 96),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=128,
        attention_head_dim=4,
        norm_num_groups=8,
    )


def take_text_encoder() -> tuple[CLIPTextModel, PreTrainedTokenizerFast]:
    """Take the text half of the small CLIP: frozen, without its projection into the common space."""
    clip, tokenizer = load_clip()
    text_encoder = CLIPTextModel(clip.config.text_config)
    wanted = text_encoder.state_dict().keys()
    found = {k.removeprefix("text_model."): v for k, v in clip.text_model.state_dict().items()}
    prefix = "text_model." if all(k.startswith("text_model.") for k in wanted) else ""
    text_encoder.load_state_dict({k: found[k.removeprefix(prefix)] for k in wanted})
    return text_encoder.eval().requires_grad_(False), tokenizer


def make_dataset(vae, images: torch.Tensor, captions: list[str], tokenizer) -> CaptionedLatents:
    """Encode the images once: what the UNet learns from are latents of variance one."""
    means, stds = (part * vae.config.scaling_factor for part in encode(vae, images))
    return CaptionedLatents(means, stds, captions, tokenizer)


def make_condition(text_encoder):
    """What `train` calls with a batch of input_ids: every token's embedding, padding included."""
    return lambda input_ids: text_encoder(input_ids).last_hidden_state


def make_pipeline(vae, text_encoder, tokenizer, unet, noise_scheduler) -> StableDiffusionPipeline:
    """Put the parts together; the scheduler is the series' default one."""
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=make_scheduler(noise_scheduler, steps_offset=1),  # 0 makes the pipeline complain
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def fit_unet(unet, noise_scheduler, latents, condition, rounds, runs: Path) -> list[TrainingHistory]:
    """Train in rounds, each from the averaged weights of the one before, with a learning rate of its own."""
    histories = []
    for number, config in enumerate(rounds, 1):
        history = train(
            unet,
            noise_scheduler,
            latents,
            config.num_steps,
            condition=condition,
            learning_rate=config.learning_rate,
            snr_gamma=config.snr_gamma,
            seed=config.seed,
            device="cpu",
            checkpoint_dir=runs / ("unet" if number == 1 else f"unet-round-{number}"),
            checkpoint_minutes=3,
        )
        histories.append(history)
    return histories


def record(pipeline, command: str, rounds: list, histories: list[TrainingHistory], **facts) -> dict:
    """Collect what the model card says about the run."""
    parts = {name: getattr(pipeline, name) for name in ("vae", "text_encoder", "unet")}
    return {
        "command": command,
        "data": "data/sprites.npz, split train, without the combinations that are kept back",
        "unseen_combinations": [" + ".join(combination) for combination in UNSEEN],
        **facts,
        "parameters": {k: sum(p.numel() for p in part.parameters()) for k, part in parts.items()},
        "rounds": [asdict(config) for config in rounds],
        "images_seen": sum(config.num_steps * config.batch_size for config in rounds),
        "mean_loss_of_last_500_steps": [round(mean(history.losses[-500:]), 5) for history in histories],
        "device": describe_device(torch.device("cpu")),
        "seconds": round(sum(history.seconds for history in histories)),
        "versions": package_versions(("torch", "diffusers", "transformers", "tokenizers")),
    }


def save(pipeline, folder: Path, run: dict) -> None:
    """Write the folder whole; what the tokenizer was told in this session stays out of it."""

    def write(temporary: Path) -> None:
        pipeline.save_pretrained(temporary, safe_serialization=True)
        shutil.copyfile(
            ROOT / "weights/sprite_clip/tokenizer_config.json", temporary / "tokenizer/tokenizer_config.json"
        )
        shutil.copyfile(ROOT / "weights/sprite_clip/tokenizer.json", temporary / "tokenizer/tokenizer.json")
        (temporary / "training.json").write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")

    write_folder(folder, write)


def card_table(run: dict) -> str:
    """Make the model card's table out of training.json."""
    vae, rounds = run["vae"], run["rounds"]
    rows = {
        "command": f"`{run['command']}`",
        "data": f"{run['data']}: {run['images']:,} sprites",
        "kept back": ", ".join(run["unseen_combinations"]),
        "parameters": ", ".join(f"{name} {count:,}" for name, count in run["parameters"].items()),
        "VAE": f"{vae['epochs']} epochs, {vae['seconds']:,} seconds; scaling factor {vae['scaling_factor']}",
        "its decoder alone": f"{vae['decoder_epochs']} epochs, {vae['decoder_seconds']:,} seconds",
        "reconstruction of held-out sprites": f"{vae['psnr']} dB; white or not: {vae['white_or_not']:.2%} of "
        f"the pixels right, all channels within one of 16 levels: {vae['within_one_of_16_levels']:.1%}",
        "UNet, steps × batch": " and then ".join(
            f"{config['num_steps']:,} × {config['batch_size']} at learning rate {config['learning_rate']:g}, "
            f"seed {config['seed']}"
            for config in rounds
        )
        + f": {run['images_seen']:,} images",
        "learning rate": "warm-up 100 steps, cosine decay, in each round",
        "loss": f"min-SNR γ = {rounds[0]['snr_gamma']:g}; mean of the last 500 steps of a round: "
        + ", ".join(map(str, run["mean_loss_of_last_500_steps"])),
        "EMA decay": rounds[0]["ema_decay"],
        "device": run["device"],
        "wall-clock seconds of the UNet": f"{run['seconds']:,}",
        "versions": ", ".join(f"{name} {version}" for name, version in run["versions"].items()),
    }
    return markdown_table(("", ""), rows.items())


def parse_options() -> argparse.Namespace:
    """Read the options; also the `command` that repeats the run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--further-steps", type=int, default=FURTHER_STEPS, help="of the second round")
    parser.add_argument("--vae-epochs", type=int, default=5)
    parser.add_argument("--decoder-epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=ROOT / "weights", help="folder that holds them")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / NAME, help="folder of what is half done")
    args = parser.parse_args()
    names = ("steps", "further_steps", "vae_epochs", "decoder_epochs", "seed")
    given = " ".join(f"--{name.replace('_', '-')} {getattr(args, name)}" for name in names)
    args.command = f"python scripts/train_text_to_sprite.py {given}"
    return args


def main() -> None:
    args = parse_options()
    dataset, captions, unseen = load_captioned("train")
    kept = [i for i, back in enumerate(unseen) if not back]
    images, captions = dataset.as_tensor()[kept], [captions[i] for i in kept]
    vae, vae_run = get_vae(args.runs, args.vae_epochs, args.seed, images)
    text_encoder, tokenizer = take_text_encoder()
    torch.manual_seed(args.seed)
    unet, noise_scheduler = build_unet(), build_noise_scheduler()
    latents = make_dataset(vae, images, captions, tokenizer)
    rounds = [
        TrainingConfig(args.steps, snr_gamma=5.0, seed=args.seed),
        TrainingConfig(args.further_steps, snr_gamma=5.0, seed=args.seed + 1, learning_rate=1e-3),
    ]
    condition = make_condition(text_encoder)
    histories = fit_unet(unet, noise_scheduler, latents, condition, rounds, args.runs)
    vae, vae_run = get_sharpened(args.runs, vae, args.decoder_epochs, vae_run, images)
    vae_run |= measure_vae(vae, load_captioned("test")[0].as_tensor())
    pipeline = make_pipeline(vae, text_encoder, tokenizer, unet, noise_scheduler)
    facts = {"images": len(images), "vae": vae_run | {"scaling_factor": vae.config.scaling_factor}}
    run = record(pipeline, args.command, rounds, histories, **facts)
    save(pipeline, args.output / NAME, run)
    stamp(args.output / "README.md", NAME, card_table(run))
    print(f"{args.output / NAME}: loss {run['mean_loss_of_last_500_steps'][-1]}")
    if args.output == ROOT / "weights":
        evaluate_text_to_sprite.score_shipped()


if __name__ == "__main__":
    main()
