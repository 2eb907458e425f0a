"""One loop for every scheduler: against diffusers' own pipelines, reproducible, and strict about settings."""

import inspect
from dataclasses import asdict

import pytest
import torch
from conftest import make_noise_scheduler, make_unet
from diffusers import DDIMPipeline, DDIMScheduler, DDPMPipeline, DDPMScheduler

from benchmarks import compare_samplers as compare_samplers_script
from helpers.datasets import load_sprites
from helpers.evaluation import (
    SamplerSettings,
    Score,
    ablation_table,
    compare_samplers,
    comparison_table,
    mean_score,
    quality_curves,
    summary_table,
)
from helpers.sampling import SCHEDULERS, make_scheduler, sample_images


@pytest.fixture(scope="module")
def unet(one_thread):
    return make_unet().eval()


def as_tensor(images) -> torch.Tensor:
    """What a pipeline returns as "np", in [-1, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2) * 2 - 1


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
def test_ddpm_is_that_of_diffusers(unet, prediction_type):
    scheduler = make_noise_scheduler(prediction_type)
    theirs = DDPMPipeline(unet, scheduler)
    theirs.set_progress_bar_config(disable=True)
    expected = theirs(3, torch.Generator().manual_seed(5), num_inference_steps=10, output_type="np").images
    ours = sample_images(unet, make_scheduler(scheduler, "ddpm"), 3, 10, seed=5)
    torch.testing.assert_close(ours, as_tensor(expected), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim_is_that_of_diffusers(unet, eta):
    scheduler = DDIMScheduler.from_config(make_noise_scheduler().config, clip_sample=False)
    theirs = DDIMPipeline(unet, scheduler)
    theirs.set_progress_bar_config(disable=True)
    options = {"eta": eta, "num_inference_steps": 10, "output_type": "np"}
    expected = theirs(3, torch.Generator().manual_seed(5), **options).images
    ours = sample_images(unet, make_scheduler(make_noise_scheduler(), "ddim"), 3, 10, eta=eta, seed=5)
    torch.testing.assert_close(ours, as_tensor(expected), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("sampler", list(SCHEDULERS))
def test_every_sampler_draws_and_repeats_itself(unet, sampler):
    scheduler = make_scheduler(make_noise_scheduler(), sampler)
    first = sample_images(unet, scheduler, 5, 6, seed=1, batch_size=2)
    assert first.shape == (5, 3, 16, 16) and first.isfinite().all() and first.abs().max() <= 1
    assert torch.equal(sample_images(unet, scheduler, 5, 6, seed=1, batch_size=2), first)
    assert not torch.equal(sample_images(unet, scheduler, 5, 6, seed=2, batch_size=2), first)


@pytest.mark.parametrize("sampler", list(SCHEDULERS))
def test_no_sampler_starts_where_there_is_no_signal(sampler):
    trained = DDPMScheduler(num_train_timesteps=500, beta_schedule="squaredcos_cap_v2")
    scheduler = make_scheduler(trained, sampler)
    scheduler.set_timesteps(20)
    first = trained.alphas_cumprod[int(scheduler.timesteps[0])]
    ratio = first / (1 - first)
    assert 0.04 < float(ratio) ** 0.5 < 0.15
    # A scheduler that was exchanged before leaves nothing of its spacing behind.
    again = make_scheduler(make_scheduler(trained), sampler)
    again.set_timesteps(20)
    assert torch.equal(again.timesteps, scheduler.timesteps)


@pytest.mark.parametrize("sampler", list(SCHEDULERS))
def test_samplers_start_from_the_same_noise(unet, sampler, monkeypatch):
    scheduler, starts = make_scheduler(make_noise_scheduler(), sampler), []
    step = scheduler.step

    def watch(prediction, t, sample, *args, **options):
        starts.append(sample / scheduler.init_noise_sigma)
        return step(prediction, t, sample, *args, **options)

    monkeypatch.setattr(scheduler, "step", watch)
    sample_images(unet, scheduler, 2, 4, seed=3)
    noise = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(starts[0], noise)


def test_looks_on_the_way(unet):
    scheduler = make_scheduler(make_noise_scheduler(), "ddim")
    images, trajectory = sample_images(unet, scheduler, 3, 5, record_steps=(0, 4), batch_size=2)
    assert [t for t, _, _ in trajectory] == [40, 0] and trajectory[0][1].shape == (2, 3, 16, 16)
    noise = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(trajectory[0][1], noise)
    # The last step, to the clean picture, returns its own estimate.
    torch.testing.assert_close(trajectory[1][2].clamp(-1, 1), images[:2])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda u, s: sample_images(u, s, 2, 0), "from 1 to 50; got 0"),
        (lambda u, s: sample_images(u, s, 2, 51), "from 1 to 50; got 51"),
        (lambda u, s: sample_images(u, s, 2, 5, eta=1.2), "eta must be from 0"),
        (
            lambda u, s: sample_images(u, make_scheduler(s, "sde-dpm-solver++"), 2, 50),
            "50 is more than the 4. timesteps that this DPMSolver",
        ),
        (lambda u, s: make_scheduler(s, "pndm"), "unknown sampler 'pndm'; expected one of ddpm, ddim"),
        (
            lambda u, s: make_scheduler(s, "ddim", timestep_spacing="karras"),
            "no timestep_spacing 'karras'; it has lead",
        ),
        (lambda u, s: make_scheduler(s, "ddim", clip=True), "DDIMScheduler has no setting clip"),
    ],
)
def test_wrong_settings_are_refused_before_any_work(call, words):
    with pytest.raises(ValueError, match=words):
        call(None, make_scheduler(make_noise_scheduler(), "ddim"))


@pytest.mark.parametrize("sampler", list(SCHEDULERS))
def test_samplers_keep_a_noise_schedule_that_was_left_at_its_default(sampler):
    trained_with = DDPMScheduler(num_train_timesteps=50)  # linear, by default
    made = make_scheduler(trained_with, sampler)
    torch.testing.assert_close(made.alphas_cumprod, trained_with.alphas_cumprod)


@pytest.mark.parametrize("sampler", list(SCHEDULERS))
@pytest.mark.parametrize("between", list(SCHEDULERS))
def test_a_sampler_is_the_same_whichever_it_is_made_from(between, sampler):
    direct, detour = (
        make_scheduler(make_noise_scheduler(), sampler),
        make_scheduler(make_noise_scheduler(), between),
    )
    again = make_scheduler(detour, sampler)
    for name in inspect.signature(type(direct).__init__).parameters.keys() - {"self"}:
        assert direct.config[name] == again.config[name], name


@pytest.mark.parametrize("sampler", list(SCHEDULERS))
def test_later_batches_start_from_the_same_noise_too(unet, sampler, monkeypatch):
    scheduler, starts = make_scheduler(make_noise_scheduler(), sampler), []
    step, first = scheduler.step, []

    def watch(prediction, t, sample, *args, **options):
        first[:] = first or [t]
        if t == first[0]:
            starts.append(sample / scheduler.init_noise_sigma)
        return step(prediction, t, sample, *args, **options)

    monkeypatch.setattr(scheduler, "step", watch)
    sample_images(unet, scheduler, 3, 4, seed=3, batch_size=2)
    generator = torch.Generator().manual_seed(3)
    expected = [torch.randn(n, 3, 16, 16, generator=generator) for n in (2, 1)]
    torch.testing.assert_close(starts, expected)


def test_weights_of_half_precision_draw(one_thread):
    images = sample_images(make_unet().to(torch.bfloat16), make_scheduler(make_noise_scheduler()), 2, 3)
    assert images.dtype == torch.float32 and images.isfinite().all()


# --- comparing them -------------------------------------------------------------------------------


def test_comparison_scores_every_sampler_on_the_same_noise(unet):
    reference = load_sprites("test").as_tensor()
    settings = [SamplerSettings("ddim", 2), SamplerSettings("ddim", 3, eta=1.0), SamplerSettings("heun", 2)]
    rows = compare_samplers(unet, make_noise_scheduler(), settings, reference, 200, seeds=(0, 1))
    assert [row["name"] for row in rows] == ["ddim (eta=0)", "ddim (eta=1)", "heun"]
    assert [row["model_calls"] for row in rows] == [2, 3, 3]
    for row in rows:
        score = row["frechet_distance"]
        assert score["low"] <= score["value"] <= score["high"] and score["num_samples"] == 400
        assert row["seconds_per_image"] > 0 and row["precision"]["value"] < 0.2
    alone = compare_samplers(unet, make_noise_scheduler(), settings[:1], reference, 200, seeds=(1,))
    both = rows[0]["frechet_distance"]["value"]
    first = compare_samplers(unet, make_noise_scheduler(), settings[:1], reference, 200, seeds=(0,))
    mean = (alone[0]["frechet_distance"]["value"] + first[0]["frechet_distance"]["value"]) / 2
    assert both == pytest.approx(mean, rel=1e-6)


def test_heun_calls_the_unet_as_often_as_it_says(unet, monkeypatch):
    calls, forward = [], unet.forward
    monkeypatch.setattr(unet, "forward", lambda *args, **kw: calls.append(1) or forward(*args, **kw))
    for setting in (SamplerSettings("heun", 4), SamplerSettings("unipc", 4)):
        calls.clear()
        sample_images(unet, make_scheduler(make_noise_scheduler(), setting.sampler), 1, 4)
        assert len(calls) == setting.model_calls


def test_interval_over_seeds_is_students():
    scores = [Score(value, 0, 9, 100) for value in (1.0, 2.0, 3.0)]
    mean = mean_score(scores)
    assert mean.value == 2 and mean.num_samples == 300
    assert mean.high == pytest.approx(2 + 4.303 * 1 / 3**0.5, rel=1e-4)  # 4.303 stands in the tables of t


def test_settings_a_scheduler_does_not_have_stop_the_comparison_before_it_begins():
    good, bad = SamplerSettings("ddim", 2), SamplerSettings("ddpm", 51)
    with pytest.raises(ValueError, match="from 1 to 50; got 51"):
        compare_samplers(None, make_noise_scheduler(), [good, bad], torch.zeros(300, 48), 200)


def test_script_asks_for_what_the_notebook_shows():
    rows = compare_samplers_script.comparison(500) + compare_samplers_script.ablation()
    keys = [compare_samplers_script.key(asdict(row)) for row in rows]
    assert len(set(keys)) == len(keys)
    for row in rows:
        make_scheduler(make_noise_scheduler(), row.sampler, **row.scheduler)
    assert {500, 10} <= {row.num_inference_steps for row in rows if row.sampler == "ddpm"}


# --- tables -----------------------------------------------------------------------------------------


def row(settings: SamplerSettings, value: float) -> dict:
    """A row as `compare_samplers` makes it, with this Fréchet distance."""
    scores = {
        name: {"value": value, "low": value - 0.5, "high": value + 0.5, "num_samples": 200}
        for name in ("frechet_distance", "precision", "recall")
    }
    facts = {"name": settings.name, "model_calls": settings.model_calls, "seconds_per_image": 0.004}
    return asdict(settings) | facts | scores


ROWS = [
    row(SamplerSettings("ddim", 10), 9.0),
    row(SamplerSettings("ddim", 20), 4.2),
    row(SamplerSettings("ddim", 50), 4.0),
    row(SamplerSettings("heun", 10), 5.0),
    row(SamplerSettings("ddim", 10, eta=1.0), 8.0),
]


def test_comparison_table_shows_cost_scores_and_floor():
    floor = {name: ROWS[0][name] for name in ("frechet_distance", "precision", "recall")}
    lines = comparison_table(ROWS, floor).splitlines()
    assert len(lines) == 2 + len(ROWS) + 1 and {line.count("|") for line in lines} == {8}
    assert lines[2].startswith("| ddim (eta=0) | 10 | 10 | 9.00 [8.50, 9.50] |") and lines[2].endswith(
        "| 4 |"
    )
    assert "| heun | 10 | 19 |" in lines[5] and lines[-1].startswith("| real sprites | – | – | 9.00")


def test_summary_names_the_fewest_steps_near_the_best():
    lines = summary_table(ROWS).splitlines()
    assert lines[2] == "| ddim (eta=0) | no | 1 | 4.00 | 20 | 4 |"
    assert lines[3].startswith("| heun | no | 2 |") and lines[4].startswith("| ddim (eta=1) | yes | 1 |")
    assert summary_table(ROWS, within=0.01).splitlines()[2] == "| ddim (eta=0) | no | 1 | 4.00 | 50 | 4 |"


def test_summary_takes_a_note_for_each_sampler():
    notes = {"ddim (eta=0)": "first", "heun": "second", "ddim (eta=1)": "third"}
    lines = summary_table(ROWS, notes=notes).splitlines()
    assert lines[0].endswith("| when to use |") and [x.split(" | ")[-1] for x in lines[2:]] == [
        "first |",
        "second |",
        "third |",
    ]
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


def test_curves_have_a_point_for_each_row():
    curves = quality_curves(ROWS)
    assert list(curves) == ["ddim (eta=0)", "heun", "ddim (eta=1)"]
    assert curves["ddim (eta=0)"][1] == (20, 4.2, 3.7, 4.7) and curves["heun"][0][0] == 19
