"""The guided pipeline and its losses: formulas, any scheduler, and every kind of bad input."""

import math

import pytest
import torch
from conftest import make_noise_scheduler, make_unet
from diffusers import DDPMPipeline

from helpers.guidance import (
    check_color,
    class_loss,
    color_loss,
    great_circle_loss,
    inpainting_loss,
    loss_gradient,
    random_cuts,
)
from helpers.pipelines import GuidedDDPMPipeline
from helpers.sampling import SCHEDULERS, make_scheduler

pytestmark = pytest.mark.usefixtures("one_thread")


def make_pipeline(
    scheduler: str = "ddim", prediction_type: str = "epsilon", **settings
) -> GuidedDDPMPipeline:
    noise_scheduler = make_noise_scheduler(prediction_type)
    pipeline = GuidedDDPMPipeline(make_unet(size=8).eval(), make_scheduler(noise_scheduler, scheduler))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def darkness(images: torch.Tensor) -> torch.Tensor:
    """A loss that is small for dark pictures."""
    return images.mean((1, 2, 3)).sum()


def draw(pipeline, loss_fn=darkness, seed=0, batch_size=2, **options) -> torch.Tensor:
    options = {"num_inference_steps": 25, "output_type": "pt", "guidance_loss_scale": 20.0} | options
    generator = options.pop("generator", torch.Generator().manual_seed(seed))
    return pipeline(batch_size, loss_fn, generator=generator, **options).images


# --- formulas ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("through_unet", [False, True])
def test_the_noise_prediction_moves_as_the_formula_says(prediction_type, through_unet):
    pipeline = make_pipeline(prediction_type=prediction_type)
    x_t, t, scale = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1)), 20, 3.0
    loss_fn = lambda images: (images**3).sum()  # noqa: E731
    a, b = (pipeline.scheduler.alphas_cumprod[t].sqrt(), (1 - pipeline.scheduler.alphas_cumprod[t]).sqrt())

    def noise_and_x_0(output):
        if prediction_type == "epsilon":
            return output, (x_t - b * output) / a
        if prediction_type == "sample":
            return (x_t - a * output) / b, output
        return b * x_t + a * output, a * x_t - b * output

    x_t.requires_grad_()
    noise_pred, x_0 = noise_and_x_0(pipeline.unet(x_t, t).sample)
    clipped = x_0 + (x_0.clamp(-1, 1) - x_0).detach()
    if through_unet:  # ε̂ = ε + s·√(1-ᾱ)·∇_{x_t} loss
        expected = noise_pred + scale * b * torch.autograd.grad(loss_fn(clipped), x_t)[0]
    else:  # x̂_0 moves by -s·∇_{x_0} loss, so ε̂ = ε + s·√(ᾱ/(1-ᾱ))·∇
        expected = noise_pred + scale * a / b * 3 * x_0.clamp(-1, 1) ** 2
    with torch.no_grad():
        output, same = pipeline.guide(x_t.detach(), torch.tensor(t), loss_fn, scale, through_unet)
        torch.testing.assert_close(noise_and_x_0(output)[0], expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(same, x_t)


def test_without_guidance_it_draws_what_diffusers_draws():
    pipeline = make_pipeline("ddpm")
    plain = DDPMPipeline(pipeline.unet, pipeline.scheduler)
    plain.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(0)
    expected = plain(2, generator=generator, num_inference_steps=25, output_type="np").images
    for settings in ({"guidance_loss_scale": 0.0}, {"guide_from": 0.01, "guide_until": 0.01}):
        found = draw(pipeline, output_type="np", **settings)
        torch.testing.assert_close(torch.tensor(found), torch.tensor(expected), atol=2e-3, rtol=0)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("through_unet", [False, True])
def test_any_scheduler_is_steered(scheduler, through_unet):
    pipeline = make_pipeline(scheduler)
    options = {"num_inference_steps": 24, "through_unet": through_unet}  # UniPC takes 24 of 50, not 25
    free, guided = (draw(pipeline, guidance_loss_scale=scale, **options) for scale in (0.0, 100.0))
    assert guided.mean() < free.mean() - 0.01


def test_strength_does_not_depend_on_the_batch():
    seeds = [torch.Generator().manual_seed(seed) for seed in (3, 4, 5)]
    together = draw(make_pipeline(), batch_size=3, generator=seeds)
    alone = draw(make_pipeline(), batch_size=1, generator=[torch.Generator().manual_seed(4)])
    torch.testing.assert_close(together[1:2], alone, atol=1e-4, rtol=0)


def test_moves_are_normalised_and_limited():
    pipeline, t = make_pipeline(prediction_type="sample"), torch.tensor(20)
    x_t = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))

    def move(**settings):
        with torch.no_grad():
            plain = pipeline.unet(x_t, t).sample
            output, _ = pipeline.guide(x_t, t, lambda images: (images**2).sum(), **settings)
            return (output - plain).square().mean((1, 2, 3)).sqrt()

    torch.testing.assert_close(
        move(guidance_loss_scale=0.1, normalize=True), torch.full((2,), 0.1), rtol=1e-3, atol=0
    )
    assert (move(guidance_loss_scale=1e3, max_move=0.3) <= 0.3001).all()
    small = move(guidance_loss_scale=1e-3)
    torch.testing.assert_close(move(guidance_loss_scale=1e-3, max_move=0.3), small)


def test_recurrence_guides_further_and_a_range_guides_less():
    once, twice = (draw(make_pipeline(), num_recurrences=n, guidance_loss_scale=5.0) for n in (1, 2))
    assert twice.mean() < once.mean()
    calls = []

    def counting(images):
        calls.append(1)
        return darkness(images)

    draw(make_pipeline(), counting, guide_from=0.5)
    half = len(calls)
    draw(make_pipeline(), counting)
    assert 1 < half < len(calls) - half


def test_weights_keep_no_gradient_and_seeds_repeat():
    pipeline = make_pipeline()
    first, second = (draw(pipeline, through_unet=True) for _ in range(2))
    assert torch.equal(first, second)
    assert all(parameter.grad is None for parameter in pipeline.unet.parameters())


def test_half_of_a_picture_is_kept():
    pipeline = make_pipeline(
        prediction_type="sample"
    )  # of a UNet that has learnt nothing, only this is bounded
    known, mask = torch.full((1, 3, 8, 8), 0.5), torch.zeros(1, 1, 8, 8)
    mask[..., :4] = 1
    images = draw(pipeline, lambda x: inpainting_loss(x, known, mask), guidance_loss_scale=1.0)
    assert (images[..., :4] - 0.75).abs().mean() < 0.01
    assert (images[..., 4:] - 0.75).abs().max() > 0.05


def test_it_is_saved_and_loaded_and_calls_back(tmp_path):
    pipeline = make_pipeline()
    pipeline.save_pretrained(tmp_path)
    loaded = GuidedDDPMPipeline.from_pretrained(tmp_path, use_safetensors=True)
    loaded.set_progress_bar_config(disable=True)
    assert torch.equal(draw(loaded), draw(pipeline))
    seen = []
    draw(pipeline, callback_on_step_end=lambda pipe, i, t, kw: seen.append((i, kw["latents"].shape)))
    assert seen == [(i, (2, 3, 8, 8)) for i in range(25)]
    assert draw(pipeline, output_type="pil")[0].size == (8, 8)


# --- losses -----------------------------------------------------------------------------------------


def test_color_loss_is_the_mean_distance_summed_over_images():
    images = torch.ones(2, 3, 4, 4)  # white
    images[0, :, :2] = torch.tensor([1.0, -1.0, -1.0]).view(3, 1, 1)  # half of it red
    assert color_loss(images, (1, 0, 0)) == pytest.approx(0)
    assert color_loss(images, (0, 0, 0), background=True) == pytest.approx((2 + 2 / 3) / 2 + 2)
    assert color_loss(images[:1], (0, 0, 0)) == pytest.approx(2 / 3)


def test_great_circle_loss_is_the_squared_angle():
    angles = torch.tensor([0.3, 1.0, 2.5])
    embeds = torch.stack([angles.cos(), angles.sin()], dim=1) * 7
    found = great_circle_loss(embeds, torch.tensor([1.0, 0.0]))
    assert found == pytest.approx(float((angles**2).sum()), rel=1e-4)
    same = torch.ones(1, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(great_circle_loss(same, torch.ones(4)), same)
    assert gradient.isfinite().all()


def test_class_loss_is_cross_entropy():
    logits = torch.randn(3, 5)
    loss = class_loss(torch.zeros(3, 3, 4, 4), lambda images: (logits,), 2)
    torch.testing.assert_close(
        loss, torch.nn.functional.cross_entropy(logits, torch.full((3,), 2), reduction="sum")
    )
    with pytest.raises(ValueError, match="from 0 to 4"):
        class_loss(torch.zeros(3, 3, 4, 4), lambda images: (logits,), 5)


def test_cuts_are_of_each_image_alone_on_white():
    images = torch.ones(2, 3, 16, 16)
    images[1, :, 6:10, 6:10] = -1
    cuts = random_cuts(images, 3, torch.Generator().manual_seed(0))
    assert cuts.shape == (6, 3, 16, 16)
    assert (cuts[::2] == 1).all() and (cuts[1::2].amin((1, 2, 3)) < 0).all()
    assert not torch.equal(cuts[1], cuts[3])


# --- bad input --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss_fn", "message"),
    [
        (lambda images: images.mean((1, 2, 3)), "one number, summed over images; got shape"),
        (lambda images: 3.0, "got float"),
        (lambda images: images.sum() * math.nan, "returned nan"),
        (lambda images: images.detach().sum(), "no gradient"),
        (lambda images: torch.ones(3, requires_grad=True).sum(), "does not depend on the images"),
        (lambda images: (images * 0).norm(), "not finite|no gradient"),
    ],
)
def test_a_loss_that_cannot_guide_is_refused_before_any_work(loss_fn, message, monkeypatch):
    pipeline = make_pipeline()
    monkeypatch.setattr(pipeline.unet, "forward", lambda *a, **k: pytest.fail("the UNet was called"))
    if message.startswith("not finite"):
        loss_fn = lambda images: (images * 0).square().sum().sqrt()  # noqa: E731
    with pytest.raises(ValueError, match=message):
        draw(pipeline, loss_fn)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"guidance_loss_scale": -1.0}, "change the sign of the loss"),
        ({"guidance_loss_scale": math.inf}, "finite"),
        ({"guidance_loss_scale": math.nan}, "finite"),
        ({"num_inference_steps": 51}, "from 1 to 50"),
        ({"guide_from": 0.2, "guide_until": 0.6}, "guide_until"),
        ({"guide_from": 1.2}, "guide_from"),
        ({"max_move": 0.0}, "max_move"),
        ({"num_recurrences": 0}, "num_recurrences"),
        ({"batch_size": 0}, "batch_size"),
        ({"eta": 2.0}, "eta"),
        ({"output_type": "jpg"}, "output_type"),
        ({"generator": [torch.Generator()]}, "1 generators for 2"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        draw(make_pipeline(), **options)


def test_a_loss_must_be_a_function():
    with pytest.raises(TypeError, match="function of images"):
        draw(make_pipeline(), loss_fn=None)


@pytest.mark.parametrize("color", [(0, 0, 1.5), (-0.1, 0, 0), (0, 0), "red", (math.nan, 0, 0), None])
def test_a_color_out_of_range_is_refused(color):
    with pytest.raises(ValueError, match="three numbers"):
        check_color(color)


def test_a_clipped_pixel_can_come_back():
    gradient = loss_gradient(lambda images: images.sum(), torch.full((1, 3, 2, 2), 1.7))
    assert (gradient == 1).all()
