"""The second mode of the verdict once more, from the values that a report states for candidate and original.

Of what is stated, only the standard error of an AUC and the p-value for the mix of classes cannot be recomputed; the
first is held between the error of exchangeable examples and the largest that an AUC of that value can have.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from vestige.attacks.metrics import distributions as stats
from vestige.audit.endpoints.scores import MIN_RETRAINS
from vestige.audit.exchangeable.decisions import (
    WORDS,
    Sizes,
    Value,
    classifier_p,
    contradicted,
    is_tail,
    judge_values,
    rank_error,
    rank_p,
)
from vestige.audit.exchangeable.measurement import LEAST_CLASSIFIED, missing_value
from vestige.audit.gate.recompute.difference import Difference, agree, differences
from vestige.audit.policy import Policy
from vestige.audit.results.exchangeable import ContradictionTest, ExampleEndpoint, Exchangeable
from vestige.audit.results.report import Audit


def of_exchangeable(audit: Audit, policy: Policy) -> tuple[Exchangeable | None, list[Difference]]:
    """What follows from the stated values (which ``shape`` found in order), and all that is stated and does not."""
    stated = audit.exchangeable
    if stated is None:
        return None, []
    reference = audit.reference
    sizes = Sizes(reference.forget, reference.unseen_evaluation)
    own = {one.name: Value(one.candidate, one.candidate_fpr, one.error, one.reason) for one in stated.endpoints}
    before = None
    if reference.original:
        before = {one.name: Value(one.original, one.original_fpr, one.original_error) for one in stated.endpoints}
    judged = judge_values(own, before, sizes, policy)
    tests = tuple(_tested(one, audit) for one in stated.tests)
    found = replace(
        stated,
        tests=tests,
        contradicted=contradicted(tests),
        endpoints=judged.endpoints,
        detecting=judged.detecting,
        firing=judged.firing,
        problem=judged.problem,
    )
    wrong = [
        difference
        for said, right in zip(stated.endpoints, found.endpoints, strict=True)
        for difference in differences(audit.candidate, right.name, said, right)
    ]
    for said_test, right_test in zip(stated.tests, tests, strict=True):
        wrong += differences(audit.candidate, f"test of exchangeability, {right_test.name}", said_test, right_test)
    wrong += differences(audit.candidate, "exchangeable", stated, found, leave=["endpoints", "tests"])
    return found, wrong


def _tested(stated: ContradictionTest, audit: Audit) -> ContradictionTest:
    if stated.auc is None:
        return stated
    reference = audit.reference
    unseen = reference.unseen_calibration + reference.unseen_evaluation
    p = classifier_p if stated.name == "classifier" else rank_p
    return replace(stated, p=p(stated.auc, reference.forget, unseen))


def shape(audit: Audit, policy: Policy) -> Iterator[Difference]:
    """What must hold before anything can be recomputed, and what is stated twice."""
    stated, reference, part = audit.exchangeable, audit.reference, "exchangeable"
    if stated is None:
        return
    if reference.retrains >= MIN_RETRAINS:
        yield Difference(audit.candidate, part, "retrains", reference.retrains, f"fewer than {MIN_RETRAINS}")
        return
    names = tuple(one.name for one in stated.endpoints)
    if names != tuple(WORDS):
        yield Difference(audit.candidate, part, "endpoints", names, tuple(WORDS))
        return
    if not 0 <= stated.shadows <= 10**6:
        yield Difference(audit.candidate, part, "shadows", stated.shadows, "0 or more")
        return
    yield from _tests(audit, stated)
    accuracies = (stated.accuracy, 0.0 if stated.original_accuracy is None else stated.original_accuracy)
    if not all(0 <= one <= 1 for one in accuracies):
        yield Difference(audit.candidate, part, "accuracies", accuracies, "0 to 1")
    yield from _accuracy(audit, stated, policy)
    for one in stated.endpoints:
        yield from _values(audit, stated, one, policy)
        if audit.no_op and (one.candidate, one.candidate_fpr) != (one.original, one.original_fpr):
            yield Difference(
                audit.candidate, one.name, "candidate (equal to the original)", one.candidate, one.original
            )
    for result in audit.attacks:
        if (result.name, result.signal) == ("threshold_classwise", "logit"):  # the same statistic
            values, twice = (
                (stated.endpoints[0].candidate, stated.endpoints[0].original),
                (result.candidate, result.original),
            )
            if not agree(values, twice):
                yield Difference(audit.candidate, "X1", "candidate, original", values, twice)


def _tests(audit: Audit, stated: Exchangeable) -> Iterator[Difference]:
    reference = audit.reference
    unseen = reference.unseen_calibration + reference.unseen_evaluation
    names = tuple(one.name for one in stated.tests)
    expected = [f"retrain {k + 1}" for k in range(reference.retrains)]
    expected += ["shadows"] if stated.shadows else []
    expected += ["classifier"] if expected and min(reference.forget, unseen) >= LEAST_CLASSIFIED else []
    # Whether the examples are of several classes, only the labels can show.
    own = ("classes", *expected) if names[:1] == ("classes",) else tuple(expected)
    if names != own:
        yield Difference(audit.candidate, "exchangeable", "tests", names, own)
    for one in stated.tests:
        if not (0 <= one.p <= 1 and (one.auc is None) == (one.name == "classes") and 0 <= (one.auc or 0) <= 1):
            yield Difference(audit.candidate, "exchangeable", f"test {one.name}", (one.auc, one.p), "0 to 1")


def _values(audit: Audit, stated: Exchangeable, one: ExampleEndpoint, policy: Policy) -> Iterator[Difference]:
    reference = audit.reference
    sizes = Sizes(reference.forget, reference.unseen_evaluation)
    models = reference.retrains + stated.shadows
    missing = missing_value(one.name, models, sizes.unseen, policy.fpr)
    if one.reason != missing:
        yield Difference(audit.candidate, one.name, "reason", one.reason, missing)
    sets = [("candidate", one.candidate, one.candidate_fpr, one.error, True)]
    sets += [("original", one.original, one.original_fpr, one.original_error, reference.original)]
    for whose, value, fpr, error, given in sets:
        present = given and not missing
        found = (value is not None, fpr is not None, error is not None)
        own = (present, present and is_tail(one.name), present)
        if found != own:
            yield Difference(audit.candidate, one.name, f"{whose}: value, FPR, error are given", found, own)
        elif value is not None and error is not None:
            if not (0 <= value <= 1 and 0 <= (fpr or 0) <= 1):
                yield Difference(audit.candidate, one.name, whose, (value, fpr), "0 to 1")
            elif not is_tail(one.name):
                yield from _error(audit, one.name, whose, value, error, sizes)
            elif not _whole(value, sizes.forget) or not _whole(fpr or 0.0, sizes.unseen):
                yield Difference(audit.candidate, one.name, whose, (value, fpr), "shares of whole examples")


def _accuracy(audit: Audit, stated: Exchangeable, policy: Policy) -> Iterator[Difference]:
    """The interval of accuracy: around its gap, and no narrower than so large a gap lets it be."""
    reference, before, interval = audit.reference, stated.original_accuracy, stated.accuracy_interval
    given, own = (before is not None, interval is not None), (reference.original,) * 2
    if given != own:
        yield Difference(audit.candidate, "exchangeable", "original's accuracy, interval are given", given, own)
    if before is None or interval is None:
        return
    examples, gap = reference.unseen_calibration + reference.unseen_evaluation, stated.accuracy - before
    # Differences of -1, 0 and 1 with a mean of g have a variance of at least |g| - g^2.
    least = max(abs(gap) - gap**2, 1 / examples)
    narrowest = float(stats.norm.ppf(1 - policy.alpha) * np.sqrt(least / examples))
    half = (interval[1] - interval[0]) / 2
    if not agree((interval[0] + interval[1]) / 2, gap) or (half < narrowest and not agree(half, narrowest)):
        right = f"around {gap:.9g}, at least {narrowest:.6g} to each side"
        yield Difference(audit.candidate, "exchangeable", "accuracy_interval", interval, right)


def _error(audit: Audit, name: str, whose: str, value: float, error: float, sizes: Sizes) -> Iterator[Difference]:
    least = rank_error(*sizes)
    # Placements lie in [0, 1] with mean AUC: their variance is at most AUC (1 - AUC), times n / (n - 1) in a sample.
    most = value * (1 - value) * sum(1 / (size - 1) for size in sizes if size > 1)
    most = max(least, float(np.sqrt(most)))
    if not (least <= error <= most or agree(error, least) or agree(error, most)):
        yield Difference(audit.candidate, name, f"{whose}: error", error, f"{least:.6g} to {most:.6g}")


def _whole(share: float, examples: int) -> bool:
    return agree(share * examples, float(round(share * examples)))
