"""Scores of points against closed forms, the papers' formulas, and what other seeds give."""

import pytest
import scipy.linalg
import scipy.stats
import torch

from benchmarks import coverage
from helpers.evaluation import frechet_distance, kernel_distance, precision_recall, proportion


def normal(seed: int, *shape: int) -> torch.Tensor:
    """Independent normal numbers, the same for the same seed."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def gaussian(n: int, mean, std, seed: int) -> torch.Tensor:
    """Points whose sample mean and covariance are exactly those asked for (diagonal)."""
    points = torch.randn(n, len(mean), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    points -= points.mean(0)
    whiten = torch.linalg.inv(torch.linalg.cholesky(points.T.cov())).T
    return points @ whiten * torch.tensor(std) + torch.tensor(mean)


def shuffled(points: torch.Tensor, seed: int) -> torch.Tensor:
    """Points in an order of chance; with seed 0 it is the one in which the scores take them."""
    return points[torch.randperm(len(points), generator=torch.Generator().manual_seed(seed))]


def jackknife_error(points: torch.Tensor, score) -> float:
    """Half the width of the interval that a score should have: 20 groups left out, t with 19 degrees."""
    group = torch.randperm(len(points), generator=torch.Generator().manual_seed(0)) % 20
    left_out = torch.tensor([score(points[group != g]) for g in range(20)])
    return 2.093 * float((19 / 20 * (left_out - left_out.mean()).square().sum()).sqrt())


def test_frechet_distance_of_two_gaussians():
    a = gaussian(500, [0.0, 1.0, -2.0], [1.0, 2.0, 0.5], 0)
    b = gaussian(400, [1.0, 1.0, 0.0], [3.0, 2.0, 1.5], 1)
    score = frechet_distance(a, b)
    assert score.value == pytest.approx((1 + 4) + (3 - 1) ** 2 + 0 + (1.5 - 0.5) ** 2, abs=1e-8)
    assert score.low < score.value < score.high and score.num_samples == 500


def test_frechet_distance_is_symmetric_and_blind_to_order_and_rotation():
    a, b = gaussian(300, [0.0, 1.0], [1.0, 2.0], 0), gaussian(300, [1.0, 0.0], [2.0, 1.0], 1)
    value = frechet_distance(a, b).value
    rotation = torch.linalg.qr(torch.randn(2, 2, dtype=torch.float64))[0]
    for pair in ((b, a), (a.flip(0), b), (a @ rotation, b @ rotation)):
        assert frechet_distance(*pair).value == pytest.approx(value, abs=1e-8)
    assert frechet_distance(a, a).value == pytest.approx(0, abs=1e-8)


def test_frechet_distance_is_scipys():
    a, b = normal(0, 300, 6).double(), normal(1, 300, 6).double() @ normal(2, 6, 6).double() + 0.5
    root = scipy.linalg.sqrtm((a.T.cov() @ b.T.cov()).numpy()).real
    means = (a.mean(0) - b.mean(0)).square().sum()
    expected = means + a.T.cov().trace() + b.T.cov().trace() - 2 * root.trace()
    assert frechet_distance(a, b).value == pytest.approx(float(expected), rel=1e-8)


def test_intervals_cover_what_other_seeds_give(one_thread):
    # 38 of 40 on average; 34 or more in 99 of 100 tries. With Wilson over 5,000 real sprites recall holds 13.
    reference = coverage.gaussian(1000, seed=10**6)
    found = coverage.coverage(lambda seed: coverage.gaussian(200, seed, 0.1, 0.9), reference, 40)
    assert set(found) == {"frechet", "kernel", "precision", "recall"}
    for name, result in found.items():
        assert result["coverage"] >= 34 / 40 and result["ratio"] < 2, (name, result)


def test_frechet_interval_does_not_mind_labels_that_come_in_turns():
    points = normal(0, 4000, 4) + (5 * normal(1, 5, 4))[torch.arange(4000) % 5]
    score = frechet_distance(points[:2000], points[2000:])
    mixed = frechet_distance(shuffled(points[:2000], 1), points[2000:])
    assert score.high - score.value < 3 * (mixed.high - mixed.value)


def test_kernel_distance_is_the_formula():
    a, b = normal(0, 2, 200, 3).double()

    def mmd(x, y):
        xx, yy, xy = (((u @ v.T) / 3 + 1) ** 3 for u, v in ((x, x), (y, y), (x, y)))
        off = [~torch.eye(len(k), dtype=torch.bool) for k in (xx, yy)]
        return float(xx[off[0]].mean() + yy[off[1]].mean() - 2 * xy.mean())

    score = kernel_distance(a, b)
    assert score.value == pytest.approx(mmd(a, b), rel=1e-9)
    error = jackknife_error(a, lambda left: mmd(left, b))
    assert score.high - score.value == pytest.approx(error, rel=1e-3)
    assert kernel_distance(a, b + 3).low > score.high


def test_precision_and_recall_are_the_papers():
    a, b = normal(0, 2, 100, 2)
    b = b + 0.7

    def covered(points, centres):
        radii = (centres[:, None] - centres).norm(dim=2).sort().values[:, 3]
        return float(((points[:, None] - centres).norm(dim=2) <= radii).any(1).float().mean())

    precision, recall = precision_recall(a, b)
    # All hundred of each are used, in another order.
    error = jackknife_error(shuffled(a, 0), lambda left: covered(b, left))
    assert recall.value - recall.low == pytest.approx(error, rel=1e-3) and recall.num_samples == 100
    assert precision.value == pytest.approx(covered(a, b)) and recall.value == pytest.approx(covered(b, a))
    assert 0.5 < recall.value < 1


def test_precision_and_recall_tell_bad_from_narrow():
    real = normal(0, 400, 4)
    same, narrow, far = real + 1e-6, real[:1] + 0.01 * torch.randn(400, 4), real + 100
    assert [s.value for s in precision_recall(same, real)] == [1, 1]
    assert precision_recall(narrow, real)[0].value == 1 and precision_recall(narrow, real)[1].value < 0.1
    assert [s.value for s in precision_recall(far, real)] == [0, 0]


def test_few_images_are_judged_among_many_real_ones():
    # Real points lie on a line; those beside it are near enough among few, but not among many.
    real = torch.cat([normal(0, 4000, 1), torch.zeros(4000, 1)], dim=1)
    beside = torch.cat([normal(1, 100, 1), torch.full((100, 1), 0.03)], dim=1)
    few, _ = precision_recall(beside, real)
    many, recall = precision_recall(beside, real, num_reference=4000)
    assert few.value > 0.7 and many.value < 0.3 and recall.num_samples == 100
    with pytest.raises(ValueError, match="needs at least 100 images; got 50"):
        precision_recall(beside, real, num_reference=50)


def test_order_of_the_reference_does_not_matter():
    # Two classes, one after the other, as the bundled data comes.
    real = normal(0, 1200, 4) + 5 * (torch.arange(1200) >= 600)[:, None]
    images = normal(1, 400, 4) + 5 * (torch.arange(400) >= 200)[:, None]
    assert all(score.value > 0.8 for score in precision_recall(images, real))
    assert precision_recall(images, real, num_reference=800)[0].value > 0.8
    distance, mixed = kernel_distance(images, real), kernel_distance(shuffled(images, 1), real)
    assert distance.value == pytest.approx(mixed.value, rel=1e-4)
    assert distance.high - distance.value < 3 * (mixed.high - mixed.value)


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


@pytest.mark.parametrize(
    ("score", "few", "words"),
    [
        (kernel_distance, (50, 500), "kernel distance needs at least 200 images; got 50"),
        (precision_recall, (500, 50), "precision and recall needs at least 100 images; got 50"),
    ],
)
def test_too_few_images_are_refused_by_each_score(score, few, words):
    with pytest.raises(ValueError, match=words):
        score(*(torch.zeros(count, 4) for count in few))
