"""What is wrong with missing or damaged weights is said in words."""

import pytest
import torch
from safetensors.torch import save_file

from helpers.weights import find_weights


@pytest.fixture
def weights(tmp_path):
    folder = tmp_path / "some model"
    (folder / "unet").mkdir(parents=True)
    (folder / "model_index.json").write_text("{}")
    save_file({"weight": torch.ones(1000)}, folder / "unet" / "model.safetensors")
    return folder


def test_whole_weights_are_found(weights):
    assert find_weights("some model", root=weights.parent) == weights


@pytest.mark.parametrize("missing", ["model_index.json", "unet/model.safetensors"])
def test_missing_file_names_the_folder_and_the_command(weights, missing):
    (weights / missing).unlink()
    with pytest.raises(FileNotFoundError, match=r"some model.*make weights"):
        find_weights("some model", root=weights.parent)


def test_missing_folder_names_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing.*make weights"):
        find_weights("nothing", root=tmp_path)


@pytest.mark.parametrize("kept", [0, 5, 2000])
def test_truncated_file_is_named(weights, kept):
    file = weights / "unet" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged.*make weights"):
        find_weights("some model", root=weights.parent)
