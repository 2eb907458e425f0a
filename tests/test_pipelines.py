"""The label-conditioned pipeline: formulas, round trips, schedulers, and every kind of bad input."""

import numpy as np
import pytest
import torch
from conftest import make_conditional_unet
from diffusers import DDIMScheduler, DDPMScheduler

from helpers.pipelines import ConditionalDDPMPipeline, LabelEmbedder, to_label_tensor
from helpers.sampling import SCHEDULERS

NAMES = ("hero", "food", "spell")


def make_pipeline(label_dropout: float = 0.1, **scheduler_settings) -> ConditionalDDPMPipeline:
    """Build a small pipeline with random weights, the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        class_net = LabelEmbedder(3, 12, NAMES, label_dropout)
    settings = {"num_train_timesteps": 40, "beta_schedule": "squaredcos_cap_v2"}
    settings |= {"timestep_spacing": "trailing"} | scheduler_settings  # with which any number of steps suits
    pipeline = ConditionalDDPMPipeline(
        make_conditional_unet().eval(), class_net.eval(), DDPMScheduler(**settings)
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def pipeline(one_thread):
    return make_pipeline()


def seeded(*seeds: int):
    """One generator, or a list of them."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return generators[0] if len(seeds) == 1 else generators


def draw(pipeline, labels=("hero", "food"), seed=0, **options) -> torch.Tensor:
    """Draw as tensors, in few steps."""
    options = {"num_inference_steps": 4, "output_type": "pt", "generator": seeded(seed)} | options
    return pipeline(list(labels), **options).images


def test_loop_is_that_of_the_papers(pipeline):
    generator = seeded(3)
    labels = to_label_tensor(["hero", "food"], 3, NAMES)
    image = torch.randn(2, 3, 8, 8, generator=generator)
    scheduler = DDPMScheduler.from_config(pipeline.scheduler.config)
    scheduler.set_timesteps(4)
    with torch.no_grad():
        for t in scheduler.timesteps:
            noise_pred = pipeline.unet(image, t, pipeline.class_net(labels)).sample
            image = scheduler.step(noise_pred, t, image, generator=generator).prev_sample
    torch.testing.assert_close(draw(pipeline, seed=3), (image / 2 + 0.5).clamp(0, 1))


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 3.0])
def test_guidance_is_the_formula_in_one_batch_and_costs_nothing_at_one(pipeline, monkeypatch, scale):
    steps, sizes, step, forward = [], [], pipeline.scheduler.step, pipeline.unet.forward
    patched = {"step": lambda x, *a, generator: steps.append(x) or step(x, *a, generator=generator)}
    patched |= {"forward": lambda x, *a, **kw: sizes.append(len(x)) or forward(x, *a, **kw)}
    monkeypatch.setattr(pipeline.scheduler, "step", patched["step"])
    monkeypatch.setattr(pipeline.unet, "forward", patched["forward"])
    draw(pipeline, guidance_scale=scale, num_inference_steps=2)
    assert sizes == [2 if scale == 1 else 4] * 2
    image, labels, t = torch.randn(2, 3, 8, 8, generator=seeded(0)), torch.eye(3)[:2], 39
    with torch.no_grad():
        without = forward(image, t, pipeline.class_net(torch.zeros(2, 3))).sample
        with_label = forward(image, t, pipeline.class_net(labels)).sample
    torch.testing.assert_close(steps[0], without + scale * (with_label - without), atol=1e-5, rtol=1e-4)


def test_labels_decide_what_is_drawn(pipeline):
    assert not torch.allclose(draw(pipeline, ["hero"]), draw(pipeline, ["spell"]))
    assert torch.equal(draw(pipeline, ["hero"]), draw(pipeline, [0]))


@pytest.mark.parametrize("kind", sorted({kind for kind, _ in SCHEDULERS.values()}, key=str))
@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_each_image_of_a_list_of_generators_is_that_image_alone(kind, scale):
    pipeline = make_pipeline()
    pipeline.scheduler = kind.from_config(pipeline.scheduler.config)
    labels = ["hero", "food", "spell"]
    together = draw(pipeline, labels, generator=seeded(5, 6, 7), guidance_scale=scale)
    assert together.isfinite().all() and together.shape == (3, 3, 8, 8)
    for i, seed in enumerate((5, 6, 7)):
        alone = draw(pipeline, labels[i : i + 1], generator=seeded(seed), guidance_scale=scale)
        torch.testing.assert_close(together[i], alone[0], atol=1e-4, rtol=1e-3)


def test_eta_reaches_the_scheduler_that_takes_it():
    pipeline = make_pipeline()
    plain = draw(pipeline)
    assert torch.equal(draw(pipeline, eta=0.7), plain)  # DDPM takes none
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    assert not torch.equal(draw(pipeline, eta=1.0), draw(pipeline, eta=0.0))


def test_output_types_agree(pipeline):
    tensor, array = draw(pipeline), draw(pipeline, output_type="np")
    pictures = draw(pipeline, output_type="pil")
    assert tensor.dtype == torch.float32 and tensor.min() >= 0 and tensor.max() <= 1
    np.testing.assert_array_equal(array, tensor.permute(0, 2, 3, 1).numpy())
    assert [p.size for p in pictures] == [(8, 8)] * 2
    np.testing.assert_array_equal(np.asarray(pictures[0]), (array[0] * 255).round().astype(np.uint8))
    as_tuple = pipeline(["hero"], num_inference_steps=1, return_dict=False)
    assert isinstance(as_tuple, tuple) and len(as_tuple[0]) == 1


def test_callback_sees_each_step_and_may_change_the_latents(pipeline):
    seen = []

    def watch(pipe, i, t, callback_kwargs):
        latents = callback_kwargs["latents"]
        seen.append((pipe is pipeline, i, int(t), latents.shape))
        return {"latents": torch.zeros_like(latents)} if i == 3 else callback_kwargs

    images = draw(pipeline, callback_on_step_end=watch, callback_on_step_end_tensor_inputs=["latents"])
    assert seen == [(True, i, t, (2, 3, 8, 8)) for i, t in enumerate((39, 29, 19, 9))]
    assert (images == 0.5).all()
    given = []
    options = {"callback_on_step_end": lambda *args: given.append(args[3]) or {}}
    assert torch.equal(draw(pipeline, callback_on_step_end_tensor_inputs=[], **options), draw(pipeline))
    assert given == [{}] * 4


def test_bfloat16_draws(one_thread):
    images = draw(make_pipeline().to(torch.bfloat16))
    assert images.dtype == torch.float32 and images.isfinite().all()


def test_diffusers_own_methods_go_on_working(pipeline, capsys):
    assert pipeline.to("cpu") is pipeline and pipeline.device.type == "cpu"
    pipeline.enable_attention_slicing()
    sliced = draw(pipeline)
    pipeline.disable_attention_slicing()
    torch.testing.assert_close(draw(pipeline), sliced, atol=1e-4, rtol=1e-3)
    assert set(pipeline.components) == {"unet", "class_net", "scheduler"}
    pipeline.set_progress_bar_config(disable=False, desc="my bar")
    draw(pipeline)
    pipeline.set_progress_bar_config(disable=True)
    assert "my bar" in capsys.readouterr().err


def test_saving_and_loading_changes_nothing(pipeline, tmp_path):
    pipeline.save_pretrained(tmp_path)
    assert {p.suffix for p in tmp_path.rglob("*") if p.is_file()} == {".json", ".safetensors"}
    again = ConditionalDDPMPipeline.from_pretrained(tmp_path)
    again.set_progress_bar_config(disable=True)
    for part in ("unet", "class_net"):
        ours, theirs = getattr(pipeline, part).state_dict(), getattr(again, part).state_dict()
        assert ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert again.config.prediction_type == "epsilon"
    assert tuple(again.class_net.config.class_names) == NAMES and again.class_net.config.label_dropout == 0.1
    assert torch.equal(draw(again, guidance_scale=2.0), draw(pipeline, guidance_scale=2.0))


def test_prediction_type_survives_a_change_of_scheduler_and_a_round_trip(tmp_path):
    pipeline = make_pipeline(prediction_type="v_prediction")
    pipeline.save_pretrained(tmp_path)
    again = ConditionalDDPMPipeline.from_pretrained(tmp_path)
    again.scheduler = DDIMScheduler.from_config(again.scheduler.config)
    again.scheduler.register_to_config(prediction_type="epsilon")
    with pytest.raises(ValueError, match=r"'epsilon'.*'v_prediction'"):
        again(["hero"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"generator": seeded(1, 2, 3)}, "a list of 3 generators for 2 images"),
        ({"num_inference_steps": 0}, "from 1 to 40; got 0"),
        ({"num_inference_steps": 41}, "from 1 to 40; got 41"),
        ({"eta": 1.5}, "eta must be from 0 .* got 1.5"),
        ({"eta": -0.1}, "eta must be from 0"),
        ({"output_type": "latent"}, "output_type must be"),
        ({"callback_on_step_end_tensor_inputs": ["image"]}, r"must be in \['latents'\]; got {'image'}"),
    ],
)
def test_wrong_options_are_refused_before_any_work(pipeline, options, words):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline.unet, "forward", None)  # calling it would fail otherwise
        with pytest.raises(ValueError, match=words):
            draw(pipeline, **options)


def test_guidance_needs_weights_that_have_seen_dropped_labels():
    pipeline = make_pipeline(label_dropout=0.0)
    with pytest.raises(ValueError, match="label_dropout=0"):
        draw(pipeline, guidance_scale=2.0)
    assert draw(pipeline).isfinite().all()


def test_scheduler_that_takes_the_output_for_something_else_is_refused():
    pipeline = make_pipeline()
    pipeline.scheduler = DDIMScheduler(num_train_timesteps=40, prediction_type="v_prediction")
    with pytest.raises(ValueError, match=r"'v_prediction'.*'epsilon'"):
        draw(pipeline)
