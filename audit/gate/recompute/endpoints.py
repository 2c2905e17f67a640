"""The endpoints: what a report must state to recompute them, and the same as the audit measured them."""

from collections.abc import Iterator

import numpy as np

from vestige.attacks.metrics.roc import estimable
from vestige.audit.endpoints.accuracy import PLAIN
from vestige.audit.endpoints.endpoints import BY_NAME, DEFINITIONS, SHADOWED, Measured
from vestige.audit.endpoints.memory import HARDEST, in_force, too_few
from vestige.audit.endpoints.recognition import OWN
from vestige.audit.endpoints.shape import shape_error, shape_of_chance
from vestige.audit.endpoints.statistic import LEAST_PAIRED, Statistic
from vestige.audit.endpoints.tail import LEAST_FALSE_POSITIVES, allowed_false, tail_in_force, threshold_rate, tpr_error
from vestige.audit.gate.recompute.claims import Claim, Claims, Rule, Stated, within
from vestige.audit.gate.recompute.reference import MOST_ROWS
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.shadows import why_absent
from vestige.audit.statistics.intervals import null_error

TAILS = ("T", "T4")
FLOORED = (*TAILS, "L")
BY_SIZE = ("V", "B", "G", "D", "T")
"""Endpoints whose example error follows from sizes and values."""
SCORE_OF = {"A4": "ulira", "T4": "ulira", "F4": "lira_online", "F5": "lira_offline"}


def endpoint_values(stated: Stated) -> Claims:
    """Every endpoint of the battery in its order, each with a value on every model where it has one of any, and with
    errors that its values and sizes allow."""
    audit = stated.audit
    order = [definition.name for definition in DEFINITIONS]
    names = [endpoint.name for endpoint in audit.endpoints]
    known = set(names) <= set(order) and names == sorted(names, key=order.index)
    recognised = any(endpoint.name == "B" and OWN not in endpoint.where for endpoint in audit.endpoints)
    complete = set(order) - {"G", "B"} <= set(names) and recognised == audit.setting.of_class
    rule = Rule(known and complete, f"all of {', '.join(order)} that apply, in this order")
    yield Claim("battery, endpoints", tuple(names), rule)
    for endpoint in audit.endpoints:
        yield from _values(stated, endpoint)
    yield from _groups(stated)


def _values(stated: Stated, endpoint: Endpoint) -> Claims:
    reference, path = stated.audit.reference, endpoint.label
    sizes = (endpoint.forget, endpoint.unseen)
    yield Claim(f"{path}, numbers of examples", sizes, within(0, MOST_ROWS, *sizes))
    absent = endpoint.candidate is None
    if absent:
        yield Claim(f"{path}, reason is given", bool(endpoint.reason), True)
        yield Claim(f"{path}, is not estimable", False, not _may_be_absent(stated, endpoint))
    yield Claim(f"{path}, number of retrains", len(endpoint.retrains), 0 if absent else reference.retrains)
    yield Claim(f"{path}, original is null", endpoint.original is None, absent or not reference.original)
    given = (endpoint.example_error is None, endpoint.original_error is None, endpoint.expected_error is None)
    yield Claim(f"{path}, errors are null", given, (absent, absent or not reference.original, absent))
    if absent:
        return
    yield Claim(f"{path}, is estimable", True, not _lacking(stated, endpoint))
    low = -1.0 if endpoint.name == "L" and not _plain(stated, endpoint) else 0.0
    values = (*endpoint.retrains, endpoint.candidate, *(() if endpoint.original is None else (endpoint.original,)))
    yield Claim(f"{path}, values", values, within(low, 1.0, *values))
    yield Claim(f"{path}, numbers of examples", sizes, Rule(endpoint.forget > 0, "1 or more"))
    yield from _sizes(stated, endpoint)
    yield from _chance(stated, endpoint)
    for name, value, error in (
        ("example_error", endpoint.candidate, endpoint.example_error),
        ("original_error", endpoint.original, endpoint.original_error),
    ):
        if error is not None and value is not None:
            yield Claim(f"{path}, {name}", error, _error_rule(stated, endpoint, float(value), error))
    yield Claim(f"{path}, expected_error", endpoint.expected_error, Rule((endpoint.expected_error or 0) > 0, "above 0"))


def _plain(stated: Stated, endpoint: Endpoint) -> bool:
    return stated.audit.setting.of_class or endpoint.where == PLAIN


def _sizes(stated: Stated, endpoint: Endpoint) -> Claims:
    reference = stated.audit.reference
    unseen = {"T": reference.unseen_calibration}.get(endpoint.name, reference.unseen_evaluation)
    if endpoint.name in ("M", "S", "T", "V", "D") or (endpoint.name == "L" and not _plain(stated, endpoint)):
        sizes = (endpoint.forget, endpoint.unseen)
        yield Claim(f"{endpoint.label}, numbers of examples", sizes, (reference.forget, unseen))


def _lacking(stated: Stated, endpoint: Endpoint) -> bool:
    """Whether sizes and numbers of models leave nothing to measure."""
    audit, name = stated.audit, endpoint.name
    k, reference, fpr = audit.reference.retrains, audit.reference, stated.policy.fpr
    alone = not k and not audit.setting.random
    if name == "M":
        return alone or min(reference.forget, reference.unseen_evaluation) < 2
    if name == "T":
        return alone or allowed_false(fpr, reference.unseen_calibration) < LEAST_FALSE_POSITIVES
    if name in SHADOWED:
        few = name == "T4" and audit.shadows is not None and not estimable(fpr, audit.shadows.unseen_evaluation)
        return k < 2 or few or bool(why_absent(SCORE_OF[name], audit.shadows))
    return name == "G" and bool(too_few(endpoint.forget, endpoint.unseen))


def _may_be_absent(stated: Stated, endpoint: Endpoint) -> bool:
    """Whether a report without this endpoint can be what an audit wrote: of the others only the outputs show it (all
    retrains have the same value, there are no classes), which has to be believed."""
    decided = (*SHADOWED, "M", "T", *(("G",) if stated.audit.reference.retrains else ()))
    return _lacking(stated, endpoint) or endpoint.name not in decided


def _chance(stated: Stated, endpoint: Endpoint) -> Claims:
    """Where the value of chance is the reference, and which it is."""
    random, k = stated.audit.setting.random, stated.audit.reference.retrains
    forget, unseen, name, policy = endpoint.forget, endpoint.unseen, endpoint.name, stated.policy
    always, never = (
        random and (name == "T" or k < 2),
        not random or name in ("V", "B", *SHADOWED) or (name == "L" and k),
    )
    if name in ("M", "S"):  # three retrains or more may show that pairing is the more precise
        always = random and (k < 3 or min(forget, unseen) < LEAST_PAIRED)
    elif name == "L":
        always = random and not k
    elif name in ("D", "G"):
        never = not random or k > 1
    allowed = Rule(bool(endpoint.chance or not always) and not (endpoint.chance and never), "as the setting demands")
    yield Claim(f"{endpoint.label}, chance", endpoint.chance, allowed)
    if endpoint.chance:
        values = {"T": threshold_rate(policy.fpr, unseen), "L": 0.0, "D": shape_of_chance(forget, max(unseen, 1))}
        yield Claim(f"{endpoint.label}, reference", endpoint.reference, values.get(name, 0.5))


def _error_rule(stated: Stated, endpoint: Endpoint, value: float, error: float) -> object:
    """What the example error must be, or how large at least."""
    forget, unseen, name = endpoint.forget, endpoint.unseen, endpoint.name
    if name in TAILS:
        rate = threshold_rate(stated.policy.fpr, unseen)
        usual = endpoint.reference or 0.0
        return tpr_error(value, usual, rate, forget, unseen) if name == "T" else Rule(error >= 0.5 / forget, "positive")
    if name == "D":
        return shape_error(forget, unseen)
    if name == "L":
        return Rule(error >= 1 / forget - 1e-12, f"{1 / forget:.9g} or more")
    null = null_error(forget, unseen)
    if endpoint.where == HARDEST:  # each model has a quarter of its own, of this size at least
        whole = null_error(stated.audit.reference.forget, stated.audit.reference.unseen_evaluation)
        return Rule(whole <= error <= null + 1e-12, f"{whole:.9g} to {null:.9g}")
    if name in BY_SIZE:
        return null
    least = null if endpoint.chance or stated.audit.reference.retrains < 2 else null / 2
    if name == "A4" and stated.audit.shadows is not None:
        least = null_error(forget, max(stated.audit.shadows.unseen_evaluation, 1)) / 2
    return Rule(error >= least - 1e-12, f"{least:.9g} or more")


def _groups(stated: Stated) -> Claims:
    """Sizes of groups that add up, which they do not where a group was left out."""
    audit = stated.audit
    groups = [endpoint for endpoint in audit.endpoints if endpoint.name == "G"]
    for word in ("class ", "group "):
        sizes = [group.forget for group in groups if group.where.startswith(word)]
        if sizes:
            yield Claim(f"groups, forget examples by {word.strip()}", sum(sizes), audit.reference.forget)
    quarters = sum(group.where == HARDEST for group in groups)
    expected = int(audit.reference.retrains > 0 and not audit.setting.of_class)
    yield Claim(f"groups, {HARDEST}", quarters, expected)


def measured_of(stated: Stated) -> Iterator[Measured]:
    """The endpoints as the audit measured them, from the values of every model that are stated."""
    audit = stated.audit
    for endpoint in audit.endpoints:
        definition = BY_NAME[endpoint.name]
        yield Measured(definition, _statistic(stated, endpoint), audit.reference.retrains, audit.setting)


def _statistic(stated: Stated, endpoint: Endpoint) -> Statistic:
    values = errors = None
    if endpoint.candidate is not None:
        original = () if endpoint.original is None else (endpoint.original,)
        values = np.array([*endpoint.retrains, endpoint.candidate, *original], np.float64)
        stated_errors = (endpoint.example_error, endpoint.original_error)
        errors = np.array([error for error in stated_errors if error is not None], np.float64)
    return Statistic(
        values=values,
        forget=endpoint.forget,
        unseen=endpoint.unseen,
        errors=np.empty(0) if errors is None else errors,
        null=endpoint.reference if endpoint.chance else None,
        floor=1 / max(endpoint.forget, 1) if endpoint.name in FLOORED else 0.0,
        expected=endpoint.expected_error or 0.0,
        where=endpoint.where,
        in_force=_in_force(stated, endpoint),
        reason=endpoint.reason,
    )


def _in_force(stated: Stated, endpoint: Endpoint) -> bool:
    """Whether sizes alone make the endpoint precise enough for PASS to require it."""
    if endpoint.candidate is None:
        return True
    if endpoint.name == "S":
        return in_force(endpoint.forget, endpoint.unseen, stated.policy)
    if endpoint.name == "T":
        return tail_in_force(endpoint.forget, endpoint.unseen, stated.policy)
    return endpoint.name != "B" or OWN not in endpoint.where
