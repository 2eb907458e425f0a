"""The scripts behind the stored comparisons: they run, small, and their tables show what they stored."""

import pytest
import torch
from conftest import make_conditional_unet, make_noise_scheduler, make_unet

from benchmarks import compare_conditioning, compare_objectives, profile_training
from benchmarks.json_files import read_or_begin, write_json
from helpers import load_results
from helpers.datasets import load_sprites
from helpers.evaluation import extract_features
from helpers.pipelines import LabelEmbedder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def few(one_thread):
    """A few sprites of each class."""
    return load_sprites("train").subset(slice(0, None, 300))


@pytest.mark.parametrize("name", list(compare_conditioning.VARIANTS))
def test_each_way_in_makes_the_label_count(name, few):
    torch.manual_seed(0)
    unet, condition = compare_conditioning.VARIANTS[name](5)
    unet.eval()
    images, t = torch.randn(2, 3, 16, 16), torch.tensor([100, 400])
    with torch.no_grad():
        answers = []
        for number in (0, 3):
            extra = condition(torch.eye(5)[[number, number]])
            extra = extra if isinstance(extra, dict) else {"encoder_hidden_states": extra}
            answers.append(unet(images, t, **extra).sample)
    assert answers[0].shape == images.shape and not torch.allclose(*answers)


def small(num_classes: int):
    """A cross-attention UNet of a few thousand weights."""
    return make_conditional_unet(16, 8), LabelEmbedder(num_classes, 8, label_dropout=0.1)


def test_comparison_trains_and_scores_with_and_without_guidance(few, monkeypatch):
    monkeypatch.setattr(compare_conditioning, "DEFAULT_STEPS", 2)
    monkeypatch.setitem(compare_conditioning.VARIANTS, compare_conditioning.DROPPED, small)
    reference = extract_features(load_sprites("test").as_tensor())
    rows = compare_conditioning.compare(compare_conditioning.DROPPED, few, 2, 200, reference)
    assert list(rows) == [compare_conditioning.DROPPED, f"{compare_conditioning.DROPPED}, guidance 2"]
    plain, guided = rows.values()
    assert plain["steps"] == 2 and plain["parameters"] == guided["parameters"] > 1000
    assert plain["label_accuracy"]["num_samples"] == 200
    assert plain["frechet_distance"] != guided["frechet_distance"]


def test_objectives_table_has_a_row_for_each_sampler():
    score = {"value": 3.0, "low": 2.5, "high": 3.5, "num_samples": 500}
    samplers = [(name, n) for name, *_, n in compare_objectives.SCHEDULERS]
    rows = [{"sampler": name, "steps": n, "frechet_distance": score} for name, n in samplers]
    table = compare_objectives.table({"models": {"noise": rows, "v": rows}, "floor": score}).splitlines()
    assert table[0] == "| sampler | steps | noise | v |"
    assert len(table) == 3 + len(compare_objectives.SCHEDULERS)
    assert all(line.count("|") == 5 for line in table)
    assert table[-1].startswith("| real sprites | – | 3.0 [2.5, 3.5] |")


def test_sampler_that_blows_up_is_scored_and_not_hidden(one_thread):
    from diffusers import DDPMPipeline

    pipeline = DDPMPipeline(make_unet().eval(), make_noise_scheduler())
    with torch.no_grad():
        pipeline.unet.conv_out.weight.fill_(torch.nan)
    reference = extract_features(load_sprites("test").as_tensor())
    settings = ("DDIM", "ddim", {}, 10)
    row = compare_objectives.score(pipeline, pipeline.scheduler, reference, 200, settings)
    assert row["frechet_distance"]["value"] > 50


def test_profile_adds_up(one_thread, monkeypatch):
    monkeypatch.setitem(profile_training.VARIANTS, "small", (2, lambda unet: unet))
    parts = profile_training.shares(profile_training.make_recipe("small").train_step)
    assert sum(parts.values()) == pytest.approx(1, abs=0.01)
    assert parts["convolutions, backward"] > parts["matrix products"] and parts["convolutions, forward"] > 0


def test_run_that_was_stopped_is_gone_on_with_if_the_command_is_the_same(tmp_path):
    path = tmp_path / "rows.json"
    assert read_or_begin(path, "measure 5", rows=[]) == {"command": "measure 5", "rows": []}
    write_json(path, {"command": "measure 5", "rows": [1]})
    assert read_or_begin(path, "measure 5", rows=[])["rows"] == [1]
    assert read_or_begin(path, "measure 6", rows=[]) == {"command": "measure 6", "rows": []}


def test_stored_ways_in_are_the_ones_that_are_built():
    stored = load_results("conditioning")
    for name, build in compare_conditioning.VARIANTS.items():
        parts = [part for part in build(5) if isinstance(part, torch.nn.Module)]
        assert stored["variants"][name]["parameters"] == sum(p.numel() for m in parts for p in m.parameters())
