"""What arrays must look like to be the outputs of one audit; every refusal names the array and the count."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.signals.blocks import blocks
from vestige.learners.arrays import Labels, Logits
from vestige.learners.errors import DataError

ROLES = ("forget", "unseen", "retain")
LOGITS = ("candidate", "retrain", "original", "shadow")
TEXTS = ("role", "group", "subject", "id")
REQUIRED = ("labels", "role", "candidate", "retrain")
KNOWN = (*REQUIRED, "original", "shadow", "group", "subject", "id", "saturated")

# Softmax outputs that were rounded to four decimals still sum to 1 within this; float16 ones need more room.
_SUM_TOLERANCE = {2: 1e-2, 4: 1e-3, 8: 1e-3}
# So many rows that all sum to 1 by chance do not occur in logits.
_ROWS_TO_SUSPECT = 20
MOST = 1e6

Shape = tuple[tuple[int, ...], np.dtype[Any]]


def check_shapes(arrays: Mapping[str, Shape], *, least_retrains: int = 1) -> None:
    """Refuse missing and unknown arrays, types that cannot be used, and shapes that contradict each other."""
    missing = [name for name in REQUIRED if name not in arrays]
    if missing:
        hint = (
            "; without retrains only a forget set that is declared a random draw (--random) can be judged"
            if missing == ["retrain"]
            else ""
        )
        raise DataError(
            f"expected the arrays {', '.join(REQUIRED)}, got no {' and no '.join(missing)}; add what is missing{hint}"
        )
    unknown = sorted(set(arrays) - set(KNOWN))
    if unknown:
        raise DataError(f"expected only the arrays {', '.join(KNOWN)}, got {', '.join(unknown)}; rename or remove them")
    for name, (_, dtype) in arrays.items():
        kinds = {"labels": "iu", "saturated": "iu"} | dict.fromkeys(LOGITS, "f") | {"role": "US"}
        if dtype.kind not in kinds.get(name, "USiu"):
            wanted = {"iu": "integers", "f": "floating-point numbers", "US": "text"}.get(kinds.get(name, ""), "text")
            raise DataError(f"{name}: expected {wanted}, got {_type(dtype)}; convert it before saving")
    if len(arrays["labels"][0]) != 1 or len(arrays["candidate"][0]) != 2 or len(arrays["retrain"][0]) != 3:
        got = ", ".join(f"{name} {list(arrays[name][0])}" for name in ("labels", "candidate", "retrain"))
        raise DataError(f"expected labels [n], candidate [n, classes] and retrain [K, n, classes], got {got}")
    examples, classes = arrays["candidate"][0]
    if examples < 1 or classes < 2:
        raise DataError(f"expected at least 1 example and 2 classes, got {examples} and {classes}")
    models = arrays["retrain"][0][0]
    if models < least_retrains:
        raise DataError(
            "retrain: expected at least one retrain (K >= 1), got none; train retrains without the forget set, "
            "or declare that the forget set is a random draw (--random), where it is"
        )
    shadows = arrays["shadow"][0][0] if "shadow" in arrays and arrays["shadow"][0] else 1
    if shadows < 1:
        raise DataError(
            "shadow: expected at least one model trained on neither forget nor unseen, got none; leave it out"
        )
    logits = {"candidate": (examples, classes), "original": (examples, classes), "retrain": (models, examples, classes)}
    logits["shadow"] = (shadows, examples, classes)
    for name, (shape, _) in arrays.items():
        expected = () if name == "saturated" else logits.get(name, (examples,))
        if shape != expected:
            raise DataError(
                f"{name}: expected shape {list(expected)}, got {list(shape)}; "
                "all arrays must list the same examples in the same order"
            )


def _type(dtype: np.dtype[Any]) -> str:
    return "Python objects" if dtype.hasobject else str(dtype)


def check_labels(labels: NDArray[np.integer[Any]], classes: int) -> None:
    """Refuse labels that no column of the logits belongs to."""
    outside = int(((labels < 0) | (labels >= classes)).sum())
    if outside:
        raise DataError(
            f"labels: expected values in 0..{classes - 1}, got {outside} outside "
            f"(from {labels.min()} to {labels.max()}); the logits have {classes} classes"
        )


def check_roles(role: NDArray[np.str_]) -> None:
    """Refuse unknown roles, and outputs without forget or without unseen examples."""
    names, counts = np.unique(role, return_counts=True)
    for name, count in zip(names.tolist(), counts.tolist(), strict=True):
        if name not in ROLES:
            raise DataError(f"role: expected {', '.join(ROLES)}, got {name!r} for {count} examples; rename that role")
    for name in ("forget", "unseen"):
        if name not in names:
            raise DataError(f"role: expected {name} examples, got none; an audit compares forget with unseen")


def check_finite(name: str, values: Logits) -> None:
    """Refuse NaN and infinite values in logits ``[..., n, classes]``."""
    nan = infinite = 0
    for block in blocks(values):
        if not np.isfinite(block).all():
            nan += int(np.isnan(block).sum())
            infinite += int(np.isinf(block).sum())
    if nan or infinite:
        raise DataError(
            f"{name}: expected finite numbers, got {nan} NaN and {infinite} infinite of {values.size} values; "
            "look at the model or the precision that made them"
        )


def check_moderate(name: str, values: Logits) -> None:
    """Refuse finite numbers that no classifier gives and that arithmetic with them would not survive."""
    if values.dtype == np.float16:
        return  # which ends at 65504
    large = sum(int((np.abs(block) > MOST).sum()) for block in blocks(values))
    if large:
        raise DataError(
            f"{name}: expected logits between -{MOST:.0e} and {MOST:.0e}, got {large} of {values.size} values outside; "
            "look at the model that made them"
        )


def check_unique(ids: NDArray[np.str_]) -> None:
    """Refuse an example that is listed twice: roles must be disjoint."""
    names, counts = np.unique(ids, return_counts=True)
    repeated = int((counts > 1).sum())
    if repeated:
        first = str(names[counts > 1][0])
        raise DataError(f"id: expected each example once, got {repeated} ids repeated (first {first!r}); remove them")


def check_probabilities(name: str, values: Logits) -> None:
    """Refuse what is not softmax output: outside [0, 1], or rows that do not sum to 1."""
    check_finite(name, values)
    tolerance = _tolerance(values)
    outside = sum(int(((block < 0) | (block > 1 + tolerance)).sum()) for block in blocks(values))
    if outside:
        raise DataError(
            f"{name}: expected probabilities in [0, 1], got {outside} of {values.size} values outside; "
            "audit logits as logits"
        )
    wrong = sum(int((np.abs(block.sum(-1, dtype=np.float64) - 1) > tolerance).sum()) for block in blocks(values))
    if wrong:
        raise DataError(
            f"{name}: expected rows of probabilities that sum to 1, got {wrong} of {values[..., 0].size} that do not"
        )


def check_not_probabilities(arrays: Mapping[str, NDArray[Any]]) -> None:
    """Refuse softmax outputs among the ``LOGITS``: phi computed from them would be wrong without a sign of it."""
    for name in LOGITS:
        values = arrays.get(name, np.empty((0, 0)))
        for index, model in enumerate(values) if values.ndim > 2 else [(None, values)]:
            _check_not_probabilities(name if index is None else f"{name}[{index}]", model)


def _check_not_probabilities(name: str, values: Logits) -> None:
    if len(values) >= _ROWS_TO_SUSPECT and all(_like_probabilities(block) for block in blocks(values)):
        raise DataError(
            f"{name}: expected logits, got rows in [0, 1] that sum to 1, as softmax outputs do; "
            "pass --probabilities (probabilities=True), or better store logits"
        )


def _like_probabilities(block: Logits) -> bool:
    inside = ((block >= 0) & (block <= 1)).all()
    return bool(inside and (np.abs(block.sum(-1, dtype=np.float64) - 1) <= _tolerance(block)).all())


def _tolerance(values: Logits) -> float:
    return _SUM_TOLERANCE.get(values.dtype.itemsize, 1e-3)


def saturated_labels(values: Logits, labels: Labels) -> int:
    """Number of (model, example) pairs in ``values [..., n, classes]`` whose label has probability 1."""
    models = values if values.ndim > 2 else values[None]
    rows = np.arange(len(labels))
    return sum(int((model[rows, labels] >= 1).sum()) for model in models)
