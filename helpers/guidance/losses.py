"""Losses that steer `GuidedDDPMPipeline`: each takes images in [-1, 1] and sums over them."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

BACKGROUND = 0.9  # in [-1, 1]: a pixel whose darkest channel is lighter counts as background


def color_loss(images: torch.Tensor, target_color: Sequence[float], background: bool = False) -> torch.Tensor:
    """Mean absolute distance of an image's pixels from a colour, summed over the images.

    Parameters
    ----------
    images : float32 Tensor [batch, 3, h, w] in [-1, 1]
    target_color : three floats in [0, 1]: red, green, blue
    background : bool
        Count white pixels as well.

    Raises
    ------
    ValueError
        If the colour is not three numbers in [0, 1].
    """
    target = check_color(target_color).to(images).view(1, 3, 1, 1) * 2 - 1
    distance = (images - target).abs().mean(1)
    weight = torch.ones_like(distance) if background else foreground(images)
    return (distance * weight).sum((1, 2)).div(weight.sum((1, 2)).clamp(min=1)).sum()


def foreground(images: torch.Tensor) -> torch.Tensor:
    """1 where a pixel is not background, else 0: [batch, h, w]; no gradient."""
    return (images.detach().amin(1) < BACKGROUND).to(images.dtype)


def check_color(color: Sequence[float]) -> torch.Tensor:
    """Turn red, green and blue into float32 [3]; raise ValueError unless they lie in [0, 1]."""
    try:
        values = torch.as_tensor(color, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"a colour must be three numbers in [0, 1]; got {color!r}") from error
    if values.shape != (3,) or not bool(((values >= 0) & (values <= 1)).all()):
        raise ValueError(f"a colour must be three numbers (red, green, blue) in [0, 1]; got {color!r}")
    return values


def class_loss(images: torch.Tensor, classifier: torch.nn.Module, class_number: int) -> torch.Tensor:
    """-log p(class | image) by a classifier whose first output are logits of classes, summed over images."""
    logits = classifier(images)[0]
    if not 0 <= class_number < logits.shape[1]:
        raise ValueError(f"class_number must be from 0 to {logits.shape[1] - 1}; got {class_number}")
    return -logits.log_softmax(1)[:, class_number].sum()


def great_circle_loss(image_embeds: torch.Tensor, text_embeds: torch.Tensor) -> torch.Tensor:
    """Squared angle, in rad², between embeddings [batch, d] and [d] or [batch, d], summed over images."""
    image_embeds, text_embeds = F.normalize(image_embeds, dim=-1), F.normalize(text_embeds, dim=-1)
    # The chord of an angle is 2·sin(angle / 2); arccos has no gradient where the two agree.
    half_chord = (image_embeds - text_embeds).norm(dim=-1) / 2
    return (2 * half_chord.clamp(max=1 - 1e-6).arcsin()).square().sum()


def random_cuts(images: torch.Tensor, num_cuts: int, generator: torch.Generator) -> torch.Tensor:
    """Shifted and slightly enlarged copies [num_cuts · batch, c, h, w]; each image gets cuts of its own."""
    count, device = num_cuts * len(images), images.device
    random = torch.rand(count, 3, generator=generator).to(device)
    scale = 1 - 0.2 * random[:, 0].view(-1, 1, 1)
    shift = (random[:, 1:] - 0.5).view(-1, 2, 1) * 0.3
    affine = torch.cat([scale * torch.eye(2, device=device), shift], dim=2)
    grid = F.affine_grid(affine, [count, *images.shape[1:]], align_corners=False)
    copies = images.repeat(num_cuts, 1, 1, 1)
    # White, 1 in [-1, 1], beyond the edge.
    return F.grid_sample(copies - 1, grid, mode="bilinear", align_corners=False) + 1


def inpainting_loss(images: torch.Tensor, known: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Half the squared distance from known pixels where the mask is 1, summed: a scale of 1 puts them in."""
    return ((images - known).square() * mask).sum() / 2
