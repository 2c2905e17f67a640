"""E3's advice: how many retrains or unseen examples would give an audit 80 % power."""

from collections.abc import Sequence

import numpy as np

from vestige.audit.endpoints.endpoints import Measured
from vestige.audit.statistics import intervals

MOST_RETRAINS = 30
MOST_UNSEEN_FACTOR = 50
Weak = Sequence[tuple[Measured, float]]


def remedy(weak: Weak, unseen: int, alpha: float) -> str:
    """One sentence for endpoints given with the margin they miss; empty when there are none.

    The spread of an endpoint is taken as it was measured; of its square, the part due to unseen examples shrinks in
    proportion to their number.
    """
    if not weak:
        return ""
    k = weak[0][0].retrains
    retrains = next((more for more in range(k + 1, MOST_RETRAINS + 1) if _enough(weak, more, 1.0, alpha)), None)
    factors = np.geomspace(1.0, MOST_UNSEEN_FACTOR, 80)[1:]
    factor = next((float(f) for f in factors if _enough(weak, k, float(f), alpha)), None)
    ways = []
    if retrains is not None:
        ways.append(f"{retrains} retrains in place of {k}")
    if factor is not None:
        ways.append(f"about {_rounded(unseen * factor)} unseen examples in place of {unseen}")
    if not ways:
        both = next((float(f) for f in factors if _enough(weak, MOST_RETRAINS, float(f), alpha)), None)
        if both is not None:
            ways.append(f"{MOST_RETRAINS} retrains together with about {_rounded(unseen * both)} unseen examples")
    names = ", ".join(endpoint.name for endpoint, _ in weak)
    if not ways:
        return (
            f"On {names} up to {MOST_RETRAINS} retrains or {MOST_UNSEEN_FACTOR} times the unseen examples do not reach "
            "80 % power at this margin: only more forget examples or a wider margin would."
        )
    return f"For 80 % power on {names}: {' or '.join(ways)}."


def _enough(weak: Weak, retrains: int, factor: float, alpha: float) -> bool:
    for endpoint, margin in weak:
        if intervals.plan_width(left_spread(endpoint, factor), retrains, alpha) > margin:
            return False
    return True


def left_spread(endpoint: Measured, factor: float) -> float:
    """The spread with ``factor`` times the unseen examples: as measured, less what they shrink of its square.

    The part they shrink is known better than the spread itself and may come out above it; nothing can shrink by more
    than the factor."""
    squared = (endpoint.spread or 0.0) ** 2
    return float(np.sqrt(max(squared - endpoint.unseen_variance * (1 - 1 / factor), squared / factor)))


def _rounded(count: float) -> int:
    """Two significant digits, upwards: more would be pretence."""
    step = 10 ** max(int(np.floor(np.log10(count))) - 1, 0)
    return int(np.ceil(count / step) * step)
