"""Scores and AUCs of a whole audit, vectorised against plain loops over examples.

    python -m benchmarks.scoring

12 models, 1,000 forget and 10,000 unseen examples. The loops compute the same numbers, which is checked first; they are
timed on a part of the examples and scaled.
"""

import numpy as np
from numpy.typing import NDArray

from benchmarks._timing import bandwidth, medians, table
from vestige.attacks.metrics.roc import auc_rows
from vestige.attacks.scores.rlira import rlira
from vestige.attacks.scores.rmia import rmia

RETRAINS, FORGET, UNSEEN, PART = 10, 1000, 10_000, 200
Floats = NDArray[np.float64]


def rlira_loop(retrains: Floats, other: Floats, examples: int) -> Floats:
    """z of one model, before centring, an example at a time."""
    sigma = np.sqrt(np.mean([np.var(retrains[:, i]) for i in range(examples)]))
    return np.array([(other[i] - np.mean(retrains[:, i])) / sigma for i in range(examples)])


def auc_loop(members: Floats, nonmembers: Floats) -> float:
    """The definition: every pair compared."""
    wins = 0.0
    for score in members:
        wins += np.sum(score > nonmembers) + 0.5 * np.sum(score == nonmembers)
    return float(wins / (len(members) * len(nonmembers)))


def rmia_matrix(phi: Floats, reference: Floats, calibration: Floats, calibration_reference: Floats) -> Floats:
    """The outer comparison of likelihood ratios (a = 0.3, gamma = 1)."""

    def ratio(own: Floats, others: Floats) -> Floats:
        out = (1 / (1 + np.exp(-others))).mean(0)
        return np.asarray(1 / (1 + np.exp(-own)) / (0.5 * (1.3 * out + 0.7)))

    own, population = ratio(phi, reference), ratio(calibration, calibration_reference)
    return np.asarray((own[:, None] > population[None, :]).mean(1))


def main() -> None:
    """Print seconds of both sides, their ratio and the time memory alone would take."""
    random = np.random.default_rng(0)
    count = FORGET + UNSEEN
    retrains, others = random.normal(0, 2, (RETRAINS, count)), random.normal(0, 2, (2, count))
    calibration = np.arange(count) >= count - UNSEEN // 5
    z = rlira(retrains, others, calibration).others[0]
    plain = rlira_loop(retrains, others[0], count)
    assert np.allclose(z, plain - np.median(plain[calibration]))
    ours = rmia(retrains, others, calibration).others[0]
    assert np.allclose(
        ours, rmia_matrix(others[0], retrains, others[0, calibration], retrains[:, calibration]), atol=2 / (UNSEEN // 5)
    )
    members, nonmembers = retrains[:, :FORGET], retrains[:, FORGET:]
    assert np.allclose(auc_rows(members, nonmembers)[0], auc_loop(members[0], nonmembers[0]))
    scale, models = count / PART, RETRAINS + 2
    seconds = medians(
        {
            "rlira": lambda: rlira(retrains, others, calibration),
            "rlira loop": lambda: rlira_loop(retrains, others[0], PART),
            "rmia": lambda: rmia(retrains, others, calibration),
            "rmia matrix": lambda: rmia_matrix(others[0], retrains, others[0, calibration], retrains[:, calibration]),
            "auc": lambda: auc_rows(members, nonmembers),
            "auc loop": lambda: auc_loop(members[0], nonmembers[0]),
        }
    )
    factors = {"rlira": scale * models, "rmia": models, "auc": RETRAINS}
    plain_names = {"rlira": "rlira loop", "rmia": "rmia matrix", "auc": "auc loop"}
    rate = bandwidth()
    rows = [("", "ours ms", "plain ms", "ratio", "memory alone ms")]
    for name, factor in factors.items():
        slow = seconds[plain_names[name]] * factor
        cells = (1e3 * seconds[name], 1e3 * slow, slow / seconds[name])
        rows.append((name, *(f"{cell:,.1f}" for cell in cells), f"{1e3 * models * count * 8 / rate:.2f}"))
    table(f"Scoring {models} models on {count:,} examples", rows)


if __name__ == "__main__":
    main()
