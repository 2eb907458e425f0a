"""State on disk: whole or not at all, nothing pickled, the newest few kept, damage named."""

import json
from pathlib import Path

import pytest
import torch
from conftest import Spy, make_dataset, short_run

from helpers.files import write_folder
from helpers.training import TrainingDivergedError, checkpoints
from helpers.training.checkpoints import list_checkpoints, load_checkpoint, save_checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")


def fill(text: str):
    """Return a `write` for `write_folder` that makes one file."""
    return lambda folder: (folder / "file.txt").write_text(text)


def contents(folder: Path) -> dict:
    """Every file below a folder, hidden ones too."""
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


def file_names(folder: Path) -> list[str]:
    """The names of all files below a folder."""
    return [p.name for p in folder.rglob("*") if p.is_file()]


def steps(folder: Path) -> list[int]:
    """The steps of the checkpoints in a folder."""
    return [int(path.name.split("-")[1]) for path in list_checkpoints(folder)]


def test_write_folder_creates_replaces_and_keeps_the_old_folder_when_writing_fails(tmp_path):
    write_folder(tmp_path / "new" / "model", fill("one"))
    write_folder(tmp_path / "new" / "model", fill("two"))

    def write(folder):
        (folder / "file.txt").write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_folder(tmp_path / "new" / "model", write)
    assert contents(tmp_path) == {"new/model/file.txt": "two"}
    assert (tmp_path / "new" / "model").stat().st_mode & 0o777 == 0o755


def test_write_folder_puts_the_old_folder_back_when_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    write_folder(tmp_path / "model", fill("old"))
    rename = Path.rename

    def in_use(path, target):
        if path.name.startswith(".model-"):
            raise PermissionError("in use")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", in_use)
    with pytest.raises(PermissionError, match="in use"):
        write_folder(tmp_path / "model", fill("new"))
    assert contents(tmp_path) == {"model/file.txt": "old"}


def test_checkpoint_gives_back_tensors_and_numbers_exactly(tmp_path):
    tied = torch.randn(3, 4)
    tensors = {"a": tied, "b": tied, "c": torch.tensor(7.0), "d": tied.T}
    path = save_checkpoint(tmp_path, 12, tensors, {"loss": 0.1 + 0.2, "name": "é"})
    loaded, info = load_checkpoint(path)
    assert info == {"step": 12, "loss": 0.1 + 0.2, "name": "é"}
    assert loaded.keys() == tensors.keys() and all(torch.equal(loaded[k], tensors[k]) for k in tensors)
    # Only formats that cannot run code when they are read.
    assert sorted(file_names(tmp_path)) == ["state.json", "state.safetensors"]


# Were 90 still there after a run started anew, the next resume would take it.
@pytest.mark.parametrize("saved, keep, kept", [((8, 9, 10, 11), 3, [9, 10, 11]), ((80, 90, 2), 2, [2])])
def test_only_the_newest_are_kept_and_none_of_an_older_run(tmp_path, saved, keep, kept):
    for step in saved:
        save_checkpoint(tmp_path, step, {"x": torch.zeros(1)}, {}, keep)
    assert steps(tmp_path) == kept


def test_leftovers_of_a_killed_run_are_no_checkpoints_and_go_away(tmp_path):
    save_checkpoint(tmp_path, 1, {"x": torch.zeros(1)}, {})
    assert list_checkpoints(tmp_path / "nowhere") == []
    leftover, half_deleted = tmp_path / ".checkpoint-00000002-abc", tmp_path / "checkpoint-00000000"
    for folder in (leftover, half_deleted):
        folder.mkdir()
        (folder / "state.safetensors").write_bytes(b"half")
    (leftover / "state.json").write_text('{"step": 2}')
    assert steps(tmp_path) == [1]
    save_checkpoint(tmp_path, 2, {"x": torch.zeros(1)}, {})
    assert steps(tmp_path) == [1, 2] and not leftover.exists()


@pytest.mark.parametrize("file", ["state.json", "state.safetensors"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_damaged_checkpoint_is_named_with_what_to_do(tmp_path, file, damage):
    path = save_checkpoint(tmp_path, 3, {"x": torch.randn(50)}, {"a": 1})
    whole = (path / file).read_bytes()
    (path / file).unlink() if damage == "gone" else (path / file).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"checkpoint-00000003 is damaged .* delete this folder"):
        load_checkpoint(path)


# --- what train writes ------------------------------------------------------------------------


def small_run(folder, dataset=None, num_steps=10, **settings):
    """Train a few steps of two pictures each."""
    dataset = make_dataset(4, size=8) if dataset is None else dataset
    return short_run(num_steps, dataset=dataset, **{"batch_size": 2, "checkpoint_dir": folder} | settings)


class Clock(Spy):
    """A dataset that takes 20 s to read an item of, on a clock of its own, and breaks at an item."""

    def __init__(self, stop_at=float("inf")):
        super().__init__(make_dataset(4, size=8))
        self.now, self.stop_at = 0.0, stop_at

    def __getitem__(self, index):
        self.now += 20
        if self.now >= self.stop_at:
            raise KeyboardInterrupt
        return super().__getitem__(index)


@pytest.mark.parametrize("checkpoint_steps, kept", [(2, [4, 5]), (None, [5])])
def test_checkpoints_every_so_many_steps_and_at_the_end(tmp_path, checkpoint_steps, kept):
    history = small_run(tmp_path, num_steps=5, checkpoint_steps=checkpoint_steps)
    assert steps(tmp_path) == kept
    assert {Path(name).suffix for name in file_names(tmp_path)} == {".json", ".safetensors"}
    info = json.loads((tmp_path / "checkpoint-00000005" / "state.json").read_text())
    assert info["history"]["losses"] == history.losses and len(history.losses) == 5


def test_checkpoints_every_so_many_minutes(tmp_path, monkeypatch):
    # A step reads two items, 40 s: two minutes have passed after steps 3, 6 and 9.
    clock = Clock(stop_at=20 + 10 * 40)
    monkeypatch.setattr("time.monotonic", lambda: clock.now)
    with pytest.raises(KeyboardInterrupt):
        small_run(tmp_path, clock, num_steps=100, checkpoint_minutes=2)
    assert steps(tmp_path) == [6, 9]
    assert load_checkpoint(list_checkpoints(tmp_path)[-1])[1]["history"]["seconds"] == 9 * 40


def test_seconds_and_losses_go_on_from_where_a_run_was_stopped(tmp_path, monkeypatch):
    stopped, clock = Clock(stop_at=20 + 7 * 40), Clock()
    monkeypatch.setattr("time.monotonic", lambda: stopped.now)
    with pytest.raises(KeyboardInterrupt):
        small_run(tmp_path, stopped, checkpoint_steps=3)
    before = load_checkpoint(list_checkpoints(tmp_path)[-1])[1]["history"]
    monkeypatch.setattr("time.monotonic", lambda: clock.now)
    history = small_run(tmp_path, clock, checkpoint_steps=3)
    assert len(before["losses"]) == 6 and history.losses[:6] == before["losses"]
    assert len(history.losses) == len(history.learning_rates) == 10
    assert history.seconds == 10 * 40  # the step that was lost is not counted twice


def test_a_finished_run_is_not_trained_again(tmp_path):
    dataset = Clock()
    first = small_run(tmp_path, dataset, num_steps=3)
    read = dataset.now
    assert small_run(tmp_path, dataset, num_steps=3) == first
    assert dataset.now == read + 20  # one item, for the check of its shape


def test_a_full_disk_leaves_the_last_checkpoint_whole_and_the_run_goes_on_from_it(tmp_path, monkeypatch):
    whole, calls = checkpoints.save_file, []

    def fill_disk(tensors, path):
        whole(tensors, path)
        calls.append(path)
        if len(calls) == 3:
            path.write_bytes(path.read_bytes()[:1000])
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_file", fill_disk)
    with pytest.raises(OSError, match="No space left"):
        small_run(tmp_path / "full", num_steps=4, checkpoint_steps=1)
    assert [path.name for path in (tmp_path / "full").iterdir() if path.name[0] == "."] == []
    assert steps(tmp_path / "full") == [1, 2]
    assert_finite(list_checkpoints(tmp_path / "full")[-1])
    again = small_run(tmp_path / "full", num_steps=4)
    assert again.losses == small_run(tmp_path / "other", num_steps=4).losses


class TurnsToNaN(Spy):
    """Pictures that are NaN once this many were read."""

    def __init__(self, after):
        super().__init__(make_dataset(4, size=8))
        self.after = after

    def __getitem__(self, index):
        image, label = super().__getitem__(index)
        return (image * float("nan") if len(self.read) > self.after else image), label


def assert_finite(path: Path) -> None:
    """Load a checkpoint and look at each of its numbers."""
    tensors, info = load_checkpoint(path)
    assert len(tensors) > 100 and all(bool(v.isfinite().all()) for v in tensors.values())
    assert info["step"] == len(info["history"]["losses"])


def test_nan_stops_the_run_and_the_last_good_checkpoint_survives(tmp_path):
    # One item for the check of shapes, then two a step: the NaN comes in step 5.
    with pytest.raises(TrainingDivergedError) as error:
        small_run(tmp_path, TurnsToNaN(after=1 + 5 * 2), checkpoint_steps=2, learning_rate=1e-3)
    text = str(error.value)
    # Step 5 of 10 after one of warm-up: 1e-3 · (1 + cos(π · 4/9)) / 2.
    assert "loss nan" in text and "at step 5," in text and "learning rate 5.87e-04" in text
    assert "lower learning_rate" in text and "warm-up" in text and 'mixed_precision="no"' in text
    assert steps(tmp_path) == [2, 4]
    assert_finite(list_checkpoints(tmp_path)[-1])
    # The pictures are mended: the run goes on from step 4.
    assert len(small_run(tmp_path, TurnsToNaN(after=10**9), learning_rate=1e-3).losses) == 10


@pytest.mark.parametrize("learning_rate", [1e20, 1e38])
def test_an_absurd_learning_rate_never_leaves_a_broken_checkpoint(tmp_path, learning_rate):
    with pytest.raises(TrainingDivergedError, match=r"at step \d+, learning rate .*lower learning_rate"):
        small_run(tmp_path, checkpoint_steps=1, learning_rate=learning_rate)
    assert steps(tmp_path)
    for path in list_checkpoints(tmp_path):
        assert_finite(path)
