"""The training loop of notebook 01 on Accelerate: one step, and the state that a checkpoint has to hold."""

import json
import math
from contextlib import contextmanager
from dataclasses import asdict

import torch
from accelerate import Accelerator, DistributedType, PartialState
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel

from ..sampling import NOISE_SETTINGS
from .config import TrainingConfig, TrainingDivergedError, TrainingHistory, choose_precision
from .data_order import mix_seed
from .loss import DiffusionLoss


def make_accelerator(config: TrainingConfig, device: torch.device, **options) -> Accelerator:
    """Make what knows about device, precision, accumulation and, among `options`, the tracker."""
    cpu, parts = device.type == "cpu", config.gradient_accumulation_steps
    process = PartialState(cpu=cpu)
    if process.num_processes == 1:  # of several processes each has a device of its own
        process.device = device
    precision = choose_precision(config.mixed_precision, device)
    made = Accelerator(cpu=cpu, mixed_precision=precision, gradient_accumulation_steps=parts, **options)
    if made.distributed_type in (DistributedType.FSDP, DistributedType.DEEPSPEED):
        kind = made.distributed_type.value
        raise ValueError(f"{kind} splits the weights, and this loop keeps them whole: launch it without")
    return made


class Trainer:
    """One run of `train`, for those who take its steps one by one; holds all that a checkpoint needs.

    Keyword arguments beyond these go to Accelerate's `Accelerator`, such as `log_with` and `project_dir`.
    """

    def __init__(
        self, unet, noise_scheduler, condition, config: TrainingConfig, device: torch.device, **options
    ):
        self.unet, self.config = unet, config
        self.accelerator = make_accelerator(config, device, **options)
        loss = DiffusionLoss(unet, noise_scheduler, condition, **config.weighting_options())
        self.modules = loss.to(self.accelerator.device).train()
        self.parameters = list(self.modules.parameters())
        # A fused optimizer skips a step by itself when fp16 overflows, and Accelerate would not hear of it.
        fused = device.type in ("cpu", "cuda") and self.accelerator.scaler is None
        options = {"weight_decay": config.weight_decay, "fused": fused} | config.optimizer_options
        optimizer = torch.optim.AdamW(self.parameters, config.learning_rate, **options)
        # Not prepared: it counts optimizer steps, and Accelerate would take one of it per process.
        counts = {"num_warmup_steps": config.warmup_steps, "num_training_steps": config.num_steps}
        self.lr_scheduler = get_scheduler(config.lr_scheduler, optimizer, **counts)
        self.compute_loss, self.optimizer = self.accelerator.prepare(self.modules, optimizer)
        # After that, as several processes then all have the weights of the first.
        warmup = {"use_ema_warmup": True, "power": 3 / 4} | config.ema_options
        self.ema = EMAModel(self.parameters, decay=config.ema_decay, foreach=True, **warmup)
        self.share = self.accelerator.process_index, self.accelerator.num_processes
        # What a resumed run must agree with, as JSON gives it back; trained_betas may be an array.
        noise = {key: noise_scheduler.config.get(key) for key in NOISE_SETTINGS}
        settings = asdict(config) | noise | {"num_processes": self.share[1]}
        self.settings = json.loads(json.dumps(settings, default=lambda array: array.tolist()))
        self.step, self.batches_seen, self.history = 0, 0, TrainingHistory()

    def train_step(self, batches) -> float:
        """Take one optimizer step on the next `batches`; return its loss, or raise if that is not finite."""
        loss = self._update(batches)
        # With fp16 an infinite gradient is normal, and no step: the scaler lowers its scale.
        while self.accelerator.optimizer_step_was_skipped:
            if self.accelerator.scaler.get_scale() < 1:
                raise self.diverged("the gradient overflows fp16 at any scale")
            loss = self._update(batches)
        self.history.losses.append(loss)
        self.history.learning_rates.append(self.lr_scheduler.get_last_lr()[0])
        self.lr_scheduler.step()
        self.ema.step(self.parameters)
        self.step += 1
        return loss

    def _update(self, batches) -> float:
        """Let the optimizer act on the mean gradient of a step's batches; return their mean loss."""
        mean_loss, parts = 0.0, self.config.gradient_accumulation_steps
        # All randomness depends on the seed and the place in the data: that makes a resumed run exact.
        draws = self._seed_step(self.batches_seen // parts)
        for _ in range(parts):
            images, labels = (x.to(self.accelerator.device) for x in next(batches))
            self.batches_seen += 1
            with self.accelerator.accumulate(self.compute_loss):
                loss = self.compute_loss(images, labels, **draws)
                self.accelerator.backward(loss)
                mean_loss += self.accelerator.reduce(loss.detach(), "mean").item() / parts
                if self.accelerator.sync_gradients:
                    norm = self.accelerator.clip_grad_norm_(self.parameters, self.config.max_grad_norm)
                    scaled = self.accelerator.scaler is not None
                    if not math.isfinite(mean_loss) or not (scaled or torch.isfinite(norm)):
                        raise self.diverged(f"loss {mean_loss:.4g}, gradient norm {float(norm):.4g}")
                self.optimizer.step()
                self.optimizer.zero_grad()
        return mean_loss

    def _seed_step(self, step: int) -> dict:
        """Seed all randomness of a step; of several processes, only what they share comes from one source."""
        seed = mix_seed(self.config.seed, step)
        if self.share[1] == 1:
            torch.manual_seed(seed)
            return {}
        torch.manual_seed(mix_seed(seed, 1 + self.share[0]))  # dropout: of each process its own
        generator = torch.Generator(self.accelerator.device).manual_seed(seed)
        return {"generator": generator, "share": self.share}

    @contextmanager
    def averaged_weights(self):
        """Lend the averaged weights to the UNet, to draw with or to save."""
        self.ema.store(self.parameters)
        try:
            self.ema.copy_to(self.parameters)
            yield
        finally:
            self.ema.restore(self.parameters)

    def diverged(self, what: str) -> TrainingDivergedError:
        """Make the error that says what happened, where, and what to try."""
        return TrainingDivergedError(
            f"{what} at step {self.step}, learning rate {self.optimizer.param_groups[0]['lr']:.2e}; "
            'try a lower learning_rate, a longer warm-up, or mixed_precision="no". '
            "Checkpoints that were written before this step are untouched."
        )

    def check_weights(self) -> None:
        """Raise TrainingDivergedError if a weight is not finite, so that no checkpoint ever holds one."""
        if not all(bool(p.isfinite().all()) for p in self.parameters):
            raise self.diverged("weights that are not finite")

    def state(self) -> tuple[dict, dict]:
        """Return (tensors, info) for `save_checkpoint`."""
        tensors = {f"model.{k}": v for k, v in self.modules.state_dict().items()}
        tensors |= {f"ema.{i}": v for i, v in enumerate(self.ema.shadow_params)}
        for i, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{k}": v for k, v in values.items()}
        scaler = self.accelerator.scaler
        return tensors, {
            "settings": self.settings,
            "history": asdict(self.history),
            "batches_seen": self.batches_seen,
            "ema_step": self.ema.optimization_step,
            "lr_scheduler": self.lr_scheduler.state_dict(),
            "scaler": scaler.state_dict() if scaler else {},
        }

    def restore(self, tensors: dict, info: dict) -> None:
        """Continue from what `state` returned."""

        def below(prefix: str) -> dict:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        self.modules.load_state_dict(below("model."))
        for i, average in enumerate(self.ema.shadow_params):
            average.copy_(tensors[f"ema.{i}"])
        moments = {i: below(f"optimizer.{i}.") for i in range(len(self.parameters))}
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": moments})
        self.lr_scheduler.load_state_dict(info["lr_scheduler"])
        for group, rate in zip(self.optimizer.param_groups, self.lr_scheduler.get_last_lr(), strict=True):
            group["lr"] = rate
        if self.accelerator.scaler and info["scaler"]:
            self.accelerator.scaler.load_state_dict(info["scaler"])
        self.history, self.ema.optimization_step = TrainingHistory(**info["history"]), info["ema_step"]
        self.step, self.batches_seen = info["step"], info["batches_seen"]
