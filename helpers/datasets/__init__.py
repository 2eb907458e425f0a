"""Every way to get images, all with the same contract, so that a notebook changes its data in one line.

Each `load_…` function returns an `ImageDataset`: all pictures in one uint8 tensor, and items
`(image, label)` with the image as float32 [c, h, w] in [-1, 1] and the label one-hot. Each `open_…`
function returns `LazyImages`, whose items are the same and are read when they are asked for.
"""

# ruff: noqa: F401 (what is imported here is what the package offers)

from .arrays import (
    CLASS_NAMES,
    EMOJI_PATH,
    SPRITES_PATH,
    load_course_sprites,
    load_digits,
    load_emoji,
    load_sprites,
)
from .captions import CaptionedLatents, find_properties, join_parts, shorten, split_parts
from .core import ImageDataset, balanced_sampler, make_dataloader
from .lazy import LazyImages, make_augmentation, open_hub_dataset, open_image_folder
from .online import load_fashion_mnist, load_hub_dataset
from .pictures import load_image_folder, make_transform
