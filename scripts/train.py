"""Train the shipped weights: the configuration of the notebook, only longer.

    python scripts/train.py unconditional
    python scripts/train.py label_conditioned
    python scripts/train.py unconditional --start-from unconditional --seed 1 --learning-rate 0.001

A run that is stopped goes on from its last checkpoint when the same command is given again. The last
line trains shipped weights further: a new run with a new seed, from their values on.
"""

import argparse
import hashlib
import json
import platform
import shlex
import sys
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DConditionModel, UNet2DModel  # noqa: E402

from helpers.checkpoints import write_folder  # noqa: E402
from helpers.datasets import load_sprites  # noqa: E402
from helpers.pipelines import ConditionalDDPMPipeline, LabelEmbedder  # noqa: E402
from helpers.sampling import make_sampler  # noqa: E402
from helpers.training import TrainingConfig, TrainingHistory, choose_precision, get_device, train  # noqa: E402
from helpers.weights import find_weights, load_pipeline  # noqa: E402
from scripts.cards import stamp  # noqa: E402


def build_unconditional() -> tuple[UNet2DModel, DDPMScheduler]:
    """Build the lean UNet and the noise scheduler of notebook 01."""
    unet = UNet2DModel(
        sample_size=16,
        in_channels=3,
        out_channels=3,
        layers_per_block=1,
        block_out_channels=(32, 64, 128),
        down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        norm_num_groups=8,
    )
    return unet, build_noise_scheduler()


def build_label_conditioned(class_names) -> tuple[UNet2DConditionModel, LabelEmbedder, DDPMScheduler]:
    """Build the cross-attention UNet, the label embedder and the noise scheduler of notebook 02."""
    unet = UNet2DConditionModel(
        sample_size=16,
        in_channels=3,
        out_channels=3,
        layers_per_block=1,
        block_out_channels=(32, 64, 96),
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        cross_attention_dim=64,
        attention_head_dim=4,
        norm_num_groups=8,
    )
    class_net = LabelEmbedder(len(class_names), 64, tuple(class_names), label_dropout=0.1)
    return unet, class_net, build_noise_scheduler()


def build_noise_scheduler() -> DDPMScheduler:
    """Build the noise scheduler of the series: 500 timesteps, cosine (arXiv 2102.09672)."""
    return DDPMScheduler(num_train_timesteps=500, beta_schedule="squaredcos_cap_v2")


def describe_device(device: torch.device) -> str:
    """Name the device in words, for the model card."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return f"Apple GPU ({platform.machine()})"
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{torch.get_num_threads()} CPU threads ({platform.machine()}, {capability})"


def package_versions(names: Iterable[str] = ("torch", "diffusers")) -> dict[str, str]:
    """Versions of the packages that results depend on."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def load_start(name: str, unet, class_net=None) -> dict:
    """Copy the weights of a trained pipeline into `unet` and `class_net`; return the record of its training.

    Raises
    ------
    ValueError
        If the pipeline's parts are not built alike.
    """
    folder = find_weights(name)
    pipeline = load_pipeline(str(folder))
    for part, built in {"unet": unet, "class_net": class_net}.items():
        if built is None:
            continue
        stored = getattr(pipeline, part, None)
        shapes = [{k: v.shape for k, v in m.state_dict().items()} for m in (stored, built) if m is not None]
        if len(shapes) < 2 or shapes[0] != shapes[1]:
            raise ValueError(
                f"{name} has another {part} than the one to train; start from one that is built alike"
            )
        built.load_state_dict(stored.state_dict())
    return json.loads((folder / "training.json").read_text(encoding="utf-8"))


def record(
    config: TrainingConfig, history: TrainingHistory, data: str, command: str, start: dict | None = None
) -> dict:
    """Collect what the model card says about a run, and about the one before that it started from."""
    tail = history.losses[-500:]
    return {
        "command": command,
        "started_from": start,
        "data": f"{data}, split train",
        "config": asdict(config),
        "precision": choose_precision(config.mixed_precision, get_device()),
        "device": describe_device(get_device()),
        "seconds": round(history.seconds),
        "images_seen": config.num_steps * config.batch_size * config.gradient_accumulation_steps,
        "mean_loss_of_last_500_steps": round(sum(tail) / len(tail), 5),
        "versions": package_versions(),
    }


def card_table(run: dict) -> str:
    """Make the model card's table out of training.json."""
    config, commands, start = run["config"], [f"`{run['command']}`"], run.get("started_from")
    while start:
        commands.insert(0, f"`{start['command']}` ({start['images_seen']:,} images, {start['seconds']:,} s)")
        start = start.get("started_from")
    rows = {
        "command": ", then ".join(commands),
        "data": run["data"],
        "steps × batch": f"{config['num_steps']:,} × {config['batch_size']} ({run['images_seen']:,} images)",
        "learning rate": f"{config['learning_rate']}, warm-up {config['warmup_steps']} steps, cosine decay",
        "EMA decay": config["ema_decay"],
        "seed": config["seed"],
        "precision": "float32" if run["precision"] == "no" else run["precision"],
        "device": run["device"],
        "wall-clock seconds": f"{run['seconds']:,}",
        "loss (mean of the last 500 steps)": run["mean_loss_of_last_500_steps"],
        "versions": ", ".join(f"{name} {version}" for name, version in run["versions"].items()),
    }
    return "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows.items())])


def checkpoint_name(model: str, seed: int, start: dict | None) -> str:
    """Name the folder for a run's state; another start makes another run."""
    if start is None:
        return model
    return f"{model}-seed{seed}-{hashlib.sha256(json.dumps(start).encode()).hexdigest()[:8]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=["unconditional", "label_conditioned"])
    parser.add_argument("--steps", type=int, default=16_000)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--learning-rate", type=float, default=TrainingConfig.learning_rate)
    parser.add_argument("--start-from", help="weights to train further: a folder in weights/, or a path")
    parser.add_argument("--data", type=Path, help="another sprites.npz")
    parser.add_argument("--output", type=Path, default=ROOT / "weights", help="folder that holds them")
    parser.add_argument("--checkpoints", type=Path, default=ROOT / "runs", help="where to keep the state")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    dataset, class_net = load_sprites("train", path=args.data), None
    if args.model == "unconditional":
        unet, noise_scheduler = build_unconditional()
    else:
        unet, class_net, noise_scheduler = build_label_conditioned(dataset.class_names)
    options = f"--steps {args.steps} --batch-size {args.batch_size} --seed {args.seed}".split()
    if args.learning_rate != TrainingConfig.learning_rate:
        options += ["--learning-rate", str(args.learning_rate)]
    options += ["--start-from", Path(args.start_from).name] if args.start_from else []
    command = shlex.join(["python", "scripts/train.py", args.model, *options])
    start = load_start(args.start_from, unet, class_net) if args.start_from else None
    if start and start["command"] == command:
        raise ValueError(
            f"{args.start_from} is the result of this very command; to go on, take another --seed"
        )
    settings = {"num_steps": args.steps, "batch_size": args.batch_size, "seed": args.seed}
    settings |= {"learning_rate": args.learning_rate}
    history = train(
        unet,
        noise_scheduler,
        dataset,
        condition=class_net,
        checkpoint_dir=args.checkpoints / checkpoint_name(args.model, args.seed, start),
        checkpoint_minutes=5,
        **settings,
    )
    run = record(TrainingConfig(**settings), history, str(args.data or "data/sprites.npz"), command, start)

    def write(folder: Path) -> None:
        if class_net is None:
            pipeline = DDPMPipeline(unet.cpu(), noise_scheduler)
        else:
            pipeline = ConditionalDDPMPipeline(unet.cpu(), class_net.cpu(), make_sampler(noise_scheduler))
        pipeline.save_pretrained(folder)
        (folder / "training.json").write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")

    write_folder(args.output / args.model, write)
    stamp(args.output / "README.md", args.model, card_table(run))
    print(f"{args.output / args.model}: loss {run['mean_loss_of_last_500_steps']}, {run['seconds']} s")


if __name__ == "__main__":
    main()
