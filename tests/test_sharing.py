"""A pipeline is kept with its card, sent by the Hub's real client to a small server, and fetched again."""

import socket

import numpy as np
import pytest
import torch
from conftest import make_noise_scheduler, make_unet
from diffusers import DDPMPipeline
from hub_server import TOKEN
from huggingface_hub import ModelCard, snapshot_download
from matplotlib.figure import Figure
from PIL import Image

from helpers.sharing import push_to_hub, save_with_card
from helpers.weights import find_weights

FILES = {
    "README.md",
    "model_index.json",
    "samples.png",
    "scheduler/scheduler_config.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
}
CARD = {
    "repo_id": "someone/faces",
    "description": "Draws faces of 16×16 pixels.",
    "data": "Two hundred emoji.",
    "limits": "Not for portraits.",
    "license": "apache-2.0",
    "training": {"steps": 500, "learning rate": 1e-4},
}


def read(folder):
    """The bytes of each file in a folder."""
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def draw(folder):
    pipeline = DDPMPipeline.from_pretrained(folder, use_safetensors=True)
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(3)
    return pipeline(2, generator=generator, num_inference_steps=5, output_type="np").images


@pytest.fixture
def pipeline():
    return DDPMPipeline(make_unet(seed=5), make_noise_scheduler())


@pytest.fixture
def folder(pipeline, tmp_path):
    return save_with_card(pipeline, tmp_path / "faces", picture=Image.new("RGB", (32, 16)), **CARD)


def test_the_card_says_what_the_hub_asks_for(pipeline, folder):
    card = ModelCard.load(folder / "README.md")
    assert card.data.to_dict() == {
        "license": "apache-2.0",
        "library_name": "diffusers",
        "pipeline_tag": "unconditional-image-generation",
    }
    said = ("# someone/faces", "Two hundred emoji.", "Not for portraits.", "| steps | 500 |", "(samples.png)")
    assert all(part in card.text for part in said)
    metadata = {"base_model": "google/ddpm-ema-cat-256", "tags": ["emoji"]}
    save_with_card(pipeline, folder, picture=Figure(), **CARD, **metadata)
    card = ModelCard.load(folder / "README.md")
    assert metadata.items() <= card.data.to_dict().items()
    assert set(read(folder)) == FILES


def test_the_snippet_of_the_card_draws(folder):
    snippet = (folder / "README.md").read_text().split("```python")[1].split("```")[0]
    names = {}
    exec(snippet.replace("someone/faces", str(folder)), names)
    assert [image.size for image in names["images"]] == [(16, 16)] * 4


def test_what_cannot_be_saved_leaves_the_old_folder(pipeline, folder, tmp_path):
    before = read(folder)
    with pytest.raises(AttributeError):
        save_with_card(pipeline, folder, picture="no picture", **CARD)
    with pytest.raises(TypeError, match=r"expected a DDPMPipeline .* got UNet2DModel"):
        save_with_card(pipeline.unet, folder, picture=Figure(), **CARD)
    with pytest.raises(ValueError, match="holds other files"):
        save_with_card(pipeline, tmp_path, picture=Figure(), **CARD)
    assert read(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["faces"]


@pytest.mark.parametrize("name", ["my faces", "../faces", "a/b/c", "/faces", "a--b", "", None, "é/faces"])
def test_a_wrong_name_is_refused_before_anything_is_sent(hub, folder, name):
    with pytest.raises(ValueError, match='expected "user/name" or "name"'):
        push_to_hub(folder, name, token=TOKEN)
    assert hub.requests == []


def test_without_a_token_nothing_is_sent_and_all_is_said(hub, folder, capsys):
    (folder / "optimizer.bin").write_bytes(b"pickled")
    assert push_to_hub(folder, "someone/faces") is None
    assert hub.requests == []
    said = capsys.readouterr().out
    listed = {words[2]: words[0] for line in said.splitlines() if (words := line.split())[1:2] == ["bytes"]}
    assert listed == {name: f"{len(content):,}" for name, content in read(folder).items() if name in FILES}
    assert "nothing was sent" in said
    assert "hf auth login" in said


def test_sent_and_fetched_again_it_draws_the_same(hub, folder):
    for name in ("optimizer.bin", "checkpoint-00000500/state.json", ".cache/notes.json", "log.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"{}")
    before = read(folder)
    assert push_to_hub(folder, "faces", token=TOKEN, private=True) == f"{hub.url}/me/faces"
    assert hub.private["me/faces"]
    assert hub.repos["me/faces"] == {name: before[name] for name in FILES}
    assert push_to_hub(folder, "me/faces", token=TOKEN) == f"{hub.url}/me/faces"  # again: it is there already
    assert read(folder) == before
    push_to_hub(folder, "someone/faces", token=TOKEN)
    fetched = snapshot_download("someone/faces")
    assert not hub.private["someone/faces"]
    np.testing.assert_array_equal(draw(fetched), draw(folder))
    np.testing.assert_array_equal(draw(find_weights("someone/faces")), draw(folder))


def assert_one_line(error, message, capfd, folder, token=TOKEN):
    """The error says this in one line, nothing else is printed, and how to go on is said."""
    with pytest.raises(error, match=message) as caught:
        push_to_hub(folder, "someone/faces", token=token)
    said = str(caught.value)
    assert "\n" not in said
    assert 'is as it was; to try again: push_to_hub("' in said
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")


def test_a_card_that_the_hub_refuses_is_not_sent(hub, pipeline, folder, capfd):
    save_with_card(pipeline, folder, picture=Figure(), **CARD | {"license": "unknown"})
    assert_one_line(ValueError, 'the Hub refuses someone/faces: .*"license" must be', capfd, folder)
    assert hub.repos == {"someone/faces": {}}


def test_a_wrong_token_is_refused_in_one_line(hub, folder, capfd):
    before, refusal = read(folder), 'someone/faces needs a token with the role "write"'
    assert_one_line(PermissionError, refusal, capfd, folder, "hf_wrong")
    with pytest.raises(PermissionError, match="a token is one word") as caught:
        push_to_hub(folder, "someone/faces", token="hf_ri\nght")
    assert "hf_ri" not in str(caught.value)
    hub.repos["someone/faces"], hub.private["someone/faces"] = {}, False  # somebody else's
    assert_one_line(PermissionError, refusal, capfd, folder, "hf_wrong")
    assert hub.repos == {"someone/faces": {}}
    assert read(folder) == before


@pytest.mark.parametrize("where", ["repos/create", "preupload", "objects/batch", "PUT", "commit"])
def test_a_connection_that_breaks_loses_nothing(hub, folder, where, monkeypatch, capfd):
    before = read(folder)
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the client waits between its tries
    hub.broken = where
    assert_one_line(ConnectionError, "the connection to the Hub broke", capfd, folder)
    assert hub.repos.get("someone/faces", {}) == {}
    assert read(folder) == before
    hub.broken = ""
    push_to_hub(folder, "someone/faces", token=TOKEN)
    assert hub.repos["someone/faces"] == before


def test_no_network_is_said_in_time(hub, folder, monkeypatch, capfd):
    before = read(folder)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert_one_line(ConnectionError, "nothing was sent: HF_HUB_OFFLINE is set", capfd, folder)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the call, and never answers
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        assert_one_line(ConnectionError, f"nothing was sent: {address} does not", capfd, folder)
    assert_one_line(ConnectionError, f"nothing was sent: {address} does not", capfd, folder)
    assert read(folder) == before
