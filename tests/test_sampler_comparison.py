"""Comparisons of samplers: the same noise for all, intervals over seeds, and the tables made of them."""

from dataclasses import asdict

import pytest
import torch
from conftest import make_noise_scheduler, make_unet
from test_sampling import TRAINED

from benchmarks import compare_samplers as compare_samplers_script
from helpers.datasets import load_sprites
from helpers.evaluation import (
    SamplerSettings,
    Score,
    ablation_curves,
    ablation_table,
    above_floor_table,
    compare_samplers,
    comparison_table,
    curves_by_noise,
    mean_score,
    quality_curves,
    summary_table,
)
from helpers.sampling import check_steps, make_scheduler, sample_images


@pytest.fixture(scope="module")
def unet(one_thread):
    return make_unet().eval()


def test_comparison_scores_every_sampler_on_the_same_noise(unet):
    reference = load_sprites("test").as_tensor()
    trailing = {"timestep_spacing": "trailing"}
    settings = [SamplerSettings("dpm-solver++", 2), SamplerSettings("ddim", 2, 1.0, trailing)]
    settings.append(SamplerSettings("heun", 2, scheduler=trailing))
    rows = compare_samplers(unet, make_noise_scheduler(), settings, reference, 200, seeds=(0, 1))
    names = ["dpm-solver++", "ddim (eta=1, timestep_spacing=trailing)", "heun (timestep_spacing=trailing)"]
    assert [row["name"] for row in rows] == names
    assert [row["model_calls"] for row in rows] == [2, 2, 3]
    for row in rows:
        score = row["frechet_distance"]
        assert score["low"] <= score["value"] <= score["high"] and score["num_samples"] == 400
        assert row["seconds_per_image"] > 0 and row["precision"]["value"] < 0.2
    alone = [
        compare_samplers(unet, make_noise_scheduler(), settings[:1], reference, 200, seeds=(seed,))[0]
        for seed in (0, 1)
    ]
    mean = sum(row["frechet_distance"]["value"] for row in alone) / 2
    assert rows[0]["frechet_distance"]["value"] == pytest.approx(mean, rel=1e-6)


def test_heun_calls_the_unet_as_often_as_it_says(unet, monkeypatch):
    calls, forward = [], unet.forward
    monkeypatch.setattr(unet, "forward", lambda *args, **kw: calls.append(1) or forward(*args, **kw))
    for setting in (SamplerSettings("heun", 10), SamplerSettings("unipc", 10)):
        calls.clear()
        sample_images(unet, make_scheduler(TRAINED, setting.sampler), 1, 10)
        assert len(calls) == setting.model_calls


def test_interval_over_seeds_is_students():
    scores = [Score(value, 0, 9, 100) for value in (1.0, 2.0, 3.0)]
    mean = mean_score(scores)
    assert mean.value == 2 and mean.num_samples == 300
    assert mean.high == pytest.approx(2 + 4.303 * 1 / 3**0.5, rel=1e-4)  # 4.303 stands in the tables of t


def test_settings_a_scheduler_does_not_have_stop_the_comparison_before_it_begins():
    good, bad = SamplerSettings("ddim", 10), SamplerSettings("ddpm", 51)
    with pytest.raises(ValueError, match="from 1 to 50; got 51"):
        compare_samplers(None, make_noise_scheduler(), [good, bad], torch.zeros(300, 48), 200)


def test_script_asks_for_what_the_notebook_shows():
    rows = compare_samplers_script.comparison(500) + compare_samplers_script.ablation()
    keys = [compare_samplers_script.key(asdict(row)) for row in rows]
    assert len(set(keys)) == len(keys)
    for row in rows:
        check_steps(make_scheduler(TRAINED, row.sampler, **row.scheduler), row.num_inference_steps, row.eta)
    assert {500, 10} <= {row.num_inference_steps for row in rows if row.sampler == "ddpm"}


def row(settings: SamplerSettings, value: float) -> dict:
    """A row as `compare_samplers` makes it, with this Fréchet distance."""
    scores = {
        name: {"value": value, "low": value - 0.5, "high": value + 0.5, "num_samples": 200}
        for name in ("frechet_distance", "precision", "recall")
    }
    facts = {"name": settings.name, "model_calls": settings.model_calls, "seconds_per_image": 0.004}
    return asdict(settings) | facts | scores


ROWS = [row(SamplerSettings("ddim", steps), value) for steps, value in ((10, 9.0), (20, 4.2), (50, 4.0))]
ROWS += [row(SamplerSettings("heun", 10), 5.0), row(SamplerSettings("ddim", 10, eta=1.0), 8.0)]


def test_comparison_table_shows_cost_scores_and_floor():
    floor = {name: ROWS[0][name] for name in ("frechet_distance", "precision", "recall")}
    lines = comparison_table(ROWS, floor).splitlines()
    assert len(lines) == 2 + len(ROWS) + 1 and {line.count("|") for line in lines} == {8}
    assert lines[2].startswith("| ddim (eta=0) | 10 | 10 | 9.00 [8.50, 9.50] |")
    assert lines[2].endswith("| 4 |")
    assert "| heun | 10 | 19 |" in lines[5] and lines[-1].startswith("| real sprites | – | – | 9.00")


def test_summary_names_the_fewest_steps_near_the_best():
    lines = summary_table(ROWS).splitlines()
    assert lines[2] == "| ddim (eta=0) | no | 1 | 4.00 | 20 | 4 |"
    assert lines[3].startswith("| heun | no | 2 |") and lines[4].startswith("| ddim (eta=1) | yes | 1 |")
    assert summary_table(ROWS, within=0.01).splitlines()[2] == "| ddim (eta=0) | no | 1 | 4.00 | 50 | 4 |"


def test_summary_takes_a_note_for_each_sampler():
    notes = {"ddim (eta=0)": "first", "heun": "second", "ddim (eta=1)": "third"}
    lines = summary_table(ROWS, notes=notes).splitlines()
    assert lines[0].endswith("| when to use |")
    assert [x.split(" | ")[-1] for x in lines[2:]] == ["first |", "second |", "third |"]
    with pytest.raises(ValueError, match=r"notes for ddim .eta=0., heun, ddim .eta=1.; got them for euler"):
        summary_table(ROWS, notes={"euler": ""})


def test_ablation_table_has_a_line_for_each_setting():
    settings = [
        SamplerSettings("ddim", n, 0.0, {"clip_sample": clip, "timestep_spacing": "trailing"})
        for clip in (True, False)
        for n in (20, 10)
    ]
    again = SamplerSettings("ddim", 20, 0.0, {"clip_sample": True}, {"use_clipped_model_output": True})
    lines = ablation_table([row(s, i + 1.0) for i, s in enumerate([*settings, again])]).splitlines()
    assert lines[0].endswith("| 10 steps | 20 steps |") and len(lines) == 5
    assert lines[2] == "| True | no | trailing | 2.00 [1.50, 2.50] | 1.00 [0.50, 1.50] |"
    assert lines[4] == "| True | yes | leading | – | 5.00 [4.50, 5.50] |"


def test_ablation_curves_are_grouped_by_spacing_and_clipping():
    clipped, trailing = {"clip_sample": True}, {"clip_sample": False, "timestep_spacing": "trailing"}
    again = {"use_clipped_model_output": True}
    settings = [SamplerSettings("ddim", n, 0.0, clipped) for n in (10, 20)]
    settings += [SamplerSettings("ddim", 10, 0.0, clipped, again), SamplerSettings("ddim", 10, 0.0, trailing)]
    panels = ablation_curves([row(s, i + 1.0) for i, s in enumerate(settings)])
    assert panels["leading"]["clipped"] == [(10, 1.0, 0.5, 1.5), (20, 2.0, 1.5, 2.5)]
    assert panels["leading"]["clipped, noise\nestimated anew"] == [(10, 3.0, 2.5, 3.5)]
    assert panels["trailing"] == {"not clipped": [(10, 4.0, 3.5, 4.5)]}


def test_above_floor_takes_the_floor_off_where_all_samplers_have_a_row():
    floor = {"frechet_distance": {"value": 1.5}}
    lines = above_floor_table(ROWS, floor, ["ddim (eta=0)", "heun"]).splitlines()
    assert lines[0] == "| above the floor | 10 steps |"
    assert lines[2:] == ["| ddim (eta=0) | 7.50 |", "| heun | 3.50 |"]


def test_curves_are_told_apart_by_fresh_noise():
    kinds = [("ddpm", 0.0), ("ddim", 0.0), ("ddim", 0.5), ("dpm-solver++", 0.0), ("sde-dpm-solver++", 0.0)]
    panels = curves_by_noise(row(SamplerSettings(name, 10, eta), 1.0) for name, eta in kinds)
    assert set(panels["without fresh noise"]) == {"ddim (eta=0)", "dpm-solver++"}
    assert set(panels["with fresh noise"]) == {"ddpm", "ddim (eta=0.5)", "sde-dpm-solver++"}


def test_curves_have_a_point_for_each_row():
    curves = quality_curves(ROWS)
    assert list(curves) == ["ddim (eta=0)", "heun", "ddim (eta=1)"]
    assert curves["ddim (eta=0)"][1] == (20, 4.2, 3.7, 4.7) and curves["heun"][0][0] == 19
