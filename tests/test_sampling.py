"""One loop for every scheduler: against diffusers' pipelines, conditioned, reproducible, and strict."""

import inspect
from dataclasses import asdict

import pytest
import torch
from conftest import make_conditional_unet, make_noise_scheduler, make_unet
from diffusers import (
    DDIMPipeline,
    DDIMScheduler,
    DDPMPipeline,
    DDPMScheduler,
    FlowMatchEulerDiscreteScheduler,
)
from test_pipelines import make_pipeline

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
from helpers.pipelines import LabelEmbedder
from helpers.sampling import (
    SCHEDULERS,
    check_steps,
    generate_images,
    good_steps,
    make_scheduler,
    quantize,
    sample_images,
)

TRAINED = DDPMScheduler(num_train_timesteps=500, beta_schedule="squaredcos_cap_v2")
STEPS = 10  # suit every scheduler made of it


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


@pytest.mark.parametrize("name", list(SCHEDULERS))
def test_every_scheduler_draws_and_repeats_itself(unet, name):
    scheduler = make_scheduler(TRAINED, name)
    first = sample_images(unet, scheduler, 5, STEPS, seed=1, batch_size=2)
    assert first.shape == (5, 3, 16, 16) and first.isfinite().all() and first.abs().max() <= 1
    assert torch.equal(sample_images(unet, scheduler, 5, STEPS, seed=1, batch_size=2), first)
    assert not torch.equal(sample_images(unet, scheduler, 5, STEPS, seed=2, batch_size=2), first)


@pytest.mark.parametrize("name", list(SCHEDULERS))
def test_no_scheduler_starts_where_there_is_no_signal(name):
    scheduler = make_scheduler(TRAINED, name)
    scheduler.set_timesteps(20)
    first = TRAINED.alphas_cumprod[int(scheduler.timesteps[0])]
    ratio = first / (1 - first)
    assert 0.04 < float(ratio) ** 0.5 < 0.15
    # A scheduler that was exchanged before leaves nothing of its spacing behind.
    again = make_scheduler(make_scheduler(TRAINED), name)
    again.set_timesteps(20)
    assert torch.equal(again.timesteps, scheduler.timesteps)


@pytest.mark.parametrize("name", list(SCHEDULERS))
def test_every_batch_starts_from_the_same_noise(unet, name, monkeypatch):
    scheduler, starts = make_scheduler(TRAINED, name), []
    step, first = scheduler.step, []

    def watch(prediction, t, sample, *args, **options):
        first[:] = first or [t]
        if t == first[0]:
            starts.append(sample / scheduler.init_noise_sigma)
        return step(prediction, t, sample, *args, **options)

    monkeypatch.setattr(scheduler, "step", watch)
    sample_images(unet, scheduler, 3, STEPS, seed=3, batch_size=2)
    generator = torch.Generator().manual_seed(3)
    expected = [torch.randn(n, 3, 16, 16, generator=generator) for n in (2, 1)]
    torch.testing.assert_close(starts, expected)


def test_trajectory_is_recorded_for_the_first_batch(unet):
    scheduler = make_scheduler(TRAINED, "ddim")
    images, trajectory = sample_images(unet, scheduler, 3, STEPS, record_steps=(0, 9), batch_size=2)
    assert [t for t, _, _ in trajectory] == [450, 0] and trajectory[0][1].shape == (2, 3, 16, 16)
    noise = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(trajectory[0][1], noise)
    # The last step, to the clean picture, returns its own estimate.
    torch.testing.assert_close(trajectory[1][2].clamp(-1, 1), images[:2])


# --- with labels ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def conditional(one_thread):
    """A cross-attention UNet, and the embedder that conditions it."""
    torch.manual_seed(0)
    return make_conditional_unet(), LabelEmbedder(3, 12, label_dropout=0.5)


@pytest.mark.parametrize("as_dict", [False, True])
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_guidance_is_the_formula_in_one_batch(conditional, monkeypatch, scale, as_dict):
    (unet, class_net), calls, steps = conditional, [], []
    scheduler, labels, forward = make_scheduler(TRAINED, "ddim"), torch.eye(3)[[0, 2]], unet.forward
    step = scheduler.step
    monkeypatch.setattr(unet, "forward", lambda x, *a, **kw: calls.append(len(x)) or forward(x, *a, **kw))
    monkeypatch.setattr(scheduler, "step", lambda *a, **kw: steps.append(a) or step(*a, **kw))
    condition = (lambda x: {"encoder_hidden_states": class_net.eval()(x)}) if as_dict else class_net
    sample_images(unet, scheduler, 2, STEPS, condition=condition, labels=labels, guidance_scale=scale)
    assert calls == [2 if scale == 1 else 4] * STEPS
    prediction, t, x_t = steps[0]
    with torch.no_grad():
        class_net.eval(), unet.eval()
        without, with_label = (forward(x_t, t, class_net(x)).sample for x in (torch.zeros(2, 3), labels))
    torch.testing.assert_close(prediction, without + scale * (with_label - without), atol=1e-5, rtol=1e-4)


def test_each_batch_gets_its_own_labels(conditional):
    unet, class_net = conditional
    options = {"condition": class_net, "labels": torch.eye(3), "guidance_scale": 2.0}
    one_by_one, at_once = (
        sample_images(unet, make_scheduler(TRAINED, "ddim"), 3, STEPS, batch_size=size, **options)
        for size in (1, 3)
    )
    torch.testing.assert_close(one_by_one, at_once, atol=1e-3, rtol=0)


def test_modules_draw_in_eval_mode_and_keep_their_own(conditional):
    unet, class_net = conditional
    unet.train(), class_net.train()
    unet.mid_block.eval()  # as of a frozen part
    options = {"condition": class_net, "labels": torch.eye(3), "seed": 1}
    images = sample_images(unet, make_scheduler(TRAINED), 3, STEPS, **options)
    modes = unet.training, unet.mid_block.training, unet.conv_out.training, class_net.training
    assert modes == (True, False, True, True)
    unet.eval(), class_net.eval()
    assert torch.equal(images, sample_images(unet, make_scheduler(TRAINED), 3, STEPS, **options))
    unet.train()
    with pytest.raises(RuntimeError):
        sample_images(unet, make_scheduler(TRAINED), 3, STEPS, **options | {"labels": torch.eye(4)[:3]})
    assert unet.training and not class_net.training


def test_pipeline_draws_as_it_does_itself_and_keeps_its_progress_bar(one_thread, capsys):
    pipeline = make_pipeline()
    pipeline.set_progress_bar_config(desc="my bar", disable=False)
    labels, generator = torch.tensor([0, 1, 2]), torch.Generator().manual_seed(4)
    options = {"num_inference_steps": STEPS, "guidance_scale": 2.0}
    expected = pipeline(labels, generator=generator, output_type="pt", **options).images * 2 - 1
    for given in (labels, torch.eye(3)):
        images = generate_images(pipeline, 3, labels=given, seed=4, **options)
        assert torch.equal(images, quantize(images))
        torch.testing.assert_close(images, expected, atol=1 / 254, rtol=0)
    capsys.readouterr()
    pipeline(labels, num_inference_steps=STEPS)
    assert "my bar" in capsys.readouterr().err


def test_quantized_images_are_what_a_picture_file_holds():
    images = torch.linspace(-1, 1, 1000)
    rounded = quantize(images)
    assert rounded.unique().numel() == 256 and (rounded - images).abs().max() <= 1.001 / 255
    torch.testing.assert_close(((rounded + 1) * 127.5), ((rounded + 1) * 127.5).round(), atol=1e-4, rtol=0)
    assert torch.equal(quantize(rounded), rounded)


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "spacing", "steps", "words"),
    [
        ("ddim", "leading", 84, r"t = 415, where √ᾱ is 0.26, above 0.2: take 83 or 88$"),
        ("ddpm", "leading", 251, r"t = 250, where √ᾱ is 0.70, above 0.2: take 250 or 436$"),
        ("heun", "leading", 5, r"t = 400, where √ᾱ is 0.3., above 0.2: take 9$"),
        ("unipc", "leading", 100, r"t = 400, where √ᾱ is 0.3., above 0.2: take 99 or 109$"),
        ("unipc", "leading", 500, r"does not fit: from t = 0 down UniPC.* has room for 1: take 499$"),
        (
            "dpm-solver++",
            "linspace",
            490,
            r"does not fit: from t = 483 down DPM.* has room for 483: take 483$",
        ),
        ("dpm-solver++", "trailing", 32, r"does not fit: from t = 483 down DPM.* has room for 31: take 31$"),
        ("ddim", "linspace", 1, r"starts from noise at t = 0, .*: take 2$"),
    ],
)
def test_steps_that_do_not_suit_are_refused_and_the_nearest_named(name, spacing, steps, words):
    scheduler = make_scheduler(TRAINED, name, timestep_spacing=spacing)
    scheduler.set_timesteps(7)
    before = scheduler.timesteps
    with pytest.raises(ValueError, match=words):
        check_steps(scheduler, steps)
    assert torch.equal(scheduler.timesteps, before) and scheduler.num_inference_steps == 7
    assert steps not in good_steps(scheduler)


@pytest.mark.parametrize("name", list(SCHEDULERS))
@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
def test_good_steps_pass_and_start_from_noise(name, spacing):
    scheduler = make_scheduler(TRAINED, name, timestep_spacing=spacing)
    good = good_steps(scheduler, 60)
    assert {10, 20, 25} <= set(good) and max(good) <= 60 and good == sorted(good)
    for steps in good:
        check_steps(scheduler, steps)
        scheduler.set_timesteps(steps)
        assert TRAINED.alphas_cumprod[int(scheduler.timesteps[0])] ** 0.5 <= 0.2


def test_schedulers_whose_start_says_nothing_are_let_pass():
    check_steps(FlowMatchEulerDiscreteScheduler(), 3)  # without alphas_cumprod
    # A schedule that ends early: no timestep is noisier than its last.
    check_steps(make_scheduler(DDPMScheduler(num_train_timesteps=50), "ddim"), 50)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda u, s: sample_images(u, s, 2, 0), "from 1 to 50; got 0"),
        (lambda u, s: sample_images(u, s, 2, 51), "from 1 to 50; got 51"),
        (lambda u, s: sample_images(u, s, 2, 5, eta=1.2), "eta must be from 0"),
        (
            lambda u, s: sample_images(u, make_scheduler(s, "sde-dpm-solver++"), 2, 50),
            "50 does not fit: from t = 4. down DPMSolverMultistepScheduler has room for 4.",
        ),
        (lambda u, s: sample_images(u, s, 0, 10), "at least 1; got 0"),
        (lambda u, s: sample_images(u, s, 2, 10, labels=torch.eye(2)), "condition and labels go together"),
        (lambda u, s: sample_images(u, s, 2, 10, guidance_scale=2.0), "other than 1 needs both"),
        (
            lambda u, s: sample_images(u, s, 2, 10, condition=len, labels=torch.eye(3)),
            "3 labels for 2 images",
        ),
        (lambda u, s: make_scheduler(s, "pndm"), "unknown scheduler 'pndm'; expected one of ddpm, ddim"),
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


@pytest.mark.parametrize("name", list(SCHEDULERS))
def test_schedulers_keep_a_noise_schedule_that_was_left_at_its_default(name):
    trained_with = DDPMScheduler(num_train_timesteps=50)  # linear, by default
    made = make_scheduler(trained_with, name)
    torch.testing.assert_close(made.alphas_cumprod, trained_with.alphas_cumprod)


@pytest.mark.parametrize("name", list(SCHEDULERS))
@pytest.mark.parametrize("between", list(SCHEDULERS))
def test_a_scheduler_is_the_same_whichever_it_is_made_from(between, name):
    direct, again = make_scheduler(TRAINED, name), make_scheduler(make_scheduler(TRAINED, between), name)
    for setting in inspect.signature(type(direct).__init__).parameters.keys() - {"self"}:
        assert direct.config[setting] == again.config[setting], setting


def test_weights_of_half_precision_draw(one_thread):
    images = sample_images(make_unet().to(torch.bfloat16), make_scheduler(make_noise_scheduler()), 2, 3)
    assert images.dtype == torch.float32 and images.isfinite().all()


# --- comparing them -------------------------------------------------------------------------------


def test_comparison_scores_every_sampler_on_the_same_noise(unet):
    reference = load_sprites("test").as_tensor()
    trailing = {"timestep_spacing": "trailing"}
    settings = [SamplerSettings("dpm-solver++", 2), SamplerSettings("ddim", 2, 1.0, trailing)]
    settings.append(SamplerSettings("heun", 2, scheduler=trailing))
    rows = compare_samplers(unet, make_noise_scheduler(), settings, reference, 200, seeds=(0, 1))
    assert [row["name"] for row in rows] == [
        "dpm-solver++",
        "ddim (eta=1, timestep_spacing=trailing)",
        "heun (timestep_spacing=trailing)",
    ]
    assert [row["model_calls"] for row in rows] == [2, 2, 3]
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
