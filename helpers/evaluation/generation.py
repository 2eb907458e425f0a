"""Draw many images from a pipeline, for scores: in batches, and reproducibly."""

import torch

from ..sampling import DEFAULT_STEPS, check_steps, sample_images
from ..training import progress_bar


def generate_images(
    pipeline,
    num_images: int,
    *,
    labels: torch.Tensor | None = None,
    num_inference_steps: int = DEFAULT_STEPS,
    seed: int = 0,
    batch_size: int = 250,
    **kwargs,
) -> torch.Tensor:
    """Draw images with a diffusers pipeline, in batches that a small machine can hold.

    Parameters
    ----------
    pipeline : DiffusionPipeline
        With a `unet` and a `scheduler`, which is the sampler; one that takes labels is called itself.
    num_images : int
    labels : int64 Tensor [num_images] or one-hot [num_images, num_classes], optional
        For pipelines that take them.
    num_inference_steps : int
    seed : int
        Same seed, batch size and machine: same images.
    **kwargs
        Passed on: `guidance_scale` with labels, options of the scheduler's step without.

    Returns
    -------
    Tensor [num_images, c, h, w]
        In [-1, 1], rounded to the 256 levels of a picture file.

    Raises
    ------
    ValueError
        If labels are missing, not wanted or not one per image, a number is below 1, or more steps are
        asked for than the scheduler was trained with.
    """
    if num_images < 1 or batch_size < 1:
        raise ValueError(f"num_images and batch_size must be at least 1; got {num_images} and {batch_size}")
    if hasattr(pipeline, "class_net") != (labels is not None):
        wanted = "labels: pass labels=..." if labels is None else "no labels: leave them out"
        raise ValueError(f"a {type(pipeline).__name__} takes {wanted}")
    if labels is not None and len(labels) != num_images:
        raise ValueError(f"got {len(labels)} labels for {num_images} images")
    check_steps(pipeline.scheduler, num_inference_steps)
    with progress_bar(num_images, desc="drawing") as bar:
        if labels is None:
            # Not through the pipeline: DDPMPipeline's loop knows DDPM's step only.
            images = sample_images(
                pipeline.unet,
                pipeline.scheduler,
                num_images,
                num_inference_steps,
                seed=seed,
                batch_size=batch_size,
                on_batch=bar.update,
                **kwargs,
            )
            return ((images + 1) * 127.5).round().div(127.5).sub(1)
        generator, parts = torch.Generator().manual_seed(seed), []
        pipeline.set_progress_bar_config(disable=True)
        for batch in torch.as_tensor(labels).split(batch_size):
            images = pipeline(
                batch,
                generator=generator,
                num_inference_steps=num_inference_steps,
                output_type="pt",
                **kwargs,
            ).images
            parts.append(images.cpu())
            bar.update(len(batch))
    return (torch.cat(parts) * 255).round().div(127.5).sub(1)
