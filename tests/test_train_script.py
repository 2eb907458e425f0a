"""What scripts/train.py leaves: the picture of the way there, and better weights that it does not replace."""

import json
import re
import shutil
from pathlib import Path

import pytest
from conftest import make_noise_scheduler, make_unet
from diffusers import DDPMPipeline
from PIL import Image
from safetensors.torch import load_file
from test_weights import call_script

from helpers.evaluation import Score
from helpers.training.checkpoints import list_averages
from scripts import train, training_pictures
from scripts.make_sprites import __main__ as make_sprites

pytestmark = pytest.mark.slow

average_steps = training_pictures.average_steps
FILE = Path("unet", "diffusion_pytorch_model.safetensors")


@pytest.fixture(scope="module", autouse=True)
def small(one_thread):
    """A UNet that trains and draws fast, few steps to draw in, averages at steps 1 and 4."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "build_unconditional", lambda: (make_unet(), make_noise_scheduler()))
        patch.setattr(training_pictures, "STEPS", 2)
        patch.setattr(
            training_pictures, "average_steps", lambda num_steps: [k for k in (1, 4) if k < num_steps]
        )
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A few sprites."""
    folder = tmp_path_factory.mktemp("sprites")
    call_script(make_sprites.main, "--per-class", 10, "--output", folder)
    return folder / "sprites.npz"


def run_script(data, folder: Path, *options, steps: int = 6) -> None:
    """Train so many steps into `folder/weights`."""
    paths = ("--data", data, "--output", folder / "weights", "--checkpoints", folder / "runs")
    options = ("--steps", steps, "--batch-size", 4, "--samples", 200, *paths, *options)
    call_script(train.main, "unconditional", *options)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A folder with what the script makes in six steps."""
    folder = tmp_path_factory.mktemp("a training")
    run_script(data, folder)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    """The content of each file below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}


# --- the way there --------------------------------------------------------------------------------


def test_steps_are_powers_of_four_below_the_end():
    assert average_steps(500) == []
    assert average_steps(16_000) == [500, 2000, 8000]
    assert average_steps(47_000) == [500, 2000, 8000, 32_000]


def test_script_shows_the_way_of_its_own_run(trained):
    story = json.loads((trained / "weights" / "unconditional_training.json").read_text(encoding="utf-8"))
    run = json.loads((trained / "weights" / "unconditional" / "training.json").read_text(encoding="utf-8"))
    assert story["command"] == run["command"] and story["samples"] == 200 and story["device"]
    assert [(row["step"], row["images_seen"]) for row in story["rows"]] == [(1, 4), (4, 16), (6, 24)]
    assert story["rows"][-1]["mean_loss"] == run["mean_loss_of_last_500_steps"]  # of all six
    floor = story["real"]["frechet_distance"]["value"]
    for row in story["rows"]:
        distance = Score(**row["frechet_distance"])
        assert 0 < 10 * floor < distance.low < distance.value < distance.high and distance.num_samples == 200
    assert len({row["frechet_distance"]["value"] for row in story["rows"]}) == 3
    assert list(list_averages(trained / "runs" / "unconditional")) == [1, 4]


def test_picture_is_small_and_has_a_row_for_each_step_and_one_of_real_sprites(trained):
    file = trained / "weights" / "unconditional_training.png"
    picture = Image.open(file)
    # 12 around, four rows of 48, gaps of 6; twice as many pixels as on the screen.
    assert picture.height == 2 * (2 * 12 + 4 * 48 + 3 * 6) and picture.width <= 2 * 864
    assert file.stat().st_size <= 60_000
    scores = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    text = training_pictures.card_text(scores, "unconditional")
    assert text.startswith(
        "![Rows of sprites after 4, 16 and 24 images of training, and one of real ones](uncond"
    )


def test_picture_is_the_same_by_hand(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "copy")
    weights, before = tmp_path / "copy" / "weights", files(trained / "weights")
    for name in ("unconditional_training.png", "unconditional_training.json"):
        (weights / name).unlink()
    options = (weights / "unconditional", "--checkpoints", tmp_path / "copy" / "runs", "--samples", 200)
    call_script(training_pictures.main, *options)
    assert files(weights) == before


def test_way_of_weights_trained_further_begins_with_their_first_training(data, trained, tmp_path):
    shutil.copytree(trained / "runs", tmp_path / "runs")
    start = trained / "weights" / "unconditional"
    run_script(data, tmp_path, "--seed", 1, "--snr-gamma", 5, "--start-from", start)
    further = json.loads((tmp_path / "weights" / "unconditional_training.json").read_text(encoding="utf-8"))
    before = json.loads((trained / "weights" / "unconditional_training.json").read_text(encoding="utf-8"))
    rows = [(row["step"], row["images_seen"], row["loss"]) for row in further["rows"]]
    assert rows[:2] == [(1, 4, "plain"), (4, 16, "plain")] and further["rows"][:2] == before["rows"][:2]
    assert rows[2:] == [(k, 24 + 4 * k, "min-SNR") for k in (0, 1, 4, 6)]
    assert further["rows"][2]["frechet_distance"] == before["rows"][2]["frechet_distance"]
    shutil.rmtree(tmp_path / "runs" / "unconditional")
    weights = tmp_path / "weights" / "unconditional"
    call_script(training_pictures.main, weights, "--checkpoints", tmp_path / "runs", "--samples", 200)
    alone = json.loads((tmp_path / "weights" / "unconditional_training.json").read_text(encoding="utf-8"))
    assert alone["rows"] == further["rows"][2:]


def test_snapshots_of_another_run_are_refused(trained, tmp_path):
    run = json.loads((trained / "weights" / "unconditional" / "training.json").read_text(encoding="utf-8"))
    with pytest.raises(FileNotFoundError, match=r"no checkpoint in .*: name the folder"):
        training_pictures.read_losses(tmp_path, run)
    with pytest.raises(ValueError, match="checkpoint-00000006 is not the end of the run that trained these"):
        run["mean_loss_of_last_500_steps"] = 0.5
        training_pictures.read_losses(trained / "runs" / "unconditional", run)


# --- weights that are there already ---------------------------------------------------------------


@pytest.mark.parametrize("old, new, lower", [(1.0, 1.5, True), (1.0, 1.2, False), (1.5, 1.0, False)])
def test_only_more_than_noise_makes_old_weights_better(old, new, lower):
    scores = (Score(value, value - 0.2, value + 0.2, 200) for value in (old, new))
    assert train.is_clearly_lower(*scores) == lower


@pytest.fixture
def rivals(trained, tmp_path):
    """A copy of the trained weights, with the state of their run."""
    shutil.copytree(trained, tmp_path / "copy")
    return tmp_path / "copy"


def test_better_weights_are_kept_and_nothing_is_lost(data, rivals, monkeypatch, capsys):
    weights, drawn = rivals / "weights", training_pictures.score
    before = files(weights)

    def score(pipeline, samples):  # the old weights are made to score better than any
        old = Path(pipeline.config._name_or_path) == (weights / "unconditional").resolve()
        return (drawn(pipeline, samples)[0], Score(1.0, 0.9, 1.1, 200)) if old else drawn(pipeline, samples)

    monkeypatch.setattr(training_pictures, "score", score)
    with pytest.raises(SystemExit) as stop:
        run_script(data, rivals, "--seed", 1, "--checkpoints", rivals / "others")
    message = str(stop.value)
    assert re.search(
        r"unconditional is left as it was: Fréchet distance 1 \[0\.9, 1\.1\] of the weights", message
    )
    assert "200 sprites each" in message and "--force" in message and "\n" not in message
    assert "holds weights: the new ones replace them at the end, unless" in capsys.readouterr().out
    new = weights / "unconditional-new"
    assert {k: v for k, v in files(weights).items() if not k.startswith("unconditional-new/")} == before
    assert DDPMPipeline.from_pretrained(new).unet.config.sample_size == 16
    fresh = load_file(new / FILE)
    # The same command with --force trains no step, compares nothing, and puts them there.
    run_script(data, rivals, "--seed", 1, "--checkpoints", rivals / "others", "--force")
    forced = load_file(weights / "unconditional" / FILE)
    assert all((forced[k] == fresh[k]).all() for k in fresh)
    story = json.loads((weights / "unconditional_training.json").read_text(encoding="utf-8"))
    assert story["command"].endswith("--seed 1")


def test_weights_that_are_no_better_are_replaced(data, rivals, capsys):
    record = rivals / "weights" / "unconditional" / "training.json"
    record.write_text(record.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    run_script(data, rivals)
    out = capsys.readouterr().out
    found = re.search(
        r"is replaced: Fréchet distance (.*) of the weights there, (.*) of the new ones, 200", out
    )
    assert found[1] == found[2]  # they are the same
    names = {path.name for path in (rivals / "weights").iterdir()}
    assert names == {"unconditional", "unconditional_training.json", "unconditional_training.png"}
    assert not record.read_text(encoding="utf-8").endswith("\n\n")


def test_damaged_weights_and_too_few_samples_stop_the_script_at_once(data, rivals, capsys):
    file = rivals / "weights" / "unconditional" / FILE
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ValueError, match="is damaged"):
        run_script(data, rivals, "--seed", 2)
    with pytest.raises(SystemExit):
        run_script(data, rivals, "--samples", 100)
    assert "expected 200 to 10,000 sprites; got 100" in capsys.readouterr().err
    assert {path.name for path in (rivals / "runs").iterdir()} == {"unconditional"}
