"""What ``vestige attack`` finds out: a table for each candidate, of attacks and of the literature's numbers."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class AttackPoint:
    """tpr: the largest at a false-positive rate of at most ``fpr`` on the evaluation examples, None where they are too
    few (10 false positives are expected at least). interval: exact, 95 %, the cut taken as given. calibrated:
    TPR and realised FPR at the cut that the calibration examples give, in which no judged example had a part; None
    where they are too few."""

    fpr: float
    tpr: float | None
    interval: tuple[float, float] | None
    calibrated: tuple[float, float] | None


@dataclass(frozen=True)
class AttackRow:
    """One attack. auc: of the candidate, forget against unseen examples; interval: DeLong, 95 %. retrains: mean AUC of
    the retrains, None without any; gap: auc minus that. original: of the model before unlearning. efficacy: AUC of the
    candidate's forget examples against the retrains' (the efficacy game: does it differ from a retrain there?). points:
    at 10, 1 and 0.1 % FPR. lead: auc minus that of the attack it is compared with, on the examples that both judge,
    with its paired 95 % interval; None for that attack itself. members, nonmembers: examples judged. remark: of the
    run. Where examples belong to people, every interval counts a person once, however many rows they have.
    """

    attack: str
    signal: str
    auc: float
    interval: tuple[float, float]
    retrains: float | None
    gap: float | None
    original: float | None
    efficacy: float | None
    points: tuple[AttackPoint, ...]
    lead: tuple[float, float, float] | None
    members: int
    nonmembers: int
    remark: str


@dataclass(frozen=True)
class NumberResult:
    """One number of the literature, in percent: of the candidate, mean over the retrains, of the original."""

    name: str
    candidate: float
    retrains: float | None
    original: float | None
    desired: str


@dataclass(frozen=True)
class AttackTable:
    """All attacks on one candidate. against: attack and signal that the others are compared with. absent: attacks that
    could not be made, with what they need. problems: of the bank."""

    candidate: str
    against: tuple[str, str]
    results: tuple[AttackRow, ...]
    numbers: tuple[NumberResult, ...]
    absent: Mapping[str, str]
    problems: tuple[str, ...]
