"""BASE: against the formula written out, on extreme values, and refusals."""

from math import exp, log

import numpy as np
import pytest

from vestige.attacks.scores.base import SHARE, base
from vestige.learners.errors import ConfigError, DataError


@pytest.mark.parametrize("share", [0.0, 0.33, SHARE, 1.0])
def test_it_is_the_formula(share: float) -> None:
    random = np.random.default_rng(0)
    phi, references = random.normal(0, 3, (2, 7)), random.normal(0, 3, (4, 7))
    found = base(phi, references, share)
    for model in range(2):
        for row in range(7):
            own = 1 / (1 + exp(-phi[model, row]))
            usual = sum(1 / (1 + exp(-value)) for value in references[:, row]) / 4
            assert found[model, row] == pytest.approx(log(own) - share * log(usual), abs=1e-12)


def test_the_share_is_the_one_that_was_measured() -> None:
    assert SHARE == 0.75 and (base([[1.0]], [[2.0]]) == base([[1.0]], [[2.0]], 0.75)).all()


def test_extremes_stay_finite_and_in_order() -> None:
    phi = np.array([[-800.0, -40.0, 0.0, 40.0, 800.0]])
    assert np.isfinite(base(phi, -phi)).all() and np.isfinite(base(phi, phi)).all()
    level = np.zeros((1, 5))
    assert (np.diff(base(phi, level)[0, :4]) > 0).all()
    assert base([[3.0]], [[5.0]]) < base([[3.0]], [[-5.0]])  # what others find likely counts less


def test_it_refuses_what_does_not_fit() -> None:
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(ConfigError, match="share: expected a number from 0 to 1"):
            base([[0.0]], [[0.0]], share)
    with pytest.raises(DataError):
        base([[0.0, 1.0]], [[0.0]])
    with pytest.raises(DataError):
        base([[np.nan]], [[0.0]])
