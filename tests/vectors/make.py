"""Small outputs files, and what any implementation of the rule must give on them: ``python -m tests.vectors.make``.

``NAME.npz`` holds the arrays of an outputs file in float16, ``expected.json`` for each: what is declared, the policy,
and the values, to be met within 1e-6. Written anew only when the rule itself changes.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.audit.worlds import ClassWorld, few, verdict_on
from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.endpoints import BATTERY
from vestige.audit.endpoints.setting import Declared
from vestige.audit.endpoints.simulation import World, constant, memorised
from vestige.audit.policy import Policy

FOLDER = Path(__file__).parent
EXPECTED = FOLDER / "expected.json"
TOLERANCE = 1e-6
WORLD = World(forget=300, unseen=1500, retain=100, retrains=3, classes=3)
CLASS = ClassWorld(forget=200, unseen=400, others=60, retain=300, retrains=3, classes=4)
LOOSE = {"min_evidence": "C", "margin_auc": 0.1, "fpr": 0.05, "margin_tpr": 0.1}


@dataclass(frozen=True)
class Vector:
    """An audit of a small outputs file."""

    make: Callable[[], Outputs]
    declared: Declared | None = None
    policy: Callable[[], dict[str, Any]] = lambda: dict(LOOSE)


def _cold() -> Outputs:
    outputs = replace(WORLD, candidate=few).draw(3).outputs()
    return replace(outputs, candidate=outputs.candidate * 0.2 + 3)


def _people() -> Outputs:
    outputs = WORLD.draw(4).outputs()
    person = np.where(outputs.role == "forget", np.arange(len(outputs)) // 2, 5000 + np.arange(len(outputs)) // 3)
    return replace(outputs, subject=person.astype(np.str_), group=np.where(person % 2, "a", "b"))


def _named() -> Outputs:
    outputs = replace(WORLD, retrains=1, candidate=memorised(1.5)).draw(5).outputs()
    return replace(outputs, id=np.array([f"row {row}" for row in range(len(outputs))]))


def _masked() -> Outputs:
    outputs = CLASS.draw(1)
    assert outputs.original is not None
    candidate = outputs.original.copy()
    candidate[:, 0] = candidate[:, 1:].max(axis=1) - 5
    return replace(outputs, candidate=candidate)


VECTORS: dict[str, Vector] = {
    "honest": Vector(lambda: WORLD.draw(1).outputs()),
    "honest-random": Vector(lambda: WORLD.draw(2).outputs(), "random"),
    "tail-cold": Vector(_cold),
    "no-retrain": Vector(lambda: replace(WORLD, retrains=0, candidate=memorised(1.5)).draw(1).outputs(), "random"),
    "one-retrain": Vector(_named, "random"),
    "over-forgotten": Vector(lambda: replace(WORLD, candidate=constant(-1.5)).draw(6).outputs()),
    "people": Vector(_people),
    "scores": Vector(lambda: replace(WORLD, classes=1).draw(1).outputs()),
    "class": Vector(lambda: CLASS.draw(0)),
    "class-masked": Vector(_masked),
}


FIELDS = ("role", "candidate", "reference", "gap", "example_error", "spread", "df", "interval", "p_holm", "decision")


def narrow(outputs: Outputs) -> Outputs:
    """The same in float16."""
    original = None if outputs.original is None else outputs.original.astype(np.float16)
    return replace(
        outputs,
        candidate=outputs.candidate.astype(np.float16),
        retrain=outputs.retrain.astype(np.float16),
        original=original,
    )


def values(outputs: Outputs, vector: Vector) -> dict[str, Any]:
    """What an implementation must give: setting, scales, endpoints, utility, share forgotten, checks and verdict."""
    policy = Policy.of(vector.policy())
    evidence, verdict = verdict_on(outputs, vector.declared, policy)
    share, unseen = evidence.share_forgotten, evidence.unseen_check
    return {
        "setting": evidence.setting.name,
        "outcome": verdict.outcome,
        "reasons": {reason.code: list(reason.where) for reason in verdict.reasons},
        "grade": verdict.grade,
        "scale": {part.model: [part.level, part.slope] for part in evidence.scale},
        "endpoints": {
            endpoint.label: {name: getattr(endpoint, name) for name in FIELDS}
            for endpoint in evidence.endpoints
            if endpoint.gap is not None
        },
        "utility": {part.role: [part.gap, *part.interval, part.decision] for part in evidence.utility},
        "share_forgotten": None if share is None else [share.candidate, share.original, share.estimate, share.interval],
        "checks": {check.name: [check.statistic, check.p_value] for check in evidence.reference.checks},
        "recovered": None if unseen is None else [unseen.hard, unseen.recovered, unseen.error, unseen.known],
        "masked": list(evidence.masked),
        "calibration_digest": evidence.reference.calibration_digest,
    }


def main() -> None:
    """Write every file."""
    expected = {}
    for name, vector in VECTORS.items():
        outputs = narrow(vector.make())
        arrays = {field.name: getattr(outputs, field.name) for field in fields(outputs) if field.name != "saturated"}
        present = {key: array for key, array in arrays.items() if array is not None and len(array)}
        np.savez_compressed(FOLDER / f"{name}.npz", allow_pickle=False, **present)
        found = values(outputs, vector)
        expected[name] = {"declared": vector.declared, "policy": vector.policy(), **found}
    content = {"battery": BATTERY, "tolerance": TOLERANCE, "audits": expected}
    EXPECTED.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
