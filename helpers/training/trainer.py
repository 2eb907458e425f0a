"""One optimizer step, with the state that a checkpoint has to hold."""

import math
from dataclasses import asdict

import torch
from diffusers.optimization import get_cosine_schedule_with_warmup
from diffusers.training_utils import EMAModel
from torch import nn

from ..sampling import NOISE_SETTINGS
from .config import TrainingConfig, TrainingDivergedError, TrainingHistory, choose_precision
from .data_order import mix_seed
from .loss import diffusion_loss


class Trainer:
    """The state of one run: everything that a checkpoint has to hold."""

    def __init__(self, unet, noise_scheduler, condition, config: TrainingConfig, device: torch.device):
        self.unet, self.noise_scheduler, self.condition, self.config = (
            unet,
            noise_scheduler,
            condition,
            config,
        )
        self.device, self.precision = device, choose_precision(config.mixed_precision, device)
        modules = [unet, condition] if isinstance(condition, nn.Module) else [unet]
        self.modules = nn.ModuleList(modules).to(device).train()
        parameters = list(self.modules.parameters())
        self.optimizer = torch.optim.AdamW(
            parameters,
            config.learning_rate,
            weight_decay=config.weight_decay,
            fused=device.type in ("cpu", "cuda"),
        )
        self.lr_scheduler = get_cosine_schedule_with_warmup(
            self.optimizer, config.warmup_steps, config.num_steps
        )
        self.ema = EMAModel(parameters, decay=config.ema_decay, use_ema_warmup=True, power=3 / 4)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == "fp16")
        # What a checkpoint must agree with: the process that the UNet learns to turn back.
        self.noise = {key: noise_scheduler.config.get(key) for key in NOISE_SETTINGS}
        self.step, self.history = 0, TrainingHistory()

    def train_step(self, batches) -> float:
        """Take one optimizer step and return its loss."""
        # Each step's randomness depends on (seed, step) alone: that makes a resumed run exact.
        torch.manual_seed(mix_seed(self.config.seed, self.step))
        loss = self._accumulate(batches)
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.modules.parameters(), self.config.max_grad_norm)
        # With fp16 an infinite gradient is normal: the scaler skips the step and lowers its scale.
        if not math.isfinite(loss) or not (self.scaler.is_enabled() or torch.isfinite(norm)):
            raise self.diverged(f"loss {loss:.4g}, gradient norm {float(norm):.4g}")
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.history.losses.append(loss)
        self.history.learning_rates.append(self.lr_scheduler.get_last_lr()[0])
        self.lr_scheduler.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.ema.step(self.modules.parameters())
        self.step += 1
        return loss

    def diverged(self, what: str) -> TrainingDivergedError:
        """Make the error that says what happened, where, and what to try."""
        return TrainingDivergedError(
            f"{what} at step {self.step}, learning rate {self.optimizer.param_groups[0]['lr']:.2e}; "
            'try a lower learning_rate, a longer warm-up, or mixed_precision="no". '
            "Checkpoints that were written before this step are untouched."
        )

    def _accumulate(self, batches) -> float:
        """Add up the gradients of the step's batches; return their mean loss."""
        total, parts = 0.0, self.config.gradient_accumulation_steps
        dtype = torch.float16 if self.precision == "fp16" else torch.bfloat16
        for _ in range(parts):
            images, labels = (x.to(self.device) for x in next(batches))
            with torch.autocast(self.device.type, dtype, enabled=self.precision != "no"):
                loss = diffusion_loss(
                    self.unet, self.noise_scheduler, images, self.condition, labels, self.config.snr_gamma
                )
            self.scaler.scale(loss / parts).backward()
            total += loss.item() / parts
        return total

    def state(self) -> tuple[dict, dict]:
        """Return (tensors, info) for `save_checkpoint`."""
        tensors = {f"model.{k}": v for k, v in self.modules.state_dict().items()}
        tensors |= {f"ema.{i}": v for i, v in enumerate(self.ema.shadow_params)}
        for i, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{k}": v for k, v in values.items()}
        info = {
            "config": asdict(self.config),
            "noise_scheduler": self.noise,
            "history": asdict(self.history),
            "ema_step": self.ema.optimization_step,
            "lr_scheduler": self.lr_scheduler.state_dict(),
            "scaler": self.scaler.state_dict(),
        }
        return tensors, info

    def check_weights(self) -> None:
        """Raise TrainingDivergedError if a weight is not finite, so that no checkpoint ever holds one."""
        if not all(bool(p.isfinite().all()) for p in self.modules.parameters()):
            raise self.diverged("weights that are not finite")

    def restore(self, tensors: dict, info: dict) -> None:
        """Continue from what `state` returned."""
        groups = {name: {} for name in ("model", "ema", "optimizer")}
        for key, value in tensors.items():
            group, _, rest = key.partition(".")
            groups[group][rest] = value
        self.modules.load_state_dict(groups["model"])
        self.ema.shadow_params = [groups["ema"][str(i)].to(self.device) for i in range(len(groups["ema"]))]
        self.ema.optimization_step = info["ema_step"]
        moments: dict[int, dict] = {}
        for key, value in groups["optimizer"].items():
            index, _, name = key.partition(".")
            moments.setdefault(int(index), {})[name] = value
        self.lr_scheduler.load_state_dict(info["lr_scheduler"])
        optimizer_state = self.optimizer.state_dict() | {"state": moments}
        for group, rate in zip(optimizer_state["param_groups"], self.lr_scheduler.get_last_lr(), strict=True):
            group["lr"] = rate
        self.optimizer.load_state_dict(optimizer_state)
        self.scaler.load_state_dict(info["scaler"])
        self.history = TrainingHistory(**info["history"])
        self.step = info["step"]
