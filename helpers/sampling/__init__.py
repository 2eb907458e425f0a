"""Draw images with any scheduler: the steps it can take, and one denoising loop, guided or not."""

# ruff: noqa: F401 (what is imported here is what the package offers)

from .loop import (
    eval_mode,
    generate_images,
    image_shape,
    predict_noise,
    quantize,
    sample_images,
    taken_by_step,
    with_unlabelled,
)
from .schedulers import (
    DEFAULT_SCHEDULER,
    DEFAULT_STEPS,
    FLOW_SCHEDULERS,
    NOISE_SETTINGS,
    SCHEDULERS,
    SPACINGS,
    check_steps,
    good_steps,
    make_scheduler,
    prediction_type_of,
)
