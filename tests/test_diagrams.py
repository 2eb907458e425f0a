"""Diagrams say what the model is, and FLOP counts what the arithmetic is."""

import pytest
import torch
from diffusers import UNet2DConditionModel, UNet2DModel
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from helpers.models import build_label_conditioned, build_unconditional, gflop_by_size
from helpers.plotting import plot_text_to_image, plot_timestep_counting, plot_unet
from helpers.weights import load_pipeline


def words_in(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_a_unet_is_drawn_with_its_shapes_skips_and_attention():
    words = words_in(plot_unet(build_unconditional()[0]))
    assert [words.count(f"{s}×{s}, {c} channels") for s, c in ((16, 32), (8, 64), (4, 128))] == [2, 2, 3]
    assert words.count("2 skip connections") == 3 and words.count("t") == 7 + 1
    assert "1 residual block, 1 self-attention" in words and not [w for w in words if "cross" in w]
    assert any("128 numbers" in w for w in words)


def test_a_conditional_unet_shows_where_the_condition_enters():
    unet = build_label_conditioned("abcde")[0]
    before = {name: value.clone() for name, value in unet.state_dict().items()}
    words = words_in(plot_unet(unet))
    assert words.count("c") == 3 + 1 and "2 residual blocks, 2 cross-attention" in words
    assert any("64 numbers, which is attended to" in w for w in words)
    assert all(torch.equal(value, before[name]) for name, value in unet.state_dict().items())


def test_a_large_model_costs_nothing_and_other_shapes_are_drawn():
    with torch.device("meta"):  # of the size of Stable Diffusion's, without its numbers
        unet = UNet2DConditionModel(sample_size=(64, 32), cross_attention_dim=768)
    words = words_in(plot_unet(unet))
    assert "64×32, 320 channels" in words and "8×4, 1280 channels" in words and "3 skip connections" in words


def test_a_pipeline_is_drawn_with_the_shapes_that_its_parts_have():
    pipeline = load_pipeline("text_to_sprite")
    words = words_in(plot_text_to_image(pipeline, "a potion"))
    assert {"tokenizer", "text_encoder", "unet", "scheduler", "vae", "“a potion”"} <= set(words)
    assert {"24 tokens", "24×128", "noise, 4×8×8", "latents, 4×8×8", "image\n3×16×16"} <= set(words)
    millions = sum(p.numel() for p in pipeline.unet.parameters()) / 1e6
    assert f"{millions:.2g} M parameters" in words
    with pytest.raises(TypeError, match="got DDPMPipeline"):
        plot_text_to_image(load_pipeline("unconditional"))


def plain_unet(**options) -> UNet2DModel:
    """Without attention: a CPU's fused one is not among what torch counts."""
    blocks = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2}
    return UNet2DModel(
        block_out_channels=(8, 16),
        norm_num_groups=4,
        layers_per_block=1,
        add_attention=False,
        **blocks,
        **options,
    )


def test_what_is_no_unet_or_has_no_size_is_refused():
    with pytest.raises(TypeError, match="got Linear"):
        plot_unet(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="no sample_size"):
        plot_unet(plain_unet())


def test_gflop_by_size_adds_up_to_a_real_pass():
    unet = plain_unet(sample_size=16)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        unet(torch.zeros(1, 3, 16, 16), 0)
    counted = gflop_by_size(unet)
    embedding = 1e-9 * sum(counter.get_flop_counts()["UNet2DModel.time_embedding"].values())
    assert sum(counted.values()) + embedding == pytest.approx(counter.get_total_flops() / 1e9, rel=1e-6)
    assert list(counted) == ["16×16", "8×8"]


def test_counting_says_both_numbers_of_the_last_image():
    words = words_in(plot_timestep_counting(500))
    assert "$x_{500}$" in words and "t = 499" in words and "t = 500" not in words
    with pytest.raises(ValueError, match="at least 4; got 3"):
        plot_timestep_counting(3)
