"""Train the shipped weights: the configuration of the notebook, only longer.

    python scripts/train.py unconditional
    python scripts/train.py label_conditioned
    python scripts/train.py unconditional --start-from unconditional --seed 1 --learning-rate 0.001

A run that is stopped goes on from its last checkpoint when the same command is given again. The last
line trains shipped weights further: a new run with a new seed, from their values on. Weights that are
there already and score clearly better than the new ones are kept, unless --force is given.
"""

import argparse
import json
import math
import shlex
import shutil
from dataclasses import asdict
from pathlib import Path

import torch
from diffusers import DDPMPipeline

from helpers.datasets import load_sprites
from helpers.evaluation import Score, load_classifier
from helpers.evaluation.tables import markdown_table
from helpers.files import describe_device, package_versions, write_folder
from helpers.models import build_label_conditioned, build_unconditional
from helpers.pipelines import ConditionalDDPMPipeline
from helpers.sampling import make_scheduler
from helpers.training import TrainingConfig, TrainingHistory, choose_precision, get_device, train
from helpers.training.checkpoints import save_average
from helpers.weights import find_weights, load_pipeline
from scripts import training_pictures
from scripts.cards import save_trained, stamp
from scripts.training_pictures import earlier_trainings

ROOT = Path(__file__).resolve().parents[1]


def load_start(name: str, unet, class_net=None) -> dict:
    """Copy the weights of a pipeline, ValueError if it is not built alike; return its training record."""
    folder = find_weights(name)
    pipeline = load_pipeline(str(folder))
    for part, built in {"unet": unet, "class_net": class_net}.items():
        if built is None:
            continue
        stored = getattr(pipeline, part, None)
        shapes = [{k: v.shape for k, v in m.state_dict().items()} for m in (stored, built) if m is not None]
        if len(shapes) < 2 or shapes[0] != shapes[1]:
            expected = "start from one that is built alike"
            raise ValueError(f"{name} has another {part} than the one to train; {expected}")
        built.load_state_dict(stored.state_dict())
    return json.loads((folder / "training.json").read_text(encoding="utf-8"))


def record(config: TrainingConfig, history: TrainingHistory, **origin) -> dict:
    """Collect what the model card says about a run; `origin` is its data, command and start."""
    tail = history.losses[-500:]
    return origin | {
        "config": asdict(config),
        "precision": choose_precision(config.mixed_precision, get_device()),
        "device": describe_device(get_device()),
        "seconds": round(history.seconds),
        "images_seen": config.num_steps * config.batch_size * config.gradient_accumulation_steps,
        "mean_loss_of_last_500_steps": round(sum(tail) / len(tail), 5),
        "versions": package_versions(),
    }


def images_in_all(run: dict) -> int:
    """Count the images of a run and of those that it started from."""
    return run["images_seen"] + sum(before["images_seen"] for before in earlier_trainings(run))


def card_table(run: dict) -> str:
    """Make the model card's table out of training.json."""
    config, commands, start = run["config"], [f"`{run['command']}`"], run.get("started_from")
    while start:
        commands.insert(0, f"`{start['command']}` ({start['images_seen']:,} images, {start['seconds']:,} s)")
        start = start.get("started_from")
    images, total = f"{run['images_seen']:,} images", images_in_all(run)
    images += f" of {total:,} in all" if total > run["images_seen"] else ""
    rows = {
        "command": ", then ".join(commands),
        "data": run["data"],
        "steps × batch": f"{config['num_steps']:,} × {config['batch_size']} ({images})",
        "learning rate": f"{config['learning_rate']}, warm-up {config['warmup_steps']} steps, cosine decay",
        "EMA decay": config["ema_decay"],
        "min-SNR γ": config.get("snr_gamma"),
        "seed": config["seed"],
        "precision": "float32" if run["precision"] == "no" else run["precision"],
        "device": run["device"],
        "wall-clock seconds": f"{run['seconds']:,}",
        "loss (mean of the last 500 steps)": run["mean_loss_of_last_500_steps"],
        "versions": ", ".join(f"{name} {version}" for name, version in run["versions"].items()),
    }
    return markdown_table(("", ""), [(name, str(value)) for name, value in rows.items() if value is not None])


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=["unconditional", "label_conditioned"])
    parser.add_argument("--steps", type=int, default=16_000)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--learning-rate", type=float, default=TrainingConfig.learning_rate)
    parser.add_argument("--snr-gamma", type=float, help="weight the timesteps by min-SNR; 5 in the paper")
    parser.add_argument("--start-from", help="weights to train further: a folder in weights/, or a path")
    parser.add_argument("--data", type=Path, help="another sprites.npz")
    parser.add_argument("--output", type=Path, default=ROOT / "weights", help="folder that holds them")
    parser.add_argument("--checkpoints", type=Path, default=ROOT / "runs", help="where to keep the state")
    parser.add_argument("--log-with", choices=["tensorboard", "wandb"], help="follow the run")
    parser.add_argument("--sample-every", type=int, help="draw pictures for the log every so many steps")
    parser.add_argument("--force", action="store_true", help="replace weights that score better, too")
    training_pictures.add_samples_option(parser)
    return parser.parse_args()


def repeat_command(args: argparse.Namespace) -> str:
    """Return the command that trains the same weights again."""
    options = f"--steps {args.steps} --batch-size {args.batch_size} --seed {args.seed}".split()
    for name in ("learning_rate", "snr_gamma"):
        if getattr(args, name) != getattr(TrainingConfig, name):
            options += [f"--{name.replace('_', '-')}", str(getattr(args, name))]
    options += ["--start-from", Path(args.start_from).name] if args.start_from else []
    return shlex.join(["python", "scripts/train.py", args.model, *options])


def is_clearly_lower(old: Score, new: Score) -> bool:
    """Whether the old distance is lower by more than the 95 % interval of the difference of both."""
    return new.value - old.value > math.hypot(new.value - new.low, old.high - old.value)


def holds_rivals(place: Path, force: bool) -> bool:
    """Whether there are weights to compare with; ValueError if they are damaged."""
    return not force and (place / "model_index.json").is_file() and bool(find_weights(str(place)))


def replace_weights(place: Path, new: Path, score: Score, samples: int) -> None:
    """Put the new weights in the place of the old ones; exit with both scores if these are clearly better."""
    old = training_pictures.score(load_pipeline(str(place)), samples)[1]
    scores = f"Fréchet distance {old} of the weights there, {score} of the new ones, {samples:,} sprites each"
    if is_clearly_lower(old, score):
        advice = f"the new ones are in {new}; the same command with --force puts them there"
        raise SystemExit(f"{place} is left as it was: {scores}; {advice}")
    print(f"{place} is replaced: {scores}")
    write_folder(place, lambda temporary: shutil.copytree(new, temporary, dirs_exist_ok=True))
    shutil.rmtree(new)


def keep(pipeline, run: dict, place: Path, losses: list[float], args) -> None:
    """Write weights, record, picture and card; until they have scored, beside what is there already."""
    rivals = holds_rivals(place, args.force)
    folder = place.with_name(f"{place.name}-new") if rivals else place

    save_trained(folder, run, pipeline)
    story = training_pictures.follow(folder, args.model, args.checkpoints, losses, args.samples)
    if rivals:
        replace_weights(place, folder, story.end, args.samples)
    print(training_pictures.write_story(story, place))
    card, text = args.output / "README.md", training_pictures.card_text(story.scores, args.model)
    stamp(card, args.model, card_table(run))
    stamp(card, f"{args.model} training", text)


def main() -> None:
    args = read_options()
    place = (args.output / args.model).resolve()
    load_classifier()  # what the end needs is missed now, not after hours
    if holds_rivals(place, args.force):
        print(f"{place} holds weights: the new ones replace them at the end, unless they score clearly worse")
    torch.manual_seed(args.seed)
    dataset, class_net = load_sprites("train", path=args.data), None
    if args.model == "unconditional":
        unet, noise_scheduler = build_unconditional()
    else:
        unet, class_net, noise_scheduler = build_label_conditioned(dataset.class_names)
    command = repeat_command(args)
    start = load_start(args.start_from, unet, class_net) if args.start_from else None
    if start and start["command"] == command:
        raise ValueError(
            f"{args.start_from} is the result of this very command; to go on, take another --seed"
        )
    settings = {"num_steps": args.steps} | {
        name: getattr(args, name) for name in ("batch_size", "seed", "learning_rate", "snr_gamma")
    }
    state = args.checkpoints / training_pictures.checkpoint_name(args.model, args.seed, start)
    if start:  # what the first training ended with, for the picture of the way
        modules = torch.nn.ModuleList(module for module in (unet, class_net) if module is not None)
        save_average(state, 0, modules, modules.parameters())
    steps = training_pictures.average_steps(args.steps)
    options = {"checkpoint_dir": state, "checkpoint_minutes": 5, "average_steps": steps}
    options |= {"log_with": args.log_with, "sample_every": args.sample_every}
    history = train(unet, noise_scheduler, dataset, condition=class_net, **options, **settings)
    data = f"{args.data or 'data/sprites.npz'}, split train"
    run = record(TrainingConfig(**settings), history, command=command, started_from=start, data=data)
    if class_net is None:
        pipeline = DDPMPipeline(unet.cpu(), noise_scheduler)
    else:
        pipeline = ConditionalDDPMPipeline(unet.cpu(), class_net.cpu(), make_scheduler(noise_scheduler))
    keep(pipeline, run, place, history.losses, args)
    print(f"{place}: loss {run['mean_loss_of_last_500_steps']}, {run['seconds']} s")


if __name__ == "__main__":
    main()
