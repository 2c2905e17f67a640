"""Data hygiene before a verdict, from the outputs of all models: are forget and unseen examples alike, were the models
trained on what they should, is each file what it is said to be?"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.metrics import distributions as stats
from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.data_checks.plausibility import chance_of, outputs_problems
from vestige.audit.data_checks.rules import OF_DATA, Measurement, conclude, copied_models, of_outputs
from vestige.audit.endpoints.preconditions import Identity, retrain_name
from vestige.audit.endpoints.scores import Floats, Mask, people_of
from vestige.audit.results.data_checks import Finding, Hygiene
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


def outputs_hygiene(outputs: Outputs, identity: Identity, problem: str, *, seed: int, control: bool = False) -> Hygiene:
    """Every check on ``outputs``.

    identity: which models are copies. problem: why the reference is invalid, or empty. seed: of the draws for the mix
    of classes. control: the candidate is the control that does nothing, and meant to equal the original.
    Source: verdict.md, section 6, E0; peers.md, section 4, 11.
    """
    forget, unseen, retain = (outputs.where(role) for role in ("forget", "unseen", "retain"))
    kept = list(identity.kept)
    found = {"people": _people(outputs), "class_mix": _class_mix(outputs.labels, forget, unseen, seed)}
    phi = right = None
    if kept:
        tables = outputs.signals("logit", "correctness")
        phi, right = tables["logit"][kept].mean(0), tables["correctness"][kept].mean(0)
        found["difficulty"] = _difference(right, forget, unseen, outputs)
        found["confidence"] = _difference(phi, forget, unseen, outputs)
    if outputs.original is not None and retain.any():
        found["original_untrained"] = _original(outputs, phi, forget, unseen, retain)
    no_op = identity.no_op and not control
    found["copied_models"] = copied_models(no_op=no_op, dropped=_names(identity), problem=problem)
    found["plausibility"] = _plausibility(outputs)
    names = of_outputs(retrains=bool(kept), original="original_untrained" in found)
    return Hygiene(tuple(conclude(name, found[name]) for name in names))


def data_hygiene(examples: Examples, split: Split, copies: Duplicates, near: NearDuplicates) -> Hygiene:
    """Every check on the examples themselves."""
    forget, unseen = len(split.forget), len(split.unseen)
    subjects = examples.subjects
    people = Measurement(0, 0)
    if subjects is not None:
        others = np.concatenate([split.retain, split.unseen])
        people = _shared(subjects[split.forget], subjects[others])
    measured = (
        Measurement(copies.in_retain, forget),
        Measurement(copies.in_unseen, forget),
        Measurement(copies.unseen_in_retain, unseen),
        Measurement(near.count("retain"), forget),
        Measurement(near.count("unseen"), forget),
        people,
    )
    return Hygiene(tuple(conclude(name, one) for name, one in zip(OF_DATA, measured, strict=True)))


def without(hygiene: Hygiene, other: Hygiene | None) -> tuple[Finding, ...]:
    """What ``hygiene`` found and ``other`` does not say already by the same check."""
    said = {one.check for one in other.shown} if other is not None else set()
    return tuple(one for one in hygiene.shown if one.check not in said)


def _names(identity: Identity) -> tuple[str, ...]:
    return tuple(map(retrain_name, identity.dropped))


def _people(outputs: Outputs) -> Measurement:
    if outputs.subject is None:
        return Measurement(0, 0)
    forget = outputs.where("forget")
    return _shared(outputs.subject[forget], outputs.subject[~forget])


def _shared(forget: NDArray[np.str_], others: NDArray[np.str_]) -> Measurement:
    people = np.unique(forget)
    return Measurement(int(np.isin(people, others).sum()), len(people))


def _class_mix(labels: NDArray[np.int64], forget: Mask, unseen: Mask, seed: int) -> Measurement:
    """Total variation of the two mixes of classes, and the largest of 999 where roles are dealt out at random."""
    names, place = np.unique(labels, return_inverse=True)
    counts = [np.bincount(place[mask], minlength=len(names)) for mask in (forget, unseen)]
    total, sizes = counts[0] + counts[1], (int(forget.sum()), int(unseen.sum()))
    drawn = numpy_generator(seed, "class mix").multivariate_hypergeometric(total, sizes[0], ROUNDS, method="marginals")
    variation = [np.abs(one / sizes[0] - (total - one) / sizes[1]).sum(axis=-1) / 2 for one in (counts[0][None], drawn)]
    missing = int(((counts[0] > 0) & (counts[1] == 0)).sum())
    of = int((counts[0] > 0).sum())
    return Measurement(missing, of, float(variation[0][0]), (0.0, float(variation[1].max())))


def _difference(values: Floats, forget: Mask, unseen: Mask, outputs: Outputs) -> Measurement:
    """Mean on forget minus mean on unseen examples, Welch's interval at 99.9 %; a person's rows count once."""
    people = people_of(outputs)
    one, other = values[forget], values[unseen]
    if people is not None:
        asked = forget | unseen
        means, own = people.mean(values[asked]), forget[asked][people.first]
        one, other = means[own], means[~own]
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
    if outputs.original is None:
        return Measurement(0, 1)
    own = outputs.signals("logit")["logit"][-1]
    known = _difference(own - (0.0 if usual is None else usual), forget, unseen, outputs)
    if known.value is None or known.interval is None or min(retain.sum(), unseen.sum()) < 2:
        return Measurement(0, 1)
    kept = _welch(own[retain], own[unseen])
    untrained = kept[0] > 0 and known.interval[0] <= 0 and known.interval[1] < HALF * kept[0]
    return Measurement(int(untrained), 1, known.value, known.interval)


def _plausibility(outputs: Outputs) -> Measurement:
    problems = outputs_problems(outputs)
    role = "retain" if outputs.where("retain").any() else "unseen"
    judged = len(outputs.retrain) + 1 + (outputs.original is not None)
    named = {one.model for one in problems}
    sentence = "; ".join(one.sentence for one in problems[:2])
    more = f"; {len(named) - 2} more models likewise" if len(named) > 2 else ""
    return Measurement(len(named), judged, chance_of(outputs.labels[outputs.where(role)]), None, f"{sentence}{more}.")
