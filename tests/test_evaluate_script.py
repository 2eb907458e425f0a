"""Drawing many images, and the scripts that train the classifier and score a pipeline."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from conftest import make_noise_scheduler, make_unet
from diffusers import DDPMPipeline
from test_pipelines import make_pipeline

from helpers.datasets import load_sprites
from helpers.evaluation import Report, Score, load_classifier
from helpers.evaluation.tables import ROWS
from helpers.sampling import SCHEDULERS, generate_images, make_scheduler
from helpers.weights import load_pipeline
from scripts import evaluate, train, train_classifier
from scripts.make_sprites import __main__ as make_sprites

pytestmark = pytest.mark.slow

WEIGHTS = train.ROOT / "weights"


def call(main, *options) -> None:
    """Call a script's `main` with these options."""
    state = torch.get_rng_state()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["script.py", *map(str, options)])
        main()
    torch.set_rng_state(state)


@pytest.fixture(scope="module")
def pipeline(one_thread):
    """A pipeline that knows nothing, and draws fast."""
    return DDPMPipeline(make_unet().eval(), make_noise_scheduler())


# --- drawing --------------------------------------------------------------------------------------


def test_drawn_images_are_in_the_contract_and_reproducible(pipeline):
    images = generate_images(pipeline, 5, num_inference_steps=10, seed=1, batch_size=2)
    assert images.shape == (5, 3, 16, 16) and images.dtype == torch.float32
    assert images.abs().max() <= 1 and torch.equal(images, ((images + 1) * 127.5).round() / 127.5 - 1)
    assert torch.equal(generate_images(pipeline, 5, num_inference_steps=10, seed=1, batch_size=2), images)
    assert not torch.equal(generate_images(pipeline, 5, num_inference_steps=10, seed=2, batch_size=2), images)


@pytest.mark.parametrize("sampler", list(SCHEDULERS))
@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
def test_samplers_keep_the_schedule_and_draw(pipeline, sampler, prediction_type):
    trained = make_noise_scheduler(prediction_type)
    scheduler = make_scheduler(trained, sampler)
    assert scheduler.config.prediction_type == prediction_type
    assert torch.equal(scheduler.alphas_cumprod, trained.alphas_cumprod)
    images = generate_images(DDPMPipeline(pipeline.unet, scheduler), 2, num_inference_steps=24)
    assert images.isfinite().all() and images.std() > 0.01


def test_drawing_is_that_of_the_pipeline(pipeline):
    generator = torch.Generator().manual_seed(3)
    expected = pipeline(4, generator, num_inference_steps=10, output_type="np").images
    images = generate_images(pipeline, 4, num_inference_steps=10, seed=3)
    theirs = torch.from_numpy(expected).permute(0, 3, 1, 2) * 2 - 1
    torch.testing.assert_close(images, theirs, atol=1 / 127, rtol=0)


def test_labelled_drawing_asks_for_each_label(one_thread):
    conditional = make_pipeline()
    labels = torch.tensor([0, 1, 2, 0, 1])
    images = generate_images(conditional, 5, labels=labels, num_inference_steps=3)
    assert images.shape == (5, 3, 8, 8) and images.abs().max() <= 1
    alone = conditional(
        labels, generator=torch.Generator().manual_seed(0), num_inference_steps=3, output_type="pt"
    )
    torch.testing.assert_close(images, alone.images * 2 - 1, atol=1 / 127, rtol=0)
    swapped = generate_images(conditional, 5, labels=labels.flip(0), num_inference_steps=3, batch_size=2)
    assert swapped.shape == images.shape and not torch.equal(swapped, images)
    guided = generate_images(conditional, 5, labels=labels, num_inference_steps=3, guidance_scale=4.0)
    assert not torch.equal(guided, images)
    with pytest.raises(ValueError, match="5 labels for 4 images"):
        generate_images(conditional, 4, labels=labels)


def test_wrong_numbers_and_names_are_refused(pipeline):
    with pytest.raises(ValueError, match="from 1 to 50; got 51"):
        generate_images(pipeline, 2, num_inference_steps=51)
    with pytest.raises(ValueError, match="at least 1; got 0"):
        generate_images(pipeline, 0)
    with pytest.raises(ValueError, match="DDPMPipeline takes no labels: leave them out"):
        generate_images(pipeline, 2, labels=torch.tensor([0, 1]), num_inference_steps=2)
    with pytest.raises(ValueError, match="ConditionalDDPMPipeline takes labels: pass labels="):
        generate_images(make_pipeline(), 2, num_inference_steps=2)
    with pytest.raises(ValueError, match="'euler'; expected one of ddpm, ddim"):
        make_scheduler(pipeline.scheduler, "euler")


# --- scripts/evaluate.py --------------------------------------------------------------------------


def test_script_scores_any_pipeline_folder(pipeline, tmp_path, capsys):
    pipeline.save_pretrained(tmp_path / "mine")
    out = tmp_path / "result.json"
    call(evaluate.main, tmp_path / "mine", "--samples", 200, "--steps", 2, "--output", out)
    result = json.loads(out.read_text(encoding="utf-8"))
    scores = result["scores"]
    assert scores["generated"]["frechet_distance"]["value"] > 10 * scores["real"]["frechet_distance"]["value"]
    assert scores["generated"]["precision"]["num_samples"] == 200
    assert result["command"].startswith(f"python scripts/evaluate.py {tmp_path / 'mine'} --samples 200")
    assert capsys.readouterr().out.strip() == evaluate.card_text(result)


def test_scores_of_other_weights_leave_the_stored_results_alone(pipeline, tmp_path, monkeypatch):
    pipeline.save_pretrained(tmp_path / "unconditional")
    monkeypatch.setattr(evaluate, "ROOT", tmp_path / "root")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(evaluate, "score", lambda name, *_: {"name": name})
    monkeypatch.setattr(evaluate, "card_text", str)
    call(evaluate.main, "./unconditional")
    written = [str(p.relative_to(tmp_path)) for p in (tmp_path / "root").rglob("*.*")]
    assert written == ["root/build/evaluation-unconditional.json"]


def test_guidance_is_scored_and_shown(one_thread, monkeypatch):
    monkeypatch.setattr(evaluate, "GUIDED", 200)
    monkeypatch.setattr(evaluate, "GUIDANCE_SCALES", (2.0,))
    shipped, held_out = load_pipeline("label_conditioned"), load_sprites("test")
    labels, plain = torch.arange(250) % 5, held_out.as_tensor()[torch.arange(250) * 8]
    guidance = evaluate.score_guidance(shipped, plain, labels, held_out.as_tensor(), steps=2, seed=0)
    assert list(guidance) == ["1.0", "2.0"] and guidance["2.0"]["label_accuracy"]["num_samples"] == 200
    assert guidance["2.0"]["label_accuracy"]["value"] > 0.6 > guidance["1.0"]["label_accuracy"]["value"]
    scores = {side: {key: Score(1, 1, 1, 200) for key in ROWS} for side in ("generated", "real")}
    result = {"scores": Report(**scores).to_json(), "command": "", "guidance": guidance}
    assert evaluate.card_text(result).count("\n| 2.0 | ") == 1


def test_aims_are_relative_to_real_sprites():
    found = {"frechet_distance": 0.29, "precision": 0.76, "recall": 0.77, "label_accuracy": 0.97}
    real = {"frechet_distance": 0.1, "precision": 0.9, "recall": 0.9}
    report = Report(*({key: Score(v, v, v, 200) for key, v in side.items()} for side in (found, real)))
    text = evaluate.aims_text(report)
    first = "Fréchet distance at most 0.300, three times that of real ones: met; precision at least 76.5%"
    assert first in text
    assert text.count("met;") == 2 and text.count("**missed**") == 2 and "copies" not in text


def test_script_says_what_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="model_index"):
        call(evaluate.main, tmp_path, "--samples", 200)


@pytest.mark.parametrize("file", sorted((train.ROOT / "benchmarks" / "results").glob("evaluation-*.json")))
def test_cards_show_the_stored_scores(file):
    result = json.loads(file.read_text(encoding="utf-8"))
    name = file.stem.removeprefix("evaluation-")
    card = (WEIGHTS / "README.md").read_text(encoding="utf-8")
    table = card.split(f"<!-- {name} scores -->")[1].split(f"<!-- /{name} scores -->")[0]
    assert table.strip() == evaluate.card_text(result)
    assert result["samples"] == 5000


# --- scripts/train_classifier.py ------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory, one_thread):
    """A folder with what scripts/train_classifier.py makes in one epoch out of a few sprites."""
    folder = tmp_path_factory.mktemp("a classifier")
    (folder / "weights").mkdir()
    card = "<!-- sprite_classifier -->\n<!-- /sprite_classifier -->\n"
    (folder / "weights" / "README.md").write_text(card, encoding="utf-8")
    call(make_sprites.main, "--per-class", 30, "--output", folder / "data")
    options = ("--epochs", 2, "--data", folder / "data" / "sprites.npz", "--output", folder / "weights")
    call(train_classifier.main, *options)
    shutil.copytree(folder / "weights", folder / "first")
    call(train_classifier.main, *options)
    return folder


def test_script_writes_a_classifier_and_its_card(trained):
    folder = trained / "weights" / "sprite_classifier"
    classifier = load_classifier(folder)
    assert "hero" in classifier.config.words and "the" not in classifier.config.words
    features = classifier.features(load_sprites("train", path=trained / "data" / "sprites.npz").as_tensor())
    torch.testing.assert_close(features.mean(0), torch.zeros(48), atol=1e-4, rtol=0)
    torch.testing.assert_close(features.std(0), torch.ones(48), atol=1e-3, rtol=0)
    run = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    card = (trained / "weights" / "README.md").read_text(encoding="utf-8")
    assert train_classifier.card_table(run) in card and run["held_out_images"] == 15


def test_classifier_is_the_same_each_time(trained):
    file = Path("sprite_classifier", "diffusion_pytorch_model.safetensors")
    assert (trained / "weights" / file).read_bytes() == (trained / "first" / file).read_bytes()


def test_shipped_classifier_is_good_and_its_card_is_true():
    folder = WEIGHTS / "sprite_classifier"
    run = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    assert run["class_accuracy"] >= 0.99 and run["held_out_images"] == len(load_sprites("test"))
    assert train_classifier.card_table(run) in (WEIGHTS / "README.md").read_text(encoding="utf-8")
    files = {"config.json", "diffusion_pytorch_model.safetensors", "training.json"}
    assert {p.name for p in folder.iterdir()} == files
