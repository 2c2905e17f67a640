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
from scipy import stats

from audit import statistics
from audit._judgement import judge
from audit._nouns import Endpoint, Evidence, Verdict
from audit._shadow_nouns import ULIRA
from audit.endpoints import DEFINITIONS, NO_SPREAD, Definition, Measured, _missing
from audit.gating._difference import Difference, differences
from audit.gating._shadows import of_shadows
from audit.policy import Policy
from audit.preconditions import NO_DIFFERENCE, Standing, examine
from audit.report import Audit
from audit.verdict import decide

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
    malformed = [*of_shadows(audit), *_shape(audit, policy)]
    if malformed:
        return audit.verdict, malformed
    measured = [
        _measured(audit, stated, definition, policy)
        for stated, definition in zip(audit.endpoints, DEFINITIONS, strict=True)
    ]
    found = _standing(audit, measured, policy)
    # What only the outputs can show comes before what the values show, and then it is all that a report says.
    if COPIES.fullmatch(audit.reference.problem):
        margins = {one.definition.name: one.definition.margin(policy) for one in measured}
        found = Standing(audit.reference.problem, margins)
    endpoints = judge(measured, found.effective, found.problem, policy)
    wrong = [
        difference
        for stated, own in zip(audit.endpoints, endpoints, strict=True)
        for difference in differences(audit.candidate, own.name, stated, own, leave=["example_half_width"])
    ]
    wrong += _reference(audit, found)
    shared = {field: getattr(audit, field) for field in Evidence.__dataclass_fields__ if hasattr(audit, field)}
    evidence = Evidence(**{**shared, "endpoints": tuple(endpoints)})
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
    reference = audit.reference
    for stated, definition in zip(audit.endpoints, DEFINITIONS, strict=True):
        missing = _absence(audit, definition, policy)
        absent = bool(missing) or (not definition.primary and stated.reason in SCORELESS)
        expected = (
            (stated.candidate is None, absent),
            (len(stated.retrains), 0 if absent else reference.retrains),
            (stated.original is None, absent or not reference.original),
        )
        words = ("candidate is null", "number of retrains", "original is null")
        for field, (said, right) in zip(words, expected, strict=True):
            if said != right:
                yield Difference(audit.candidate, definition.name, field, said, right)
        spread = _spread(stated.retrains, definition, reference.forget)
        if not definition.primary and spread is not None and spread <= NO_SPREAD:
            yield Difference(audit.candidate, definition.name, "candidate is null", False, True)
        judged = _judged(audit, definition)
        rows = reference.forget if definition.tail else min(reference.forget, judged)
        width, unknown = stated.example_half_width, absent or rows < 2
        if (width is None) != unknown:
            yield Difference(audit.candidate, definition.name, "example_half_width is null", width is None, unknown)
        elif width is not None and width < 0:
            yield Difference(audit.candidate, definition.name, "example_half_width", width, "0 or more")


def _absence(audit: Audit, definition: Definition, policy: Policy) -> str:
    reference = audit.reference
    return _missing(definition, reference.retrains, reference.unseen_evaluation, policy.fpr, audit.shadows)


def _judged(audit: Audit, definition: Definition) -> int:
    """Unseen evaluation examples that an endpoint judges."""
    if definition.score == ULIRA and audit.shadows is not None:
        return audit.shadows.unseen_evaluation
    return audit.reference.unseen_evaluation


def _measured(audit: Audit, stated: Endpoint, definition: Definition, policy: Policy) -> Measured:
    reference = audit.reference
    if stated.candidate is None:
        missing = _absence(audit, definition, policy)
        return Measured(definition, reference.retrains, None, missing or stated.reason)
    own = [] if stated.original is None else [stated.original]
    values = np.array([*stated.retrains, stated.candidate, *own], np.float64)
    return Measured(
        definition,
        reference.retrains,
        values,
        spread=_spread(stated.retrains, definition, reference.forget),
        example_errors=_example_errors(stated, definition, audit, policy),
    )


def _spread(retrains: Sequence[float], definition: Definition, forget: int) -> float | None:
    if len(retrains) < 2:
        return None
    if definition.tail:
        return statistics.floored_spread(np.array(retrains), 1 / forget)
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
