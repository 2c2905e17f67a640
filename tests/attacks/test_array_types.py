"""The test run checks array types: without the import hook of pyproject.toml these calls would pass."""

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from vestige.attacks.metrics.roc import _twice_below
from vestige.attacks.scores.gaussians import Normals
from vestige.attacks.scores.lira import log_ratio, offline_scores
from vestige.attacks.signals.prepared import log_odds

NORMALS = Normals(np.zeros((1, 4)), np.ones((1, 4)), 0)
DISAGREEING = {
    "one dimension": lambda: NORMALS.log_density(np.zeros(4)),
    "two dimensions": lambda: log_ratio(np.zeros((2, 4)), NORMALS, NORMALS),
    "float32": lambda: offline_scores(np.zeros((2, 1, 4), np.float32), NORMALS, "offline"),
    "a field": lambda: Normals(np.zeros((1, 4)), np.ones((1, 5)), 0),
    "metrics": lambda: _twice_below(np.zeros((2, 3)), np.zeros(3)),
    "signals": lambda: log_odds(np.zeros(5), np.zeros((3, 4))),
}


@pytest.mark.parametrize("call", DISAGREEING.values(), ids=DISAGREEING)
def test_arrays_whose_shapes_disagree_fail_a_test(call):
    with pytest.raises(TypeCheckError):
        call()


def test_agreeing_arrays_pass():
    assert log_ratio(np.zeros((2, 1, 4)), NORMALS, NORMALS).shape == (2, 4)


def test_these_packages_are_checked(pytestconfig):
    *packages, checker = pytestconfig.getoption("jaxtyping_packages").split(",")
    assert checker == "tests.typecheck.check_types"
    assert {name.removeprefix("vestige.") for name in packages} >= {
        "attacks.scores",
        "attacks.metrics",
        "attacks.signals",
        "audit.statistics",
    }
