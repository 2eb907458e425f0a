"""The small CLIP: what it knows of held-out sprites, its tokens, its training, prompts that it refuses."""

import json

import pytest
import torch

from helpers.datasets import ImageDataset, load_sprites
from helpers.guidance import check_prompt, embed_images, embed_text, load_clip
from scripts import train_clip


def test_the_shipped_one_finds_captions_as_its_card_says(one_thread):
    model, tokenizer = load_clip()
    found = train_clip.judge(model, tokenizer, load_sprites("test"))
    stored = json.loads((train_clip.ROOT / "weights/sprite_clip/training.json").read_text())
    assert found["held_out_images"] == stored["held_out_images"]
    assert found["top_1"] == pytest.approx(stored["top_1"], abs=0.01)
    assert found["top_1"] > 0.8 and found["top_5"] > 0.95
    table = train_clip.card_table(stored)
    assert table in (train_clip.ROOT / "weights/README.md").read_text(encoding="utf-8")


def test_words_of_captions_are_one_token_and_texts_have_unit_length():
    clip, tokenizer = load_clip()
    assert tokenizer.tokenize("Side-facing hero, with a Red hat!") == [
        "side-facing</w>", "hero</w>", "with</w>", "a</w>", "red</w>", "hat</w>",
    ]  # fmt: skip
    first, second = (embed_text(text, clip, tokenizer) for text in ("a red hat", " A  red hat. "))
    assert first.norm() == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(first, second)
    images = torch.rand(2, 3, 16, 16, requires_grad=True)
    embed_images(images, clip).sum().backward()
    assert images.grad.abs().sum() > 0


@pytest.mark.parametrize("prompt", ["", "  ", ",.!", None, 3])
def test_an_empty_prompt_is_refused(prompt):
    with pytest.raises(ValueError, match="the prompt is empty"):
        check_prompt(prompt, load_clip()[1])


def test_unknown_words_are_named():
    with pytest.raises(ValueError, match="never seen 'quagga', 'zebra'"):
        check_prompt("a red zebra and a quagga", load_clip()[1])


def test_missing_weights_are_said(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"train_clip\.py"):
        load_clip(tmp_path)


def test_harm_makes_the_text_fit_less_by_a_bounded_change():
    clip, tokenizer = load_clip()
    dataset = load_sprites("test")
    images, captions = dataset.as_tensor()[:8], train_clip.full_captions(dataset)[:8]
    tokens, fits = tokenizer(captions, padding=True, return_tensors="pt"), torch.eye(8)
    harmed = train_clip.harm(images.clone(), clip, tokens, fits)
    losses = [
        train_clip.contrastive_loss(clip(**tokens, pixel_values=x).logits_per_image, fits)
        for x in (images, harmed)
    ]
    assert losses[1] > losses[0]
    assert ((harmed - images).square().mean((1, 2, 3)).sqrt() <= 0.1501).all()
    assert harmed.abs().max() <= 1


def test_a_text_that_fits_several_pictures_is_right_for_each():
    logits = torch.tensor([[2.0, 0.0], [2.0, 0.0]])
    one, both = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    plain = (torch.nn.functional.cross_entropy(logits, torch.arange(2))
             + torch.nn.functional.cross_entropy(logits.T, torch.arange(2))) / 2  # fmt: skip
    torch.testing.assert_close(train_clip.contrastive_loss(logits, one), plain)
    assert train_clip.contrastive_loss(logits, both) < plain


@pytest.mark.slow
def test_a_short_training_learns(one_thread):
    whole = load_sprites("test")
    few = ImageDataset(
        whole.images[::40], whole.labels[::40], whole.class_names, captions=whole.captions[::40]
    )
    ranks = {}
    for steps in (1, 80):
        model, tokenizer = train_clip.fit(few, steps, seed=0, batch_size=16)
        tokens = tokenizer(train_clip.full_captions(few), padding=True, truncation=True, return_tensors="pt")
        logits = model(**tokens, pixel_values=few.as_tensor()).logits_per_image
        ranks[steps] = (logits > logits.diagonal()[:, None]).sum(1).float().mean()
    assert ranks[80] < 0.7 * ranks[1]
