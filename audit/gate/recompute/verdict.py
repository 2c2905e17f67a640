"""Endpoints, preconditions and verdict once more, from the values that a report states for every model.

The functions are those of the audit. What they need besides those values is taken from the report as it stands:
``example_half_width`` (from the examples alone), the remedy, the controls, what is said of the shadow models, and
whether two models are copies. Under a
conservative policy the original's own error from the examples is not in a report; it is taken to be whatever lets the
stated endpoints catch the original, as far as the spread over the retrains allows that.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from vestige.attacks.metrics import distributions as stats
from vestige.audit.endpoints.decisions import judge_parts
from vestige.audit.endpoints.endpoints import DEFINITIONS, NO_SPREAD, Definition, Measured, _missing
from vestige.audit.endpoints.groups import BATTERY
from vestige.audit.endpoints.preconditions import NO_DIFFERENCE, Standing, examine
from vestige.audit.gate.recompute.difference import Difference, differences
from vestige.audit.gate.recompute.exchangeable import of_exchangeable, shape
from vestige.audit.gate.recompute.groups import Part, differences_of_groups, of_group, regrouped, whole
from vestige.audit.gate.recompute.shadows import of_shadows
from vestige.audit.policy import Policy
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.evidence import Evidence, Verdict
from vestige.audit.results.report import Audit
from vestige.audit.results.shadows import ULIRA
from vestige.audit.statistics import intervals
from vestige.audit.verdict.evidence import ELSEWHERE
from vestige.audit.verdict.rule import decide

COPIES = re.compile(
    r"every retrain is byte-equal to the candidate|retrain \d+ and retrain \d+ are byte-equal|"
    r"retrain \d+ is byte-equal to the original|"
    r"two retrains \(\d+ and \d+ of the reference\) are the same model up to rounding"
)
"""Why a reference may be invalid that only the outputs themselves can show."""
SCORELESS = ("needs the logits of all classes", NO_DIFFERENCE)
"""Why a FAIL-only endpoint may not be estimable that only the outputs themselves can show."""
TEXTS = ("headline", "explanations", "notes", "would_change")
NEGLIGIBLE = 1e-12


def recompute(audit: Audit, policy: Policy, *, texts: bool) -> tuple[Verdict, list[Difference]]:
    """The verdict that follows from what is stated about a candidate, and everything stated that does not follow.

    texts: compare the wording too, which is only that of the version that wrote it. With a difference in what stands
    where, nothing further is recomputed and the verdict is the stated one.
    """
    malformed = [*of_shadows(audit), *_shape(audit, policy), *shape(audit, policy)]
    if malformed:
        return audit.verdict, malformed
    measured = [
        _measured(audit, whole(audit), stated, definition, policy)
        for stated, definition in zip(audit.endpoints, DEFINITIONS, strict=True)
    ]
    found = _standing(audit, measured, policy)
    # What only the outputs can show comes before what the values show, and then it is all that a report says.
    if COPIES.fullmatch(audit.reference.problem):
        margins = {one.definition.name: one.definition.margin(policy) for one in measured}
        found = Standing(audit.reference.problem, margins)
    exchangeable, unlike = of_exchangeable(audit, policy)
    problem = found.problem or (ELSEWHERE if exchangeable else "")
    groups = [
        [
            _measured(audit, of_group(group), stated, definition, policy)
            for stated, definition in zip(group.endpoints, BATTERY, strict=bool(group.endpoints))
        ]
        for group in audit.groups
    ]
    endpoints, *own_groups = judge_parts([measured, *groups], found.effective, problem, policy)
    wrong = [
        difference
        for stated, own in zip(audit.endpoints, endpoints, strict=True)
        for difference in differences(audit.candidate, own.name, stated, own, leave=["example_half_width"])
    ]
    wrong += [*_reference(audit, found), *unlike, *differences_of_groups(audit, own_groups, problem)]
    shared = {field: getattr(audit, field) for field in Evidence.__dataclass_fields__ if hasattr(audit, field)}
    own = {"endpoints": tuple(endpoints), "groups": regrouped(audit, own_groups), "exchangeable": exchangeable}
    evidence = Evidence(**{**shared, **own})
    verdict = decide(evidence, policy)
    wrong += differences(audit.candidate, "verdict", audit.verdict, verdict, leave=() if texts else TEXTS)
    return verdict, wrong


def _shape(audit: Audit, policy: Policy) -> Iterator[Difference]:
    """What must hold before anything can be recomputed: the whole battery, and a value of every model where there is
    any."""
    names, battery = tuple(one.name for one in audit.endpoints), tuple(one.name for one in DEFINITIONS)
    if names != battery:
        yield Difference(audit.candidate, "battery", "endpoints", names, battery)
        return
    yield from _values(audit, whole(audit), audit.endpoints, DEFINITIONS, policy)
    for group in audit.groups:
        part = of_group(group)
        names, battery = tuple(one.name for one in group.endpoints), tuple(one.name for one in BATTERY)
        if names != (() if group.reason else battery):
            yield Difference(audit.candidate, group.name, "endpoints", names, () if group.reason else battery)
            continue
        yield from _values(audit, part, group.endpoints, BATTERY[: len(names)], policy)


def _values(
    audit: Audit, part: Part, endpoints: Sequence[Endpoint], definitions: Sequence[Definition], policy: Policy
) -> Iterator[Difference]:
    reference = audit.reference
    for stated, definition in zip(endpoints, definitions, strict=True):
        name = f"{part.name}{definition.name}"
        missing = _absence(audit, part, definition, policy)
        scoreless = SCORELESS[1:] if part.name else SCORELESS
        absent = bool(missing) or ((bool(part.name) or not definition.primary) and stated.reason in scoreless)
        expected = (
            (stated.candidate is None, absent),
            (len(stated.retrains), 0 if absent else reference.retrains),
            (stated.original is None, absent or not reference.original),
        )
        words = ("candidate is null", "number of retrains", "original is null")
        for field, (said, right) in zip(words, expected, strict=True):
            if said != right:
                yield Difference(audit.candidate, name, field, said, right)
        spread = _spread(stated.retrains, definition, part.forget)
        if (part.name or not definition.primary) and spread is not None and spread <= NO_SPREAD:
            yield Difference(audit.candidate, name, "candidate is null", False, True)
        rows = part.forget if definition.tail else min(part.forget, _judged(audit, part, definition))
        width, unknown = stated.example_half_width, absent or rows < 2
        if (width is None) != unknown:
            yield Difference(audit.candidate, name, "example_half_width is null", width is None, unknown)
        elif width is not None and width < 0:
            yield Difference(audit.candidate, name, "example_half_width", width, "0 or more")


def _absence(audit: Audit, part: Part, definition: Definition, policy: Policy) -> str:
    return _missing(definition, audit.reference.retrains, part.unseen, policy.fpr, audit.shadows)


def _judged(audit: Audit, part: Part, definition: Definition) -> int:
    """Unseen evaluation examples that an endpoint judges."""
    if definition.score == ULIRA and audit.shadows is not None:
        return audit.shadows.unseen_evaluation
    return part.unseen


def _measured(audit: Audit, part: Part, stated: Endpoint, definition: Definition, policy: Policy) -> Measured:
    reference = audit.reference
    if stated.candidate is None:
        missing = _absence(audit, part, definition, policy)
        return Measured(definition, reference.retrains, None, missing or stated.reason)
    own = [] if stated.original is None else [stated.original]
    values = np.array([*stated.retrains, stated.candidate, *own], np.float64)
    return Measured(
        definition,
        reference.retrains,
        values,
        spread=_spread(stated.retrains, definition, part.forget),
        example_errors=_example_errors(stated, definition, audit, policy),
    )


def _spread(retrains: Sequence[float], definition: Definition, forget: int) -> float | None:
    if len(retrains) < 2:
        return None
    if definition.tail:
        return intervals.floored_spread(np.array(retrains), 1 / forget)
    return float(np.std(retrains, ddof=1))


def _example_errors(stated: Endpoint, definition: Definition, audit: Audit, policy: Policy) -> tuple[float, ...]:
    if stated.example_half_width is None:
        return ()
    # Read by a conservative policy alone: with an error of 0 an endpoint never fires, with a negligible one its spread
    # over the retrains decides.
    original = NEGLIGIBLE if definition.name in audit.reference.firing else 0.0
    return stated.example_half_width / float(stats.norm.ppf(1 - policy.alpha)), original


def _standing(audit: Audit, measured: Sequence[Measured], policy: Policy) -> Standing:
    k = audit.reference.retrains
    unseen = audit.reference.unseen_calibration + audit.reference.unseen_evaluation
    return examine(measured, np.eye(k), audit.reference.original, unseen, policy)  # of k models, no two are copies


def _reference(audit: Audit, found: Standing) -> Iterator[Difference]:
    reference = audit.reference
    own = replace(
        reference,
        valid=not found.problem,
        problem=found.problem,
        assay_sensitive=None if found.detecting is None else bool(found.detecting),
        detecting=found.detecting or (),
        firing=found.firing,
        underpowered=found.underpowered,
        short_of_power=found.short,
    )
    yield from differences(audit.candidate, "reference", reference, own)
    weak = bool(found.underpowered or found.short)
    if bool(reference.remedy) != weak:
        yield Difference(audit.candidate, "reference", "remedy is given", bool(reference.remedy), weak)
