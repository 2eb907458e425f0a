"""The training loop: bad settings, each part of a step, divergence, and the progress bar."""

import math
import multiprocessing
import os
import socket
import sys

import pytest
import torch
from conftest import Spy, make_dataset, make_noise_scheduler, make_unet, short_run
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from helpers.training import TrainingDivergedError
from helpers.training.checkpoints import list_checkpoints, load_checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")


BAD_SETTINGS = {
    "batch_size=13 is larger .* .12 images.: take batch_size=12 or less; gradient_accumulation_steps": {
        "batch_size": 13
    },
    "batch_size=4 is larger than the dataset .0 images.: it needs some": {"dataset": []},
    "batch_size must be at least 1, not 0": {"batch_size": 0},
    "num_steps must be at least 1, not 0": {"num_steps": 0},
    "gradient_accumulation_steps must be at least 1": {"gradient_accumulation_steps": 0},
    "balanced=True needs a dataset with .labels; list has none": {"dataset": [], "balanced": True},
    "snr_gamma must be above 0, or None": {"snr_gamma": 0.0},
    "mixed_precision 'fp8' is none of auto, no, bf16, fp16": {"mixed_precision": "fp8"},
    'fp16" needs a GPU; on a CPU take "auto", "bf16" or "no"': {"mixed_precision": "fp16"},
    "15×15 do not fit .* halves them 1 times.* divisible by 2": {"dataset": make_dataset(size=15)},
    "18×18 do not fit .* halves them 2 times.* divisible by 4": {
        "dataset": make_dataset(size=18),
        "unet": make_unet(
            block_out_channels=(8, 8, 8),
            down_block_types=("DownBlock2D",) * 3,
            up_block_types=("UpBlock2D",) * 3,
        ),
    },
    "images are 32×32 pixels, the UNet draws sample_size=8": {"dataset": make_dataset(size=32)},
    "have 1 channels, the UNet expects 3": {"dataset": make_dataset(channels=1)},
    "prediction_type 'noise' is unknown; expected one of epsilon, v_prediction, sample": {
        "scheduler": make_noise_scheduler("noise")
    },
}


@pytest.mark.parametrize("message", BAD_SETTINGS)
def test_bad_settings_are_refused_before_any_work(message, tmp_path):
    settings = BAD_SETTINGS[message]
    unet = settings.get("unet") or make_unet(size=8)
    calls = unet.register_forward_pre_hook(lambda *_: pytest.fail("the UNet was called"))
    with pytest.raises(ValueError, match=message):
        short_run(**{"checkpoint_dir": tmp_path / "new"} | settings | {"unet": unet})
    calls.remove()
    assert not (tmp_path / "new").exists()


def test_learning_rate_warms_up_then_follows_a_cosine_to_zero():
    history = short_run(12, warmup_steps=4, learning_rate=2e-3)
    warm_up = [2e-3 * step / 4 for step in range(4)]
    cosine = [2e-3 * (1 + math.cos(math.pi * step / 8)) / 2 for step in range(8)]
    assert history.learning_rates == pytest.approx(warm_up + cosine)


@pytest.mark.parametrize("ema_decay", [0.9995, 0.5])
def test_unet_is_left_with_the_averaged_weights(tmp_path, ema_decay):
    unet, seen = make_unet(size=8), []
    # At the start of a step the UNet holds what the step before has left.
    hook = unet.register_forward_pre_hook(
        lambda *_: seen.append(nn.utils.parameters_to_vector(unet.parameters()).detach())
    )
    short_run(6, unet=unet, learning_rate=1e-2, ema_decay=ema_decay, checkpoint_dir=tmp_path)
    hook.remove()
    tensors, _ = load_checkpoint(list_checkpoints(tmp_path)[-1])
    last = torch.cat([tensors[f"model.unet.{name}"].flatten() for name, _ in unet.named_parameters()])
    average = seen[0]
    for step, weights in enumerate([*seen[1:], last]):
        decay = min(1 - (1 + step) ** (-3 / 4), ema_decay)
        average = decay * average + (1 - decay) * weights
    result = nn.utils.parameters_to_vector(unet.parameters())
    torch.testing.assert_close(result, average, rtol=1e-5, atol=1e-6)
    assert (result - last).abs().max() > 1e-3  # the average is not just the last weights


def test_two_small_batches_step_like_one_large_batch(monkeypatch):
    # Without noise the loss depends on the images alone, so both runs must take the same steps.
    def plain_loss(unet, noise_scheduler, images, condition, labels, snr_gamma, **draws):
        return (unet(images, torch.full((len(images),), 5)).sample - images).square().mean()

    monkeypatch.setattr("helpers.training.loss.diffusion_loss", plain_loss)
    one, two = Spy(make_dataset(16, size=8)), Spy(make_dataset(16, size=8))
    unet_one, unet_two = make_unet(size=8), make_unet(size=8)
    once = short_run(6, unet_one, one, batch_size=8, learning_rate=1e-4)
    twice = short_run(6, unet_two, two, gradient_accumulation_steps=2, learning_rate=1e-4)
    assert one.read == two.read and len(one.read) == 1 + 6 * 8  # one more to look at its shape
    assert twice.losses == pytest.approx(once.losses, rel=1e-4) and len(twice.losses) == 6
    for a, b in zip(unet_one.parameters(), unet_two.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def record_rates(**settings) -> tuple[list[float], list[float]]:
    """Train 6 steps; return the learning rates of the optimizer's own steps, and those of the history."""
    rates = []
    hook = register_optimizer_step_pre_hook(
        lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"])
    )
    history = short_run(6, dataset=make_dataset(64, size=8), warmup_steps=2, **settings)
    hook.remove()
    return rates, history.learning_rates


def train_as_one_of_two(rank, port, folder, results):
    """Train in a process of its own, next to another one, and log."""
    torch.set_num_threads(1)
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()})
    os.environ.update(MASTER_ADDR="127.0.0.1", GLOO_SOCKET_IFNAME="lo", ACCELERATE_USE_CPU="yes")
    options = {"log_with": "tensorboard", "log_dir": folder, "sample_every": 3}
    results.put((*record_rates(batch_size=16, **options), torch.distributed.get_world_size()))
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_learning_rates_count_optimizer_steps_however_a_batch_is_made(tmp_path):
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    context.set_forkserver_preload(["helpers.training", "torch.utils.tensorboard"])
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    results = context.SimpleQueue()
    both = [
        context.Process(target=train_as_one_of_two, args=(rank, port, tmp_path, results)) for rank in (0, 1)
    ]
    for process in both:
        process.start()
    once, history = record_rates(batch_size=32)
    twice = record_rates(batch_size=16, gradient_accumulation_steps=2)
    for process in both:
        process.join(100)
    assert [process.exitcode for process in both] == [0, 0]
    assert len(once) == 6 and twice == (once, once) and history == once
    assert [results.get() for _ in both] == [(once, once, 2)] * 2
    assert len(list(tmp_path.glob("events*"))) == 1  # the first process logs for both


def test_gradients_are_clipped(monkeypatch):
    norms, clip = [], nn.utils.clip_grad_norm_

    def spy(parameters, max_norm, **options):
        parameters = list(parameters)
        before = clip(parameters, max_norm, **options)
        norms.append(torch.stack([p.grad.norm() for p in parameters if p.grad is not None]).norm().item())
        return before

    monkeypatch.setattr(nn.utils, "clip_grad_norm_", spy)
    short_run(3, max_grad_norm=1e-3)
    assert norms == pytest.approx([1e-3] * 3, rel=1e-2)


def test_a_nan_loss_names_the_step_the_learning_rate_and_what_to_try():
    unet = make_unet(size=8)
    for parameter in unet.conv_out.parameters():
        parameter.data.fill_(float("nan"))
    with pytest.raises(
        TrainingDivergedError, match=r"loss nan.* at step 0, learning rate 0\.00e\+00.*warm-up"
    ):
        short_run(unet=unet)


def test_weights_that_are_not_finite_are_never_handed_out():
    # The last update is followed by no loss that would show it.
    with pytest.raises(TrainingDivergedError, match=r"weights that are not finite at step 1"):
        short_run(1, warmup_steps=0, learning_rate=1e38, weight_decay=1e3)


def test_progress_bar_shows_the_running_loss_in_a_terminal(capsys):
    short_run(3)
    captured = capsys.readouterr()
    assert "3/3" in captured.err and "loss " in captured.err and captured.out == ""


def test_progress_bar_is_one_line_of_the_output_in_a_notebook(capsys, monkeypatch):
    class Handle:
        shown = []  # noqa: RUF012

        def update(self, data, raw):
            self.shown.append(data["text/plain"])

    import IPython

    # A kernel's shell has a `kernel`; the shell of a terminal, or none at all, has not.
    monkeypatch.setattr(IPython, "get_ipython", lambda: type("Shell", (), {"kernel": None})())
    monkeypatch.setattr("IPython.display.display", lambda *args, **kwargs: Handle())
    short_run(3)
    captured = capsys.readouterr()
    assert captured.err == captured.out == ""
    assert "3/3" in Handle.shown[-1] and "loss " in Handle.shown[-1] and "\r" not in Handle.shown[-1]
