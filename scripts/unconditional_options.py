"""The options of train_unconditional.py: those of diffusers' own example of that name, and a few more."""

import argparse
import os
from pathlib import Path

from huggingface_hub import get_token
from huggingface_hub.utils import validate_repo_id

from helpers.training.checkpoints import list_checkpoints
from helpers.training.config import LR_SCHEDULERS, PREDICTION_TYPES

# name: (default, help); the type is that of the default, and a False makes it a switch.
OPTIONS = {
    "data": {
        "dataset_name": ("", "sprites, digits or emoji (bundled), a data set on the Hub, or a local copy"),
        "dataset_config_name": ("", "its configuration; of a bundled one, the classes, with commas between"),
        "train_data_dir": ("", "a folder of pictures, in the place of --dataset_name"),
        "cache_dir": ("", "where data sets that are fetched are kept"),
        "resolution": (64, "pixels on each side"),
        "center_crop": (False, "cut out the middle; else a square at random"),
        "random_flip": (False, "mirror half of the pictures, at random"),
        "preserve_input_precision": (False, "keep 16 or 32 bits a channel of pictures that have them"),
        "train_batch_size": (16, "images of a batch, in each process"),
        "eval_batch_size": (16, "how many samples are drawn"),
        "dataloader_num_workers": (0, "processes that read the data ahead"),
    },
    "model": {
        "model_config_name_or_path": ("", "configuration of another UNet, on the Hub or in a folder"),
        "start_from": ("", "begin with the weights of this pipeline: shipped, in a folder or on the Hub"),
        "use_ema": (False, "draw with and keep the averaged weights"),
        "ema_inv_gamma": (1.0, "of the decay of the average, 1 - (1 + step / inv_gamma)^-power"),
        "ema_power": (3 / 4, "see there"),
        "ema_max_decay": (0.9999, "its upper bound"),
        "prediction_type": ("epsilon", "what the UNet answers with"),
        "ddpm_num_steps": (1000, "timesteps of the noise schedule"),
        "ddpm_num_inference_steps": (
            1000,
            "steps to draw with; as many as timesteps means: 20, of a fast one",
        ),
        "ddpm_beta_schedule": ("linear", "linear, scaled_linear, squaredcos_cap_v2 (cosine) or sigmoid"),
    },
    "training": {
        "num_epochs": (100, "passes over the data"),
        "max_train_steps": (0, "optimizer steps, in the place of --num_epochs"),
        "gradient_accumulation_steps": (1, "batches whose gradients are averaged for a step"),
        "learning_rate": (1e-4, "after the warm-up"),
        "lr_scheduler": ("cosine", "what follows the warm-up"),
        "lr_warmup_steps": (500, "in optimizer steps"),
        "adam_beta1": (0.95, "AdamW's"),
        "adam_beta2": (0.999, "AdamW's"),
        "adam_weight_decay": (1e-6, "AdamW's"),
        "adam_epsilon": (1e-8, "AdamW's"),
        "max_grad_norm": (1.0, "gradients are scaled down to this norm"),
        "snr_gamma": (0.0, "weight the timesteps by min-SNR; 5 in the paper, 0 for none"),
        "seed": (0, "same seed, same run"),
        "mixed_precision": ("no", "no, bf16 or fp16"),
        "compile": (False, "torch.compile the UNet"),
        "channels_last": (False, "memory layout that tensor cores like"),
        "gradient_checkpointing": (False, "less memory, a third more time"),
        "enable_xformers_memory_efficient_attention": (False, "attention of the package xformers"),
        "local_rank": (-1, "for launchers that pass it; the environment decides"),
    },
    "what is kept": {
        "output_dir": ("ddpm-model-64", "for the model, its checkpoints and samples"),
        "overwrite_output_dir": (False, "delete what an earlier run left in it"),
        "save_images_epochs": (10, "draw samples every so many epochs"),
        "save_model_epochs": (10, "write the model every so many epochs"),
        "checkpointing_steps": (500, "write all that a resumed run needs every so many steps"),
        "checkpoints_total_limit": (0, "how many of these stay; 0 for all"),
        "resume_from_checkpoint": ("", '"latest", or the path of one'),
        "logger": ("tensorboard", "tensorboard or wandb"),
        "report_to": ("", "the same, or none"),
        "logging_dir": ("logs", "for TensorBoard or wandb, in --output_dir"),
        "push_to_hub": (False, "share the model in the end"),
        "hub_model_id": ("", "its name there, by default that of --output_dir"),
        "hub_private_repo": (False, "hide it"),
        "hub_token": ("", "an access token; better: `hf auth login`"),
    },
}
CHOICES = {
    "prediction_type": PREDICTION_TYPES,
    "lr_scheduler": LR_SCHEDULERS,
    "ddpm_beta_schedule": ("linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"),
    "mixed_precision": ("no", "fp16", "bf16"),
    "logger": ("tensorboard", "wandb"),
    "report_to": ("tensorboard", "wandb", "none"),
}
POSITIVE = ("resolution", "train_batch_size", "eval_batch_size", "num_epochs", "gradient_accumulation_steps")
POSITIVE += ("save_images_epochs", "save_model_epochs", "checkpointing_steps", "ddpm_num_steps")
POSITIVE += ("ddpm_num_inference_steps",)


def make_parser(description: str) -> argparse.ArgumentParser:
    """Build the parser; options that are not given and have no default are None."""
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    for title, options in OPTIONS.items():
        group = parser.add_argument_group(title)
        for name, (default, text) in options.items():
            if default is False:
                group.add_argument(f"--{name}", action="store_true", help=text)
                continue
            shown = f"{text} (default: %(default)s)" if default not in ("", 0) else text
            about = {"default": default or None, "choices": CHOICES.get(name), "help": shown}
            if name in ("dataloader_num_workers", "seed"):
                about["default"] = default
            group.add_argument(f"--{name}", type=type(default), **about)
    return parser


def read_options(description: str, arguments=None) -> argparse.Namespace:
    """Read and check the command line; what does not fit together ends with status 2."""
    parser = make_parser(description)
    args = parser.parse_args(arguments)
    if bool(args.dataset_name) == bool(args.train_data_dir):
        both = "both are" if args.dataset_name else "neither is"
        parser.error(f"give one of --dataset_name and --train_data_dir: {both} given")
    for name in POSITIVE:
        if getattr(args, name) < 1:
            parser.error(f"--{name} must be at least 1, not {getattr(args, name)}")
    if args.push_to_hub and not (args.hub_token or get_token()):
        parser.error("--push_to_hub needs a token: run `hf auth login`, or set HF_TOKEN")
    if args.hub_model_id:
        try:
            validate_repo_id(args.hub_model_id)
        except ValueError as error:
            parser.error(f"--hub_model_id: {error}")
    if args.start_from and args.model_config_name_or_path:
        parser.error("--start_from brings its own UNet: leave --model_config_name_or_path out")
    return args


def check_output(args: argparse.Namespace) -> None:
    """Refuse an output folder that holds something, unless the run goes on from it or may delete it."""
    folder, resumed = Path(args.output_dir), args.resume_from_checkpoint
    if folder.is_file():
        raise ValueError(f"--output_dir {folder} is a file")
    if resumed or args.overwrite_output_dir or not folder.is_dir() or not os.listdir(folder):
        return
    advice = "--overwrite_output_dir deletes it, --resume_from_checkpoint=latest goes on with it"
    raise ValueError(f"{folder} is not empty: take another --output_dir; {advice}")


def find_checkpoint(args) -> bool | Path:
    """Return what `train` is to resume from: the newest (True), one checkpoint, or none (False)."""
    chosen, folder = args.resume_from_checkpoint, Path(args.output_dir)
    if not chosen:
        return False
    found = list_checkpoints(folder)
    if chosen == "latest" and found:
        return True
    for path in (Path(chosen), folder / Path(chosen).name):
        if (path / "state.json").is_file():
            return path
    names = ", ".join(path.name for path in found) or "none"
    raise ValueError(f"--resume_from_checkpoint={chosen}: no such checkpoint; those in {folder}: {names}")
