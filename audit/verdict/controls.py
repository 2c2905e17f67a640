"""Controls of an audit: does it leave a retrain in peace, and how small a leak does it find?

Both are settled from retrains and original alone. The positive control, whether the original is caught, is
precondition E2 (``preconditions.py``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.decisions import fail_tests
from vestige.audit.endpoints.endpoints import NO_SPREAD, measure
from vestige.audit.endpoints.groups import Parts, find_groups, measure_groups
from vestige.audit.endpoints.people import People
from vestige.audit.endpoints.preconditions import NO_DIFFERENCE, identify, retrain_name
from vestige.audit.endpoints.scores import MIN_RETRAINS, READ, Floats, Mask, Scores, people_of, score_signals
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Controls, NullControl, PlantedLeak
from vestige.audit.results.shadows import ShadowTables
from vestige.learners.arrays import Indices
from vestige.learners.seeds import numpy_generator

SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Shares of the forget set that are planted."""

POWER = 0.8


def run_controls(outputs: Outputs, policy: Policy, shadows: ShadowTables | None = None) -> Controls:
    """Judge every retrain as if it were the candidate, against the others (the null control), and then with leaks
    planted in it: on a share of the forget examples it answers as the original does.

    The audit itself holds a candidate against one retrain more, so that it finds a little more than is said here.
    Retrains that are byte-equal to the candidate take no part. Nothing else depends on the candidate: of ``shadows``
    (see ``gather``) LiRA takes part, whose score of an example looks at no other example of the model; U-LiRA does not,
    for it judges one method.
    """
    identity = identify(outputs)
    kept = list(identity.kept)
    declared = None if outputs.group is None else outputs.group[outputs.where("forget") | outputs.where("unseen")]
    if identity.problem or len(kept) <= MIN_RETRAINS:
        why = identity.problem or f"needs at least {MIN_RETRAINS + 1} retrains, got {len(kept)}"
        return Controls(reason=why, null=(), planted=(), smallest=None)
    rows = np.flatnonzero(outputs.where("forget") | outputs.where("unseen"))
    labels, forget = outputs.labels[rows], outputs.where("forget")[rows]
    places = [*kept, *([] if outputs.original is None else [len(outputs.retrain) + 1])]
    tables = {name: table[places].take(rows, axis=1) for name, table in outputs.signals(*READ).items()}
    people = people_of(outputs)
    if shadows is not None:
        shadows = shadows.of_bank().take(places)
        tables = {**tables, **shadows.tables}
    null, caught = [], []
    for place, index in enumerate(kept):
        order = _order(numpy_generator(policy.calibration_seed, "planted leaks", index), forget, people)
        scores = _scores(tables, place, len(kept), order, labels, forget, policy, people, shadows)
        measured = measure(scores, policy.fpr, paired=policy.conservative)
        flat = [one.definition.name for one in measured if one.spread is not None and one.spread <= NO_SPREAD]
        if flat:
            why = f"{flat[0]} has {NO_DIFFERENCE}"
            return Controls(reason=why, null=(), planted=(), smallest=None)
        groups = find_groups(scores, declared)
        parts = [measured, *measure_groups(groups, policy, paired=policy.conservative)]
        names = ("", *(f"{one.name}: " for one in groups))
        null.append(NullControl(retrain_name(index), _outside(parts, names, 0, policy)))
        if outputs.original is not None:
            caught.append([bool(_outside(parts, names, 1 + share, policy)) for share in range(len(SHARES))])
    counts = np.sum(caught, axis=0).tolist() if caught else []
    planted = tuple(PlantedLeak(share, int(count)) for share, count in zip(SHARES, counts, strict=False))
    return Controls(reason="", null=tuple(null), planted=planted, smallest=_smallest(planted, len(kept)))


def _scores(
    tables: Mapping[str, Floats],
    place: int,
    retrains: int,
    order: Indices,
    labels: Indices,
    forget: Mask,
    policy: Policy,
    people: People | None,
    shadows: ShadowTables | None,
) -> Scores:
    """Scores with retrain ``place`` in the candidate's place, and beside it the same with each share planted: the last
    answers as the original does on all of the forget set, and stands in its place where groups are chosen."""
    rest = [row for row in range(retrains) if row != place]
    leaky = len(tables["logit"]) > retrains  # there is an original
    planted = plant(tables, place, retrains if leaky else place, order, (0.0, *SHARES) if leaky else (0.0,))
    models = {name: np.concatenate([table[rest], planted[name]]) for name, table in tables.items()}
    share, seed = policy.calibration_share, policy.calibration_seed
    scores = score_signals(models, len(rest), labels, forget, share, seed, people)
    if shadows is not None:
        scores = scores.with_shadows(replace(shadows, tables={name: models[name] for name in shadows.tables}))
    return scores


def _order(random: np.random.Generator, forget: Mask, people: People | None) -> Indices:
    """The forget rows as they leak: drawn one by one, or person by person."""
    rows = random.permutation(np.flatnonzero(forget))
    if people is None:
        return rows
    place = random.permutation(len(people.first))
    return rows[np.argsort(place[people.unit[rows]], kind="stable")]


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
    found = fail_tests(parts, other, policy)
    return tuple(
        f"{name}{endpoint}"
        for name, part in zip(names, found, strict=True)
        for endpoint, p in part.items()
        if p.holm <= policy.alpha
    )


def _smallest(planted: tuple[PlantedLeak, ...], retrains: int) -> float | None:
    """The smallest share from which on the leak is caught in at least ``POWER`` of the retrains."""
    smallest = None
    for one in reversed(planted):
        if one.caught < POWER * retrains:
            break
        smallest = one.share
    return smallest
