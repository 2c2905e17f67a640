"""Is a model what it is said to be? Checked before a verdict: a wrong file, wrong preprocessing or another order of the
classes gives numbers that look like an audit and mean nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.metrics.distributions import beta
from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.data_checks.label_order import moved_classes
from vestige.audit.endpoints.preconditions import retrain_name
from vestige.learners.errors import DataError

MOST_CHANCE = 0.75
"""Share of the largest class from which on answering it throughout is an honest result."""
FAR = 2 / 3
"""A model that is right at most this share as often as the others is far below them, where that is no chance."""
ERRORS = 5.0
"""Standard errors that such a difference must exceed."""
LEAST_AS_GOOD = 0.8
"""Share of the others' accuracy that a candidate must reach after permuting, to be a matter of order."""
MOST_NAMED = 6
CHECK = (
    "check that it is the right file and has learned anything, mean and std, the order of the channels, 0..1 or "
    "0..255, the resize, eval mode and the order of the labels"
)


@dataclass(frozen=True)
class Problem:
    """What is wrong with a model. kind: ``labels`` (its classes are in another order), ``chance`` or ``others`` (it
    knows no more than guessing, or far less than the other models)."""

    model: str
    kind: Literal["labels", "chance", "others"]
    sentence: str


def find_problems(
    answers: Mapping[str, NDArray[np.int64]], labels: NDArray[np.int64], role: NDArray[np.str_], classes: int
) -> tuple[Problem, ...]:
    """What cannot be meant about these models, first of all the order of their classes.

    answers: classes ``[n]`` by the model's name, ``original``, ``candidate`` and any others for retrains. labels, role:
    ``[n]``. Retain rows are looked at, which original and retrains were trained on; where there are none the unseen
    rows, by a softer rule. A candidate may know nothing: that is a result, and not a problem.

    Near chance: the accuracy is not shown to exceed the share q of the largest class (99 % binomial bound), and is
    shown to lie below q + min(q, (1 - q) / 10) (99.9 %); on unseen rows it also does not exceed q. Far below: at
    most two thirds of the others' median, by more than five standard errors. Label noise and many classes make
    accuracy low and do not make it chance. Source: Clopper and Pearson 1934; rates are in docs/verdict.md.
    """
    retain = bool((role == "retain").any())
    rows = np.flatnonzero(role == ("retain" if retain else "unseen"))
    labels_here = labels[rows]
    answers = {name: answer[rows] for name, answer in answers.items()}
    right = {name: answer == labels_here for name, answer in answers.items()}
    moved = {name: moved_classes(answer, labels_here, classes, every_class=retain) for name, answer in answers.items()}
    if moved.get("candidate") and not _as_good(moved["candidate"], answers["candidate"], labels_here, right):
        moved["candidate"] = ()
    problems = [Problem(name, "labels", _order(name, pairs, answers)) for name, pairs in moved.items() if pairs]
    forgotten = labels[role == "forget"]
    for name in right:
        if name != "candidate" and not moved.get(name):
            known = _known(labels_here, forgotten, classes) if not retain and name != "original" else slice(None)
            problems += _weak(
                name, {model: values[known] for model, values in right.items()}, labels_here[known], retain
            )
    return tuple(problems)


def outputs_problems(outputs: Outputs) -> tuple[Problem, ...]:
    """The same of every model in ``outputs``."""
    retrains = len(outputs.retrain)
    answers = {retrain_name(k): outputs.predictions[k] for k in range(retrains)}
    if outputs.original is not None:
        answers = {"original": outputs.predictions[-1], **answers}
    answers["candidate"] = outputs.predictions[retrains]
    return find_problems(answers, outputs.labels, outputs.role, outputs.classes)


def check_plausible(problems: Sequence[Problem], *, weak: bool = True) -> None:
    """DataError with the first of them. weak: also for models that know too little; else for the order of classes
    alone, where only a mistake can look like this."""
    for problem in problems:
        if weak or problem.kind == "labels":
            raise DataError(problem.sentence)


def chance_of(labels: NDArray[np.int64]) -> float:
    """Share of the largest class among ``labels [n]``."""
    return float(np.unique(labels, return_counts=True)[1].max() / len(labels))


def near_chance(right: int, rows: int, chance: float, *, trained_on: bool = True) -> bool:
    """Whether ``right`` of ``rows`` answers are what guessing gives. trained_on: the model was trained on these rows.

    >>> near_chance(105, 1000, 0.1), near_chance(250, 1000, 0.1), near_chance(2, 20, 0.1)
    (True, False, False)
    """
    if chance >= MOST_CHANCE or not rows:
        return False
    lower = float(beta.ppf(0.01, right, rows - right + 1)) if right else 0.0
    upper = float(beta.ppf(0.999, right + 1, rows - right)) if right < rows else 1.0
    near = lower <= chance and upper < chance + min(chance, (1 - chance) / 10)
    return near and (trained_on or right <= chance * rows)


def far_below(accuracy: float, others: Sequence[float], rows: int) -> bool:
    """Whether an accuracy is far below the median of the others on the same rows."""
    if not len(others) or not rows:
        return False
    usual = float(np.median(others))
    error = np.sqrt((accuracy * (1 - accuracy) + usual * (1 - usual) + 2 / rows) / rows)
    return bool(accuracy <= FAR * usual and usual - accuracy > ERRORS * error)


def _weak(name: str, right: Mapping[str, NDArray[np.bool_]], labels: NDArray[np.int64], retain: bool) -> list[Problem]:
    rows = len(labels)
    if not rows:
        return []
    kind = f"the {rows} retain rows it was trained on" if retain else f"the {rows} unseen rows"
    chance, accuracy = chance_of(labels), float(right[name].mean())
    if near_chance(int(right[name].sum()), rows, chance, trained_on=retain):
        expected = f"accuracy above chance ({chance:.3f}) on {kind}"
        return [Problem(name, "chance", f"{name}: expected {expected}, got {accuracy:.3f}; {CHECK}")]
    peers = [model for model in right if model not in (name, "candidate") and (retain or model != "original")]
    if not retain and len(peers) < 2:  # of two models on unseen classes, either may be right
        return []
    others = [float(right[model].mean()) for model in peers]
    if far_below(accuracy, others, rows):
        expected = f"accuracy like the other models' ({np.median(others):.3f}) on {kind}"
        return [Problem(name, "others", f"{name}: expected {expected}, got {accuracy:.3f}; {CHECK}")]
    return []


def _known(labels: NDArray[np.int64], forgotten: NDArray[np.int64], classes: int) -> NDArray[np.bool_]:
    """Rows of classes that retrains know: where whole classes may have been forgotten, those of the others."""
    gone = np.unique(forgotten)
    return np.ones(len(labels), np.bool_) if 2 * len(gone) > classes else ~np.isin(labels, gone)


def _as_good(
    pairs: tuple[tuple[int, int], ...],
    answers: NDArray[np.int64],
    labels: NDArray[np.int64],
    right: Mapping[str, NDArray[np.bool_]],
) -> bool:
    """Whether permuting makes the candidate as good as the others are, on the classes that are moved."""
    rows = np.isin(labels, [label for label, _ in pairs])
    places = dict(pairs)
    permuted = np.mean([places[label] == answer for label, answer in zip(labels[rows], answers[rows], strict=True)])
    others = [float(values[rows].mean()) for name, values in right.items() if name != "candidate"]
    return not others or bool(permuted >= LEAST_AS_GOOD * max(others))


def _order(name: str, pairs: tuple[tuple[int, int], ...], answers: Mapping[str, NDArray[np.int64]]) -> str:
    named = ", ".join(f"{answer} for {label}" for label, answer in pairs[:MOST_NAMED])
    more = f" and {len(pairs) - MOST_NAMED} more" if len(pairs) > MOST_NAMED else ""
    return (
        f"{name}: expected its classes in the order of the labels, got answers that are right once classes are "
        f"exchanged ({named}{more}); put the columns, or the labels, into the same order"
    )
