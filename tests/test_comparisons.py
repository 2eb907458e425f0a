"""The scripts behind the stored comparisons: they run, small, and their tables show what they stored."""

import json

import pytest
import torch
from conftest import make_conditional_unet, make_noise_scheduler, make_unet

from benchmarks import compare_conditioning, compare_objectives, profile_training
from helpers.datasets import load_sprites
from helpers.evaluation import extract_features
from helpers.pipelines import LabelEmbedder

ROOT = compare_conditioning.ROOT


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


def test_guidance_at_one_is_the_plain_prediction(few, monkeypatch):
    monkeypatch.setattr(compare_conditioning, "DEFAULT_STEPS", 2)
    unet, condition = small(5)
    unet.eval(), condition.eval()
    labels = torch.eye(5)
    plain = compare_conditioning.draw(unet, condition, labels)
    assert torch.equal(plain, compare_conditioning.draw(unet, condition, labels, guidance_scale=1.0))
    assert not torch.equal(plain, compare_conditioning.draw(unet, condition, labels, guidance_scale=3.0))


def test_objectives_table_has_a_row_for_each_sampler():
    score = {"value": 3.0, "low": 2.5, "high": 3.5, "num_samples": 500}
    rows = [
        {"sampler": name, "steps": n, "frechet_distance": score}
        for name, *_, n in compare_objectives.SCHEDULERS
    ]
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


def test_profile_adds_up(one_thread, tmp_path, monkeypatch):
    step = profile_training.make_trainer(batch_size=2)
    parts = profile_training.shares(step)
    assert sum(parts.values()) == pytest.approx(1, abs=0.01)
    assert parts["convolutions, backward"] > parts["matrix products"] and parts["convolutions, forward"] > 0


@pytest.mark.parametrize(
    ("file", "marker", "table"),
    [
        ("objectives.json", "objectives", compare_objectives.table),
        ("profile.json", "profile", profile_training.table),
    ],
)
def test_readme_agrees_with_the_stored_comparison(file, marker, table):
    path = ROOT / "benchmarks" / "results" / file
    if not path.is_file():
        pytest.skip(f"{file} is not stored yet")
    page = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    found = page.split(f"<!-- {marker} -->")[1].split(f"<!-- /{marker} -->")[0]
    assert found.strip() == table(json.loads(path.read_text(encoding="utf-8")))


def test_stored_ways_in_are_the_ones_that_are_built():
    stored = json.loads((ROOT / "benchmarks" / "results" / "conditioning.json").read_text(encoding="utf-8"))
    for name, build in compare_conditioning.VARIANTS.items():
        parts = [part for part in build(5) if isinstance(part, torch.nn.Module)]
        assert stored["variants"][name]["parameters"] == sum(p.numel() for m in parts for p in m.parameters())
