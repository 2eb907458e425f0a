"""A score and its 95 % interval.

Every interval covers the variation of the drawn images: other seeds, the same number of them, and the
same reference. `benchmarks/coverage.py` measures how often it does.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch

NUM_GROUPS = 20  # of the jackknife


class Score(NamedTuple):
    """A measured value with its 95 % interval and the number of drawn images behind it.

    `f"{score:.1%}"` formats all three numbers, as 68.4% [67.1%, 69.7%].
    """

    value: float
    low: float
    high: float
    num_samples: int

    def __format__(self, spec: str) -> str:
        value, low, high = (format(number, spec or ".3g") for number in self[:3])
        return f"{value} [{low}, {high}]"

    def __str__(self) -> str:
        return format(self)

    def clip(self, lowest: float = 0.0, highest: float = math.inf) -> "Score":
        """The same score with its interval cut to what it can be."""
        return self._replace(low=max(lowest, self.low), high=min(highest, self.high))


def permutation(count: int) -> torch.Tensor:
    """An order of chance, always the same: images often come class by class."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))


def _t_quantile(count: int) -> float:
    """97.5 % point of Student's t for the mean of `count` values."""
    from scipy.stats import t

    return float(t.ppf(0.975, count - 1))


def mean_interval(values: torch.Tensor, num_samples: int) -> Score:
    """Mean of independent values with Student's interval."""
    value, error = float(values.mean()), _t_quantile(len(values)) * float(values.std()) / len(values) ** 0.5
    return Score(value, value - error, value + error, num_samples)


def jackknife(value: float, left_out: Sequence[float], num_samples: int) -> Score:
    """Interval of a score out of what it is without each group of images (delete-group jackknife)."""
    values, count = torch.tensor(left_out, dtype=torch.float64), len(left_out)
    error = _t_quantile(count) * math.sqrt((count - 1) * float(values.var(correction=0)))
    return Score(value, value - error, value + error, num_samples)


def mean_score(scores: Sequence[Score]) -> Score:
    """Mean of the same score, measured with several seeds, with Student's interval; of one, itself."""
    if len(scores) == 1:
        return scores[0]
    values = torch.tensor([score.value for score in scores], dtype=torch.float64)
    return mean_interval(values, sum(score.num_samples for score in scores))


def proportion(hits: torch.Tensor) -> Score:
    """Proportion of True in a boolean tensor [n] of independent trials, with the exact interval.

    Clopper and Pearson's: Wilson's holds a rare thing, like copies, in 84 % of draws instead of 95 %.
    """
    from scipy.stats import binomtest

    count, n = int(hits.sum()), len(hits)
    low, high = binomtest(count, n).proportion_ci()
    return Score(count / n, float(low), float(high), n)
