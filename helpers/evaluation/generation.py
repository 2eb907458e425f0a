"""Draw many images from a pipeline, for scores: in batches, and reproducibly."""

import torch

from ..sampling import DEFAULT_STEPS, check_steps
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
        With `output_type="np"`; its scheduler is the sampler.
    num_images : int
    labels : int64 Tensor [num_images], optional
        Passed on as `class_labels`, for pipelines that take them.
    num_inference_steps : int
    seed : int
        Same seed, batch size and machine: same images.
    **kwargs
        Passed on to the pipeline.

    Returns
    -------
    Tensor [num_images, c, h, w]
        In [-1, 1], rounded to the 256 levels of a picture file.

    Raises
    ------
    ValueError
        If a number is below 1, or more steps are asked for than the scheduler was trained with.
    """
    if num_images < 1 or batch_size < 1:
        raise ValueError(f"num_images and batch_size must be at least 1; got {num_images} and {batch_size}")
    check_steps(pipeline.scheduler, num_inference_steps)
    generator, parts = torch.Generator().manual_seed(seed), []
    pipeline.set_progress_bar_config(disable=True)
    with progress_bar(num_images, desc="drawing") as bar:
        for start in range(0, num_images, batch_size):
            count = min(batch_size, num_images - start)
            how_many = {"batch_size": count}
            if labels is not None:
                how_many = {"class_labels": labels[start : start + count]}
            images = pipeline(
                **how_many,
                generator=generator,
                num_inference_steps=num_inference_steps,
                output_type="np",
                **kwargs,
            ).images
            parts.append(torch.from_numpy(images).permute(0, 3, 1, 2))
            bar.update(count)
    return (torch.cat(parts) * 255).round().div(127.5).sub(1)
