"""Distillation: what a student is taught, one level and a run that is gone on with, what is refused."""

import json
import sys

import pytest
import torch
from conftest import make_noise_scheduler, make_unet
from diffusers import DDPMPipeline, DDPMScheduler

from helpers import load_results
from helpers.datasets import load_sprites
from helpers.models import build_noise_scheduler
from helpers.sampling import sample_images
from helpers.walks import make_denoiser, sample_ode
from helpers.weights import load_pipeline
from scripts import distill, few_steps_scores

SETTINGS = {"num_steps": 3, "batch_size": 4, "learning_rate": 1e-3, "seed": 0}


@pytest.fixture
def pipeline(one_thread):
    return DDPMPipeline(make_unet().eval(), build_noise_scheduler())


@pytest.fixture
def images():
    return load_sprites("test").as_tensor()[:6]


@pytest.mark.parametrize("order", [1, 2])
def test_one_step_with_the_target_leads_where_two_of_the_teacher_lead(order, pipeline, images):
    teacher = make_denoiser(pipeline.unet, pipeline.scheduler)
    with torch.no_grad():
        x_t, timesteps, noise, weights = distill.make_pairs(teacher, order, images, pipeline.scheduler, 4, 0)
    scheduler = distill.make_student_scheduler(pipeline.scheduler)
    scheduler.set_timesteps(8)
    fine = scheduler.sigmas.double()
    if order == 2:
        fine[1::2] = torch.cat([(fine[0:-3:2] * fine[2:-1:2]).sqrt(), fine[-3:-2] / 4])
    scheduler.set_timesteps(4)
    assert timesteps.unique().flip(0).tolist() == scheduler.timesteps.tolist()
    assert torch.bincount(timesteps)[scheduler.timesteps].tolist() == [6, 2, 2, 2]
    for i, t in enumerate(scheduler.timesteps):
        rows = timesteps == t
        once = scheduler.step(noise[rows], t, x_t[rows]).prev_sample
        sigma, sigma_next = fine[2 * i], fine[2 * i + 2]
        x = x_t[rows] * (1 + sigma**2).sqrt()
        twice = sample_ode(teacher, x, fine[2 * i : 2 * i + 3], order=order)
        torch.testing.assert_close(once, twice / (1 + sigma_next**2).sqrt(), atol=1e-4, rtol=1e-4)
        assert weights[rows].tolist() == pytest.approx([max(1, float(sigma) ** 2)] * int(rows.sum()))


def test_student_learns_its_pairs(pipeline, images):
    teacher = make_denoiser(pipeline.unet, pipeline.scheduler)
    pairs = distill.make_pairs(teacher, 2, images, pipeline.scheduler, 4, 0)
    first = distill.fit(make_unet().eval(), pairs, **SETTINGS | {"num_steps": 1})
    assert distill.fit(make_unet().eval(), pairs, **SETTINGS | {"num_steps": 60}) < 0.9 * first


def test_levels_are_written_load_and_are_not_trained_again(pipeline, images, tmp_path, monkeypatch):
    before = {name: value.clone() for name, value in pipeline.unet.state_dict().items()}
    students = distill.distil(pipeline, images, [4, 2], tmp_path, **SETTINGS)
    assert all(torch.equal(before[name], value) for name, value in pipeline.unet.state_dict().items())
    for steps, student in zip((4, 2), students, strict=True):
        drawn = student(2, num_inference_steps=steps, output_type="np").images
        assert drawn.shape == (2, 16, 16, 3)
        loaded = load_pipeline(str(tmp_path / f"steps-{steps}"))
        walks = [sample_images(s.unet, s.scheduler, 2, steps) for s in (student, loaded)]
        assert torch.equal(*walks)
    monkeypatch.setattr(distill, "fit", None)  # would fail if it were called
    again = distill.distil(pipeline, images, [4, 2], tmp_path, **SETTINGS)
    assert torch.equal(*(s[1].unet.conv_out.weight for s in (students, again)))
    with pytest.raises(TypeError):
        distill.distil(pipeline, images, [4], tmp_path, **SETTINGS | {"seed": 1})


def test_level_that_stops_halfway_leaves_nothing(pipeline, images, tmp_path, monkeypatch):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(distill, "fit", stop)
    with pytest.raises(KeyboardInterrupt):
        distill.distil(pipeline, images, [4], tmp_path, **SETTINGS)
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("levels", "keep"), [([], None), ([8], None), ([2], None), ([4, 1], None), ([4, 2, 0], None), ([4], 2)]
)
def test_levels_that_do_not_halve_are_refused(levels, keep):
    with pytest.raises(ValueError, match=r"halve the teacher's 8 steps|keep must be one of the levels"):
        distill.check_levels(levels, keep)


def test_a_model_that_does_not_predict_the_noise_is_refused():
    with pytest.raises(ValueError, match=r'must predict the noise.*"v_prediction"'):
        distill.make_student_scheduler(make_noise_scheduler("v_prediction"))


@pytest.mark.slow
def test_script_keeps_a_level_with_its_card(tmp_path, monkeypatch, one_thread):
    weights = tmp_path / "weights"
    weights.mkdir()
    marks = "".join(f"<!-- {mark} -->\n<!-- /{mark} -->\n" for mark in ("few_steps", "few_steps scores"))
    (weights / "README.md").write_text(marks)
    tiny = DDPMPipeline(make_unet().eval(), build_noise_scheduler())
    load = distill.load_pipeline
    monkeypatch.setattr(
        distill, "load_pipeline", lambda name: tiny if name == "unconditional" else load(name)
    )
    options = "--levels 4 2 --keep 4 --images 8 --num-steps 2 --batch-size 4 --samples 200"
    places = ["--output", str(weights), "--checkpoints", str(tmp_path / "runs")]
    monkeypatch.setattr(sys, "argv", ["distill.py", *options.split(), *places])
    distill.main()
    loaded = load_pipeline("few_steps", weights)
    assert loaded.unet.dtype == torch.float32 and loaded.scheduler.config.solver_order == 1
    run = json.loads((weights / "few_steps/training.json").read_text())
    result = json.loads((weights / "few_steps.json").read_text())
    assert [level["steps"] for level in run["levels"]] == [4]
    assert {row["model_calls"] for row in result["rows"] if row["model"] == "distilled"} == {2, 4}
    card = (weights / "README.md").read_text()
    assert distill.card_table(run) in card and few_steps_scores.scores_table(result) in card
    assert (weights / "few_steps.png").stat().st_size > 1000


def test_shipped_student_is_small_and_its_card_shows_what_was_measured(one_thread):
    folder = distill.ROOT / "weights" / "few_steps"
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) <= 6_000_000
    run, result = json.loads((folder / "training.json").read_text()), load_results("few_steps")
    card = (distill.ROOT / "weights/README.md").read_text(encoding="utf-8")
    assert distill.card_table(run) in card and few_steps_scores.scores_table(result) in card
    assert run["command"] == result["command"]
    scheduler = load_pipeline("few_steps").scheduler
    assert not isinstance(scheduler, DDPMScheduler)
    scheduler.set_timesteps(run["levels"][-1]["steps"])
    assert float(scheduler.sigmas[0]) == pytest.approx(20, abs=0.1)
