"""One loop for every scheduler: against diffusers' own pipelines, reproducible, and strict about settings."""

import pytest
import torch
from conftest import make_scheduler, make_unet
from diffusers import DDIMPipeline, DDIMScheduler, DDPMPipeline

from helpers.sampling import SAMPLERS, make_sampler, sample_images


@pytest.fixture(scope="module")
def unet(one_thread):
    return make_unet().eval()


def as_tensor(images) -> torch.Tensor:
    """What a pipeline returns as "np", in [-1, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2) * 2 - 1


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
def test_ddpm_is_that_of_diffusers(unet, prediction_type):
    scheduler = make_scheduler(prediction_type)
    theirs = DDPMPipeline(unet, scheduler)
    theirs.set_progress_bar_config(disable=True)
    expected = theirs(3, torch.Generator().manual_seed(5), num_inference_steps=10, output_type="np").images
    ours = sample_images(unet, make_sampler(scheduler, "ddpm"), 3, 10, seed=5)
    torch.testing.assert_close(ours, as_tensor(expected), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim_is_that_of_diffusers(unet, eta):
    scheduler = DDIMScheduler.from_config(make_scheduler().config, clip_sample=False)
    theirs = DDIMPipeline(unet, scheduler)
    theirs.set_progress_bar_config(disable=True)
    options = {"eta": eta, "num_inference_steps": 10, "output_type": "np"}
    expected = theirs(3, torch.Generator().manual_seed(5), **options).images
    ours = sample_images(unet, make_sampler(make_scheduler(), "ddim"), 3, 10, eta=eta, seed=5)
    torch.testing.assert_close(ours, as_tensor(expected), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_every_sampler_draws_and_repeats_itself(unet, sampler):
    scheduler = make_sampler(make_scheduler(), sampler)
    first = sample_images(unet, scheduler, 5, 6, seed=1, batch_size=2)
    assert first.shape == (5, 3, 16, 16) and first.isfinite().all() and first.abs().max() <= 1
    assert torch.equal(sample_images(unet, scheduler, 5, 6, seed=1, batch_size=2), first)
    assert not torch.equal(sample_images(unet, scheduler, 5, 6, seed=2, batch_size=2), first)


@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_samplers_start_from_the_same_noise(unet, sampler, monkeypatch):
    scheduler, starts = make_sampler(make_scheduler(), sampler), []
    step = scheduler.step

    def watch(prediction, t, sample, *args, **options):
        starts.append(sample / scheduler.init_noise_sigma)
        return step(prediction, t, sample, *args, **options)

    monkeypatch.setattr(scheduler, "step", watch)
    sample_images(unet, scheduler, 2, 4, seed=3)
    noise = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(starts[0], noise)


def test_looks_on_the_way(unet):
    scheduler = make_sampler(make_scheduler(), "ddim")
    images, looks = sample_images(unet, scheduler, 3, 5, keep=(0, 4), batch_size=2)
    assert [t for t, _, _ in looks] == [40, 0] and looks[0][1].shape == (2, 3, 16, 16)
    torch.testing.assert_close(looks[1][1].clamp(-1, 1), images[:2])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda u, s: sample_images(u, s, 2, 0), "from 1 to 50; got 0"),
        (lambda u, s: sample_images(u, s, 2, 51), "from 1 to 50; got 51"),
        (lambda u, s: sample_images(u, s, 2, 5, eta=1.2), "eta must be from 0"),
        (lambda u, s: make_sampler(s, "pndm"), "unknown sampler 'pndm'; expected one of ddpm, ddim"),
        (
            lambda u, s: make_sampler(s, "ddim", timestep_spacing="karras"),
            "no timestep_spacing 'karras'; it has lead",
        ),
        (lambda u, s: make_sampler(s, "ddim", clip=True), "DDIMScheduler has no setting clip"),
    ],
)
def test_wrong_settings_are_refused_before_any_work(call, words):
    with pytest.raises(ValueError, match=words):
        call(None, make_sampler(make_scheduler(), "ddim"))
