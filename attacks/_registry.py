"""What attacks there are: the table behind ``vestige attacks`` and behind the tests that hold for all of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from attacks._arrays import Floats, Labels, Mask
from attacks.rlira import rlira
from attacks.rmia import rmia
from attacks.threshold import class_centred

AttackFunction = Callable[[Floats, Floats, Labels, Mask], tuple[Floats, Floats]]


@dataclass(frozen=True)
class Attack:
    """A registered attack, higher = member.

    needs: models and data that it requires. role: in the verdict. signal: registry name of the signal it reads, or
    ``any``. function: ``(retrains [K, n], others [P, n], labels [n], calibration bool [n])`` of that signal to the
    scores of the retrains ``[K, n]`` and of the others ``[P, n]``, each retrain scored without itself as a reference.
    """

    name: str
    description: str
    citation: str
    needs: str
    role: str
    signal: str
    function: AttackFunction


def _threshold(retrains: Floats, others: Floats, labels: Labels, calibration: Mask) -> tuple[Floats, Floats]:
    return retrains, others


def _threshold_classwise(retrains: Floats, others: Floats, labels: Labels, calibration: Mask) -> tuple[Floats, Floats]:
    return class_centred(retrains, labels, calibration), class_centred(others, labels, calibration)


def _rlira(retrains: Floats, others: Floats, labels: Labels, calibration: Mask) -> tuple[Floats, Floats]:
    scores = rlira(retrains, others, calibration)
    return scores.retrains, scores.others


def _rlira_abs(retrains: Floats, others: Floats, labels: Labels, calibration: Mask) -> tuple[Floats, Floats]:
    scores = rlira(retrains, others, calibration)
    return np.abs(scores.retrains), np.abs(scores.others)


def _rmia(retrains: Floats, others: Floats, labels: Labels, calibration: Mask) -> tuple[Floats, Floats]:
    scores = rmia(retrains, others, calibration)
    return scores.retrains, scores.others


_LIRA = "Carlini et al. 2022, arXiv 2112.03570, section VI-C; references and centring ours"

ATTACKS: Mapping[str, Attack] = MappingProxyType(
    {
        attack.name: attack
        for attack in (
            Attack(
                "threshold",
                "one cut on a signal for all examples",
                "Yeom et al. 2018, arXiv 1709.01604",
                "the model itself",
                "report only",
                "any",
                _threshold,
            ),
            Attack(
                "threshold_classwise",
                "one cut on a signal for each class, as the signal minus its class median on unseen examples",
                "Song and Mittal 2021, arXiv 2003.10595",
                "the model itself, calibration examples of each class",
                "primary endpoint A1 (signal logit); can cause FAIL (entropy, modified_entropy); report only otherwise",
                "any",
                _threshold_classwise,
            ),
            Attack(
                "rlira",
                "phi against the mean of the other retrains, in pooled standard deviations",
                _LIRA,
                "3 retrains or more",
                "primary endpoints A2 and T1",
                "logit",
                _rlira,
            ),
            Attack(
                "rlira_abs",
                "distance of phi from the other retrains in either direction",
                _LIRA,
                "3 retrains or more",
                "primary endpoints A3 and T2",
                "logit",
                _rlira_abs,
            ),
            Attack(
                "rmia",
                "share of unseen examples whose likelihood ratio is smaller, offline with retrains as references",
                "Zarifzadeh et al. 2024, arXiv 2312.03262",
                "2 retrains or more",
                "can cause FAIL; required for evidence grade B",
                "logit",
                _rmia,
            ),
        )
    }
)
