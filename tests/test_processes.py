"""Several processes: together they do what one does with the whole batch, and go on as one after a kill."""

import json
import multiprocessing
import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import Spy, make_dataset, make_unet, short_run
from safetensors.torch import load_file, save_file

from helpers.training.checkpoints import list_checkpoints

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

NUM_STEPS = 8
WHOLE_BATCH = {"learning_rate": 1e-3, "snr_gamma": 5, "balanced": True, "seed": 3}


class Slow(Spy):
    """Flipped pictures with noise of their own that take their time."""

    def __init__(self, delay: float):
        super().__init__(make_dataset(24, size=8, flip=True))
        self.delay, self.images, self.fingerprint = delay, [], self.dataset.fingerprint

    def __getitem__(self, index):
        time.sleep(self.delay)
        image, label = super().__getitem__(index)
        self.images.append(image + 0.1 * torch.randn_like(image))
        return self.images[-1], label


def train_alike(**settings) -> list[float]:
    """Train without any randomness but noise, timesteps and the order of the data; return the losses."""
    return short_run(6, dataset=make_dataset(24, size=8), **WHOLE_BATCH | settings).losses


def train_with_dropout(folder, delay: float = 0.0) -> tuple[torch.nn.Module, list[float], Slow]:
    """Train with all randomness there is, and a checkpoint at each step."""
    unet, dataset = make_unet(size=8, dropout=0.1), Slow(delay)
    options = {"checkpoint_dir": folder / "state", "checkpoint_steps": 1, "gradient_accumulation_steps": 2}
    history = short_run(NUM_STEPS, unet=unet, dataset=dataset, batch_size=2, **options)
    return unet, history.losses, dataset


def work(rank: int, port: int, folder: Path, delay: float, extra: bool) -> None:
    """One of two processes; `extra` are the checks that need no restart."""
    torch.set_num_threads(1)
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()})
    os.environ.update(MASTER_ADDR="127.0.0.1", GLOO_SOCKET_IFNAME="lo", ACCELERATE_USE_CPU="yes")
    unet, losses, dataset = train_with_dropout(folder, delay)
    first = [image.tolist() for image in dataset.images[1:5]]  # item 0 was read for its shape
    result = {"losses": losses, "read": dataset.read[1:], "first": first}
    if extra:
        result["alike"] = train_alike(batch_size=4)
        result["accumulated"] = train_alike(batch_size=2, gradient_accumulation_steps=2)
        result["workers"] = train_alike(batch_size=4, num_workers=1)
        try:
            short_run(2, dataset=make_dataset(24, size=8), batch_size=13)
        except ValueError as error:
            result["refused"] = str(error)
        # Built with other weights each, they train those of the first.
        torch.manual_seed(rank)
        result["seeds"] = train_alike(batch_size=4, unet=make_unet(seed=rank, size=8))
    save_file(unet.state_dict(), folder / f"unet-{rank}.safetensors")
    (folder / f"result-{rank}.json").write_text(json.dumps(result))
    torch.distributed.destroy_process_group()


def start_both(folder: Path, delay: float = 0.0, extra: bool = False) -> list:
    """Start two processes."""
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    context.set_forkserver_preload(["helpers.training", "torch.utils.tensorboard"])
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    both = [context.Process(target=work, args=(rank, port, folder, delay, extra)) for rank in (0, 1)]
    for process in both:
        process.start()
    return both


def finish(folder: Path, both) -> tuple[dict, dict]:
    """Wait for both; return what they found."""
    for process in both:
        process.join(100)
    assert [process.exitcode for process in both] == [0, 0]
    return tuple(json.loads((folder / f"result-{rank}.json").read_text()) for rank in (0, 1))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder and findings of two processes that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, *finish(folder, start_both(folder, extra=True))


def test_losses_are_those_of_one_process_with_the_doubled_batch(whole):
    _, first, second = whole
    alone = train_alike(batch_size=8)
    assert len(alone) == 6 and max(alone) - min(alone) > 0.01
    for name in ("alike", "workers", "seeds"):
        assert first[name] == second[name] == pytest.approx(alone, abs=1e-4)
    accumulated = train_alike(batch_size=4, gradient_accumulation_steps=2)
    assert first["accumulated"] == second["accumulated"] == pytest.approx(accumulated, abs=1e-4)


def test_each_image_is_read_by_one_process_with_random_numbers_of_its_own(whole):
    _, first, second = whole
    batches = NUM_STEPS * 2
    assert len(first["read"]) == len(second["read"]) == batches * 2
    for start in range(0, 2 * 6, 2):  # an epoch has six batches of four
        one, other = (set(result["read"][start : start + 2]) for result in (first, second))
        assert len(one | other) == 4
    assert sorted(first["read"][:12] + second["read"][:12]) == list(range(24))
    assert first["first"] != second["first"]


def test_the_first_process_writes_and_all_end_with_the_same_weights(whole):
    folder, first, second = whole
    assert first["losses"] == second["losses"]
    ends = [load_file(folder / f"unet-{rank}.safetensors") for rank in (0, 1)]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    assert [path.name for path in list_checkpoints(folder / "state")] == [
        "checkpoint-00000007",
        "checkpoint-00000008",
    ]


def test_a_batch_that_the_data_do_not_fill_is_refused_with_the_number_of_processes(whole):
    expected = (
        "batch_size=13 in each of 2 processes is larger than the dataset (24 images): take batch_size=12"
    )
    assert whole[1]["refused"].startswith(expected) and whole[2]["refused"].startswith(expected)


def test_killed_processes_go_on_bit_identical(whole, tmp_path):
    folder, expected, _ = whole
    both = start_both(tmp_path, delay=0.03)
    while len(list_checkpoints(tmp_path / "state")) < 2 and both[0].is_alive():
        time.sleep(0.002)
    for process in both:
        process.kill()
    for process in both:
        process.join()
        assert process.exitcode == -signal.SIGKILL
    assert 2 <= int(list_checkpoints(tmp_path / "state")[-1].name.split("-")[1]) < NUM_STEPS
    # One process alone would see other batches.
    with pytest.raises(ValueError, match=r"num_processes=2 \(now 1\)"):
        train_with_dropout(tmp_path)
    resumed, _ = finish(tmp_path, start_both(tmp_path))
    assert resumed["losses"] == expected["losses"]
    ends = [load_file(place / "unet-0.safetensors") for place in (folder, tmp_path)]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_workers_read_the_same_after_a_resume(tmp_path):
    def run(folder, steps):
        unet = make_unet(size=8)
        options = {"checkpoint_dir": folder, "checkpoint_steps": 2, "num_workers": 2}
        return short_run(steps, unet=unet, dataset=make_dataset(24, size=8, flip=True), **options).losses

    whole = run(tmp_path / "a", 6)
    (tmp_path / "a" / "checkpoint-00000006" / "state.json").unlink()
    assert run(tmp_path / "a", 6) == whole
