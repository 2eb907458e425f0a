"""Score students of few steps beside the model that they were distilled from, for `scripts/distill.py`."""

import torch

from helpers.datasets import load_sprites
from helpers.evaluation import Score, extract_features, frechet_distance, markdown_table, real_halves
from helpers.plotting import plot_generated_images
from helpers.sampling import make_scheduler, quantize, sample_images
from helpers.walks import make_sigmas, walk_images

COLS, BATCH = 12, 100
# Of the shipped model, for comparison: name → scheduler, its settings, and the numbers of model calls.
UNDISTILLED = {
    "DDIM": ("dpm-solver++", {"solver_order": 1}, (1, 2, 4, 8)),
    "DPM-Solver++ 2M": ("dpm-solver++", {"solver_order": 2}, (4, 8)),
    "SDE-DPM-Solver++": ("sde-dpm-solver++", {}, (8,)),
}


def judge(name: str, images: torch.Tensor, calls: int, reference) -> dict:
    """Score what a model has drawn in so many calls."""
    distance = frechet_distance(extract_features(quantize(images.nan_to_num(0))), reference)
    print(f"{name}, {calls}: {distance:.2f}", flush=True)
    return {"model": name, "model_calls": calls, "frechet_distance": distance._asdict()}


def teacher_sigmas(noise_scheduler, steps: int) -> torch.Tensor:
    """The noise levels that the first teacher of a student of so many steps walks over."""
    scheduler = make_scheduler(noise_scheduler, "dpm-solver++", solver_order=1)
    scheduler.set_timesteps(steps)
    sigmas = scheduler.sigmas.double()
    middles = torch.cat([(sigmas[:-2] * sigmas[1:-1]).sqrt(), sigmas[-2:-1] / 4])
    return torch.cat([torch.stack([sigmas[:-1], middles], 1).flatten(), sigmas[-1:]])


def compare(pipeline, students: list, levels: list[int], samples: int, seed: int) -> dict:
    """Score the students and the shipped model at equal numbers of calls, and real sprites."""
    reference, others = real_halves(extract_features(load_sprites("all").as_tensor()))
    options, rows, drawn = {"seed": seed, "batch_size": BATCH}, [], {}
    parts = pipeline.unet, pipeline.scheduler
    for name, (scheduler, settings, counts) in UNDISTILLED.items():
        for calls in counts:
            sampler = make_scheduler(pipeline.scheduler, scheduler, **settings)
            images = drawn[name, calls] = sample_images(pipeline.unet, sampler, samples, calls, **options)
            rows.append(judge(f"undistilled, {name}", images, calls, reference))
    for calls in (2, 4, 8):
        images = walk_images(*parts, make_sigmas("karras", calls), samples, history=1, **options)
        rows.append(judge("undistilled, 2M with Karras's sigmas", images, calls, reference))
    sigmas = teacher_sigmas(pipeline.scheduler, 4)
    images = drawn["teacher", 15] = walk_images(*parts, sigmas, samples, order=2, **options)
    rows.append(judge("the teacher: undistilled, Heun", images, 15, reference))
    for steps, student in zip(levels, students, strict=True):
        with_its_own = student.unet, student.scheduler, samples, steps
        images = drawn["distilled", steps] = sample_images(*with_its_own, **options)
        rows.append(judge("distilled", images, steps, reference))
    floor = frechet_distance(others[:samples], reference)._asdict()
    return {"rows": rows, "floor": floor, "samples": samples, "seed": seed, "drawn": drawn}


def scores_table(result: dict) -> str:
    """Make the model card's table of scores."""
    calls = sorted({row["model_calls"] for row in result["rows"]})
    names = list(dict.fromkeys(row["model"] for row in result["rows"]))
    found = {(row["model"], row["model_calls"]): Score(**row["frechet_distance"]) for row in result["rows"]}
    lines = [
        [name, *(f"{found[name, n]:.1f}" if (name, n) in found else "–" for n in calls)] for name in names
    ]
    lines.append(["real sprites", *[f"{Score(**result['floor']):.1f}"] * len(calls)])
    return markdown_table(["model", *(f"{n} call{'s' * (n > 1)}" for n in calls)], lines)


def picture(drawn: dict, levels: list[int]):
    """Draw the first sprites of the shipped model in few calls, of each student and the teacher."""
    last = levels[-1]
    rows = {f"undistilled, {last} call{'s' * (last > 1)}": ("DDIM", last)}
    rows |= {f"distilled, {n} call{'s' * (n > 1)}": ("distilled", n) for n in levels}
    rows |= {"teacher, 15 calls": ("teacher", 15)}
    tiles = torch.cat([drawn[row][:COLS] for row in rows.values()])
    return plot_generated_images(tiles, len(rows), COLS, scale=3, titles=list(rows))
