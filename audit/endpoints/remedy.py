"""How many retrains or unseen examples would give an audit 80 % power."""

from collections.abc import Sequence

import numpy as np

from vestige.audit.endpoints.endpoints import Measured

MOST_RETRAINS = 30
MOST_UNSEEN_FACTOR = 50
Weak = Sequence[tuple[Measured, float]]


def remedy(weak: Weak, unseen: int, alpha: float) -> str:
    """One sentence for endpoints given with the margin they miss; empty when there are none."""
    if not weak:
        return ""
    k = weak[0][0].retrains
    factors = np.geomspace(1.0, MOST_UNSEEN_FACTOR, 80)[1:]

    def enough(retrains: int, factor: float) -> bool:
        return all(endpoint.projected(retrains, factor).plan_width(alpha) <= margin for endpoint, margin in weak)

    retrains = next((more for more in range(max(k, 1) + 1, MOST_RETRAINS + 1) if enough(more, 1.0)), None)
    factor = next((float(f) for f in factors if enough(k, float(f))), None)
    ways = []
    if retrains is not None:
        ways.append(f"{retrains} retrains in place of {k}")
    if factor is not None:
        ways.append(f"about {_rounded(unseen * factor)} unseen examples in place of {unseen}")
    if not ways:
        both = next((float(f) for f in factors if enough(MOST_RETRAINS, float(f))), None)
        if both is not None:
            ways.append(f"{MOST_RETRAINS} retrains together with about {_rounded(unseen * both)} unseen examples")
    names = ", ".join(endpoint.name for endpoint, _ in weak)
    if not ways:
        return (
            f"On {names} up to {MOST_RETRAINS} retrains or {MOST_UNSEEN_FACTOR} times the unseen examples do not reach "
            "80 % power at this margin: only more forget examples or a wider margin would."
        )
    return f"For 80 % power on {names}: {' or '.join(ways)}."


def _rounded(count: float) -> int:
    """Two significant digits, upwards: more would be pretence."""
    step = 10 ** max(int(np.floor(np.log10(count))) - 1, 0)
    return int(np.ceil(count / step) * step)
