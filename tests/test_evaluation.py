"""Scores: against closed forms, on real sprites, on spoiled ones, and their complaints."""

import json

import pytest
import scipy.linalg
import scipy.stats
import torch

from benchmarks import coverage
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
    proportion,
    real_halves,
)


@pytest.fixture(scope="module")
def sprites(one_thread):
    """2,000 training sprites as (reference, others), and the held-out dataset."""
    images = load_sprites("train").as_tensor()
    return *real_halves(images[torch.arange(0, 18_000, 9)]), load_sprites("test")


def gaussian(n: int, mean, std, seed: int) -> torch.Tensor:
    """Points whose sample mean and covariance are exactly those asked for (diagonal)."""
    points = torch.randn(n, len(mean), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    points -= points.mean(0)
    whiten = torch.linalg.inv(torch.linalg.cholesky(points.T.cov())).T
    return points @ whiten * torch.tensor(std) + torch.tensor(mean)


# --- closed forms ---------------------------------------------------------------------------------


def test_frechet_distance_of_two_gaussians():
    a = gaussian(500, [0.0, 1.0, -2.0], [1.0, 2.0, 0.5], 0)
    b = gaussian(400, [1.0, 1.0, 0.0], [3.0, 2.0, 1.5], 1)
    expected = (1 + 4) + (3 - 1) ** 2 + 0 + (1.5 - 0.5) ** 2
    score = frechet_distance(a, b)
    assert score.value == pytest.approx(expected, abs=1e-8)
    assert score.low < score.value < score.high and score.num_samples == 500


def test_frechet_distance_is_symmetric_and_blind_to_order_and_rotation():
    a, b = gaussian(300, [0.0, 1.0], [1.0, 2.0], 0), gaussian(300, [1.0, 0.0], [2.0, 1.0], 1)
    value = frechet_distance(a, b).value
    rotation = torch.linalg.qr(torch.randn(2, 2, dtype=torch.float64))[0]
    for other in (
        frechet_distance(b, a),
        frechet_distance(a.flip(0), b),
        frechet_distance(a @ rotation, b @ rotation),
    ):
        assert other.value == pytest.approx(value, abs=1e-8)
    assert frechet_distance(a, a).value == pytest.approx(0, abs=1e-8)


def test_frechet_distance_is_scipys():
    a, b = (torch.randn(300, 6, generator=torch.Generator().manual_seed(i)).double() for i in (0, 1))
    b = b @ torch.randn(6, 6, generator=torch.Generator().manual_seed(2)).double() + 0.5
    root = scipy.linalg.sqrtm((a.T.cov() @ b.T.cov()).numpy()).real
    expected = (
        (a.mean(0) - b.mean(0)).square().sum() + a.T.cov().trace() + b.T.cov().trace() - 2 * root.trace()
    )
    assert frechet_distance(a, b).value == pytest.approx(float(expected), rel=1e-8)


def test_intervals_cover_what_other_seeds_give(one_thread):
    # 38 of 40 on average; 34 or more in 99 of 100 tries. With Wilson over 5,000 real sprites recall holds 13.
    reference = coverage.gaussian(1000, seed=10**6)
    found = coverage.coverage(lambda seed: coverage.gaussian(200, seed, 0.1, 0.9), reference, 40)
    assert set(found) == {"frechet", "kernel", "precision", "recall"}
    for name, result in found.items():
        assert result["coverage"] >= 34 / 40 and result["ratio"] < 2, (name, result)


def test_frechet_interval_does_not_mind_labels_that_come_in_turns():
    generator = torch.Generator().manual_seed(0)
    centres = 5 * torch.randn(5, 4, generator=generator)
    points = torch.randn(4000, 4, generator=generator) + centres[torch.arange(4000) % 5]
    score = frechet_distance(points[:2000], points[2000:])
    shuffled = frechet_distance(points[:2000][torch.randperm(2000, generator=generator)], points[2000:])
    assert score.high - score.value < 3 * (shuffled.high - shuffled.value)


def test_kernel_distance_is_the_formula():
    a, b = torch.randn(2, 200, 3, generator=torch.Generator().manual_seed(0)).double()

    def mmd(x, y):
        xx, yy, xy = (((u @ v.T) / 3 + 1) ** 3 for u, v in ((x, x), (y, y), (x, y)))
        off = [~torch.eye(len(k), dtype=torch.bool) for k in (xx, yy)]
        return float(xx[off[0]].mean() + yy[off[1]].mean() - 2 * xy.mean())

    score = kernel_distance(a, b)
    assert score.value == pytest.approx(mmd(a, b), rel=1e-9)
    group = torch.randperm(200, generator=torch.Generator().manual_seed(0)) % 20
    left_out = torch.tensor([mmd(a[group != g], b) for g in range(20)])
    error = 2.093 * float((19 / 20 * (left_out - left_out.mean()).square().sum()).sqrt())  # t with 19 degrees
    assert score.high - score.value == pytest.approx(error, rel=1e-3)
    assert kernel_distance(a, b + 3).low > score.high


def test_precision_and_recall_are_the_papers():
    a, b = torch.randn(2, 100, 2, generator=torch.Generator().manual_seed(0))
    b = b + 0.7

    def covered(points, centres):
        radii = (centres[:, None] - centres).norm(dim=2).sort().values[:, 3]
        return float(((points[:, None] - centres).norm(dim=2) <= radii).any(1).float().mean())

    precision, recall = precision_recall(a, b)
    group = torch.randperm(100, generator=torch.Generator().manual_seed(0)) % 20
    # All hundred of each are used, in another order.
    a_used = a[torch.randperm(100, generator=torch.Generator().manual_seed(0))]
    left_out = torch.tensor([covered(b, a_used[group != g]) for g in range(20)])
    error = 2.093 * float((19 / 20 * (left_out - left_out.mean()).square().sum()).sqrt())
    assert recall.value - recall.low == pytest.approx(error, rel=1e-3) and recall.num_samples == 100
    assert precision.value == pytest.approx(covered(a, b)) and recall.value == pytest.approx(covered(b, a))
    assert 0.5 < recall.value < 1


def test_precision_and_recall_tell_bad_from_narrow():
    real = torch.randn(400, 4, generator=torch.Generator().manual_seed(0))
    same, narrow, far = real + 1e-6, real[:1] + 0.01 * torch.randn(400, 4), real + 100
    assert [s.value for s in precision_recall(same, real)] == [1, 1]
    assert precision_recall(narrow, real)[0].value == 1 and precision_recall(narrow, real)[1].value < 0.1
    assert [s.value for s in precision_recall(far, real)] == [0, 0]


def test_few_images_are_judged_among_many_real_ones():
    # Real points lie on a line; those beside it are near enough among few, but not among many.
    generator = torch.Generator().manual_seed(0)
    real = torch.cat([torch.randn(4000, 1, generator=generator), torch.zeros(4000, 1)], dim=1)
    beside = torch.cat([torch.randn(100, 1, generator=generator), torch.full((100, 1), 0.03)], dim=1)
    few, (many, recall) = (
        precision_recall(beside, real)[0],
        precision_recall(beside, real, num_reference=4000),
    )
    assert few.value > 0.7 and many.value < 0.3 and recall.num_samples == 100
    with pytest.raises(ValueError, match="needs at least 100 images; got 50"):
        precision_recall(beside, real, num_reference=50)


def test_order_of_the_reference_does_not_matter():
    # Two classes, one after the other, as the bundled data comes.
    generator = torch.Generator().manual_seed(0)
    real = torch.cat([torch.randn(n, 4, generator=generator) + shift for n, shift in ((600, 0), (600, 5))])
    images = torch.cat([torch.randn(n, 4, generator=generator) + shift for n, shift in ((200, 0), (200, 5))])
    assert all(score.value > 0.8 for score in precision_recall(images, real))
    assert precision_recall(images, real, num_reference=800)[0].value > 0.8
    distance, shuffled = (
        kernel_distance(images, real),
        kernel_distance(images[torch.randperm(400, generator=generator)], real),
    )
    assert distance.value == pytest.approx(shuffled.value, rel=1e-4)
    assert distance.high - distance.value < 3 * (shuffled.high - shuffled.value)


def test_proportion_has_the_exact_interval():
    score = proportion(torch.tensor([True] * 8 + [False] * 2))
    assert score.value == 0.8 and (score.low, score.high) == pytest.approx((0.4439, 0.9748), abs=1e-4)
    assert str(score) == "0.8 [0.444, 0.975]" and f"{score:.1%}" == "80.0% [44.4%, 97.5%]"
    none = proportion(torch.zeros(1000, dtype=torch.bool))
    assert (none.value, none.low) == (0, 0) and 0 < none.high < 0.005


@pytest.mark.parametrize("n", [200, 5000])
@pytest.mark.parametrize("rate", [0.00018, 0.0006, 0.0625, 0.69, 0.966])
def test_interval_of_a_proportion_holds_what_it_should(n, rate):
    chance = scipy.stats.binom.pmf(range(n + 1), n, rate)
    scores = {k: proportion(torch.arange(n) < k) for k in range(n + 1) if chance[k] > 1e-6}
    assert sum(chance[k] for k, score in scores.items() if score.low <= rate <= score.high) >= 0.949


# --- real and spoiled sprites ---------------------------------------------------------------------


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


def test_too_few_images_are_refused_by_each_score():
    few, many = torch.zeros(50, 4), torch.zeros(500, 4)
    with pytest.raises(ValueError, match="kernel distance needs at least 200 images; got 50"):
        kernel_distance(few, many)
    with pytest.raises(ValueError, match="precision and recall needs at least 100 images; got 50"):
        precision_recall(many, few)


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
