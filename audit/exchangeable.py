"""The second mode of the verdict, for one retrain or none: inference over examples where these are exchangeable.

Where the forget set was drawn at random from the population of the unseen data, a model that was trained on neither has
exchangeable scores on the two, whatever its training seed did. Intervals over examples are then right for one model,
which they are not in general: a class or a person can shift with the seed. Everything here rests on that assumption. It
has to be declared, and nothing at hand may contradict it (``contradictions``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from attacks import auc, class_centred, delong_variance, estimable, placements, threshold_at_fpr
from audit import statistics
from audit._drawn_nouns import Interval
from audit._nouns import Decision, Grade, Outcome
from audit._scores import Floats, Mask
from audit.policy import Policy
from audit.verdict import FAIL_ORDER
from learners import DataError, Indices

LEVEL = 0.01
"""Of all tests for a contradiction together: so often a true declaration is turned away."""
FOLDS = 5


@dataclass(frozen=True)
class ExampleEndpoint:
    """One statistic of one model. gap: AUC minus one half, or TPR minus the realised FPR on evaluation rows; zero is
    expected of a model trained on neither set. interval: of level 1 - 2 alpha, over examples. original_gap: None
    without an original. margin: of the PASS test, at most half of the original's gap where that is caught. p_holm: of
    the FAIL test. decision: as in the main rule."""

    name: str
    gap: float
    interval: Interval
    original_gap: float | None
    margin: float
    p_holm: float
    decision: Decision


@dataclass(frozen=True)
class ExampleVerdict:
    """assumption: its first line. grade: C with a retrain, S with none, where nothing can pass."""

    outcome: Outcome
    reasons: tuple[str, ...]
    grade: Grade
    assumption: str
    contradictions: tuple[str, ...]
    endpoints: tuple[ExampleEndpoint, ...]


@dataclass(frozen=True)
class _Measured:
    name: str
    tail: bool
    gap: float
    error: float


def judge_exchangeable(
    candidate: Floats,
    retrains: Floats,
    original: Floats | None,
    labels: Indices,
    forget: Mask,
    calibration: Mask,
    policy: Policy,
    *,
    declared: bool,
    contradicted: Sequence[str] = (),
) -> ExampleVerdict:
    """The verdict over examples.

    candidate, original: phi ``[n]``, retrains ``[K, n]`` with K from 0, on forget and unseen rows, higher = more
    member-like. labels, forget, calibration ``[n]``: the last of unseen rows, which are not judged. declared: whether
    somebody vouches for exchangeability (an audit that drew its forget set at random does). contradicted: what
    ``contradictions`` found.

    X1 reads phi, centred per class; X2 phi minus its mean over the retrains, which takes an example's difficulty out;
    X3 its absolute value; Y2, Y3 the TPR of these at the policy's FPR, with the error that it has at the margin.
    Margins, Holm and the original as positive control are those of the main rule. DataError for shapes that do not fit.
    """
    if candidate.ndim != 1 or retrains.ndim != 2 or retrains.shape[1] != len(candidate):
        raise DataError(f"expected phi [n] and retrains [K, n], got {list(candidate.shape)}, {list(retrains.shape)}")
    rows = (labels, forget, calibration)
    own = _measure(candidate, retrains, *rows, policy)
    before = None if original is None else _measure(original, retrains, *rows, policy)
    endpoints = _judge(own, before, policy)
    grade: Grade = "C" if len(retrains) else "S"
    outcome, reasons = _decide(endpoints, before, len(retrains), policy, grade, declared, contradicted)
    return ExampleVerdict(
        outcome=outcome,
        reasons=reasons,
        grade=grade,
        assumption=(
            "Inference over examples with "
            f"{len(retrains)} retrain{'' if len(retrains) == 1 else 's'}: it assumes that forget and unseen examples "
            f"were drawn alike, which was {'declared' if declared else 'not declared'}"
            + (f" and is contradicted ({'; '.join(contradicted)})." if contradicted else ".")
        ),
        contradictions=tuple(contradicted),
        endpoints=endpoints,
    )


def contradictions(
    retrains: Floats, logits: NDArray[np.floating] | None, labels: Indices, forget: Mask, *, seed: int
) -> tuple[str, ...]:
    """What speaks against exchangeability, in sentences; of true declarations ``LEVEL`` are contradicted.

    retrains: phi ``[K, n]``; logits: ``[n, classes]`` of one of them, for a classifier two-sample test, or None. Tests,
    Bonferroni over all: class mix (chi-squared); each retrain's phi (Mann and Whitney); a logistic classifier of forget
    against unseen on the logits, out of fold. Source: Lopez-Paz and Oquab 2017 (arXiv 1610.06545), section 3.
    """
    tests: list[tuple[str, float]] = []
    mix = np.array([np.bincount(labels[side], minlength=labels.max() + 1) for side in (forget, ~forget)])
    mix = mix[:, mix.sum(0) > 0]
    if mix.shape[1] > 1:
        tests.append(("the classes are mixed otherwise", float(stats.chi2_contingency(mix).pvalue)))
    for k, phi in enumerate(retrains):
        found = stats.mannwhitneyu(phi[forget], phi[~forget])
        area = found.statistic / (forget.sum() * (~forget).sum())
        tests.append((f"retrain {k + 1} ranks forget above unseen examples with {area:.3f}", float(found.pvalue)))
    if logits is not None:
        scores = _out_of_fold(np.asarray(logits, np.float64), forget, seed)
        found = stats.mannwhitneyu(scores[forget], scores[~forget], alternative="greater")
        area = found.statistic / (forget.sum() * (~forget).sum())
        tests.append((f"a classifier tells the two apart with AUC {area:.3f}", float(found.pvalue)))
    return tuple(f"{words} (p = {p:.2g})" for words, p in tests if p < LEVEL / len(tests))


def _out_of_fold(logits: Floats, forget: Mask, seed: int) -> Floats:
    from sklearn.linear_model import LogisticRegression  # slow to import
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, class_weight="balanced"))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    found: Floats = cross_val_predict(model, logits, forget, cv=folds, method="decision_function")
    return found


def _measure(
    phi: Floats, retrains: Floats, labels: Indices, forget: Mask, calibration: Mask, policy: Policy
) -> list[_Measured]:
    evaluation = ~forget & ~calibration
    scores = {"X1": class_centred(phi, labels, calibration)}
    if len(retrains):
        relative = phi - retrains.mean(0)
        scores["X2"] = relative - np.median(relative[calibration])
        scores["X3"] = np.abs(scores["X2"])
    found = []
    for name, score in scores.items():
        members, others = score[forget], score[evaluation]
        error = float(np.sqrt(delong_variance(*placements(members, others))))
        found.append(_Measured(name, False, auc(members, others) - 0.5, error))
        if name != "X1" and estimable(policy.fpr, len(others)):
            cut = threshold_at_fpr(score[calibration], policy.fpr)
            tpr, realised = float((members > cut).mean()), float((others > cut).mean())
            # At the boundary of the hypotheses, where both tests have to hold: of what was caught, few or none, a
            # standard error would be too small to keep a leak of just the margin from passing.
            edge = min(1.0, realised + policy.margin_tpr)
            variance = edge * (1 - edge) / len(members) + realised * (1 - realised) / len(others)
            found.append(_Measured(name.replace("X", "Y"), True, tpr - realised, float(np.sqrt(variance))))
    return found


def _judge(own: Sequence[_Measured], before: Sequence[_Measured] | None, policy: Policy) -> tuple[ExampleEndpoint, ...]:
    adjusted = statistics.holm([_fail_p(one, policy) for one in own])
    caught = [] if before is None else _caught(before, policy)
    endpoints = []
    for place, (one, p) in enumerate(zip(own, adjusted, strict=True)):
        margin = _margin(one, policy)
        former = None if before is None else before[place].gap
        if former is not None and one.name in caught:
            margin = min(margin, abs(former) / 2)
        width = float(stats.norm.ppf(1 - policy.alpha)) * one.error
        low, high = one.gap - width, one.gap + width
        inside = high < margin and (one.tail or low > -margin)
        decision: Decision = "outside" if p <= policy.alpha else "within" if inside else "uncertain"
        endpoints.append(ExampleEndpoint(one.name, one.gap, (low, high), former, margin, p, decision))
    return tuple(endpoints)


def _caught(before: Sequence[_Measured], policy: Policy) -> list[str]:
    adjusted = statistics.holm([_fail_p(one, policy) for one in before])
    return [one.name for one, p in zip(before, adjusted, strict=True) if p <= policy.alpha and one.gap > 0]


def _fail_p(one: _Measured, policy: Policy) -> float:
    return statistics.fail_p_normal(one.gap, _margin(one, policy), one.error, "upper" if one.tail else "two")


def _margin(one: _Measured, policy: Policy) -> float:
    return policy.margin_tpr if one.tail else policy.margin_auc


def _decide(
    endpoints: Sequence[ExampleEndpoint],
    before: Sequence[_Measured] | None,
    retrains: int,
    policy: Policy,
    grade: Grade,
    declared: bool,
    contradicted: Sequence[str],
) -> tuple[Outcome, tuple[str, ...]]:
    if not declared:
        return "INCONCLUSIVE", ("NOT_DECLARED",)
    if contradicted:
        return "INCONCLUSIVE", ("CONTRADICTED",)
    failures = {_reason(one) for one in endpoints if one.decision == "outside"}
    if failures:
        return "FAIL", tuple(reason for reason in FAIL_ORDER if reason in failures)
    if not {"X2", "X3", "Y2", "Y3"} & set([] if before is None else _caught(before, policy)):
        return "INCONCLUSIVE", ("NO_ASSAY_SENSITIVITY",) if retrains else ("EVIDENCE_GRADE",)
    if "ABCS".index(grade) > "ABCS".index(policy.min_evidence):
        return "INCONCLUSIVE", ("EVIDENCE_GRADE",)
    if any(one.decision != "within" for one in endpoints):
        wide = any((one.interval[1] - one.interval[0]) / 2 > one.margin for one in endpoints)
        return "INCONCLUSIVE", ("UNDERPOWERED" if wide else "NEAR_MARGIN",)
    return "PASS", ()


def _reason(one: ExampleEndpoint) -> str:
    if one.name.startswith("Y"):
        return "TAIL"
    if one.name == "X3":
        return "SCATTER"
    return "LEAK" if one.gap > 0 else "OVER_FORGET"
