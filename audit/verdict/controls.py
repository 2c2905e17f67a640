"""Controls of an audit: does it accuse a retrain, and how small a leak does it find?

Both are settled from retrains and original alone. The positive control, whether the original is caught, is
precondition E2 (``preconditions.py``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.decisions import fail_tests
from vestige.audit.endpoints.endpoints import NO_SPREAD, measure
from vestige.audit.endpoints.groups import Parts, find_groups, measure_groups
from vestige.audit.endpoints.people import People
from vestige.audit.endpoints.preconditions import NO_DIFFERENCE, identify, retrain_name
from vestige.audit.endpoints.scores import (
    MIN_RETRAINS,
    READ,
    Scores,
    audited,
    audited_signals,
    people_of,
    score_signals,
)
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Controls, NullControl, PlantedLeak
from vestige.audit.results.shadows import ShadowTables
from vestige.learners.arrays import Floats, Indices, Labels, Mask
from vestige.learners.seeds import numpy_generator

SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Shares of the forget set that are planted."""

POWER = 0.8


def run_controls(outputs: Outputs, policy: Policy, shadows: ShadowTables | None = None) -> Controls:
    """Judge every retrain as if it were the candidate, against the others (the null control), and then with leaks
    planted in it: on a share of the forget examples it answers as the original does.

    The audit itself compares a candidate with one retrain more, so that it finds a little more than is stated here.
    Retrains that are byte-equal to the candidate take no part. Nothing else depends on the candidate: of ``shadows``
    (see ``gather``) LiRA takes part, whose score of an example looks at no other example of the model; U-LiRA does not,
    for it judges one method.
    """
    identity = identify(outputs)
    kept = list(identity.kept)
    if identity.problem or len(kept) <= MIN_RETRAINS:
        return _not_run(identity.problem or f"needs at least {MIN_RETRAINS + 1} retrains, got {len(kept)}")
    rows, original = audited(outputs), outputs.original is not None
    models = [*kept, *([len(outputs.retrain) + 1] if original else [])]
    trial = _Trial(
        tables=audited_signals(outputs, models, READ),
        retrains=len(kept),
        labels=outputs.labels[rows],
        forget=outputs.where("forget")[rows],
        people=people_of(outputs),
        shadows=None if shadows is None else shadows.of_bank().take(models),
        policy=policy,
    )
    declared = None if outputs.group is None else outputs.group[rows]
    null, caught = [], []
    for place, index in enumerate(kept):
        scores = trial.scores(place, numpy_generator(policy.calibration_seed, "planted leaks", index))
        measured = measure(scores, policy.fpr, paired=policy.conservative)
        flat = [endpoint.name for endpoint in measured if endpoint.spread is not None and endpoint.spread <= NO_SPREAD]
        if flat:
            return _not_run(f"{flat[0]} has {NO_DIFFERENCE}")
        groups = find_groups(scores, declared)
        parts = [measured, *measure_groups(groups, policy, paired=policy.conservative)]
        names = ("", *(f"{group.name}: " for group in groups))
        null.append(NullControl(retrain_name(index), _outside(parts, names, 0, policy)))
        if original:
            caught.append([bool(_outside(parts, names, 1 + share, policy)) for share in range(len(SHARES))])
    counts = np.sum(caught, axis=0).tolist() if caught else []
    planted = tuple(PlantedLeak(share, int(count)) for share, count in zip(SHARES, counts, strict=False))
    return Controls(reason="", null=tuple(null), planted=planted, smallest=_smallest(planted, len(kept)))


def _not_run(reason: str) -> Controls:
    return Controls(reason=reason, null=(), planted=(), smallest=None)


@dataclass(frozen=True, eq=False)
class _Trial:
    """Retrains and original on the audited rows. tables: signals ``[models, n]``, the retrains first."""

    tables: Mapping[str, Floats]
    retrains: int
    labels: Labels
    forget: Mask
    people: People | None
    shadows: ShadowTables | None
    policy: Policy

    def scores(self, place: int, random: np.random.Generator) -> Scores:
        """Scores with retrain ``place`` in the candidate's place, then the same with each share planted: the last
        answers as the original does on all of the forget set, and stands in its place where groups are chosen."""
        tables = {**self.tables, **({} if self.shadows is None else self.shadows.tables)}
        rest = [row for row in range(self.retrains) if row != place]
        original = self.retrains if len(tables["logit"]) > self.retrains else None
        shares = (0.0,) if original is None else (0.0, *SHARES)
        planted = plant(tables, place, place if original is None else original, self._order(random), shares)
        models = {name: np.concatenate([table[rest], planted[name]]) for name, table in tables.items()}
        share, seed = self.policy.calibration_share, self.policy.calibration_seed
        scores = score_signals(models, len(rest), self.labels, self.forget, share, seed, self.people)
        if self.shadows is None:
            return scores
        return scores.with_shadows(replace(self.shadows, tables={name: models[name] for name in self.shadows.tables}))

    def _order(self, random: np.random.Generator) -> Indices:
        """The forget rows as they leak: one by one in random order, or person by person."""
        rows = random.permutation(np.flatnonzero(self.forget))
        if self.people is None:
            return rows
        place = random.permutation(len(self.people.first))
        return rows[np.argsort(place[self.people.unit[rows]], kind="stable")]


def plant(
    tables: Mapping[str, Floats], model: int, original: int, order: Indices, shares: Sequence[float]
) -> dict[str, Floats]:
    """Signals ``[shares, n]`` of a model that answers as the original does on a share of the forget examples.

    tables: signals ``[models, n]``. order: the forget rows as they leak, so that a larger leak holds the smaller ones.
    """
    planted = {}
    for name, table in tables.items():
        rows = np.tile(table[model], (len(shares), 1))
        for row, share in zip(rows, shares, strict=True):
            leaking = order[: int(np.ceil(share * len(order)))]
            row[leaking] = table[original][leaking]
        planted[name] = rows
    return planted


def _outside(parts: Parts, names: Sequence[str], other: int, policy: Policy) -> tuple[str, ...]:
    """Endpoints, of the whole and of groups, whose FAIL test rejects on the model at place ``other`` after the
    retrains."""
    return tuple(
        f"{name}{endpoint}"
        for name, part in zip(names, fail_tests(parts, other, policy), strict=True)
        for endpoint, p in part.items()
        if p.holm <= policy.alpha
    )


def _smallest(planted: tuple[PlantedLeak, ...], retrains: int) -> float | None:
    """The smallest share from which on the leak is caught in at least ``POWER`` of the retrains."""
    smallest = None
    for leak in reversed(planted):
        if leak.caught < POWER * retrains:
            break
        smallest = leak.share
    return smallest
