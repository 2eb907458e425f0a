"""Distil the shipped sprite model into one that draws in few steps: progressive distillation.

    python scripts/distill.py
    python scripts/distill.py --levels 4 2 1 --keep 2

Each level halves the steps (arXiv 2202.00512): a student learns to do in one step what its teacher does in
two. The first teacher is the shipped model, in 8 steps of Heun; then each student teaches the next. A run
that is stopped goes on after the last level that was done.
"""

import argparse
import copy
import json
import time
from pathlib import Path

import torch
from diffusers import DDPMPipeline
from diffusers.optimization import get_cosine_schedule_with_warmup
from diffusers.training_utils import EMAModel
from tqdm import trange

from helpers import RESULTS
from helpers.datasets import load_sprites
from helpers.evaluation import markdown_table
from helpers.files import describe_device, package_versions, write_file
from helpers.sampling import make_scheduler
from helpers.walks import make_denoiser, sample_ode
from helpers.weights import load_pipeline
from scripts import few_steps_scores
from scripts.cards import save_trained, stamp

ROOT = Path(__file__).resolve().parents[1]
TEACHER_STEPS = 8
BATCH = 100


def make_student_scheduler(noise_scheduler):
    """Return the scheduler of a student: DDIM's step, evenly spaced timesteps, the first at sigma = 20.

    The student predicts the noise, as its teacher does, so it begins as a copy of it that needs nothing but
    the difference. The paper takes x_0 or v, since at no signal at all the noise says nothing of x_0. Here
    a twentieth of the signal is left, and an error of the noise is an error of x_0 times 20, which the loss
    counts. In a trial of 120 steps v was ahead at the first step, and far behind at all others.
    """
    if noise_scheduler.config.prediction_type != "epsilon":
        raise ValueError(
            f'the model to distil must predict the noise, "epsilon"; this one has prediction_type '
            f'"{noise_scheduler.config.prediction_type}"'
        )
    return make_scheduler(noise_scheduler, "dpm-solver++", solver_order=1)


def check_levels(levels: list[int], keep: int | None = None) -> None:
    """Raise ValueError unless each level halves the steps of the one before, from the teacher's 8 on."""
    if not levels or any(2 * b != a for a, b in zip([TEACHER_STEPS, *levels], levels, strict=False)):
        raise ValueError(f"levels must halve the teacher's {TEACHER_STEPS} steps, as in 4 2 1; got {levels}")
    if keep not in (None, *levels):
        raise ValueError(f"keep must be one of the levels {levels}; got {keep}")


def make_pairs(teacher, order: int, images, noise_scheduler, steps: int, seed: int) -> tuple:
    """Walk two of a teacher's steps from noisy images, and say what one step would need to get there.

    Parameters
    ----------
    teacher : callable (x, sigma) → x_0, see `helpers.walks.make_denoiser`
    order : 1 if the teacher is a student, which knows its own timesteps only, or 2 for steps of Heun
    images : Tensor [n, c, h, w]
    steps : int, of the student

    Returns
    -------
    x_t, timesteps, noise, weights : Tensors, n rows for the first step and n / 3 for each other
        Inputs and targets of the student, and what an error counts.
    """
    scheduler, rows = make_student_scheduler(noise_scheduler), []
    generator = torch.Generator().manual_seed(seed)
    scheduler.set_timesteps(2 * steps)
    fine, timesteps = scheduler.sigmas.double(), scheduler.timesteps[::2]
    for i, t in enumerate(timesteps):
        sigma, middle, sigma_next = fine[2 * i : 2 * i + 3]
        if order == 2:  # anywhere will do: halfway in log sigma
            middle = (sigma * sigma_next).sqrt() if sigma_next > 0 else sigma / 4
        # The first step out of the noise is by far the hardest: the others get a third of the images.
        for batch in images[: len(images) if i == 0 else len(images) // 3].split(BATCH):
            x = batch + sigma * torch.randn(batch.shape, generator=generator)
            walked = sample_ode(teacher, x, [sigma, middle, sigma_next], order=order)
            noise = (x - walked) / (sigma - sigma_next)  # one step of Euler with this noise leads there
            # The truncated SNR of the paper, max(SNR, 1), times the squared error of x_0 = x - sigma · noise.
            weights = torch.full((len(batch),), max(1.0, float(sigma) ** 2))
            rows.append((x / (1 + sigma**2).sqrt(), t.repeat(len(batch)), noise, weights))
    return tuple(torch.cat(parts) for parts in zip(*rows, strict=True))


def fit(unet, pairs: tuple, num_steps: int, batch_size: int, learning_rate: float, seed: int) -> float:
    """Train a student on its pairs, leave it with averaged weights; return its mean loss at the end."""
    generator, parameters, losses = torch.Generator().manual_seed(seed), list(unet.parameters()), []
    optimizer = torch.optim.AdamW(parameters, learning_rate, weight_decay=0.01)
    lr_scheduler = get_cosine_schedule_with_warmup(optimizer, min(50, num_steps // 10), num_steps)
    ema = EMAModel(parameters, decay=0.99, use_ema_warmup=True, power=3 / 4)
    unet.train()
    for _ in trange(num_steps, desc="student", mininterval=10):
        chosen = torch.randint(len(pairs[0]), (batch_size,), generator=generator)
        x_t, timesteps, noise, weights = (part[chosen] for part in pairs)
        errors = (unet(x_t, timesteps).sample - noise).square().mean((1, 2, 3))
        loss = (weights * errors).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        lr_scheduler.step()
        ema.step(parameters)
        losses.append(loss.item())
    ema.copy_to(parameters)
    unet.eval()
    return sum(losses[-100:]) / len(losses[-100:])


def distil(pipeline, images, levels: list[int], place: Path, **settings) -> list[DDPMPipeline]:
    """Train a student for each level, the first from the pipeline's own UNet; skip those that are in `place`.

    Settings are those of `fit` (num_steps, batch_size, learning_rate, seed).
    """
    check_levels(levels)
    noise_scheduler, order, students = pipeline.scheduler, 2, []
    teacher, trained = pipeline.unet.eval(), noise_scheduler
    for steps in levels:
        folder, begun = place / f"steps-{steps}", time.monotonic()
        record = {"steps": steps, "order_of_the_teacher": order, "images": len(images), **settings}
        if not is_done(folder, record):
            student = copy.deepcopy(teacher).requires_grad_()
            denoise = make_denoiser(teacher, trained)
            pairs = make_pairs(denoise, order, images, noise_scheduler, steps, settings["seed"])
            record["mean_loss_of_last_100_steps"] = round(fit(student, pairs, **settings), 5)
            record["seconds"] = round(time.monotonic() - begun)
            save_trained(folder, record, DDPMPipeline(student, make_student_scheduler(noise_scheduler)))
            print(record, flush=True)
        students.append(load_pipeline(str(folder)))
        teacher, trained, order = students[-1].unet.eval(), students[-1].scheduler, 1
    return students


def is_done(folder: Path, settings: dict) -> bool:
    """Whether a level was trained before with these settings."""
    file = folder / "training.json"
    if not file.is_file():
        return False
    stored = json.loads(file.read_text(encoding="utf-8"))
    return all(stored[key] == value for key, value in settings.items())


def card_table(run: dict) -> str:
    """Make the model card's table out of training.json."""
    kept = run["levels"][-1]
    rows = {
        "command": f"`{run['command']}`",
        "steps": f"{kept['steps']}, no more and no fewer",
        "students, by steps": ", then ".join(str(level["steps"]) for level in run["levels"]),
        "training of each": f"{kept['num_steps']:,} × {kept['batch_size']}, from {kept['images']:,} sprites",
        "learning rate": f"{kept['learning_rate']}, cosine decay",
        "device": run["device"],
        "wall-clock seconds": ", ".join(f"{level['seconds']:,}" for level in run["levels"]),
        "versions": ", ".join(f"{name} {version}" for name, version in run["versions"].items()),
    }
    return markdown_table(("", ""), rows.items())


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--levels", type=int, nargs="+", default=[4], help="steps of each student")
    parser.add_argument("--keep", type=int, help="the level that is kept; by default the last")
    parser.add_argument("--images", type=int, default=2400, help="sprites that the teacher walks from")
    parser.add_argument("--num-steps", type=int, default=600, help="of training, for each level")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--samples", type=int, default=400, help="sprites for each score")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=ROOT / "weights", help="folder that holds the weights")
    parser.add_argument("--checkpoints", type=Path, default=ROOT / "runs", help="where each level is kept")
    return parser.parse_args()


def main() -> None:
    args = read_options()
    keep = args.keep or args.levels[-1]
    check_levels(args.levels, keep)
    pipeline, settings = load_pipeline("unconditional"), {}
    for name in ("num_steps", "batch_size", "learning_rate", "seed"):
        settings[name] = getattr(args, name)
    dataset = load_sprites("train")
    chosen = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(args.seed))[: args.images]
    images = dataset.as_tensor()[chosen]
    students = distil(pipeline, images, args.levels, args.checkpoints / "distill", **settings)
    words = {"levels": " ".join(map(str, args.levels)), "keep": keep, "images": args.images} | settings
    words |= {"samples": args.samples}
    options = [f"--{name.replace('_', '-')} {value}" for name, value in words.items()]
    command = " ".join(["python scripts/distill.py", *options])
    records = [
        json.loads((args.checkpoints / "distill" / f"steps-{steps}" / "training.json").read_text("utf-8"))
        for steps in args.levels[: args.levels.index(keep) + 1]
    ]
    facts = {"device": describe_device(torch.device("cpu")), "versions": package_versions()}
    run = {"command": command, "data": "data/sprites.npz, split train", "levels": records, **facts}
    place = args.output / "few_steps"
    students[args.levels.index(keep)].unet.half()  # kept with 16 bits a weight, loaded as float32
    save_trained(place, run, students[args.levels.index(keep)])
    students[args.levels.index(keep)] = load_pipeline(str(place.resolve()))  # as a reader loads it
    result = few_steps_scores.compare(pipeline, students, args.levels, args.samples, args.seed)
    figure = few_steps_scores.picture(result.pop("drawn"), args.levels)
    write_file(args.output / "few_steps.png", figure.to_png())
    stored = json.dumps({"command": command} | result | facts, indent=1) + "\n"
    shipped = args.output == ROOT / "weights"
    write_file((RESULTS if shipped else args.output) / "few_steps.json", stored.encode())
    stamp(args.output / "README.md", "few_steps", card_table(run))
    stamp(args.output / "README.md", "few_steps scores", few_steps_scores.scores_table(result))
    print(few_steps_scores.scores_table(result))


if __name__ == "__main__":
    main()
