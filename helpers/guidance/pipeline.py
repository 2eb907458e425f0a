"""A pipeline that a loss steers while it draws; the model itself stays as it is."""

import math
from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from diffusers import DiffusionPipeline, ImagePipelineOutput
from diffusers.utils.torch_utils import randn_tensor

from ..sampling import check_steps, image_shape, taken_by_step

PREDICTION_TYPES = ("epsilon", "v_prediction", "sample")


class GuidedDDPMPipeline(DiffusionPipeline):
    """Draw images of which a differentiable loss is small, with an unconditional model.

    At each step the model's estimate of x_0 is moved down the gradient of the loss (universal guidance,
    arXiv 2302.07121), written back into the model's output, and handed to the scheduler, once.

    Parameters
    ----------
    unet : UNet2DModel
    scheduler : SchedulerMixin
        Any that has `alphas_cumprod`; make it by `make_scheduler`.
    """

    model_cpu_offload_seq = "unet"
    _callback_tensor_inputs: ClassVar[list[str]] = ["latents"]

    def __init__(self, unet, scheduler):
        super().__init__()
        self.register_modules(unet=unet, scheduler=scheduler)

    def check_inputs(
        self,
        batch_size,
        loss_fn,
        guidance_loss_scale,
        guide_from=1.0,
        guide_until=0.0,
        max_move=None,
        num_recurrences=1,
        num_inference_steps=20,
        eta=0.0,
        output_type="pil",
    ) -> None:
        """Raise ValueError or TypeError for what would fail or mislead later."""
        if not callable(loss_fn):
            raise TypeError(f"loss_fn must be a function of images; got {type(loss_fn).__name__}")
        for name, count in (("batch_size", batch_size), ("num_recurrences", num_recurrences)):
            if isinstance(count, bool) or not isinstance(count, int) or count < 1:
                raise ValueError(f"{name} must be a whole number of at least 1; got {count!r}")
        if not (math.isfinite(guidance_loss_scale) and guidance_loss_scale >= 0):
            raise ValueError(
                f"guidance_loss_scale must be a finite number of at least 0; got {guidance_loss_scale}: "
                "to push away from something, change the sign of the loss"
            )
        if max_move is not None and not 0 < max_move < math.inf:
            raise ValueError(f"max_move must be a finite number above 0, or None; got {max_move}")
        if not 0 <= guide_until <= guide_from <= 1:
            raise ValueError(
                "guide_from and guide_until are shares of the training timesteps, 1 >= guide_from >= "
                f"guide_until >= 0; got {guide_from} and {guide_until}"
            )
        if (found := self.scheduler.config.prediction_type) not in PREDICTION_TYPES:
            raise ValueError(f"prediction_type must be one of {PREDICTION_TYPES}; got {found!r}")
        if output_type not in ("pil", "np", "pt"):
            raise ValueError(f'output_type must be "pil", "np" or "pt"; got {output_type!r}')
        check_steps(self.scheduler, num_inference_steps, eta)
        trial = torch.rand(batch_size, *image_shape(self.unet), device=self._execution_device) * 2 - 1
        loss_gradient(loss_fn, trial)

    @torch.no_grad()
    def __call__(
        self,
        batch_size: int,
        loss_fn: Callable[[torch.Tensor], torch.Tensor],
        guidance_loss_scale: float = 1.0,
        guide_from: float = 1.0,
        guide_until: float = 0.0,
        through_unet: bool = False,
        normalize: bool = False,
        max_move: float | None = None,
        num_recurrences: int = 1,
        generator: torch.Generator | list[torch.Generator] | None = None,
        num_inference_steps: int = 20,
        eta: float = 0.0,
        output_type: str = "pil",
        return_dict: bool = True,
        callback_on_step_end: Callable | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
    ) -> ImagePipelineOutput | tuple:
        """Draw images, steered by a loss of the estimate of x_0.

        Parameters
        ----------
        batch_size : int
        loss_fn : callable
            From images, float32 [batch, c, h, w] in [-1, 1], to one number: *summed* over the images, so
            that how hard each is pushed does not depend on how many there are.
        guidance_loss_scale : float, at least 0
            How far the estimate moves for a gradient of 1, or in all with `normalize`; 0: no guidance.
        guide_from, guide_until : float
            Guide where the timestep's share of all is from `guide_from` (1: pure noise) to `guide_until`.
        through_unet : bool
            Take the gradient through the network, with respect to x_t (arXiv 2105.05233); slower.
        normalize : bool
            Scale each image's gradient to a root mean square of 1 over its pixels.
        max_move : float, optional
            Largest root mean square of what one gradient step moves an image's x_0, in units of [-1, 1].
        num_recurrences : int
            Gradient steps at each timestep. After each but the last, x_t moves along, and the
            network looks again.
        generator, num_inference_steps, eta, output_type, return_dict
            As for `ConditionalDDPMPipeline`.
        callback_on_step_end, callback_on_step_end_tensor_inputs
            Likewise.

        Raises
        ------
        ValueError, TypeError
            If an argument makes no sense, or the loss is no scalar, not finite, or has no gradient.
        """
        self.check_inputs(
            batch_size, loss_fn, guidance_loss_scale, guide_from, guide_until, max_move, num_recurrences,
            num_inference_steps, eta, output_type,
        )  # fmt: skip
        if isinstance(generator, list) and len(generator) != batch_size:
            raise ValueError(f"got a list of {len(generator)} generators for {batch_size} images")
        options = {"through_unet": through_unet, "normalize": normalize}
        options |= {"max_move": max_move, "num_recurrences": num_recurrences}
        device, shape = self._execution_device, (batch_size, *image_shape(self.unet))
        self.scheduler.set_timesteps(num_inference_steps, device=device)
        latents = randn_tensor(shape, generator=generator, device=device, dtype=self.unet.dtype)
        latents = latents * self.scheduler.init_noise_sigma
        extra_step_kwargs = taken_by_step(self.scheduler, generator=generator, eta=eta)
        for i, t in enumerate(self.progress_bar(self.scheduler.timesteps)):
            share = float(t) / self.scheduler.config.num_train_timesteps
            if guidance_loss_scale and guide_until <= share <= guide_from:
                model_output, latents = self.guide(latents, t, loss_fn, guidance_loss_scale, **options)
            else:
                model_output = self.unet(self.scheduler.scale_model_input(latents, t), t).sample
            latents = self.scheduler.step(model_output, t, latents, **extra_step_kwargs).prev_sample
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

    def guide(
        self,
        latents,
        t,
        loss_fn,
        guidance_loss_scale,
        through_unet=False,
        normalize=False,
        max_move=None,
        num_recurrences=1,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the guided output of the UNet at t, and the x_t [batch, c, h, w] that it is for."""
        alpha_cumprod = self.scheduler.alphas_cumprod[round(float(t))].to(latents.device)
        signal, noise = alpha_cumprod.sqrt(), (1 - alpha_cumprod).sqrt()
        for again in reversed(range(num_recurrences)):
            # Some schedulers hold x_t on another scale than the UNet's.
            model_input = self.scheduler.scale_model_input(latents, t)
            with torch.set_grad_enabled(through_unet):
                x_t = model_input.detach().requires_grad_(through_unet)
                x_0 = self.to_x_0(self.unet(x_t, t).sample, x_t, signal, noise).float()
            gradient = loss_gradient(loss_fn, x_0, x_t if through_unet else None)
            if normalize:
                gradient = gradient / root_mean_square(gradient)
            # Δε = √(1-ᾱ)·∇ of x_t is the same as this Δx_0.
            move = -guidance_loss_scale * gradient * (noise**2 / signal if through_unet else 1)
            if max_move is not None:
                move = move * (max_move / root_mean_square(move)).clamp(max=1)
            if again:
                scale = latents.norm() / model_input.norm()
                latents = latents + (scale * signal * move).to(latents.dtype)
        x_0 = x_0.detach() + move
        return self.from_x_0(x_0, model_input, signal, noise).to(latents.dtype), latents

    def to_x_0(self, model_output, x_t, signal, noise) -> torch.Tensor:
        """Read the estimate of x_0 off the UNet's output [batch, c, h, w]."""
        prediction_type = self.scheduler.config.prediction_type
        if prediction_type == "epsilon":
            return (x_t - noise * model_output) / signal
        return model_output if prediction_type == "sample" else signal * x_t - noise * model_output

    def from_x_0(self, x_0, x_t, signal, noise) -> torch.Tensor:
        """Turn an estimate of x_0 into the output that says so: the inverse of `to_x_0`."""
        prediction_type = self.scheduler.config.prediction_type
        if prediction_type == "epsilon":
            return (x_t - signal * x_0) / noise
        return x_0 if prediction_type == "sample" else (signal * x_t - x_0) / noise


def root_mean_square(images: torch.Tensor) -> torch.Tensor:
    """Of each image's pixels, [batch, 1, 1, 1]; never 0."""
    return images.square().mean((1, 2, 3), keepdim=True).sqrt().clamp(min=1e-12)


def loss_gradient(loss_fn: Callable, x_0: torch.Tensor, x_t: torch.Tensor | None = None) -> torch.Tensor:
    """Gradient of a loss of x_0, float32 [batch, c, h, w], with respect to x_t, or x_0 if there is none.

    The loss sees x_0 clipped to [-1, 1]; its gradient passes as if it were not, since a pixel that is
    clipped could otherwise never come back.

    Raises
    ------
    ValueError
        If the loss is no scalar tensor, is not finite, or has no gradient, or one that is not finite.
    """
    with torch.enable_grad():
        if x_t is None:
            x_0 = x_t = x_0.detach().clone().requires_grad_()
        loss = loss_fn(x_0 + (x_0.clamp(-1, 1) - x_0).detach())
        if not isinstance(loss, torch.Tensor) or loss.ndim:
            found = f"shape {tuple(loss.shape)}" if isinstance(loss, torch.Tensor) else type(loss).__name__
            raise ValueError(f"loss_fn must return a tensor of one number, summed over images; got {found}")
        if not loss.isfinite():
            raise ValueError(f"loss_fn returned {loss.item()}: look for a division by 0 or a log of 0 in it")
        advice = "compute the loss in torch from the images, without .detach(), .item(), argmax or rounding"
        if not loss.requires_grad:
            raise ValueError(f"loss_fn has no gradient with respect to the images: {advice}")
        (gradient,) = torch.autograd.grad(loss, x_t, allow_unused=True)
    if gradient is None:
        raise ValueError(f"loss_fn does not depend on the images: {advice}")
    if not gradient.isfinite().all():
        raise ValueError("the gradient of loss_fn is not finite: a square root or norm of 0 has none")
    return gradient.float()
