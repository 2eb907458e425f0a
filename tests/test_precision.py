"""Mixed precision: what "auto" takes, what computes in it, and the steps that fp16 skips."""

import math

import pytest
import torch
from accelerate import Accelerator
from conftest import make_dataset, make_noise_scheduler, make_unet, short_run
from torch.utils.data import DataLoader

from helpers.training import Trainer, TrainingConfig, TrainingDivergedError, choose_precision, loop, trainer
from helpers.training.trainer import make_accelerator

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = torch.device("cpu")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


def test_auto_precision_follows_what_the_hardware_computes(monkeypatch):
    for probe in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        # The probes are torch's own and private: were they renamed, auto would never take bf16.
        monkeypatch.setattr(torch.cpu, probe, lambda: False, raising=True)
    assert choose_precision("auto", CPU) == "no"
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert choose_precision("auto", CPU) == "bf16"
    for capability, expected in (((7, 5), "fp16"), ((8, 0), "bf16"), ((9, 0), "bf16")):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, answer=capability: answer)
        assert choose_precision("auto", torch.device("cuda")) == expected
    assert choose_precision("auto", torch.device("mps")) == "no"
    assert [choose_precision(name, CPU) for name in ("no", "bf16", "fp16")] == ["no", "bf16", "fp16"]


@pytest.mark.parametrize("precision, dtype", [("no", torch.float32), ("bf16", torch.bfloat16)])
def test_mixed_precision_computes_in_it_and_keeps_float32_weights(precision, dtype):
    unet, seen = make_unet(size=8), set()
    hook = unet.conv_in.register_forward_hook(lambda module, args, output: seen.add(output.dtype))
    history = short_run(4, unet=unet, mixed_precision=precision)
    assert seen == {dtype} and all(p.dtype == torch.float32 for p in unet.parameters())
    assert all(math.isfinite(loss) for loss in history.losses)
    assert history.losses == pytest.approx(short_run(4).losses, rel=0.05)
    unet(torch.zeros(1, 3, 8, 8), 0)  # after the training the UNet computes as it did before
    assert seen == {dtype, torch.float32}
    hook.remove()


@pytest.fixture
def fresh_accelerate():
    """Start and end without the settings that Accelerate keeps for the process."""
    with loop._separate_accelerate_state():
        yield


def test_the_callers_own_accelerator_goes_on_undisturbed(fresh_accelerate):
    own = Accelerator(cpu=True, mixed_precision="bf16", gradient_accumulation_steps=3)
    short_run(2, mixed_precision="no", gradient_accumulation_steps=2)
    with pytest.raises(KeyError):
        short_run(2, condition=lambda labels: {}["missing"])
    assert (own.mixed_precision, own.device, own.gradient_accumulation_steps) == ("bf16", CPU, 3)


def make_fp16_trainer(monkeypatch, device: torch.device, init_scale: float, **settings) -> Trainer:
    """Build what trains in fp16, starting from this scale; on a CPU against Accelerate's will."""

    def with_scale(config, device):
        accelerator = make_accelerator(config, device)
        accelerator.native_amp = True
        accelerator.scaler = torch.amp.GradScaler(device.type, init_scale=init_scale)
        return accelerator

    monkeypatch.setattr(trainer, "make_accelerator", with_scale)
    config = TrainingConfig(8, warmup_steps=4, mixed_precision="fp16", **settings)
    return Trainer(make_unet(size=8), make_noise_scheduler(), None, config, device)


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("device", [CPU, pytest.param(torch.device("cuda"), marks=needs_cuda)])
def test_a_step_that_fp16_skips_counts_nowhere(monkeypatch, fresh_accelerate, device, parts):
    # Scaled by 2^40 a gradient is beyond fp16's 65,504: not a divergence, the scaler lowers its scale.
    run = make_fp16_trainer(monkeypatch, device, 2.0**40, gradient_accumulation_steps=parts)
    batches = iter(DataLoader(make_dataset(4, size=8), 4, sampler=[0, 1, 2, 3] * 400))
    losses = [run.train_step(batches) for _ in range(3)]
    skipped = run.batches_seen // parts - 3
    assert skipped >= 5 and run.accelerator.scaler.get_scale() == 2.0 ** (40 - skipped)
    assert run.step == run.ema.optimization_step == run.lr_scheduler.last_epoch == 3
    assert run.history.losses == losses
    assert run.history.learning_rates == [2e-3 * step / 4 for step in range(3)]
    assert all(bool(p.isfinite().all()) for p in run.parameters)
    assert run.state()[1]["scaler"]["scale"] == run.accelerator.scaler.get_scale()


def test_fp16_that_overflows_at_any_scale_is_a_divergence(monkeypatch, fresh_accelerate):
    run = make_fp16_trainer(monkeypatch, CPU, 1.0)
    run.parameters[-1].register_hook(lambda gradient: gradient * float("inf"))
    batches = iter(DataLoader(make_dataset(4, size=8), 4, sampler=[0, 1, 2, 3] * 9))
    with pytest.raises(TrainingDivergedError, match="overflows fp16 at any scale at step 0"):
        run.train_step(batches)
