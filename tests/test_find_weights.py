"""What is wrong with missing or damaged weights is said in words."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from helpers.weights import find_weights, load_pipeline


@pytest.fixture
def weights(tmp_path):
    folder = tmp_path / "some model"
    (folder / "unet").mkdir(parents=True)
    (folder / "model_index.json").write_text("{}")
    save_file({"weight": torch.ones(1000)}, folder / "unet" / "model.safetensors")
    return folder


def test_a_folder_among_the_weights_or_beside_the_reader_is_found(weights, tmp_path, monkeypatch):
    assert find_weights("some model", root=weights.parent) == weights
    weights.rename(tmp_path / "mine")
    monkeypatch.chdir(tmp_path.parent)
    assert find_weights(f"{tmp_path.name}/mine") == tmp_path / "mine"
    assert find_weights(tmp_path / "mine") == tmp_path / "mine"


def test_a_part_that_is_pickled_is_not_loaded(tmp_path):
    shutil.copytree(find_weights("label_conditioned"), tmp_path / "mine")
    file = next((tmp_path / "mine" / "class_net").glob("*.safetensors"))
    torch.save(load_file(file), file.with_suffix(".bin"))
    file.unlink()
    with pytest.raises(OSError, match="safetensors"):
        load_pipeline("mine", root=tmp_path)


@pytest.mark.parametrize("missing", ["model_index.json", "unet/model.safetensors", "."])
def test_missing_file_or_folder_names_the_folder_and_the_command(weights, missing):
    shutil.rmtree(weights) if missing == "." else (weights / missing).unlink()
    with pytest.raises(FileNotFoundError, match=r"some model.*make weights"):
        find_weights("some model", root=weights.parent)


@pytest.mark.parametrize("kept", [0, 5, 2000])
def test_truncated_file_is_named(weights, kept):
    file = weights / "unet" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged.*git checkout weights"):
        find_weights("some model", root=weights.parent)


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty cache of the Hub, and no network."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_model_on_the_hub_without_a_network_is_refused(cache):
    with pytest.raises(ConnectionError, match=r"offline: cannot fetch someone/model.*weights/unconditional"):
        find_weights("someone/model")


@pytest.fixture
def fetched(cache, weights):
    """A model that was fetched from the Hub before."""
    folder = cache / "models--someone--model"
    for part in ("snapshots", "refs"):
        (folder / part).mkdir(parents=True)
    (folder / "refs" / "main").write_text("0" * 40)
    return weights.rename(folder / "snapshots" / ("0" * 40))


def test_model_of_the_hub_that_was_fetched_before_works_offline_unless_pickled(fetched):
    assert find_weights("someone/model") == fetched
    (fetched / "unet" / "model.safetensors").rename(fetched / "unet" / "model.bin")
    with pytest.raises(
        FileNotFoundError, match=r"someone/model on the Hub .* pickled weights, which are not"
    ):
        find_weights("someone/model")
