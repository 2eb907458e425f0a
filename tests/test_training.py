"""The training loop: the formulas, the random numbers, a run that is killed, and bad settings."""

import itertools
import json
import math
import multiprocessing
import os
import shutil
import signal
import sys
import time
from statistics import mean

import pytest
import torch
from accelerate import Accelerator
from conftest import make_dataset, make_noise_scheduler, make_unet, short_run
from diffusers.models.unets.unet_2d import UNet2DOutput
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.data import DataLoader

from helpers import training
from helpers.training import (
    ResumableBatchSampler,
    Trainer,
    TrainingConfig,
    TrainingDivergedError,
    checkpoints,
    choose_precision,
    diffusion_loss,
    loop,
    train,
    trainer,
)
from helpers.training.trainer import make_accelerator, warmup_cosine

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = torch.device("cpu")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


def newest(folder) -> tuple[dict, dict]:
    """Tensors and info of the newest checkpoint in a folder."""
    return checkpoints.load_checkpoint(checkpoints.list_checkpoints(folder)[-1])


class Spy:
    """A dataset that notes which items were read."""

    def __init__(self, dataset):
        self.dataset, self.labels, self.read = dataset, dataset.labels, []

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        self.read.append(int(index))
        return self.dataset[index]


class Empty:
    """A dataset without an item."""

    def __len__(self):
        return 0


# --- bad input: a ValueError before any work is done --------------------------------------------

BAD_SETTINGS = {
    "batch_size=13 is larger than the dataset .12 images": {"batch_size": 13},
    "batch_size=4 is larger than the dataset .0 images": {"dataset": Empty()},
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
    "have 1 channels, the UNet expects 3": {"dataset": make_dataset(channels=1)},
    "prediction_type 'noise' is unknown; expected one of epsilon, v_prediction, sample": {
        "scheduler": make_noise_scheduler("noise")
    },
}


@pytest.mark.parametrize("message", BAD_SETTINGS)
def test_bad_settings_are_refused_before_any_work(message, tmp_path):
    settings = BAD_SETTINGS[message]
    unet = settings.get("unet") or make_unet()
    calls = unet.register_forward_pre_hook(lambda *_: pytest.fail("the UNet was called"))
    with pytest.raises(ValueError, match=message):
        short_run(**{"checkpoint_dir": tmp_path / "new"} | settings | {"unet": unet})
    calls.remove()
    assert not (tmp_path / "new").exists()


# --- which images are drawn ---------------------------------------------------------------------


def drawn(sampler: ResumableBatchSampler) -> list[int]:
    """All the indices that a sampler draws, in order."""
    return list(itertools.chain(*sampler))


def test_each_epoch_sees_each_image_at_most_once_in_an_order_of_its_own():
    order = drawn(ResumableBatchSampler(10, 3, 0, 9, seed=1))
    epochs = [order[i : i + 9] for i in (0, 9, 18)]
    assert all(len(epoch) == len(set(epoch)) == 9 and set(epoch) <= set(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    # What is left over differs from epoch to epoch, or an image would never be seen.
    assert set(drawn(ResumableBatchSampler(10, 3, 0, 60, seed=1))) == set(range(10))
    assert len({tuple(drawn(ResumableBatchSampler(10, 5, 0, 2, seed))) for seed in range(8)}) == 8


@pytest.mark.parametrize("weights", [None, torch.arange(1.0, 11.0)])
@pytest.mark.parametrize("start", [1, 3, 7])
def test_a_sampler_started_late_gives_what_an_early_one_gives_there(start, weights):
    late = ResumableBatchSampler(10, 3, start, 12, 5, weights)
    assert list(late) == list(ResumableBatchSampler(10, 3, 0, 12, 5, weights))[start:]
    assert len(late) == 12 - start


def test_balanced_draws_rare_classes_as_often():
    # Every tenth image is of the rare class.
    plain, balanced = (Spy(make_dataset(200, size=8, rare=10)) for _ in range(2))
    short_run(25, dataset=plain, batch_size=8)
    short_run(25, dataset=balanced, batch_size=8, balanced=True)
    shares = [spy.labels[spy.read].float().mean().item() for spy in (plain, balanced)]
    assert shares == pytest.approx([0.1, 0.5], abs=0.1)
    drawn = {i for i in balanced.read if balanced.labels[i] == 0}
    assert len(drawn) > 50  # and the frequent class with all its variety


# --- the loss -----------------------------------------------------------------------------------


class Oracle:
    """Stands for a UNet: knows the clean images, so it can work out the right answer for any kind."""

    def __init__(self, scheduler, images, kind):
        self.alphas_cumprod, self.images, self.kind = scheduler.alphas_cumprod, images, kind
        self.timesteps = None

    def __call__(self, noisy_images, timesteps):
        self.timesteps = timesteps
        alpha_bar = self.alphas_cumprod[timesteps][:, None, None, None]
        noise = (noisy_images - alpha_bar.sqrt() * self.images) / (1 - alpha_bar).sqrt()
        answers = {
            "epsilon": noise,
            "v_prediction": alpha_bar.sqrt() * noise - (1 - alpha_bar).sqrt() * self.images,
            "sample": self.images,
        }
        return UNet2DOutput(sample=answers[self.kind])


@pytest.mark.parametrize("asked", training.PREDICTION_TYPES)
@pytest.mark.parametrize("given", training.PREDICTION_TYPES)
def test_only_the_right_answer_has_no_loss(asked, given):
    torch.manual_seed(0)
    images = torch.rand(64, 3, 8, 8) * 2 - 1
    scheduler = make_noise_scheduler(asked)
    oracle = Oracle(scheduler, images, given)
    loss = diffusion_loss(oracle, scheduler, images)
    assert (loss < 1e-8) if asked == given else (loss > 0.05)
    assert oracle.timesteps.min() < 10 and oracle.timesteps.max() >= 40  # of 50


def test_loss_of_answering_nothing_is_the_mean_square_of_the_noise():
    images = torch.zeros(256, 3, 8, 8)

    def nothing(noisy_images, timesteps):
        return UNet2DOutput(sample=torch.zeros_like(noisy_images))

    assert diffusion_loss(nothing, make_noise_scheduler(), images).item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("prediction_type", training.PREDICTION_TYPES)
def test_min_snr_counts_an_error_of_the_image_alike_whatever_is_predicted(prediction_type):
    torch.manual_seed(0)
    images, scheduler = torch.zeros(4000, 1, 2, 2), make_noise_scheduler(prediction_type)
    oracle = Oracle(scheduler, images + 0.1, prediction_type)  # sees every image 0.1 too light
    loss = diffusion_loss(oracle, scheduler, images, snr_gamma=5.0)
    alphas = scheduler.alphas_cumprod
    snr = (alphas / (1 - alphas)).clamp(max=5.0)
    assert loss.item() == pytest.approx(0.01 * snr.mean().item(), rel=0.03)


def test_condition_reaches_the_unet_as_a_dict_or_as_hidden_states():
    seen, labels = [], torch.eye(2)

    def unet(noisy_images, timesteps, **extra):
        seen.append(extra)
        return UNet2DOutput(sample=noisy_images)

    images = torch.zeros(2, 3, 8, 8)
    diffusion_loss(
        unet, make_noise_scheduler(), images, lambda one_hot: {"class_labels": one_hot + 1}, labels
    )
    diffusion_loss(unet, make_noise_scheduler(), images, lambda one_hot: one_hot * 2, labels)
    diffusion_loss(unet, make_noise_scheduler(), images)
    assert torch.equal(seen[0].pop("class_labels"), labels + 1)
    assert torch.equal(seen[1].pop("encoder_hidden_states"), labels * 2)
    assert seen == [{}, {}, {}]


@pytest.mark.parametrize("prediction_type", training.PREDICTION_TYPES)
def test_loss_goes_down_for_each_prediction_type(prediction_type):
    scheduler = make_noise_scheduler(prediction_type)
    unet, dataset = make_unet(size=8), make_dataset(8, size=8)
    history = short_run(60, unet, dataset, scheduler, batch_size=8, learning_rate=1e-2)
    assert mean(history.losses[-10:]) < 0.7 * mean(history.losses[:5])
    assert not unet.training


# --- learning rate, averaged weights, accumulation, precision -------------------------------------


def test_learning_rate_warms_up_then_follows_a_cosine_to_zero():
    history = short_run(12, warmup_steps=4, learning_rate=2e-3)
    warm_up = [2e-3 * step / 4 for step in range(4)]
    cosine = [2e-3 * (1 + math.cos(math.pi * step / 8)) / 2 for step in range(8)]
    assert history.learning_rates == pytest.approx(warm_up + cosine)
    assert [warmup_cosine(step, 4, 12) for step in (12, 13, 20, 1000)] == [0, 0, 0, 0]  # and stays there


@pytest.mark.parametrize("ema_decay", [0.9995, 0.5])
def test_unet_is_left_with_the_averaged_weights(tmp_path, ema_decay):
    unet, seen = make_unet(size=8), []
    # At the start of a step the UNet holds what the step before has left.
    hook = unet.register_forward_pre_hook(
        lambda *_: seen.append(nn.utils.parameters_to_vector(unet.parameters()).detach())
    )
    short_run(6, unet=unet, learning_rate=1e-2, ema_decay=ema_decay, checkpoint_dir=tmp_path)
    hook.remove()
    tensors, _ = newest(tmp_path)
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
    def plain_loss(unet, noise_scheduler, images, condition, labels, snr_gamma):
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


# --- divergence -----------------------------------------------------------------------------------


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


# --- random numbers -------------------------------------------------------------------------------


def test_same_seed_same_losses_and_weights_bit_for_bit_whatever_the_caller_drew():
    ends, flipped = [], make_dataset(size=8, flip=True)
    for caller in (1, 2):
        torch.manual_seed(caller)
        unet = make_unet(size=8)
        ends.append((short_run(unet=unet, dataset=flipped, seed=3).losses, unet.state_dict()))
    assert ends[0][0] == ends[1][0]
    assert all(torch.equal(weight, ends[1][1][name]) for name, weight in ends[0][1].items())


@pytest.mark.parametrize("seeds", [(0, 1), (3, 3 + 2**31), (-1, 0)])
def test_different_seeds_draw_different_noise(seeds):
    # One image is the whole dataset, so that the order of images makes no difference.
    runs = [short_run(2, dataset=make_dataset(1, size=8), batch_size=1, seed=seed) for seed in seeds]
    assert runs[0].losses[0] != runs[1].losses[0] and runs[0].losses[1] != runs[1].losses[1]


def test_each_step_draws_noise_of_its_own():
    history = short_run(5, dataset=make_dataset(1, size=8), batch_size=1, learning_rate=0.0)
    assert len(set(history.losses)) == 5


def test_the_callers_random_numbers_go_on_undisturbed():
    dataset = make_dataset(size=8, flip=True)  # tosses coins of the global generator
    torch.manual_seed(11)
    before = torch.get_rng_state()
    short_run(dataset=dataset)
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(ValueError):
        short_run(dataset=dataset, scheduler=make_noise_scheduler("noise"))
    assert torch.equal(torch.get_rng_state(), before)


# --- the progress bar -----------------------------------------------------------------------------


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


@needs_cuda
def test_on_cuda_a_resume_is_exact_with_deterministic_algorithms(tmp_path, monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    try:
        whole = short_run(6, device="cuda", checkpoint_dir=tmp_path, checkpoint_steps=3)
        shutil.rmtree(checkpoints.list_checkpoints(tmp_path)[-1])
        assert short_run(6, device="cuda", checkpoint_dir=tmp_path).losses == whole.losses
    finally:
        torch.use_deterministic_algorithms(False)


# --- a run that is killed -------------------------------------------------------------------------

NUM_STEPS = 24


class SlowDataset(Spy):
    """Flipped pictures with some noise, drawn from torch's global generator; slow, to be killed in time."""

    def __init__(self, delay):
        super().__init__(make_dataset(12, size=8, flip=True))
        self.delay = delay

    def __getitem__(self, index):
        time.sleep(self.delay)
        image, label = super().__getitem__(index)
        return image + 0.1 * torch.randn_like(image), label


def train_in_child(folder, out, delay=0.0, killed_while_writing=None):
    """Train a UNet and the module that conditions it; runs in a process of its own."""
    torch.set_num_threads(1)
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    if killed_while_writing:
        whole, calls = checkpoints.save_file, []

        def save_half(tensors, path):
            calls.append(path)
            whole(tensors, path)
            if len(calls) == killed_while_writing:
                os.truncate(path, path.stat().st_size // 2)
                os.kill(os.getpid(), signal.SIGKILL)

        checkpoints.save_file = save_half
    unet = make_unet(size=8, class_embed_type="identity", dropout=0.1)
    torch.manual_seed(5)
    condition = nn.Sequential(nn.Linear(2, 32), nn.Dropout(0.2))
    both = nn.ModuleList([unet, condition])
    history = train(
        unet,
        make_noise_scheduler("v_prediction"),
        SlowDataset(delay),
        NUM_STEPS,
        condition=ClassLabels(condition),
        checkpoint_dir=folder,
        checkpoint_steps=1,
        batch_size=4,
        gradient_accumulation_steps=2,
        warmup_steps=3,
        device="cpu",
        mixed_precision="no",
    )
    save_file(both.state_dict(), out / "weights.safetensors")
    (out / "losses.json").write_text(json.dumps([history.losses, history.learning_rates]))


class ClassLabels(nn.Module):
    """A condition that is trained: what it makes of the labels is added to the time embedding."""

    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def forward(self, labels):
        return {"class_labels": self.layers(labels)}


def steps_done(folder) -> int:
    """The step of the newest checkpoint."""
    done = checkpoints.list_checkpoints(folder)
    return int(done[-1].name.split("-")[1]) if done else 0


def test_a_run_that_is_killed_again_and_again_ends_bit_identical(tmp_path):
    # A fork server imports torch once and starts each of the processes in a moment.
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    context.set_forkserver_preload(["helpers.training", "diffusers.models.unets.unet_2d_condition"])
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for folder in (killed, whole):
        folder.mkdir()

    def start(folder, **options):
        process = context.Process(target=train_in_child, args=(folder / "state", folder), kwargs=options)
        process.start()
        return process

    # At arbitrary moments: as soon as this many steps are seen to be done, and a little later.
    for step, later in ((2, 0.0), (5, 0.013), (8, 0.031)):
        process = start(killed, delay=0.005)
        while steps_done(killed / "state") < step and process.is_alive():
            time.sleep(0.002)
        time.sleep(later)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert step <= steps_done(killed / "state") < NUM_STEPS
    # In the midst of writing: half a file is on the disk.
    before = steps_done(killed / "state")
    process = start(killed, killed_while_writing=2)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert steps_done(killed / "state") == before + 1 and list((killed / "state").glob(".checkpoint-*"))

    for folder in (killed, whole):
        process = start(folder)
        process.join()
        assert process.exitcode == 0
    assert (killed / "losses.json").read_text() == (whole / "losses.json").read_text()
    assert len(json.loads((whole / "losses.json").read_text())[0]) == NUM_STEPS
    ends = [load_file(folder / "weights.safetensors") for folder in (killed, whole)]
    assert ends[0].keys() == ends[1].keys() and all(torch.equal(ends[0][k], ends[1][k]) for k in ends[0])
    torch.manual_seed(5)
    assert not torch.equal(ends[0]["1.0.weight"], nn.Linear(2, 32).weight)  # the condition was trained too
