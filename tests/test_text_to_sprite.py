"""text_to_sprite: the folder in diffusers' own pipelines, the VAE, the judge, the stored scores."""

import json
import random
import subprocess
import sys

import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from helpers import load_results
from helpers.datasets import load_sprites
from helpers.evaluation.prompts import judge_prompts, load_judge, main_colour
from helpers.guidance import load_clip
from helpers.weights import find_weights
from scripts import evaluate_text_to_sprite, sprite_vae, text_to_sprite_card, train_property_judge
from scripts import train_text_to_sprite as script
from scripts.sprite_captions import swap
from scripts.train_clip import full_captions

WEIGHTS = script.ROOT / "weights"
FOLDER = WEIGHTS / "text_to_sprite"
LOADS = """
import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline, StableDiffusionPipeline
from PIL import Image
from transformers.utils import logging
from diffusers.utils import logging as diffusers_logging
logging.disable_progress_bar()
diffusers_logging.disable_progress_bar()
mask = Image.new("L", (16, 16), 0)
mask.paste(255, (0, 0, 16, 6))
image, options = None, {"num_inference_steps": 3, "generator": torch.Generator().manual_seed(0)}
for kind in (StableDiffusionPipeline, StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline):
    pipeline = kind.from_pretrained("FOLDER")
    pipeline.set_progress_bar_config(disable=True)
    more = {} if image is None else {"image": image}
    if "Inpaint" in kind.__name__:
        more |= {"mask_image": mask, "height": 16, "width": 16}
    image = pipeline("a red potion", **options, **more).images[0]
    assert image.size == (16, 16), image.size
"""


@pytest.fixture(scope="module")
def pipeline():
    loaded = StableDiffusionPipeline.from_pretrained(find_weights("text_to_sprite"))
    loaded.set_progress_bar_config(disable=True)
    return loaded


def draw(pipeline, prompt, **options) -> torch.Tensor:
    options = {"num_inference_steps": 4, "output_type": "pt"} | options
    return pipeline(prompt, generator=torch.Generator().manual_seed(0), **options).images


def test_the_folder_is_small_and_holds_safetensors_alone():
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".safetensors"}
    assert sum(path.stat().st_size for path in files) <= 14e6
    assert (FOLDER / "vae/diffusion_pytorch_model.safetensors").stat().st_size <= 2e6


@pytest.mark.slow
def test_three_pipelines_load_offline_and_say_nothing():
    offline = {"HF_HUB_OFFLINE": "1", "PATH": "", "OMP_NUM_THREADS": "1"}
    code = LOADS.replace("FOLDER", str(FOLDER))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=offline)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_text_encoder_is_that_of_the_small_clip(pipeline):
    clip, tokenizer = load_clip()
    tokens = tokenizer(["a red potion", ""], padding="max_length", return_tensors="pt").input_ids
    prompt_embeds, negative = pipeline.encode_prompt("a red potion", "cpu", 1, True)
    expected = clip.text_model(input_ids=tokens).last_hidden_state
    torch.testing.assert_close(prompt_embeds[0], expected[0])
    torch.testing.assert_close(negative[0], expected[1])


@pytest.mark.slow
def test_latents_have_variance_one_and_sprites_come_back(pipeline):
    images = load_sprites("test").as_tensor()
    means, stds = sprite_vae.encode(pipeline.vae, images)
    variance = (means.var() + stds.square().mean()) * pipeline.vae.config.scaling_factor**2
    assert float(variance) == pytest.approx(1, abs=0.05)
    found, stored = sprite_vae.measure_vae(pipeline.vae, images), read_training()["vae"]
    assert found == {key: pytest.approx(stored[key], rel=1e-3) for key in found}


def read_training() -> dict:
    return json.loads((FOLDER / "training.json").read_text(encoding="utf-8"))


def test_the_empty_prompt_is_what_guidance_leads_away_from(pipeline):
    weak, strong = (draw(pipeline, "", guidance_scale=scale) for scale in (1.0, 7.5))
    torch.testing.assert_close(weak, strong, atol=1e-4, rtol=0)
    plain, guided = (draw(pipeline, "a red potion", guidance_scale=scale) for scale in (1.0, 3.0))
    assert (plain - guided).abs().max() > 0.05


def test_an_over_long_prompt_is_cut(pipeline):
    long = "hero with a red hat and a blue tunic " * 5
    cut = " ".join(long.split()[:23])  # and the end of the text
    torch.testing.assert_close(draw(pipeline, long), draw(pipeline, cut))


def test_sizes_that_do_not_fit_are_refused(pipeline):
    with pytest.raises(ValueError, match="divisible by 8"):
        draw(pipeline, "a red potion", height=20, width=20)


def make_vae(runs, images):
    vae, run = sprite_vae.get_vae(runs, 1, 0, images)
    return sprite_vae.get_sharpened(runs, vae, 1, run, images)


def test_a_vae_is_trained_once_and_the_same_each_time(tmp_path, one_thread):
    images = load_sprites("test").as_tensor()[:64]
    vae, run = make_vae(tmp_path / "a", images)
    again, kept = make_vae(tmp_path / "a", images[:1])  # one image could not be trained on
    other, _ = make_vae(tmp_path / "b", images)
    for name, values in vae.state_dict().items():
        assert torch.equal(values, again.state_dict()[name]) and torch.equal(values, other.state_dict()[name])
    assert run == kept and again.config.scaling_factor == vae.config.scaling_factor


def test_the_loss_of_the_vae_adds_up():
    torch.manual_seed(0)
    vae, images = sprite_vae.build_vae(), torch.rand(4, 3, 16, 16)
    none, some, more = (float(seeded_loss(vae, images, weight)) for weight in (0.0, 1.0, 2.0))
    divergence = float(vae.encode(images).latent_dist.kl().mean().detach()) / 768
    assert some - none == pytest.approx(divergence, rel=1e-4)
    assert more - some == pytest.approx(divergence, rel=1e-4)


def seeded_loss(vae, images, weight):
    torch.manual_seed(1)
    return sprite_vae.vae_loss(vae, images, weight).detach()


@pytest.mark.slow
def test_the_judge_finds_what_is_there_and_not_another_colour():
    facts = train_property_judge.judge_the_judge(load_judge(), load_sprites("test"))
    stored = json.loads((WEIGHTS / "property_judge/training.json").read_text(encoding="utf-8"))
    for key in ("class_right", "colour_right", "all_right", "wrong_colour_taken_for_right"):
        assert facts[key]["value"] == pytest.approx(stored[key]["value"], abs=0.005)
    assert facts["colour_right"]["value"] > 0.9 > 0.1 > facts["wrong_colour_taken_for_right"]["value"]


def test_verdicts_name_what_is_right():
    dataset = load_sprites("test")
    images, captions = dataset.as_tensor()[:50], full_captions(dataset)[:50]
    shuffled = captions[25:] + captions[:25]
    right, wrong = judge_prompts(images, captions), judge_prompts(images, shuffled)
    assert sum(right["all_right"]) > 30 > 5 > sum(wrong["all_right"])
    for i, row in enumerate(right["properties"]):
        assert right["all_right"][i] == (right["class_right"][i] and all(row.values()))
    assert judge_prompts(images[:1], ["a red potion"])["class_right"] == [None]
    assert judge_prompts(images[:1], [""])["all_right"] == [None]


def test_a_judge_wants_a_caption_for_each_image():
    with pytest.raises(ValueError, match="got 2 images and 1 captions"):
        judge_prompts(torch.zeros(2, 3, 16, 16), ["a red potion"])
    with pytest.raises(ValueError, match="in \\[-1, 1\\]"):
        judge_prompts(torch.full((1, 3, 16, 16), 2.0), ["a red potion"])


@pytest.mark.parametrize(
    ("caption", "colour"),
    [
        ("hero with a green hat, long red hair, a blue vest and a bow", "blue vest"),
        ("spell, a purple potion in a squat flask", "purple potion"),
        ("food, a slice of pizza", None),
    ],
)
def test_the_main_colour_is_that_of_the_thing(caption, colour):
    assert main_colour(caption) == colour


def test_swapped_captions_keep_all_but_one_property():
    every = ["red potion", "orange potion", "purple potion"]
    changed = {
        swap("spell, a purple potion in a squat flask", ("purple potion",), every, rng)
        for rng in map(random.Random, range(20))
    }
    assert changed == {
        ("spell, a red potion in a squat flask", "red potion"),
        ("spell, an orange potion in a squat flask", "orange potion"),
    }


def test_scores_and_cards_agree_with_what_is_stored():
    card, result = (WEIGHTS / "README.md").read_text(encoding="utf-8"), load_results("text_to_sprite")
    judge = json.loads((WEIGHTS / "property_judge/training.json").read_text(encoding="utf-8"))
    assert script.card_table(read_training()) in card
    assert text_to_sprite_card.card_text(result) in card
    assert train_property_judge.card_table(judge) in card
    assert result["unseen_combinations"] == read_training()["unseen_combinations"]


@pytest.mark.slow
def test_it_draws_what_is_asked_for(pipeline, one_thread):
    stored = load_results("text_to_sprite")
    scores = evaluate_text_to_sprite.Scores(pipeline, 60, 0)
    images, _ = evaluate_text_to_sprite.draw(pipeline, scores.test, stored["guidance_scale"], 0)
    found = evaluate_text_to_sprite.shares(images, scores.test)
    for key in ("class_right", "property_right"):
        assert found[key]["value"] == pytest.approx(stored["held_out"][key]["value"], abs=0.12)
    assert Image.fromarray(((images[0] + 1) * 127.5).byte().permute(1, 2, 0).numpy()).size == (16, 16)
