"""Scores of real sprites, and of spoiled ones, copies, the whole table, and their complaints."""

import json

import pytest
import torch

from helpers import evaluation
from helpers.datasets import load_sprites
from helpers.evaluation import (
    Report,
    Score,
    colours_per_image,
    copy_rates,
    evaluate,
    extract_features,
    frechet_distance,
    kernel_distance,
    label_accuracy,
    load_classifier,
    nearest_neighbours,
    precision_recall,
    real_halves,
)


@pytest.fixture(scope="module")
def sprites(one_thread):
    """2,000 training sprites as (reference, others), and the held-out dataset."""
    images = load_sprites("train").as_tensor()
    return *real_halves(images[torch.arange(0, 18_000, 9)]), load_sprites("test")


def test_real_sprites_are_at_the_floor_and_noise_is_far_away(sprites):
    reference, others, _ = sprites
    floor = frechet_distance(others, reference).value
    noise = torch.rand(1000, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert floor < 3 and frechet_distance(noise, reference).value > 30 * floor
    assert kernel_distance(others, reference).low < 0.05
    assert min(score.value for score in precision_recall(others, reference)) > 0.8
    assert max(score.value for score in precision_recall(noise, reference)) < 0.05


def test_worse_pictures_score_worse(sprites):
    reference, others, _ = sprites
    reference, others = extract_features(reference), others[:500]
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(others.shape, generator=generator)
    blurred = torch.nn.functional.avg_pool2d(torch.nn.functional.pad(others, (1, 1, 1, 1), value=1.0), 3, 1)
    where = torch.rand(len(others), 1, 16, 16, generator=generator)
    spoilers = {
        "noise": [(others + s * noise).clamp(-1, 1) for s in (0, 0.05, 0.1, 0.2)],
        "blur": [others.lerp(blurred, s) for s in (0, 0.1, 0.3, 1)],
        "stray pixels": [torch.where(where < s, noise.clamp(-1, 1), others) for s in (0, 0.02, 0.05, 0.15)],
    }
    for name, spoiled in spoilers.items():
        levels = [extract_features(images) for images in spoiled]
        for measure in (frechet_distance, kernel_distance):
            values = [measure(images, reference).value for images in levels]
            assert values == sorted(values) and values[-1] > 3 * values[0], (name, measure, values)


def test_missing_classes_show_in_distance_and_recall(sprites):
    reference, _, _ = sprites
    dataset = load_sprites("train")
    everything = dataset.subset(slice(0, None, 20)).as_tensor()
    food = dataset.select("food").subset(slice(0, 900)).as_tensor()
    assert frechet_distance(food, reference).value > 5 * frechet_distance(everything, reference).value
    assert precision_recall(food, reference)[1].value < 0.5 < precision_recall(everything, reference)[1].value


def test_classifier_names_held_out_sprites(sprites):
    *_, held_out = sprites
    images = held_out.as_tensor()
    assert label_accuracy(images, held_out.labels).value >= 0.99
    one_hot = torch.nn.functional.one_hot(held_out.labels, 5).float()
    assert label_accuracy(images, one_hot) == label_accuracy(images, held_out.labels)
    assert label_accuracy(images, held_out.labels.roll(400)).value < 0.01


def test_features_have_a_unit():
    features = extract_features(load_sprites("train").as_tensor())
    torch.testing.assert_close(features.mean(0), torch.zeros(48), atol=1e-3, rtol=0)
    torch.testing.assert_close(features.var(0), torch.ones(48), atol=1e-3, rtol=0)
    assert torch.equal(extract_features(features), features)


def test_neighbours_and_copies(sprites):
    reference, others, _ = sprites
    some = others[:20]
    mixed = torch.cat([some, reference[:5], (reference[5:9] * 127.5 + 6).div(127.5).clamp(-1, 1)])
    for space in ("pixel", "feature"):
        distances, indices = nearest_neighbours(mixed, reference, k=3, space=space)
        assert distances.shape == indices.shape == (29, 3) and (distances.diff(dim=1) >= 0).all()
        assert indices[20:25, 0].tolist() == [0, 1, 2, 3, 4]
    distances, indices = nearest_neighbours(mixed[:3], reference)
    by_hand = (mixed[0] - reference).square().mean((1, 2, 3)).sqrt()
    assert (
        distances[0, 0] == pytest.approx(float(by_hand.min()), abs=1e-4) and indices[0, 0] == by_hand.argmin()
    )
    exact, near = copy_rates(mixed, reference)
    assert exact.value == pytest.approx(9 / 29) and near.value >= exact.value
    assert copy_rates(some, reference)[0].value == 0


def test_an_exact_copy_is_a_near_one_and_need_not_be_the_nearest():
    grey = torch.zeros(1, 3, 16, 16)
    for levels, exact in ((8, 1), (9, 0)):
        assert [score.value for score in copy_rates(grey + levels / 127.5, grey)] == [exact, exact]
    one_pixel = grey.clone()
    one_pixel[..., 0, 0] += 9 / 127.5  # nearer by root mean square, but it shows
    assert [score.value for score in copy_rates(grey, one_pixel)] == [0, 1]
    assert copy_rates(grey, torch.cat([one_pixel, grey + 8 / 127.5]))[0].value == 1


def test_colours_are_counted_in_each_image():
    images = -torch.ones(3, 3, 16, 16)
    images[1, 0, 0, :3] = torch.tensor([-1 + 15 / 127.5, -1 + 16 / 127.5, 1.0])  # the first is still black
    images[2, :, 0, 0] = torch.tensor([-1.0, 1.0, 1.0])
    score = colours_per_image(images)
    assert score.value == 2 and score.high - 2 == pytest.approx(4.303 / 3**0.5, rel=1e-3)
    assert colours_per_image(load_sprites("test").as_tensor()).value == pytest.approx(15.6, abs=0.3)


def test_evaluate_fills_the_table_and_survives_a_file(sprites):
    reference, others, held_out = sprites
    real = torch.cat([reference, others])
    labels = torch.randint(5, (200,), generator=torch.Generator().manual_seed(0))
    report = evaluate(others[:200], real, reference, held_out.as_tensor()[:200], labels)
    assert set(report.generated) == set(evaluation.tables.ROWS)
    assert report.generated["frechet_distance"].low <= report.real["frechet_distance"].high
    again = Report.from_json(json.loads(json.dumps(report.to_json())))
    assert again == report and again.to_markdown() == report.to_markdown()
    table = report.to_markdown().splitlines()
    assert len(table) == 2 + len(report.generated) and f"| {report.generated['recall']:.1%} |" in table[5]
    assert isinstance(report.generated["recall"], Score)


# --- complaints -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (torch.zeros(300, 3, 16, 16, dtype=torch.uint8), "float.*uint8"),
        (torch.zeros(300, 16, 16), r"\(300, 16, 16\)"),
        (torch.full((300, 3, 16, 16), 255.0), "from 255 to 255"),
        (torch.full((300, 3, 16, 16), torch.nan), "nan"),
        (torch.zeros(300, 3, 32, 32), r"\(3, 16, 16\); got \(3, 32, 32\)"),
        (torch.zeros(300, 16, 16, 3), r"\(16, 16, 3\)"),
        (torch.zeros(0, 3, 16, 16), r"\(0, 3, 16, 16\)"),
        (torch.zeros(100, 3, 16, 16), "at least 192 images; got 100"),
    ],
)
def test_images_out_of_the_contract_are_refused(images, words):
    with pytest.raises(ValueError, match=words):
        frechet_distance(images, torch.zeros(300, 3, 16, 16))


def test_wrong_labels_neighbours_and_sizes_are_refused(sprites):
    reference, others, _ = sprites
    with pytest.raises(ValueError, match="got 1000 images and labels of shape"):
        label_accuracy(others, torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match='"pixel" or "feature"; got \'colour\''):
        nearest_neighbours(others, reference, space="colour")
    with pytest.raises(ValueError, match="from 1 to 1,000"):
        nearest_neighbours(others, reference, k=0)
    with pytest.raises(ValueError, match="at most 500"):
        evaluate(others, others, reference, others)


def test_missing_classifier_says_how_to_get_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"train_classifier\.py"):
        load_classifier(tmp_path)
