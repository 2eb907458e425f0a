"""Averaged weights that a run writes on its way: at the right steps, the right ones, after a resume too."""

import pytest
import torch
from conftest import Spy, make_dataset, make_unet, short_run
from safetensors.torch import load_file
from torch import nn

from helpers.training.checkpoints import drop_averages, list_averages, load_average, load_checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")


class Breaks(Spy):
    """Pictures that break when this many were read."""

    def __init__(self, after):
        super().__init__(make_dataset(12, size=8))
        self.after = after

    def __getitem__(self, index):
        if len(self.read) == self.after:
            raise KeyboardInterrupt
        return super().__getitem__(index)


def test_averages_are_those_of_their_steps(tmp_path):
    unet = make_unet(size=8)
    short_run(4, unet, checkpoint_dir=tmp_path, checkpoint_steps=2, average_steps=(2, 4, 9))
    names = {"average-00000002.safetensors", "average-00000004.safetensors"}
    assert {path.name for path in tmp_path.glob("average-*")} == names
    for step, path in list_averages(tmp_path).items():
        tensors, _ = load_checkpoint(tmp_path / f"checkpoint-{step:08d}")
        found = load_file(path)
        for i, (name, _) in enumerate(unet.named_parameters()):
            assert torch.equal(found.pop(f"0.{name}"), tensors[f"ema.{i}"])
        assert not found
    # The last ones are what the run leaves in the UNet.
    other = make_unet(3, size=8)
    load_average(tmp_path / "average-00000004.safetensors", other)
    assert all(torch.equal(v, unet.state_dict()[k]) for k, v in other.state_dict().items())


def test_a_condition_that_is_trained_is_averaged_too(tmp_path):
    unet, condition = make_unet(size=8, class_embed_type="identity"), nn.Linear(2, 32)
    trained = nn.ModuleList([condition])  # any module, and one that returns what the UNet takes
    trained.forward = lambda labels: {"class_labels": condition(labels)}
    short_run(2, unet, condition=trained, checkpoint_dir=tmp_path, average_steps=[2])
    other, again = make_unet(3, size=8, class_embed_type="identity"), nn.ModuleList([nn.Linear(2, 32)])
    load_average(tmp_path / "average-00000002.safetensors", other, again)
    assert torch.equal(again[0].weight, condition.weight)
    assert all(torch.equal(v, unet.state_dict()[k]) for k, v in other.state_dict().items())
    with pytest.raises(ValueError, match=r"average-00000002\.safetensors is damaged, or holds other modules"):
        load_average(tmp_path / "average-00000002.safetensors", other)


def test_a_resumed_run_keeps_what_it_wrote_and_writes_the_rest(tmp_path):
    options = {"checkpoint_steps": 2, "average_steps": (1, 3, 5)}
    with pytest.raises(KeyboardInterrupt):  # in the fifth step, after one item for the check of shapes
        short_run(6, dataset=Breaks(1 + 4 * 4), checkpoint_dir=tmp_path / "cut", **options)
    written = {step: path.stat().st_mtime_ns for step, path in list_averages(tmp_path / "cut").items()}
    assert list(written) == [1, 3]
    short_run(6, dataset=Breaks(None), checkpoint_dir=tmp_path / "cut", **options)
    short_run(6, dataset=Breaks(None), checkpoint_dir=tmp_path / "whole", **options)
    cut, whole = list_averages(tmp_path / "cut"), list_averages(tmp_path / "whole")
    assert list(cut) == list(whole) == [1, 3, 5] and cut[1].stat().st_mtime_ns == written[1]
    assert all(cut[step].read_bytes() == whole[step].read_bytes() for step in whole)


def test_a_run_that_starts_anew_keeps_none_of_an_older_one(tmp_path):
    short_run(3, checkpoint_dir=tmp_path, average_steps=(1, 2, 3))
    short_run(2, checkpoint_dir=tmp_path, average_steps=(1,), resume=False)
    assert list(list_averages(tmp_path)) == [1]
    drop_averages(tmp_path, after=0)
    assert list_averages(tmp_path) == {}


def test_averages_need_a_folder_and_must_be_whole(tmp_path):
    with pytest.raises(ValueError, match="average_steps needs a checkpoint_dir"):
        short_run(2, average_steps=(1,))
    (tmp_path / "average-00000001.safetensors").write_bytes(b"half")
    with pytest.raises(ValueError, match=r"average-00000001\.safetensors is damaged"):
        load_average(tmp_path / "average-00000001.safetensors", make_unet(size=8))
