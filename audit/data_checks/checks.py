"""Data hygiene before a verdict, from the outputs of all models: are forget and unseen examples alike, were the models
trained on what they should, is each file what it is said to be?"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.metrics import distributions as stats
from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.data_checks.plausibility import chance_of, outputs_problems
from vestige.audit.data_checks.rules import OF_DATA, Measurement, conclude, copied_models
from vestige.audit.endpoints.preconditions import Identity, retrain_name
from vestige.audit.endpoints.readings import judged_rows, people_of
from vestige.audit.results.data_checks import Finding, Hygiene
from vestige.audit.results.setting import Setting
from vestige.learners.arrays import Floats, Labels, Mask
from vestige.learners.data.duplicates import Duplicates
from vestige.learners.data.examples import Examples
from vestige.learners.data.near_duplicates import NearDuplicates
from vestige.learners.data.split import Split
from vestige.learners.seeds import numpy_generator

ROUNDS = 999
"""Draws of the mix of classes: the largest is exceeded by chance once in a thousand."""
LEVEL = 0.999
HALF = 0.5
"""An original that knows forget examples less than half as well as retain ones was hardly trained on them."""


def outputs_hygiene(
    outputs: Outputs, setting: Setting, identity: Identity, problem: str, *, control: bool = False
) -> Hygiene:
    """Every check on ``outputs``.

    setting: which unseen examples the forget set is compared with. identity: which models are copies. problem: why the
    reference is invalid, or empty. control: the candidate is the control that does nothing, and meant to equal the
    original. Source: docs/verdict.md.
    """
    forget, retain = outputs.where("forget"), outputs.where("retain")
    unseen = outputs.where("unseen") & np.isin(np.arange(len(outputs)), judged_rows(outputs, setting))
    kept = list(identity.kept)
    measured = {
        "people": _people(outputs.subject, forget),
        "class_mix": _class_mix(outputs.labels, forget, unseen),
    }
    phi = right = None
    if kept:
        tables = outputs.signals("logit", "correctness")
        phi, right = tables["logit"][kept].mean(0), tables["correctness"][kept].mean(0)
        measured["difficulty"] = _difference(right, forget, unseen, outputs)
        measured["confidence"] = _difference(phi, forget, unseen, outputs)
    if outputs.original is not None and retain.any():
        measured["original_untrained"] = _original(outputs, phi, forget, unseen, retain)
    dropped = tuple(map(retrain_name, identity.dropped))
    no_op = identity.no_op and not control
    measured["copied_models"] = copied_models(no_op=no_op, dropped=dropped, problem=problem)
    measured["plausibility"] = _plausibility(outputs)
    return Hygiene(tuple(conclude(check, measurement) for check, measurement in measured.items()))


def data_hygiene(examples: Examples, split: Split, copies: Duplicates, near: NearDuplicates) -> Hygiene:
    """Every check on the examples themselves."""
    forget, unseen = len(split.forget), len(split.unseen)
    rows = np.concatenate([split.forget, split.retain, split.unseen])
    subjects = None if examples.subjects is None else examples.subjects[rows]
    measured = (
        Measurement(copies.in_retain, forget),
        Measurement(copies.in_unseen, forget),
        Measurement(copies.unseen_in_retain, unseen),
        Measurement(near.count("retain"), forget),
        Measurement(near.count("unseen"), forget),
        _people(subjects, np.arange(len(rows)) < forget),
    )
    return Hygiene(tuple(map(conclude, OF_DATA, measured)))


def without(hygiene: Hygiene, other: Hygiene | None) -> tuple[Finding, ...]:
    """What ``hygiene`` found and ``other`` does not state already by the same check."""
    stated = {finding.check for finding in other.shown} if other is not None else set()
    return tuple(finding for finding in hygiene.shown if finding.check not in stated)


def _people(subjects: NDArray[np.str_] | None, forget: Mask) -> Measurement:
    """People with forget examples who have other examples too; ``subjects [n]``."""
    if subjects is None:
        return Measurement(0, 0)
    people = np.unique(subjects[forget])
    return Measurement(int(np.isin(people, subjects[~forget]).sum()), len(people))


def _class_mix(labels: Labels, forget: Mask, unseen: Mask) -> Measurement:
    """Total variation of the two mixes of classes, and the largest of 999 where roles are assigned at random."""
    names, place = np.unique(labels, return_inverse=True)
    counts = [np.bincount(place[mask], minlength=len(names)) for mask in (forget, unseen)]
    total, sizes = counts[0] + counts[1], (int(forget.sum()), int(unseen.sum()))
    sampled = numpy_generator(0, "class mix").multivariate_hypergeometric(total, sizes[0], ROUNDS, method="marginals")
    variation = [
        np.abs(forget / sizes[0] - (total - forget) / sizes[1]).sum(axis=-1) / 2
        for forget in (counts[0][None], sampled)
    ]
    missing = int(((counts[0] > 0) & (counts[1] == 0)).sum())
    present = int((counts[0] > 0).sum())
    return Measurement(missing, present, float(variation[0][0]), (0.0, float(variation[1].max())))


def _difference(values: Floats, forget: Mask, unseen: Mask, outputs: Outputs) -> Measurement:
    """Mean on forget minus mean on unseen examples, Welch's interval at 99.9 %; a person's rows count once."""
    rows = np.flatnonzero(forget | unseen)
    people = people_of(outputs, rows)
    one, other = values[forget], values[unseen]
    if people is not None:
        means, forgotten = people.mean(values[rows]), forget[rows][people.first]
        one, other = means[forgotten], means[~forgotten]
    sizes = Measurement(len(one), len(one) + len(other))
    if min(len(one), len(other)) < 2:
        return sizes
    return replace(sizes, value=float(one.mean() - other.mean()), interval=_welch(one, other))


def _welch(one: Floats, other: Floats) -> tuple[float, float]:
    errors = np.array([np.var(part, ddof=1) / len(part) for part in (one, other)])
    gap, total = float(one.mean() - other.mean()), float(errors.sum())
    if total == 0:
        return gap, gap
    freedom = total**2 / sum(error**2 / (len(part) - 1) for error, part in zip(errors, (one, other), strict=True))
    half = float(stats.t.ppf((1 + LEVEL) / 2, freedom) * np.sqrt(total))
    return gap - half, gap + half


def _original(outputs: Outputs, usual: Floats | None, forget: Mask, unseen: Mask, retain: Mask) -> Measurement:
    """Does the original know forget examples better than unseen ones, as it does retain ones? Against the retrains'
    phi, where there are any, so that harder forget examples are none that it was not trained on."""
    phi = outputs.signals("logit")["logit"][-1]
    known = _difference(phi - (0.0 if usual is None else usual), forget, unseen, outputs)
    if known.value is None or known.interval is None or min(retain.sum(), unseen.sum()) < 2:
        return Measurement(0, 1)
    kept = _welch(phi[retain], phi[unseen])
    untrained = kept[0] > 0 and known.interval[0] <= 0 and known.interval[1] < HALF * kept[0]
    return Measurement(int(untrained), 1, known.value, known.interval)


def _plausibility(outputs: Outputs) -> Measurement:
    problems = outputs_problems(outputs)
    role = "retain" if outputs.where("retain").any() else "unseen"
    judged = len(outputs.retrain) + 1 + (outputs.original is not None)
    named = {problem.model for problem in problems}
    sentence = "; ".join(problem.sentence for problem in problems[:2])
    more = f"; {len(named) - 2} more models likewise" if len(named) > 2 else ""
    return Measurement(len(named), judged, chance_of(outputs.labels[outputs.where(role)]), None, f"{sentence}{more}.")
