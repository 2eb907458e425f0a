"""Train a model on your own pictures: the options of diffusers' example of this name, our loop.

    accelerate launch scripts/train_unconditional.py --train_data_dir=my/photos --resolution=64 --use_ema
    accelerate launch --cpu --num_processes 2 scripts/train_unconditional.py --dataset_name=sprites \\
        --resolution=16 --output_dir=runs/sprites --max_train_steps=100

The UNet follows the resolution, see `helpers.models.build_unet`. A run that was stopped goes on with the same
command and --resume_from_checkpoint=latest. `--help` lists all options.
"""

import json
import os
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
from PIL import Image

from helpers import datasets
from helpers.files import describe_device, package_versions
from helpers.models import build_unet
from helpers.sampling import DEFAULT_STEPS, check_steps, make_scheduler, sample_images
from helpers.sharing import push_to_hub, save_with_card
from helpers.training import get_device, train
from helpers.training.tracking import log_samples, make_grid
from helpers.weights import load_pipeline
from scripts.unconditional_options import check_output, find_checkpoint, read_options

RANK, PROCESSES = (int(os.environ.get(name, default)) for name, default in (("RANK", 0), ("WORLD_SIZE", 1)))
# What a run writes into its output folder.
OWN = ("checkpoint-*", "samples", "unet", "scheduler", "model_index.json", "README.md", "samples.png")
OWN += ("training.json",)


def open_dataset(args):
    """Open the pictures: bundled ones in memory, others read from disk when they are asked for."""
    name, size, flip = args.dataset_name, args.resolution, args.random_flip
    classes = args.dataset_config_name and args.dataset_config_name.split(",")
    if name == "emoji":
        return datasets.load_emoji("train", size, classes, flip)
    if name in ("sprites", "digits"):
        if name == "sprites" and size != 16:
            raise ValueError(f"the sprites are 16×16: take --resolution=16, not {size}")
        options = {"image_size": size} if name == "digits" else {}
        dataset = getattr(datasets, f"load_{name}")("train", flip=flip, **options)
        return dataset.select(classes) if classes else dataset
    precise = args.preserve_input_precision
    transform = datasets.make_augmentation(size, args.center_crop, flip, precise)
    if name:
        return datasets.open_hub_dataset(name, transform, args.dataset_config_name, args.cache_dir)
    return datasets.open_image_folder(args.train_data_dir, transform)


def build_model(args) -> tuple[UNet2DModel, DDPMScheduler]:
    """Build the UNet and the noise scheduler, or take those of a trained pipeline."""
    if args.start_from:
        pipeline = load_pipeline(args.start_from)
        return pipeline.unet, DDPMScheduler.from_config(pipeline.scheduler.config)
    torch.manual_seed(args.seed)
    if args.model_config_name_or_path:
        unet = UNet2DModel.from_config(UNet2DModel.load_config(args.model_config_name_or_path))
    else:
        unet = build_unet(args.resolution)
    kinds = {"beta_schedule": args.ddpm_beta_schedule, "prediction_type": args.prediction_type}
    return unet, DDPMScheduler(args.ddpm_num_steps, **kinds)


def prepare(unet: UNet2DModel, args) -> None:
    """Do to the UNet what the options ask for."""
    if args.channels_last:
        unet.to(memory_format=torch.channels_last)
    if args.gradient_checkpointing:
        unet.enable_gradient_checkpointing()
    if args.enable_xformers_memory_efficient_attention:
        unet.enable_xformers_memory_efficient_attention()
    if args.compile:
        unet.compile()


def count_steps(args, images: int) -> tuple[int, float]:
    """Return the optimizer steps of the run, and those of an epoch."""
    batches = max(1, images // (args.train_batch_size * PROCESSES))  # too few images are refused by `train`
    per_epoch = batches / args.gradient_accumulation_steps
    return args.max_train_steps or max(1, int(args.num_epochs * per_epoch)), per_epoch


class Keeper:
    """Draws samples and writes the model when they are due."""

    def __init__(self, args, noise_scheduler, num_steps: int, per_epoch: float):
        self.args, self.noise_scheduler, self.folder = args, noise_scheduler, Path(args.output_dir)
        self.scheduler, steps = make_scheduler(noise_scheduler), args.ddpm_num_inference_steps
        # As many steps as timesteps are a matter of minutes, and draw no better.
        self.steps = steps if steps < args.ddpm_num_steps else min(steps, DEFAULT_STEPS)
        check_steps(self.scheduler, self.steps)
        self.image_steps, self.model_steps = (
            {round(k * every * per_epoch) for k in range(1, 1 + int(num_steps / (every * per_epoch)))}
            for every in (args.save_images_epochs, args.save_model_epochs)
        )
        self.image_steps.add(num_steps)
        self.model_steps.discard(num_steps)  # that one gets its card
        self.picture = None

    def __call__(self, trainer) -> None:
        """Do what is due after the step that was just taken."""
        if trainer.step in self.image_steps:
            with trainer.averaged_weights():
                samples = self.draw(trainer.unet, f"step-{trainer.step:08d}.png")
            if trainer.accelerator.log_with:
                log_samples(trainer, self.args.report_to, samples)
        if trainer.step in self.model_steps:
            with trainer.averaged_weights():
                DDPMPipeline(trainer.unet, self.noise_scheduler).save_pretrained(self.folder)

    def draw(self, unet, name: str):
        """Draw from the same noises each time; write the picture, and return it as an array."""
        options = {"seed": self.args.seed, "batch_size": self.args.eval_batch_size}
        images = sample_images(unet, self.scheduler, self.args.eval_batch_size, self.steps, **options)
        (self.folder / "samples").mkdir(parents=True, exist_ok=True)
        samples = make_grid(images)
        self.picture = Image.fromarray(samples)
        self.picture.save(self.folder / "samples" / name)
        return samples

    def finish(self, unet, record: dict) -> None:
        """Write the model, its card and the record of the run, file by file in the place of older ones."""
        if self.picture is None:
            self.draw(unet, "end.png")
        name, data, size = hub_name(self.args), record["data"], record["resolution"]
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".model-") as scratch:
            staging = save_with_card(
                DDPMPipeline(unet, self.noise_scheduler),
                Path(scratch, "model"),
                repo_id=name,
                description=f"Draws pictures like those of {data}, {size}×{size} pixels.",
                data=data,
                limits="It draws what it was trained on, and no more.",
                license="other",
                picture=self.picture,
                training={key: value for key, value in record.items() if not isinstance(value, dict)},
            )
            (staging / "training.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
            for file in [path for path in staging.rglob("*") if path.is_file()]:
                place = self.folder / file.relative_to(staging)
                place.parent.mkdir(exist_ok=True)
                os.replace(file, place)


def hub_name(args) -> str:
    """Return what the model is called on the Hub."""
    return args.hub_model_id or re.sub(r"[^A-Za-z0-9]+", "-", Path(args.output_dir).resolve().name).strip("-")


def describe(args, history, num_steps: int) -> dict:
    """Collect what the card says about a run."""
    tail = history.losses[-500:]
    command = shlex.join(["python", "scripts/train_unconditional.py", *sys.argv[1:]])
    return {
        # A run that was stopped and went on is that of the same command without a stop.
        "command": re.sub(r" --resume_from_checkpoint[= ]\S+", "", command),
        "data": args.dataset_name or Path(args.train_data_dir).name,
        "resolution": args.resolution,
        "steps": num_steps,
        "processes": PROCESSES,
        "images_seen": num_steps * args.train_batch_size * args.gradient_accumulation_steps * PROCESSES,
        "mean_loss_of_last_500_steps": round(sum(tail) / len(tail), 5),
        "device": describe_device(get_device()),
        "seconds": round(history.seconds),
        "versions": package_versions(),
    }


def run(args) -> None:
    """Check all, then train, then keep."""
    if RANK == 0:
        check_output(args)
    dataset, (unet, noise_scheduler) = open_dataset(args), build_model(args)
    num_steps, per_epoch = count_steps(args, len(dataset))
    keeper, resume = Keeper(args, noise_scheduler, num_steps, per_epoch), find_checkpoint(args)
    prepare(unet, args)
    if args.overwrite_output_dir and not resume and RANK == 0:
        for path in [p for name in (*OWN, args.logging_dir) for p in Path(args.output_dir).glob(name)]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    args.report_to = args.report_to or args.logger
    tracker = None if args.report_to == "none" else args.report_to
    history = train(
        unet,
        noise_scheduler,
        dataset,
        num_steps,
        batch_size=args.train_batch_size,
        gradient_accumulation_steps=args.gradient_accumulation_steps,
        learning_rate=args.learning_rate,
        lr_scheduler=args.lr_scheduler,
        warmup_steps=args.lr_warmup_steps,
        weight_decay=args.adam_weight_decay,
        optimizer_options={"betas": (args.adam_beta1, args.adam_beta2), "eps": args.adam_epsilon},
        max_grad_norm=args.max_grad_norm,
        ema_decay=args.ema_max_decay if args.use_ema else 0.0,
        ema_options={"inv_gamma": args.ema_inv_gamma, "power": args.ema_power},
        mixed_precision=args.mixed_precision,
        snr_gamma=args.snr_gamma,
        seed=args.seed,
        num_workers=args.dataloader_num_workers,
        checkpoint_dir=args.output_dir,
        checkpoint_steps=args.checkpointing_steps,
        checkpoints_total_limit=args.checkpoints_total_limit,
        resume=resume,
        log_with=tracker,
        log_dir=tracker and Path(args.output_dir, args.logging_dir),
        on_step=keeper,
    )
    if RANK == 0:
        keeper.finish(unet.cpu(), describe(args, history, num_steps))
        print(
            f"{args.output_dir}: {num_steps:,} steps, {history.seconds:,.0f} s, loss {history.losses[-1]:.4f}"
        )
    if RANK == 0 and args.push_to_hub:
        options = {"token": args.hub_token, "private": args.hub_private_repo}
        print(push_to_hub(args.output_dir, hub_name(args), **options))


def main() -> None:
    args = read_options(__doc__.splitlines()[0])
    try:
        run(args)
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        text = str(error).strip().splitlines() or [type(error).__name__]
        in_worker = "DataLoader worker" in text[0]
        # A traceback helps who mends this program; a reader is told what is wrong, in one line.
        if type(error) is RuntimeError and not in_worker:
            raise
        sys.exit(f"train_unconditional: {text[-1 if in_worker else 0]}" if RANK == 0 else 1)
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
