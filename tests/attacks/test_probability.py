"""``vestige.attacks.metrics.distributions`` against scipy.stats, over every corner that an audit can reach."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from vestige.attacks.metrics import distributions

TAILS = np.array([0.0, 1e-12, 1e-4, 0.0025, 0.05, 0.1, 0.3, 0.5, 0.7, 0.95, 0.975, 0.9999, 1.0])
POINTS = np.array([-np.inf, -40.0, -8.5, -2.0, -0.3, 0.0, 1e-8, 0.7, 3.0, 12.0, 200.0, np.inf, np.nan])
DEGREES = np.array([0.0, 0.5, 1, 2, 3, 4, 7.5, 9, 30, 999, 1e6, np.inf])
COUNTS = np.array([0, 1, 2, 5, 17, 100, 999, 1000, 25_000])


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("norm.cdf", (POINTS,)),
        ("norm.logcdf", (POINTS,)),
        ("norm.sf", (POINTS,)),
        ("norm.ppf", (TAILS,)),
        ("norm.isf", (TAILS,)),
        ("t.cdf", (POINTS[:, None], DEGREES)),
        ("t.sf", (POINTS[:, None], DEGREES)),
        ("t.ppf", (TAILS[:, None], DEGREES)),
        ("chi2.ppf", (TAILS[:, None], DEGREES[:-1])),
        ("beta.cdf", (TAILS[:, None, None], COUNTS[1:, None] + 0.5, COUNTS[1:])),
        ("beta.ppf", (TAILS[:, None, None], COUNTS[1:, None] + 0.5, COUNTS[1:])),
        ("beta.isf", (TAILS[:, None, None], COUNTS[1:, None], COUNTS[1:] + 0.25)),
        ("binom.sf", (COUNTS[:, None, None] - 1, COUNTS[:, None], TAILS)),
        ("false_discovery_control", (TAILS,)),
        ("false_discovery_control", (np.array([0.04, 0.01, 0.01, 0.9, 0.03]),)),
        ("false_discovery_control", (np.array([0.2]),)),
        ("false_discovery_control", (np.array([]),)),
    ],
)
def test_values_are_those_of_scipy_stats(name: str, arguments: tuple[Any, ...]) -> None:
    def function(module: object) -> Callable[..., Any]:
        for part in name.split("."):
            module = getattr(module, part)
        assert callable(module)
        return module

    ours, theirs = function(distributions)(*arguments), function(stats)(*arguments)
    np.testing.assert_array_max_ulp(ours, np.asarray(theirs, np.float64), maxulp=4)


def test_a_number_gives_a_number() -> None:
    for value in (distributions.norm.ppf(0.9), distributions.t.sf(1.0, 4), distributions.binom.sf(3, 10, 0.5)):
        assert isinstance(value, np.float64)
