"""The second mode of the verdict once more, from the values that a report states for candidate and original.

Of what is stated, only the standard error of an AUC and the p-value for the mix of classes cannot be recomputed; the
first must lie between the error of exchangeable examples and the largest that an AUC of that value can have.
"""

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
from vestige.audit.gate.recompute.claims import Claim, Claims, Rule, Stated, agree, within
from vestige.audit.results.exchangeable import ContradictionTest, ExampleEndpoint, Exchangeable
from vestige.audit.results.report import Audit


def recompute_exchangeable(stated: Stated) -> Exchangeable | None:
    """What follows from the stated values, of which ``exchangeable_values`` must hold."""
    mode, reference, policy = stated.audit.exchangeable, stated.audit.reference, stated.policy
    if mode is None:
        return None
    values = {part.name: Value(part.candidate, part.candidate_fpr, part.error, part.reason) for part in mode.endpoints}
    before = None
    if reference.original:
        before = {part.name: Value(part.original, part.original_fpr, part.original_error) for part in mode.endpoints}
    judged = judge_values(values, before, Sizes(reference.forget, reference.unseen_evaluation), policy)
    tests = tuple(_tested(test, stated.audit) for test in mode.tests)
    return replace(
        mode,
        tests=tests,
        contradicted=contradicted(tests),
        endpoints=judged.endpoints,
        detecting=judged.detecting,
        firing=judged.firing,
        problem=judged.problem,
    )


def _unseen(audit: Audit) -> int:
    return audit.reference.unseen_calibration + audit.reference.unseen_evaluation


def _tested(test: ContradictionTest, audit: Audit) -> ContradictionTest:
    if test.auc is None:
        return test
    p = classifier_p if test.name == "classifier" else rank_p
    return replace(test, p=p(test.auc, audit.reference.forget, _unseen(audit)))


def exchangeable_values(stated: Stated) -> Claims:
    """What must hold before anything can be recomputed, and what is stated twice."""
    audit, mode = stated.audit, stated.audit.exchangeable
    if mode is None:
        return
    few = Rule(audit.reference.retrains < MIN_RETRAINS, f"fewer than {MIN_RETRAINS}")
    yield Claim("exchangeable, retrains", audit.reference.retrains, few)
    yield Claim("exchangeable, endpoints", tuple(part.name for part in mode.endpoints), tuple(WORDS))
    yield Claim("exchangeable, shadows", mode.shadows, within(0, 10**6, mode.shadows))
    yield from _tests(audit, mode)
    accuracies = (mode.accuracy, 0.0 if mode.original_accuracy is None else mode.original_accuracy)
    yield Claim("exchangeable, accuracies", accuracies, within(0, 1, *accuracies))
    yield from _accuracy(stated, mode)
    for part in mode.endpoints:
        yield from _values(stated, mode, part)
        if audit.no_op:
            values, before = (part.candidate, part.candidate_fpr), (part.original, part.original_fpr)
            yield Claim(f"{part.name}, candidate (equal to the original)", values, before)
    for attack in audit.attacks:
        if (attack.name, attack.signal) == ("threshold_classwise", "logit"):  # the same statistic
            values = (mode.endpoints[0].candidate, mode.endpoints[0].original)
            yield Claim("X1, candidate, original", values, (attack.candidate, attack.original))


def _tests(audit: Audit, mode: Exchangeable) -> Claims:
    names = tuple(test.name for test in mode.tests)
    expected = [f"retrain {k + 1}" for k in range(audit.reference.retrains)]
    expected += ["shadows"] if mode.shadows else []
    expected += ["classifier"] if expected and min(audit.reference.forget, _unseen(audit)) >= LEAST_CLASSIFIED else []
    # Whether the examples are of several classes, only the labels can show.
    expected = ["classes", *expected] if names[:1] == ("classes",) else expected
    yield Claim("exchangeable, tests", names, tuple(expected))
    for test in mode.tests:
        possible = (test.auc is None) == (test.name == "classes") and within(0, 1, test.p, test.auc or 0.0).holds
        yield Claim(f"exchangeable, test {test.name}", (test.auc, test.p), Rule(possible, "0 to 1"))


def _values(stated: Stated, mode: Exchangeable, part: ExampleEndpoint) -> Claims:
    reference, name = stated.audit.reference, part.name
    sizes = Sizes(reference.forget, reference.unseen_evaluation)
    missing = missing_value(name, reference.retrains + mode.shadows, sizes.unseen, stated.policy.fpr)
    yield Claim(f"{name}, reason", part.reason, missing)
    for whose, value, fpr, error, given in (
        ("candidate", part.candidate, part.candidate_fpr, part.error, True),
        ("original", part.original, part.original_fpr, part.original_error, reference.original),
    ):
        present = given and not missing
        found = (value is not None, fpr is not None, error is not None)
        yield Claim(
            f"{name}, {whose}: value, FPR, error are given", found, (present, present and is_tail(name), present)
        )
        if value is None or error is None:
            continue
        yield Claim(f"{name}, {whose}", (value, fpr), within(0, 1, value, fpr or 0.0))
        if is_tail(name):
            whole = _whole(value, sizes.forget) and _whole(fpr or 0.0, sizes.unseen)
            yield Claim(f"{name}, {whose}", (value, fpr), Rule(whole, "shares of whole examples"))
        else:
            yield Claim(f"{name}, {whose}: error", error, _possible_error(value, error, sizes))


def _accuracy(stated: Stated, mode: Exchangeable) -> Claims:
    """The interval of accuracy: around its gap, and no narrower than so large a gap lets it be."""
    before, interval, original = mode.original_accuracy, mode.accuracy_interval, stated.audit.reference.original
    given = (before is not None, interval is not None)
    yield Claim("exchangeable, original's accuracy, interval are given", given, (original, original))
    if before is None or interval is None:
        return
    examples, gap = _unseen(stated.audit), mode.accuracy - before
    # Differences of -1, 0 and 1 with a mean of g have a variance of at least |g| - g^2.
    least = max(abs(gap) - gap**2, 1 / examples)
    narrowest = float(stats.norm.ppf(1 - stated.policy.alpha) * np.sqrt(least / examples))
    half = (interval[1] - interval[0]) / 2
    possible = agree((interval[0] + interval[1]) / 2, gap) and (half >= narrowest or agree(half, narrowest))
    rule = Rule(possible, f"around {gap:.9g}, at least {narrowest:.6g} to each side")
    yield Claim("exchangeable, accuracy_interval", interval, rule)


def _possible_error(value: float, error: float, sizes: Sizes) -> Rule:
    least = rank_error(*sizes)
    # Placements lie in [0, 1] with mean AUC: their variance is at most AUC (1 - AUC), times n / (n - 1) in a sample.
    most = value * (1 - value) * sum(1 / (size - 1) for size in sizes if size > 1)
    most = max(least, float(np.sqrt(most)))
    possible = least <= error <= most or agree(error, least) or agree(error, most)
    return Rule(possible, f"{least:.6g} to {most:.6g}")


def _whole(share: float, examples: int) -> bool:
    return agree(share * examples, float(round(share * examples)))
