"""Controls of an audit: does it accuse a retrain, and how small a leak does it find?

Both are settled from retrains and original alone. The positive control, whether the original is caught, is a
precondition (``preconditions.py``).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.decisions import fail_tests
from vestige.audit.endpoints.endpoints import Measured, measure
from vestige.audit.endpoints.preconditions import identify, retrain_name
from vestige.audit.endpoints.readings import Readings, read
from vestige.audit.endpoints.scores import score
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Controls, NullControl, PlantedLeak
from vestige.audit.results.setting import Setting
from vestige.audit.results.shadows import ShadowTables
from vestige.learners.arrays import Indices
from vestige.learners.seeds import numpy_generator

FEWEST_OTHERS = 3
"""Retrains that a retrain is judged against at least."""
NOTHING = np.empty(0, np.int64)
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Shares of the forget set that are planted."""

POWER = 0.8


def run_controls(outputs: Outputs, setting: Setting, policy: Policy, shadows: ShadowTables | None = None) -> Controls:
    """Judge every retrain as if it were the candidate, against the others (the null control), and then with leaks
    planted in it: on a share of the forget examples it answers as the original does.

    The audit itself compares a candidate with one retrain more, so that it finds a little more than is stated here.
    Retrains that are byte-equal to the candidate take no part. Nothing else depends on the candidate: of ``shadows``
    (see ``gather``) LiRA takes part, whose score of an example looks at no other example of the model; U-LiRA does not,
    for it judges one method.
    """
    identity = identify(outputs)
    kept = list(identity.kept)
    if identity.problem or len(kept) <= FEWEST_OTHERS:
        return _not_run(identity.problem or f"needs at least {FEWEST_OTHERS + 1} retrains, got {len(kept)}")
    readings, original = read(outputs, setting, kept, policy.calibration_share), outputs.original is not None
    # No model needs the candidate: the place is taken by the retrain that is judged.
    models = [*range(len(kept)), *([len(kept) + 1] if original else [])]
    readings = readings.choose(models[: len(kept)], models[len(kept) :])
    null, caught = [], []
    for place, index in enumerate(kept):
        leaks = _leaks(readings, numpy_generator(0, "planted leaks", index)) if original else [NOTHING]
        measured = _measure(readings, place, leaks, policy, shadows, [*kept, len(outputs.retrain) + 1])
        null.append(NullControl(retrain_name(index), _outside(measured, 0, policy)))
        if original:
            caught.append([bool(_outside(measured, 1 + share, policy)) for share in range(len(SHARES))])
    counts = np.sum(caught, axis=0).tolist() if caught else []
    planted = tuple(PlantedLeak(share, int(count)) for share, count in zip(SHARES, counts, strict=False))
    return Controls(reason="", null=tuple(null), planted=planted, smallest=_smallest(planted, len(kept)))


def _not_run(reason: str) -> Controls:
    return Controls(reason=reason, null=(), planted=(), smallest=None)


def leaking_rows(readings: Readings, random: np.random.Generator) -> Indices:
    """The forget rows as they leak: one by one in random order, or person by person."""
    rows = random.permutation(np.flatnonzero(readings.forget))
    if readings.people is None:
        return rows
    place = random.permutation(len(readings.people.first))
    return rows[np.argsort(place[readings.people.unit[rows]], kind="stable")]


def _leaks(readings: Readings, random: np.random.Generator) -> list[Indices]:
    """No leak, then each of ``SHARES``: a larger one holds the smaller ones."""
    order = leaking_rows(readings, random)
    return [order[: int(np.ceil(share * len(order)))] for share in (0.0, *SHARES)]


def _measure(
    readings: Readings,
    place: int,
    leaks: Sequence[Indices],
    policy: Policy,
    shadows: ShadowTables | None,
    places: Sequence[int],
) -> tuple[Measured, ...]:
    """The endpoints with retrain ``place`` in the candidate's place, once for each leak. places: of the models among
    those of ``shadows``."""
    original = len(readings.phi) > readings.retrains
    if not original:
        others = [k for k in range(readings.retrains) if k != place]
        scores = score(readings.choose(others, [place]))
    else:
        scores = score(readings.plant(place, leaks))
    if shadows is not None:
        scores = scores.with_shadows(_planted_shadows(shadows.of_bank(), readings, place, leaks, places))
    return measure(scores, policy)


def _planted_shadows(
    shadows: ShadowTables, readings: Readings, place: int, leaks: Sequence[Indices], places: Sequence[int]
) -> ShadowTables:
    chosen = shadows.take(places[: len(readings.phi)])
    rest = [k for k in range(readings.retrains) if k != place]
    tables = {}
    for name, table in chosen.tables.items():
        planted = np.repeat(table[[place]], len(leaks), axis=0)
        if len(table) > readings.retrains:
            for row, leak in zip(planted, leaks, strict=True):
                row[leak] = table[-1, leak]
        tables[name] = np.concatenate([table[rest], planted, table[readings.retrains :]])
    return replace(chosen, tables=tables)


def _outside(measured: Sequence[Measured], other: int, policy: Policy) -> tuple[str, ...]:
    """Endpoints whose FAIL test rejects on the model at place ``other`` after the retrains."""
    return tuple(name for name, p in fail_tests(measured, other, policy).items() if p.holm <= policy.level)


def _smallest(planted: tuple[PlantedLeak, ...], retrains: int) -> float | None:
    """The smallest share from which on the leak is caught in at least ``POWER`` of the retrains."""
    smallest = None
    for leak in reversed(planted):
        if leak.caught < POWER * retrains:
            break
        smallest = leak.share
    return smallest
