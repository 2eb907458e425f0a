"""Every kind of picture becomes one that can be shown, or is refused by name."""

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import plotting
from helpers.datasets import load_sprites

SPRITES = load_sprites().images[::4500].numpy()
TENSORS = plotting.to_tensor(SPRITES)


@pytest.mark.parametrize(
    "images",
    [
        TENSORS[:2],
        TENSORS[:2].numpy(),
        list(TENSORS[:2]),
        SPRITES[:2],
        torch.from_numpy(SPRITES[:2]),
        [Image.fromarray(sprite) for sprite in SPRITES[:2]],
    ],
    ids=["tensor", "float array", "list of tensors", "uint8", "uint8 tensor", "PIL"],
)
def test_to_images_takes_every_form(images):
    result = plotting.to_images(images)
    assert result.dtype == np.uint8 and (result == SPRITES[:2]).all()


@pytest.mark.parametrize(
    "image",
    [TENSORS[0, :1], TENSORS[:1, :1], SPRITES[0, :, :, :1], SPRITES[0, :, :, 0], TENSORS[0, :1].bfloat16()],
    ids=["c h w", "n c h w", "h w c", "h w", "bfloat16"],
)
def test_to_images_turns_one_grey_image_into_three_channels(image):
    result = plotting.to_images(image)
    assert result.shape == (1, 16, 16, 3) and (result[..., 0] == result[..., 2]).all()


def test_to_images_clips_and_lays_transparency_on_white():
    assert plotting.to_images(torch.full((3, 2, 2), -7.0)).max() == 0
    assert plotting.to_images(torch.full((3, 2, 2), 7.0)).min() == 255
    assert plotting.to_images(Image.new("RGBA", (4, 4), (0, 0, 0, 0))).min() == 255


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(2, 5, 8, 8), r"float32 of shape \(2, 5, 8, 8\)"),
        (np.zeros((2, 8, 8, 3)), r"float64 of shape \(2, 8, 8, 3\)"),
        (np.zeros((2, 8, 8, 3), np.int64), "int64"),
        (np.zeros((0, 8, 8, 3), np.uint8), r"\(0, 8, 8, 3\)"),
        ([], r"shape \(0,\)"),
        (torch.full((1, 3, 2, 2), torch.nan), "NaN"),
        ([SPRITES[0], SPRITES[0, :8]], r"different shapes: \(8, 16, 3\), \(16, 16, 3\)"),
    ],
)
def test_to_images_names_what_it_cannot_take(images, message):
    with pytest.raises(ValueError, match=message):
        plotting.to_images(images)
