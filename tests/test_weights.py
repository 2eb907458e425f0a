"""The shipped weights: they load anywhere, draw the same each time, and their card tells the truth."""

import json
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDPMPipeline
from safetensors.torch import load_file

from helpers import models
from helpers.datasets import load_sprites
from helpers.evaluation import label_accuracy
from helpers.sampling import generate_images, make_scheduler
from helpers.weights import load_pipeline
from scripts import train, training_pictures
from scripts.make_sprites import __main__ as make_sprites

WEIGHTS = train.ROOT / "weights"
UNET = {"unet/config.json", "unet/diffusion_pytorch_model.safetensors"}
EMBEDDER = {"class_net/config.json", "class_net/diffusion_pytorch_model.safetensors"}
PARTS = {"unconditional": UNET, "label_conditioned": UNET | EMBEDDER}
NAMES = list(PARTS)


@pytest.fixture(scope="module")
def pipeline(one_thread):
    """The shipped pipeline, loaded while no connection can be opened."""

    def refuse(*args):
        raise OSError("this test is offline")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        loaded = DDPMPipeline.from_pretrained(WEIGHTS / "unconditional")
    loaded.set_progress_bar_config(disable=True)
    return loaded


def draw(pipeline, seed: int) -> np.ndarray:
    """Draw two pictures in few steps."""
    generator = torch.Generator().manual_seed(seed)
    return pipeline(2, generator, num_inference_steps=10, output_type="np").images


def settings(configured) -> dict:
    """The configuration as a file gives it back, without diffusers' own notes on it."""
    return json.loads(json.dumps({k: v for k, v in configured.config.items() if not k.startswith("_")}))


def build(name: str) -> dict:
    """The parts that scripts/train.py puts into this pipeline, untrained."""
    if name == "unconditional":
        return dict(zip(("unet", "scheduler"), models.build_unconditional(), strict=True))
    unet, class_net, noise_scheduler = models.build_label_conditioned(load_sprites("test").class_names)
    return {"unet": unet, "class_net": class_net, "scheduler": make_scheduler(noise_scheduler)}


@pytest.mark.parametrize("name", NAMES)
def test_folder_is_small_and_holds_nothing_that_can_run(name):
    files = [path for path in (WEIGHTS / name).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 12_000_000
    assert {path.suffix for path in files} == {".json", ".safetensors"}
    others = {"model_index.json", "training.json", "scheduler/scheduler_config.json"}
    assert {path.relative_to(WEIGHTS / name).as_posix() for path in files} == others | PARTS[name]


@pytest.mark.parametrize("name", NAMES)
def test_pipeline_is_that_of_the_training_script(name, one_thread):
    loaded, built = load_pipeline(name), build(name)
    for part, wanted in built.items():
        assert settings(getattr(loaded, part)) == settings(wanted)
    if "class_net" in built:
        assert loaded.config.prediction_type == built["scheduler"].config.prediction_type
    assert all(bool(p.isfinite().all()) and p.dtype == torch.float32 for p in loaded.unet.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_card_shows_what_the_training_recorded(name):
    run = json.loads((WEIGHTS / name / "training.json").read_text(encoding="utf-8"))
    card = (WEIGHTS / "README.md").read_text(encoding="utf-8")
    table = card.split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0]
    assert table.strip() == train.card_table(run)
    config = run["config"]
    seen = config["num_steps"] * config["batch_size"] * config["gradient_accumulation_steps"]
    assert run["images_seen"] == seen
    assert f"--steps {config['num_steps']}" in run["command"] and run["seconds"] > 0
    # Far below 1, the loss of a model that has learnt nothing.
    assert 0 < run["mean_loss_of_last_500_steps"] < 0.2


@pytest.mark.parametrize("name", NAMES)
def test_card_shows_the_way_of_the_training_where_it_is_stored(name):
    card = (WEIGHTS / "README.md").read_text(encoding="utf-8")
    text = card.split(f"<!-- {name} training -->\n")[1].split(f"<!-- /{name} training -->")[0].strip()
    file, run = WEIGHTS / f"{name}_training.json", WEIGHTS / name / "training.json"
    if not file.is_file():
        assert not text and not file.with_suffix(".png").is_file()
        return
    scores = json.loads(file.read_text(encoding="utf-8"))
    assert text == training_pictures.card_text(scores, name)
    assert scores["command"] == json.loads(run.read_text(encoding="utf-8"))["command"]
    assert file.with_suffix(".png").stat().st_size <= 60_000


def test_conditional_weights_draw_what_is_asked_for(one_thread):
    pipeline, labels = load_pipeline("label_conditioned"), torch.arange(20) % 5
    images = generate_images(pipeline, 20, labels=labels, seed=0)
    assert label_accuracy(images, labels).value >= 0.9


def test_same_seed_draws_the_same_pictures(pipeline):
    first = draw(pipeline, 1)
    assert first.shape == (2, 16, 16, 3) and first.min() >= 0 and first.max() <= 1
    np.testing.assert_array_equal(draw(pipeline, 1), first)
    assert not np.array_equal(draw(pipeline, 2), first)


def test_pictures_look_like_sprites_on_white(pipeline):
    generator = torch.Generator().manual_seed(0)
    images = pipeline(8, generator, num_inference_steps=50, output_type="np").images
    corners = images[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    # The background is white as in the data, and there is something in front of it.
    assert np.mean(corners > 0.9) > 0.8
    assert (images.min(-1) < 0.5).mean((1, 2)).min() > 0.05


def test_saving_and_loading_again_changes_nothing(pipeline, tmp_path):
    pipeline.save_pretrained(tmp_path)
    again = DDPMPipeline.from_pretrained(tmp_path)
    again.set_progress_bar_config(disable=True)
    ours, theirs = again.unet.state_dict(), pipeline.unet.state_dict()
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)
    assert settings(again.scheduler) == settings(pipeline.scheduler)
    np.testing.assert_array_equal(draw(again, 3), draw(pipeline, 3))


# --- scripts/train.py -----------------------------------------------------------------------------


def call_script(main, *options) -> None:
    """Call a script's `main` with these options; the test's own random numbers go on."""
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        patch.setattr(sys, "argv", ["script.py", *map(str, options)])
        main()


def train_three_steps(folder: Path, name: str, model: str, *options) -> None:
    """Train with scripts/train.py into `folder/name`; the state goes to `folder/name-runs`."""
    paths = ("--data", folder / "data" / "sprites.npz", "--output", folder / name)
    options = ("--checkpoints", folder / f"{name}-runs", "--samples", 200, *options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_pictures, "STEPS", 2)  # scores in a moment
        call_script(train.main, model, "--steps", 3, "--batch-size", 4, "--seed", 7, *paths, *options)


@pytest.fixture(scope="module", params=NAMES)
def trained(request, tmp_path_factory, one_thread):
    """A folder with what scripts/train.py makes in three steps out of a few sprites, and the model's name."""
    folder, name = tmp_path_factory.mktemp("a training"), request.param
    data, weights = folder / "data", folder / "weights"
    weights.mkdir()
    places = "\n\n".join(f"<!-- {marker} -->\n<!-- /{marker} -->" for marker in (name, f"{name} training"))
    card = f"# Weights\n\n{places}\n\nThe end.\n"
    (weights / "README.md").write_text(card, encoding="utf-8")
    call_script(make_sprites.main, "--per-class", 10, "--output", data)
    train_three_steps(folder, "weights", name)
    return folder, name


@pytest.mark.slow
def test_script_writes_a_pipeline_its_record_and_its_card(trained):
    folder, name = trained
    weights = folder / "weights"
    loaded = load_pipeline(name, weights)
    assert settings(loaded.unet) == settings(build(name)["unet"])
    run = json.loads((weights / name / "training.json").read_text(encoding="utf-8"))
    assert run["command"] == f"python scripts/train.py {name} --steps 3 --batch-size 4 --seed 7"
    assert run["data"] == f"{folder / 'data' / 'sprites.npz'}, split train"
    assert run["config"]["num_steps"] == 3 and run["images_seen"] == 12
    card = (weights / "README.md").read_text(encoding="utf-8")
    assert f"<!-- {name} -->\n{train.card_table(run)}\n<!-- /{name} -->" in card
    assert f"<!-- {name} training -->\n![Rows of sprites after 12 images of training, and one" in card
    assert "| seed | 7 |" in card and card.endswith("\n\nThe end.\n")
    assert {path.name for path in weights.iterdir()} == {
        *("README.md", name, f"{name}_training.json", f"{name}_training.png")
    }
    assert [path.name for path in (folder / "weights-runs" / name).iterdir()] == ["checkpoint-00000003"]


@pytest.mark.slow
def test_script_with_the_same_seed_makes_the_same_weights(trained):
    folder, name = trained
    train_three_steps(folder, "again", name)
    for file in (folder / "weights" / name).rglob("*.safetensors"):
        again = folder / "again" / file.relative_to(folder / "weights")
        assert again.read_bytes() == file.read_bytes()


@pytest.mark.slow
def test_script_trains_weights_further(trained):
    folder, name = trained
    start = folder / "weights" / name
    options = ("--learning-rate", 0.0, "--snr-gamma", 5)
    train_three_steps(folder, "further", name, "--start-from", start, *options)
    for file in start.rglob("*.safetensors"):  # a learning rate of 0 leaves them as they were
        old, new = load_file(file), load_file(folder / "further" / file.relative_to(folder / "weights"))
        assert old.keys() == new.keys() and all(torch.allclose(old[k], new[k], atol=1e-6) for k in old)
    run = json.loads((folder / "further" / name / "training.json").read_text(encoding="utf-8"))
    before = json.loads((start / "training.json").read_text(encoding="utf-8"))
    assert run["started_from"] == before and run["config"]["snr_gamma"] == 5
    assert run["command"].endswith(f"--learning-rate 0.0 --snr-gamma 5.0 --start-from {name}")
    table = train.card_table(run)
    assert f"| command | `{before['command']}` (12 images, " in table and "| min-SNR γ | 5.0 |" in table
    assert len(list((folder / "further-runs").glob(f"{name}-seed7-*"))) == 1
    with pytest.raises(ValueError, match="result of this very command; to go on, take another --seed"):
        train_three_steps(folder, "further", name, "--start-from", folder / "further" / name, *options)


def test_weights_of_another_kind_are_no_start(one_thread):
    with pytest.raises(ValueError, match="label_conditioned has another unet than the one to train"):
        train.load_start("label_conditioned", models.build_unconditional()[0])
