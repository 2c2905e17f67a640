"""The endpoints, on the whole forget set and on groups: what a report must state to recompute them, and their values
on every model as the audit measured them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from vestige.attacks.metrics import distributions as stats
from vestige.audit.endpoints.endpoints import DEFINITIONS, NO_SPREAD, Definition, Measured, _missing
from vestige.audit.endpoints.groups import BATTERY, MOST_MEMORISED, SHARE
from vestige.audit.endpoints.preconditions import NO_DIFFERENCE
from vestige.audit.gate.recompute.claims import Claim, Claims, Rule, Stated, within
from vestige.audit.gate.recompute.reference import MOST_ROWS
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.report import Audit
from vestige.audit.results.shadows import ULIRA
from vestige.audit.statistics import intervals

NO_LOGITS = "needs the logits of all classes"
NEGLIGIBLE = 1e-12


class Part(NamedTuple):
    """The endpoints of the whole forget set (``prefix`` is empty) or of a group, with the numbers of forget and unseen
    evaluation examples behind them."""

    prefix: str
    forget: int
    unseen: int
    endpoints: Sequence[Endpoint]
    definitions: Sequence[Definition]


def parts_of(audit: Audit) -> Iterator[Part]:
    """The whole, then each group."""
    reference = audit.reference
    yield Part("", reference.forget, reference.unseen_evaluation, audit.endpoints, DEFINITIONS)
    for group in audit.groups:
        definitions = () if group.reason else BATTERY
        yield Part(f"{group.name} ", group.forget, group.unseen, group.endpoints, definitions)


def endpoint_values(stated: Stated) -> Claims:
    """Every endpoint of the battery, with a value of every model where it has one of any."""
    for part in parts_of(stated.audit):
        names = tuple(endpoint.name for endpoint in part.endpoints)
        expected = tuple(definition.name for definition in part.definitions)
        yield Claim(f"{part.prefix.strip() or 'battery'}, endpoints", names, expected)
        if part.prefix and part.endpoints:
            sizes = (part.forget, part.unseen)
            yield Claim(f"{part.prefix.strip()}, numbers of examples", sizes, within(1, MOST_ROWS, *sizes))
        for endpoint, definition in zip(part.endpoints, part.definitions, strict=True):
            yield from _values(stated, part, endpoint, definition)


def _values(stated: Stated, part: Part, endpoint: Endpoint, definition: Definition) -> Claims:
    path, reference = f"{part.prefix}{definition.name}", stated.audit.reference
    # What only the outputs can show: that scores are missing, or are the same on every retrain.
    optional = bool(part.prefix) or not definition.primary
    unseen_reasons = (NO_DIFFERENCE,) if part.prefix else (NO_DIFFERENCE, NO_LOGITS)
    absent = bool(_absence(stated, part, definition)) or (optional and endpoint.reason in unseen_reasons)
    yield Claim(f"{path}, candidate is null", endpoint.candidate is None, absent)
    yield Claim(f"{path}, number of retrains", len(endpoint.retrains), 0 if absent else reference.retrains)
    yield Claim(f"{path}, original is null", endpoint.original is None, absent or not reference.original)
    spread = _spread(endpoint, definition, part)
    if optional and spread is not None:
        yield Claim(f"{path}, candidate is null", False, spread <= NO_SPREAD)
    width, rows = endpoint.example_half_width, part.forget
    if not definition.tail:
        rows = min(rows, _judged_unseen(stated, part, definition))
    yield Claim(f"{path}, example_half_width is null", width is None, absent or rows < 2)
    yield Claim(f"{path}, example_half_width", width, Rule(width is None or width >= 0, "0 or more"))


def _absence(stated: Stated, part: Part, definition: Definition) -> str:
    audit = stated.audit
    return _missing(definition, audit.reference.retrains, part.unseen, stated.policy.fpr, audit.shadows)


def _judged_unseen(stated: Stated, part: Part, definition: Definition) -> int:
    """Unseen evaluation examples that an endpoint judges."""
    evidence = stated.audit.shadows
    return evidence.unseen_evaluation if definition.score == ULIRA and evidence is not None else part.unseen


def _spread(endpoint: Endpoint, definition: Definition, part: Part) -> float | None:
    if len(endpoint.retrains) < 2:
        return None
    if definition.tail:
        return intervals.floored_spread(np.array(endpoint.retrains), 1 / part.forget)
    return float(np.std(endpoint.retrains, ddof=1))


def measured_of(stated: Stated, part: Part) -> list[Measured]:
    """The endpoints of a part as the audit measured them, from the values of every model that are stated."""
    pairs = zip(part.endpoints, part.definitions, strict=True)
    return [_measured(stated, part, endpoint, definition) for endpoint, definition in pairs]


def _measured(stated: Stated, part: Part, endpoint: Endpoint, definition: Definition) -> Measured:
    retrains = stated.audit.reference.retrains
    if endpoint.candidate is None:
        return Measured(definition, retrains, None, _absence(stated, part, definition) or endpoint.reason)
    original = [] if endpoint.original is None else [endpoint.original]
    errors: tuple[float, ...] = ()
    if endpoint.example_half_width is not None:
        # The original's own error is not stated, and only a conservative policy reads it: with an error of 0 an
        # endpoint never fires, with a negligible one its spread over the retrains decides.
        of_original = NEGLIGIBLE if definition.name in stated.audit.reference.firing else 0.0
        errors = (endpoint.example_half_width / float(stats.norm.ppf(1 - stated.policy.alpha)), of_original)
    return Measured(
        definition,
        retrains,
        np.array([*endpoint.retrains, endpoint.candidate, *original], np.float64),
        spread=_spread(endpoint, definition, part),
        example_errors=errors,
    )


def group_sizes(stated: Stated) -> Claims:
    """Sizes of groups that add up, which they do not where a group was left out."""
    reference, groups = stated.audit.reference, stated.audit.groups
    for kind in ("class", "declared"):
        sizes = [group.forget for group in groups if group.kind == kind]
        if sizes:
            yield Claim(f"groups, forget examples by {kind}", sum(sizes), reference.forget)
    strata = tuple((group.name, group.forget, group.unseen) for group in groups if group.kind == "stratum")
    stratum = (MOST_MEMORISED, reference.forget // SHARE, reference.unseen_evaluation)
    yield Claim("groups, strata", strata, (stratum,) if reference.original else ())
