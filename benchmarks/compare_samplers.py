"""DDPM, DDIM and modern samplers on the shipped weights, for notebook 03: quality against cost.

Writes benchmarks/results/samplers.json after each row; a run that is stopped goes on. It takes over an hour.
"""

import json
from dataclasses import asdict

from diffusers import DDPMPipeline

from benchmarks.json_files import machine_facts, parse_options, read_or_begin, real_features, write_json
from helpers.evaluation import SamplerSettings, compare_samplers, score_sets
from helpers.weights import find_weights

STEPS = (10, 20, 50, 100)


def comparison(training_steps: int) -> list[SamplerSettings]:
    """Every sampler at every number of steps; the whole training length for DDPM and DDIM."""
    kinds = [("ddpm", 0.0), ("ddim", 0.0), ("ddim", 0.5), ("ddim", 1.0)]
    kinds += [("dpm-solver++", 0.0), ("sde-dpm-solver++", 0.0)]
    rows = [SamplerSettings(sampler, n, eta) for sampler, eta in kinds for n in STEPS]
    # As many calls, but for one; five steps would start at t = 400 of 500, where there is too much signal.
    rows += [SamplerSettings("heun", n // 2) for n in STEPS if n > 10]
    return rows + [SamplerSettings(sampler, training_steps) for sampler in ("ddpm", "ddim")]


def ablation() -> list[SamplerSettings]:
    """What DDIM's settings do: clipping × spacing × steps, and the noise estimate computed anew."""
    rows = [
        SamplerSettings("ddim", n, 0.0, {"clip_sample": clip, "timestep_spacing": spacing})
        for clip in (True, False)
        for spacing in ("leading", "trailing", "linspace")
        for n in (10, 20, 50)
    ]
    clipped, again = {"clip_sample": True}, {"use_clipped_model_output": True}
    top = clipped | {"timestep_spacing": "trailing"}
    return rows + [SamplerSettings("ddim", n, 0.0, s, again) for s in (clipped, top) for n in (10, 20, 50)]


def key(row: dict) -> str:
    """What makes a row of the results the row of certain settings."""
    parts = ("sampler", "num_inference_steps", "eta", "scheduler", "step")
    return json.dumps({part: row[part] for part in parts}, sort_keys=True)


def main() -> None:
    options = {"samples": (200, "for each seed"), "seeds": ([0, 1, 2, 3], None)}
    args = parse_options(__doc__, "compare_samplers", "samplers.json", **options)
    pipeline = DDPMPipeline.from_pretrained(find_weights("unconditional"))
    reference, others = real_features()
    result = read_or_begin(args.output, args.command, comparison=[], ablation=[])
    # The floor: as many sets of real sprites, each as large as those that are drawn.
    result["floor"] = score_sets(others.split(args.samples)[: len(args.seeds)], reference)
    result |= machine_facts()
    # The longest rows last: a run that is stopped has all others.
    parts = {"ablation": ablation(), "comparison": comparison(pipeline.scheduler.config.num_train_timesteps)}
    for part, settings in parts.items():

        def report(row: dict, part=part) -> None:
            result[part].append(row)
            write_json(args.output, result)
            print(f"{row['name']}, {row['num_inference_steps']}: {row['frechet_distance']}", flush=True)

        there = {key(row) for row in result[part]}
        missing = [setting for setting in settings if key(asdict(setting)) not in there]
        drawn_with = pipeline.unet, pipeline.scheduler, missing, reference
        compare_samplers(*drawn_with, args.samples, args.seeds, report)


if __name__ == "__main__":
    main()
