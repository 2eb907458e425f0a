"""A small classifier of sprites: it judges labels, and distances are measured between its features."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn

CLASSIFIER_PATH = Path(__file__).resolve().parents[2] / "weights" / "sprite_classifier"


class SpriteClassifier(ModelMixin, ConfigMixin):
    """Four convolutions that name a picture's class, the words of its caption, and how noisy it is.

    Five classes alone could be told apart while ignoring most of a picture. The words (colours, parts,
    kinds of thing) make the features rich, and the noise keeps them from ignoring stray pixels.

    Parameters
    ----------
    class_names, words : sequence of str
        The words are those that it looks for in captions.
    image_size : int
        Height and width in pixels; divisible by 8.
    in_channels, num_features : int
    """

    @register_to_config
    def __init__(
        self,
        class_names: Sequence[str],
        words: Sequence[str],
        image_size: int = 16,
        in_channels: int = 3,
        num_features: int = 48,
    ):
        super().__init__()
        blocks, channels = [], (in_channels, 32, 64, 128, 128)
        for i in range(4):
            conv = nn.Conv2d(channels[i], channels[i + 1], 3, 1 if i == 0 else 2, padding=1, bias=False)
            blocks += [conv, nn.BatchNorm2d(channels[i + 1]), nn.ReLU()]
        size = channels[-1] * (image_size // 8) ** 2
        self.body = nn.Sequential(*blocks, nn.Flatten(), nn.Linear(size, num_features))
        self.class_head = nn.Linear(num_features, len(class_names))
        self.word_head = nn.Linear(num_features, len(words))
        self.noise_head = nn.Linear(num_features, 1)
        self.register_buffer("feature_mean", torch.zeros(num_features))
        self.register_buffer("feature_std", torch.ones(num_features))

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Images [n, c, h, w] in [-1, 1] to features [n, num_features].

        Over the training pictures each feature has mean 0 and variance 1, so distances have a unit.
        """
        return (self.body(images) - self.feature_mean) / self.feature_std

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Images [n, c, h, w] in [-1, 1] to logits of classes and words, and the noise [n] in [0, 1]."""
        hidden = self.body(images)
        return self.class_head(hidden), self.word_head(hidden), self.noise_head(hidden).squeeze(1)


@cache
def load_classifier(path: str | Path | None = None) -> SpriteClassifier:
    """Load the shipped classifier, or one that `scripts/train_classifier.py` wrote elsewhere.

    Raises
    ------
    FileNotFoundError
        If there are no weights in the folder.
    """
    folder = Path(path or CLASSIFIER_PATH)
    if not (folder / "diffusion_pytorch_model.safetensors").is_file():
        raise FileNotFoundError(
            f"no classifier in {folder}: get it with `git checkout weights`, or train it with "
            "`python scripts/train_classifier.py`"
        )
    return SpriteClassifier.from_pretrained(folder).eval().requires_grad_(False)


def extract_features(images: torch.Tensor) -> torch.Tensor:
    """Turn images [n, c, h, w] in [-1, 1] into features [n, num_features] of the shipped classifier.

    These are not Inception features: distances between them compare with each other only. The classifier
    is moved to the device of the images, where the features stay. A Tensor [n, d] is taken for features
    already and comes back as it is.

    Raises
    ------
    ValueError
        If the images have another size than the classifier's, or leave [-1, 1].
    """
    if images.ndim == 2:
        return images
    return apply_in_batches(SpriteClassifier.features, images)


def apply_in_batches(
    function: Callable[[SpriteClassifier, torch.Tensor], torch.Tensor], images: torch.Tensor
) -> torch.Tensor:
    """Check the images, move the classifier to where they are, and join what the function returns."""
    classifier = load_classifier().to(images.device)
    size = classifier.config.image_size
    check_images(images, (classifier.config.in_channels, size, size))
    with torch.no_grad():
        return torch.cat([function(classifier, batch) for batch in images.split(1000)])


def check_images(images: torch.Tensor, shape: tuple[int, int, int] | None = None) -> None:
    """Raise ValueError unless the images are float [n, c, h, w] in [-1, 1], each of the given shape."""
    expected = "images must be float, of shape [n, channels, height, width], in [-1, 1]"
    if images.ndim != 4 or not images.is_floating_point() or not len(images):
        raise ValueError(f"{expected}; got {images.dtype} of shape {tuple(images.shape)}")
    low, high = float(images.min()), float(images.max())
    if not (low >= -1.001 and high <= 1.001):  # written so that NaN is refused
        raise ValueError(f"{expected}; got values from {low:.3g} to {high:.3g}")
    if shape and images.shape[1:] != shape:
        raise ValueError(f"the classifier takes images of shape {shape}; got {tuple(images.shape[1:])}")
