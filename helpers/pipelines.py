"""What diffusers does not ship: a pipeline that draws what a label asks for, and its label embedder."""

from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import torch
from diffusers import ConfigMixin, DiffusionPipeline, ImagePipelineOutput, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.utils.torch_utils import randn_tensor
from torch import nn

from .guidance.pipeline import GuidedDDPMPipeline  # noqa: F401 (the other of our pipelines)
from .sampling import check_steps, image_shape, predict_noise, taken_by_step, with_unlabelled


class LabelEmbedder(ModelMixin, ConfigMixin):
    """Turn labels into the sequence that a cross-attention UNet attends to.

    Two linear layers with a GELU between them. A row of zeros stands for "no label": it is what a
    dropped label becomes in training, and what classifier-free guidance (arXiv 2207.12598) starts from.

    Parameters
    ----------
    num_classes : int
    embedding_dim : int, the UNet's `cross_attention_dim`
    class_names : sequence of str, optional
        So that pictures can be asked for by name.
    label_dropout : float
        Proportion of labels dropped in training mode, in [0, 1). Above 0, the weights can be guided.
    """

    @register_to_config
    def __init__(
        self,
        num_classes: int = 5,
        embedding_dim: int = 64,
        class_names: Sequence[str] | None = None,
        label_dropout: float = 0.0,
    ):
        super().__init__()
        if class_names is not None and len(class_names) != num_classes:
            raise ValueError(f"got {len(class_names)} class names for {num_classes} classes")
        if not 0 <= label_dropout < 1:
            raise ValueError(f"label_dropout must lie in [0, 1); got {label_dropout}")
        self.layers = nn.Sequential(
            nn.Linear(num_classes, embedding_dim), nn.GELU(), nn.Linear(embedding_dim, embedding_dim)
        )

    def forward(self, labels: torch.Tensor) -> torch.Tensor:
        """Labels [batch, num_classes], one-hot or soft, to a sequence [batch, 1, embedding_dim]."""
        labels = labels.to(self.dtype)
        if self.training and self.config.label_dropout:
            kept = torch.rand(len(labels), 1, device=labels.device) >= self.config.label_dropout
            labels = labels * kept.to(labels.dtype)
        return self.layers(labels).unsqueeze(1)


def to_label_tensor(class_labels, num_classes: int, class_names: Sequence[str] | None = None) -> torch.Tensor:
    """Turn class names, integers, one-hot or soft labels into float32 [batch, num_classes].

    A tensor or array of one dimension is a single label if it holds floats or bools, or if it is one-hot and
    as long as there are classes; other integers in it are class numbers, one per image.

    Raises
    ------
    ValueError
        If a name is unknown, a number is out of range, a row has another length, or there are none;
        the message lists the classes.
    TypeError : if an entry is none of these
    """
    names = [f"{i} = {name!r}" for i, name in enumerate(class_names or range(num_classes))]
    classes = f"the classes are {', '.join(names)}"
    if isinstance(class_labels, (torch.Tensor, np.ndarray)):
        dimensions, class_labels = class_labels.ndim, class_labels.tolist()
        one_hot = dimensions == 1 and sorted(class_labels) == [0] * (num_classes - 1) + [1]
        if one_hot or (dimensions == 1 and class_labels and isinstance(class_labels[0], (float, bool))):
            class_labels = [class_labels]
    if isinstance(class_labels, (str, int)):
        class_labels = [class_labels]
    if not isinstance(class_labels, Sequence) or isinstance(class_labels, bytes):
        raise TypeError(f"expected names, integers or rows; got {type(class_labels).__name__}; {classes}")
    if not len(class_labels):
        raise ValueError(f"class_labels is empty; {classes}")
    return torch.stack([_row(entry, num_classes, class_names, classes) for entry in class_labels])


def _row(entry, num_classes: int, class_names, classes: str) -> torch.Tensor:
    """One label as a float32 vector [num_classes]."""
    if hasattr(entry, "tolist"):  # of a tensor, an array, or one number of theirs
        entry = entry.tolist()
    if isinstance(entry, str):
        if entry not in (class_names or ()):
            raise ValueError(f"unknown class {entry!r}; {classes}")
        entry = list(class_names).index(entry)
    if isinstance(entry, int) and not isinstance(entry, bool):
        if not 0 <= entry < num_classes:
            raise ValueError(f"class number {entry} is out of range; {classes}")
        return torch.eye(num_classes)[entry]
    try:
        row = torch.as_tensor(entry, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{entry!r} is neither a class name, an integer nor a row; {classes}") from error
    if row.ndim == 0:
        raise TypeError(f"class numbers must be integers; got {entry!r}; {classes}")
    if row.shape != (num_classes,) or not row.isfinite().all():
        raise ValueError(
            f"a row of labels must be {num_classes} finite numbers; got {(*row.shape,)}; {classes}"
        )
    return row


class ConditionalDDPMPipeline(DiffusionPipeline):
    """Draw images of given classes with a cross-attention UNet.

    Parameters
    ----------
    unet : UNet2DConditionModel
    class_net : LabelEmbedder
    scheduler : SchedulerMixin
        Exchange it by `pipeline.scheduler = make_scheduler(pipeline.scheduler, "ddim")`.
    prediction_type : str, optional
        What the UNet was trained to predict; by default what the scheduler says. It is saved with the
        pipeline, so that a scheduler that takes the output for something else is noticed.
    """

    model_cpu_offload_seq = "class_net->unet"
    _callback_tensor_inputs: ClassVar[list[str]] = ["latents"]

    def __init__(self, unet, class_net, scheduler, prediction_type: str | None = None):
        super().__init__()
        self.register_modules(unet=unet, class_net=class_net, scheduler=scheduler)
        self.register_to_config(prediction_type=prediction_type or scheduler.config.prediction_type)

    def check_inputs(
        self, num_inference_steps, guidance_scale=1.0, eta=0.0, output_type="pt", tensor_inputs=()
    ) -> None:
        """Raise ValueError for what would fail or mislead later."""
        trained, found = self.config.prediction_type, self.scheduler.config.prediction_type
        if trained != found:
            raise ValueError(
                f"the scheduler takes the output for {found!r}, but the UNet was trained to predict "
                f"{trained!r}: make the scheduler with prediction_type={trained!r}"
            )
        check_steps(self.scheduler, num_inference_steps, eta)
        if guidance_scale != 1 and not self.class_net.config.label_dropout:
            raise ValueError(
                f"guidance_scale={guidance_scale} needs weights that have seen dropped labels, and these "
                "were trained with label_dropout=0: use guidance_scale=1, or train with label_dropout=0.1"
            )
        if output_type not in ("pil", "np", "pt"):
            raise ValueError(f'output_type must be "pil", "np" or "pt"; got {output_type!r}')
        known = self._callback_tensor_inputs
        if unknown := set(tensor_inputs) - set(known):
            raise ValueError(f"callback_on_step_end_tensor_inputs must be in {known}; got {unknown}")

    def prepare_labels(self, class_labels) -> torch.Tensor:
        """Turn labels in any form into float32 [batch, num_classes]."""
        config = self.class_net.config
        return to_label_tensor(class_labels, config.num_classes, config.class_names)

    @torch.no_grad()
    def __call__(
        self,
        class_labels,
        guidance_scale: float = 1.0,
        generator: torch.Generator | list[torch.Generator] | None = None,
        num_inference_steps: int = 20,
        eta: float = 0.0,
        output_type: str = "pil",
        return_dict: bool = True,
        callback_on_step_end: Callable | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
    ) -> ImagePipelineOutput | tuple:
        """Draw one image per label.

        Parameters
        ----------
        class_labels : str, int, sequence of them, or tensor or nested list [batch, num_classes]
            Names, numbers, one-hot or soft labels, as `to_label_tensor` takes them; zeros ask for nothing.
        guidance_scale : float
            Classifier-free guidance (arXiv 2207.12598): 1 is none and costs nothing, above 1 follows
            the label more closely, 0 ignores it.
        generator : torch.Generator or list of them, optional
            With a list, image i depends on generator i alone.
        num_inference_steps : int
            From 1 to the number of training timesteps; `check_steps` says which of them suit the scheduler.
        eta : float
            Noise of DDIM's steps (arXiv 2010.02502), from 0 to 1; other schedulers do not take it.
        output_type : "pil", "np" or "pt"
            PIL images, float array [batch, h, w, c] or float32 tensor [batch, c, h, w], both in [0, 1].
        return_dict : bool
            Return an `ImagePipelineOutput`, or a tuple of one.
        callback_on_step_end : callable, optional
            Called as `callback_on_step_end(pipe, i, t, callback_kwargs)` after each step; the "latents" of
            the dict that it returns go on.
        callback_on_step_end_tensor_inputs : sequence of str
            What `callback_kwargs` holds: ["latents"] (x_t), or nothing.

        Raises
        ------
        ValueError, TypeError
            If an argument makes no sense; the message says what would.
        """
        self.check_inputs(
            num_inference_steps, guidance_scale, eta, output_type, callback_on_step_end_tensor_inputs
        )
        labels = self.prepare_labels(class_labels).to(self._execution_device)
        if isinstance(generator, list) and len(generator) != len(labels):
            raise ValueError(f"got a list of {len(generator)} generators for {len(labels)} images")
        shape = (len(labels), *image_shape(self.unet))
        label_embeds = self.class_net(with_unlabelled(labels, guidance_scale)).to(self.unet.dtype)
        guidance = {"guidance_scale": guidance_scale, "encoder_hidden_states": label_embeds}
        self.scheduler.set_timesteps(num_inference_steps, device=labels.device)
        latents = randn_tensor(shape, generator=generator, device=labels.device, dtype=self.unet.dtype)
        latents = latents * self.scheduler.init_noise_sigma
        extra_step_kwargs = taken_by_step(self.scheduler, generator=generator, eta=eta)
        for i, t in enumerate(self.progress_bar(self.scheduler.timesteps)):
            noise_pred = predict_noise(self.unet, self.scheduler, latents, t, **guidance)
            latents = self.scheduler.step(noise_pred, t, latents, **extra_step_kwargs).prev_sample
            if callback_on_step_end is not None:
                callback_kwargs = {"latents": latents} if callback_on_step_end_tensor_inputs else {}
                callback_outputs = callback_on_step_end(self, i, t, callback_kwargs) or {}
                latents = callback_outputs.get("latents", latents)
        images = (latents.float() / 2 + 0.5).clamp(0, 1)
        if output_type != "pt":
            images = images.cpu().permute(0, 2, 3, 1).numpy()
            images = self.numpy_to_pil(images) if output_type == "pil" else images
        self.maybe_free_model_hooks()
        return ImagePipelineOutput(images=images) if return_dict else (images,)
