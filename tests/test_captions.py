"""Captions: taken apart, put together, shortened; latents with their tokens."""

import pytest
import torch

from helpers.datasets import load_sprites
from helpers.datasets.captions import CaptionedLatents, find_properties, join_parts, shorten, split_parts
from helpers.guidance import load_clip
from scripts.sprite_captions import UNSEEN, find_unseen, load_captioned
from scripts.train_clip import full_captions

CAPTION = "side-facing hero with long red hair, a blue and lime striped tunic and a sword"


def test_a_caption_is_taken_apart_by_things():
    assert split_parts(CAPTION) == [
        "side-facing hero", "long red hair", "a blue and lime striped tunic", "a sword"
    ]  # fmt: skip
    assert split_parts("spell, a blue potion in a squat flask") == ["spell", "a blue potion", "a squat flask"]
    assert split_parts("a crab with one huge and one raised claw") == [
        "a crab",
        "one huge and one raised claw",
    ]


@pytest.mark.parametrize(
    ("caption", "properties"),
    [
        (CAPTION, ["long hair", "red hair", "blue tunic", "lime tunic", "striped tunic", "sword"]),
        ("food, a slice of pizza", ["slice pizza"]),
        ("a robot with a visor glowing red and one wheel", ["robot", "red visor", "wheel"]),
        ("hero with brown hair in a bun", ["brown hair", "bun"]),
        ("hero", []),
        ("", []),
    ],
)
def test_properties_belong_to_their_things(caption, properties):
    assert find_properties(caption) == properties


def test_parts_make_the_caption_again():
    assert join_parts(split_parts(CAPTION)) == CAPTION
    assert join_parts(["food", "a red apple", "a leaf"]) == "food, a red apple with a leaf"
    assert join_parts(["food"]) == "food"
    captions = full_captions(load_sprites("test"))
    for caption in captions:
        assert find_properties(join_parts(split_parts(caption))) == find_properties(caption)


def test_shortened_captions_hold_no_word_of_their_own_and_are_repeatable():
    torch.manual_seed(0)
    first = [shorten(CAPTION) for _ in range(200)]
    torch.manual_seed(0)
    assert first == [shorten(CAPTION) for _ in range(200)]
    words = set(CAPTION.replace(",", "").split())
    assert all(text and words.issuperset(text.replace(",", "").split()) for text in first)
    assert 60 <= first.count(CAPTION) <= 130 and len(set(first)) > 20


@pytest.fixture(scope="module")
def tokenizer():
    return load_clip()[1]


def make_latents(tokenizer, **settings) -> CaptionedLatents:
    means = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 4, 8, 8)
    captions = ["a red potion", "food, a green apple", "hero with brown hair", CAPTION]
    return CaptionedLatents(means, torch.full((4, 4, 8, 8), 0.1), captions, tokenizer, **settings)


def test_items_are_drawn_latents_and_padded_tokens(tokenizer):
    dataset = make_latents(tokenizer, caption_dropout=0.0, shortened=False)
    latent, input_ids = dataset[2]
    assert latent.shape == (4, 8, 8) and latent.mean() == pytest.approx(2, abs=0.05)
    assert latent.std() == pytest.approx(0.1, abs=0.02)
    assert not torch.equal(latent, dataset[2][0])
    expected = tokenizer("hero with brown hair", padding="max_length", return_tensors="pt").input_ids[0]
    assert torch.equal(input_ids, expected) and len(input_ids) == tokenizer.model_max_length


def test_a_dropped_caption_is_the_empty_prompt(tokenizer):
    empty = tokenizer("", padding="max_length", return_tensors="pt").input_ids[0]
    dataset = make_latents(tokenizer, caption_dropout=1.0)
    assert all(torch.equal(input_ids, empty) for _, input_ids in dataset.__getitems__([0, 1, 2, 3]))
    torch.manual_seed(0)
    some = make_latents(tokenizer, caption_dropout=0.1).__getitems__([0] * 1000)
    assert 70 <= sum(torch.equal(input_ids, empty) for _, input_ids in some) <= 135


def test_other_latents_or_captions_have_another_fingerprint(tokenizer):
    plain = make_latents(tokenizer).fingerprint()
    assert plain == make_latents(tokenizer).fingerprint()
    assert plain != make_latents(tokenizer, shortened=False).fingerprint()
    moved = make_latents(tokenizer)
    moved.means = moved.means + 0.1
    assert plain != moved.fingerprint()


def test_latents_and_captions_must_match(tokenizer):
    with pytest.raises(ValueError, match="one caption for each picture; got"):
        CaptionedLatents(torch.zeros(2, 4, 8, 8), torch.zeros(2, 4, 8, 8), ["a"], tokenizer)


def test_what_is_kept_back_is_kept_back():
    assert find_unseen("spell, a purple potion in a squat flask") == ["purple potion"]
    assert find_unseen("side-facing hero with a red hat and a hammer") == ["side-facing hero + hammer"]
    assert not find_unseen("hero with a red hat and a hammer")
    _, captions, unseen = load_captioned("train")
    found = {name for caption in captions for name in find_unseen(caption)}
    assert found == {" + ".join(combination) for combination in UNSEEN}  # each is in the data
    kept = [caption for caption, back in zip(captions, unseen, strict=True) if not back]
    assert 0.9 < len(kept) / len(captions) < 0.95
    named = {p for caption in kept for p in find_properties(caption)}
    assert not named & {combination[0] for combination in UNSEEN if len(combination) == 1}
