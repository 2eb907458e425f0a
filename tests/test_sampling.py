"""One loop for every scheduler: against diffusers' pipelines, conditioned, reproducible, and strict."""

import pytest
import torch
from conftest import make_conditional_unet, make_noise_scheduler, make_unet
from diffusers import DDIMPipeline, DDIMScheduler, DDPMPipeline, DDPMScheduler
from test_pipelines import make_pipeline

from helpers.pipelines import LabelEmbedder
from helpers.sampling import SCHEDULERS, generate_images, make_scheduler, quantize, sample_images

TRAINED = DDPMScheduler(num_train_timesteps=500, beta_schedule="squaredcos_cap_v2")
STEPS = 10  # suit every scheduler made of it


@pytest.fixture(scope="module")
def unet(one_thread):
    return make_unet().eval()


def as_tensor(images) -> torch.Tensor:
    """What a pipeline returns as "np", in [-1, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2) * 2 - 1


@pytest.mark.parametrize(
    ("name", "prediction_type", "options"),
    [("ddpm", kind, {}) for kind in ("epsilon", "v_prediction", "sample")]
    + [("ddim", "epsilon", {"eta": eta}) for eta in (0.0, 0.5, 1.0)],
)
def test_loop_is_that_of_diffusers(unet, name, prediction_type, options):
    scheduler = make_noise_scheduler(prediction_type)
    theirs = DDPMPipeline(unet, scheduler)
    if name == "ddim":
        theirs = DDIMPipeline(unet, DDIMScheduler.from_config(scheduler.config, clip_sample=False))
    theirs.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(5)
    expected = theirs(3, generator, num_inference_steps=10, output_type="np", **options).images
    ours = sample_images(unet, make_scheduler(scheduler, name), 3, 10, seed=5, **options)
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
