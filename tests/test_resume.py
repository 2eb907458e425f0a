"""A run that goes on: bit for bit as if it had never stopped, and never from another run's state."""

import json
import multiprocessing
import os
import re
import shutil
import signal
import sys
import time

import numpy as np
import pytest
import torch
from conftest import Spy, make_dataset, make_noise_scheduler, make_unet, short_run
from diffusers import DDPMScheduler
from safetensors.torch import load_file, save_file
from torch import nn

from helpers.training import checkpoints, train
from helpers.training.checkpoints import list_checkpoints

pytestmark = pytest.mark.usefixtures("one_thread")


def test_resuming_with_other_settings_is_refused_by_name(tmp_path):
    short_run(2, checkpoint_dir=tmp_path)
    with pytest.raises(ValueError, match=r"num_steps=2 \(now 3\), seed=0 \(now 5\).*resume=False"):
        short_run(3, checkpoint_dir=tmp_path, seed=5)


def test_resuming_on_other_data_is_refused(tmp_path):
    short_run(2, dataset=make_dataset(6, size=8), checkpoint_dir=tmp_path)
    for count, options in ((7, {}), (6, {"rare": 3}), (6, {"flip": True})):
        with pytest.raises(ValueError, match=r"data and labels='\w+' \(now '\w+'\).*resume=False"):
            short_run(2, dataset=make_dataset(count, size=8, **options), checkpoint_dir=tmp_path)
    assert len(short_run(2, dataset=make_dataset(6, size=8), checkpoint_dir=tmp_path).losses) == 2


BETAS = np.linspace(1e-3, 0.1, 50)


@pytest.mark.parametrize(
    "before, now, message",
    [
        ({}, {"prediction_type": "v_prediction"}, "prediction_type='epsilon' (now 'v_prediction'); "),
        ({}, {"rescale_betas_zero_snr": True}, "rescale_betas_zero_snr=False (now True); "),
        ({"trained_betas": BETAS}, {}, "trained_betas=[0.001, "),
        ({"trained_betas": BETAS}, {"trained_betas": BETAS * 2}, "trained_betas=[0.001, "),
        ({"trained_betas": BETAS}, {"trained_betas": BETAS.tolist()}, None),
    ],
)
def test_resuming_with_another_noise_schedule_is_refused(tmp_path, before, now, message):
    short_run(2, checkpoint_dir=tmp_path, scheduler=DDPMScheduler(50, **before))
    if message is None:  # the same numbers
        assert len(short_run(2, checkpoint_dir=tmp_path, scheduler=DDPMScheduler(50, **now)).losses) == 2
        return
    with pytest.raises(ValueError, match=re.escape(message) + r".*resume=False"):
        short_run(2, checkpoint_dir=tmp_path, scheduler=DDPMScheduler(50, **now))


def test_a_checkpoint_that_lacks_something_is_refused_by_name(tmp_path):
    short_run(2, checkpoint_dir=tmp_path)
    path = tmp_path / "checkpoint-00000002" / "state.json"
    info = json.loads(path.read_text())
    del info["ema_step"], info["history"]
    path.write_text(json.dumps(info))
    with pytest.raises(ValueError, match=r"checkpoint-00000002 lacks ema_step, history;.*resume=False"):
        short_run(2, checkpoint_dir=tmp_path)


def test_resuming_with_another_unet_is_refused_and_leaves_it_alone(tmp_path):
    short_run(2, checkpoint_dir=tmp_path)
    unet = make_unet(3, size=8, block_out_channels=(8, 32))
    with pytest.raises(ValueError, match=r"weights of another UNet.*resume=False"):
        short_run(2, checkpoint_dir=tmp_path, unet=unet)
    fresh = make_unet(3, size=8, block_out_channels=(8, 32)).state_dict()
    assert all(torch.equal(v, fresh[k]) for k, v in unet.state_dict().items())


def test_resume_false_starts_anew(tmp_path):
    short_run(6, checkpoint_dir=tmp_path, checkpoint_steps=2)
    history = short_run(3, checkpoint_dir=tmp_path, resume=False)
    assert len(history.losses) == 3
    assert [path.name for path in list_checkpoints(tmp_path)] == ["checkpoint-00000003"]


def test_damaged_newest_checkpoint_stops_the_resume_and_the_one_before_it_works(tmp_path):
    whole = short_run(4, checkpoint_dir=tmp_path, checkpoint_steps=2)
    (tmp_path / "checkpoint-00000004" / "state.safetensors").write_bytes(b"half")
    with pytest.raises(ValueError, match=r"checkpoint-00000004 is damaged"):
        short_run(4, checkpoint_dir=tmp_path)
    for file in (tmp_path / "checkpoint-00000004").iterdir():
        file.unlink()
    assert short_run(4, checkpoint_dir=tmp_path).losses == whole.losses


def test_a_run_goes_on_with_another_number_of_threads(tmp_path):
    whole = short_run(6, checkpoint_dir=tmp_path, checkpoint_steps=3)
    shutil.rmtree(list_checkpoints(tmp_path)[-1])  # as if it had been killed after step 3
    torch.set_num_threads(2)
    try:
        again = short_run(6, checkpoint_dir=tmp_path)
    finally:
        torch.set_num_threads(1)
    # Sums are taken in another order, so no more than nearly the same.
    assert again.losses == pytest.approx(whole.losses, abs=1e-4) and again.losses[:3] == whole.losses[:3]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_on_cuda_a_resume_is_exact_with_deterministic_algorithms(tmp_path, monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    try:
        whole = short_run(6, device="cuda", checkpoint_dir=tmp_path, checkpoint_steps=3)
        shutil.rmtree(list_checkpoints(tmp_path)[-1])
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
    done = list_checkpoints(folder)
    return int(done[-1].name.split("-")[1]) if done else 0


@pytest.mark.slow
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
