"""A hand-made report: invented but plausible numbers, every kind of outcome, and names that try to break out."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm, t

from vestige.audit.endpoints.endpoints import BY_NAME
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.evidence import (
    Check,
    Controls,
    Grade,
    NullControl,
    Outcome,
    PlantedLeak,
    Reason,
    ReasonAt,
    Reference,
    Scale,
    ShareForgotten,
    SignalAttack,
    UnseenCheck,
    Utility,
    Verdict,
)
from vestige.audit.results.exposure import ExposureCounts, RetainComparison, RetainExposure, SingleExamples
from vestige.audit.results.figures import CalibratedPoint, Curve, Histogram
from vestige.audit.results.report import (
    Audit,
    Cost,
    DataRecord,
    LabelNoise,
    Method,
    ModelsRecord,
    PolicyRecord,
    Report,
    Seeds,
    SelfTest,
    Summary,
    Tool,
    Weights,
)
from vestige.audit.results.setting import Setting
from vestige.audit.results.wording import LIMITS, assumptions

RETRAINS = 10
SETTING = Setting("chosen", "default")
HOSTILE = "<script>alert(1)</script>"
CANDIDATES: list[tuple[Any, dict[str, Any]]] = [
    (("no_op", "FAIL", ("NOOP", "LEAK"), 0.65), {}),
    (("fresh_retrain", "PASS", (), 0.0), {}),
    (("finetune", "FAIL", ("LEAK",), 0.42), {}),
    (("gradient_ascent", "FAIL", ("OVER_FORGET", "UTILITY"), -0.8), {"accuracy": -0.11}),
    (("neggrad_plus", "INCONCLUSIVE", ("NEAR_MARGIN",), 0.16), {}),
    (("contrastive", "INCONCLUSIVE", ("EVIDENCE",), 0.02), {"tails": False}),
    ((HOSTILE, "PASS", (), 0.01), {}),
    (("salun", "FAIL", ("TRACE",), 0.08), {}),
]
SPREADS = {"M": 0.008, "S": 0.011, "T": 0.004, "L": 0.009, "V": 0.006, "D": 0.010, "G": 0.02}
NULLS = {"M": 0.499, "S": 0.501, "T": 0.011, "L": 0.002, "V": 0.502, "D": 0.05, "G": 0.5}
ORIGINAL_GAPS = {"M": 0.183, "S": 0.074, "T": 0.091, "L": 0.142, "V": 0.12, "D": 0.3, "G": 0.36}
MARGINS = {"T": 0.02, "D": 0.1, "G": 0.1}


def make_endpoint(name: Any, gap: float, where: str = "") -> Endpoint:
    spread = SPREADS[name]
    draws = np.random.default_rng(sum(name.encode())).normal(NULLS[name], spread, RETRAINS)
    retrains = tuple(float(min(max(value, -1), 1)) for value in draws)
    mean, s = float(np.mean(retrains)), float(np.std(retrains, ddof=1))
    se = s * (1 + 1 / RETRAINS) ** 0.5
    upper, margin = BY_NAME[name].sides == "upper", MARGINS.get(name, 0.05)
    used = min(margin, ORIGINAL_GAPS[name] / 2)
    half = float(t.ppf(0.95, RETRAINS) * se)
    p_value = min(1.0, (1 if upper else 2) * float(t.sf(((gap if upper else abs(gap)) - margin) / se, RETRAINS)))
    inside = gap + half < used and (upper or gap - half > -used)
    return Endpoint(
        name=name,
        where=where,
        statistic=BY_NAME[name].words.format(fpr=0.01),
        sides=BY_NAME[name].sides,
        role="primary" if name in "MST" else "fail_only",
        forget=1000,
        unseen=8000,
        candidate=min(max(mean + gap, -1.0), 1.0),
        retrains=retrains,
        original=mean + ORIGINAL_GAPS[name],
        reference=mean,
        chance=False,
        gap=gap,
        original_gap=ORIGINAL_GAPS[name],
        example_error=se * 0.8,
        original_error=se * 0.8,
        expected_error=se * 0.8,
        spread=s,
        factor=1.1,
        d0=1.0,
        df=float(RETRAINS),
        interval=(gap - half, gap + half),
        half_width=half,
        expected_half_width=half,
        plan_width=half + float(t.ppf(0.90, RETRAINS) * se),
        margin=margin,
        margin_effective=used,
        weight=0.25,
        p_value=p_value,
        p_holm=min(1.0, 6 * p_value),
        p_zero_holm=0.5,
        decision="outside" if 6 * p_value < 0.05 else "within" if inside else "uncertain",
    )


def not_estimable(endpoint: Endpoint, reason: str) -> Endpoint:
    names = """candidate original reference gap original_gap example_error original_error expected_error spread factor
    d0 df interval half_width expected_half_width plan_width weight p_value p_holm p_zero_holm""".split()
    nothing: dict[str, Any] = dict.fromkeys(names)
    return replace(endpoint, retrains=(), decision="not estimable", reason=reason, **nothing)


def make_curves(shift: float, points: int) -> tuple[Curve, ...]:
    fpr = np.concatenate([[0.0], np.logspace(-4, 0, points - 1)])
    draws = np.random.default_rng(3).normal(0, 0.03, RETRAINS)
    models = {f"retrain {index}": float(draw) for index, draw in enumerate(draws, start=1)}
    models |= {"original": 0.65, "candidate": shift}

    def tpr(d: float) -> tuple[float, ...]:
        return tuple(float(rate) for rate in norm.cdf(norm.ppf(fpr) + d))

    rates = tuple(float(rate) for rate in fpr)
    return tuple(Curve(model, score, rates, tpr(d)) for score in ("memory", "residual") for model, d in models.items())


def make_histograms(shift: float) -> tuple[Histogram, ...]:
    def counts(edges: np.ndarray, centre: float, scale: float, total: int) -> tuple[int, ...]:
        inner = norm.cdf(edges[1:-1], centre, scale)
        return tuple(int(count) for count in np.round(np.diff([0.0, *inner, 1.0]) * total))

    found = []
    for score, centre, scale, low, high in (("phi", 3.0, 2.4, -6.0, 12.0), ("residual", 0.0, 1.0, -4.0, 4.0)):
        edges = np.linspace(low, high, 41)
        for model, moved in (("candidate", shift), ("original", 0.65), ("retrains", 0.0)):
            size = 10 if model == "retrains" else 1
            found.append(
                Histogram(
                    model,
                    score,
                    tuple(float(edge) for edge in edges),
                    counts(edges, centre + moved * scale, scale * (1 + abs(moved) / 3), 1000 * size),
                    counts(edges, centre, scale, 8000 * size),
                )
            )
    return tuple(found)


def make_utility(role: Any, value: float, original: float, loss: float) -> Utility:
    return Utility(
        role=role,
        measure="accuracy",
        examples=9000,
        candidate=value - 0.001 + loss,
        retrains=(value,) * RETRAINS,
        original=original,
        gap=-0.001 + loss,
        example_error=0.002,
        interval=(-0.004 + loss, 0.002 + loss),
        margin=0.02,
        decision="worse" if loss < -0.03 else "no worse",
    )


def make_audit(
    name: str,
    outcome: Outcome,
    reasons: tuple[Reason, ...],
    shift: float,
    *,
    tails: bool = True,
    accuracy: float = 0.0,
    points: int = 30,
) -> Audit:
    sign = 1 if shift >= 0 else -1
    gaps = {key: gap * abs(shift) / 0.65 * sign for key, gap in ORIGINAL_GAPS.items()}
    gaps |= {"S": abs(gaps["S"]), "T": max(gaps["T"], -0.009), "D": abs(gaps["D"])}
    endpoints = [make_endpoint(key, gap + 0.003, "cat" if key == "G" else "") for key, gap in gaps.items()]
    if not tails:
        reason = "an FPR of 0.01 needs 1,000 unseen examples for evaluation, there are 638"
        endpoints = [not_estimable(endpoint, reason) if endpoint.name == "T" else endpoint for endpoint in endpoints]
    reason = "needs at least 100 forget and 100 unseen examples for evaluation, got 90 and 700"
    endpoints += [
        make_endpoint("G", gaps["G"], f"group {HOSTILE}"),
        not_estimable(make_endpoint("G", 0.0, "group b"), reason),
    ]
    grade: Grade = "B" if tails else "C"
    return Audit(
        candidate=name,
        setting=SETTING,
        verdict=Verdict(
            outcome=outcome,
            reasons=tuple(ReasonAt(reason, ("M",)) for reason in reasons),
            grade=grade,
            profile="standard",
            headline=f"{', '.join((outcome, *reasons))}: what was found, with numbers.",
            explanations=tuple(f"Why {reason.lower().replace('_', ' ')}, with numbers." for reason in reasons),
            notes=() if tails else ("NOT_JUDGED: worst-exposed: too few examples for PASS to require it.",),
            would_change=("More unseen examples: about 4,000 would do.",) if outcome == "INCONCLUSIVE" else (),
        ),
        endpoints=tuple(endpoints),
        utility=(make_utility("retain", 0.982, 0.984, accuracy), make_utility("unseen", 0.922, 0.925, accuracy)),
        reference=Reference(
            retrains=RETRAINS,
            dropped=(),
            problem="",
            checks=(Check("rank", 0.31, 0.757, False), Check("seeds", 8.9, 0.447, False)),
            original=True,
            detecting=("M", "T", "L"),
            firing=("M", "S", "T", "L", "V", "D"),
            wide=(),
            short_of_power=("M",) if tails else (),
            remedy="About 12 retrains would give M 80 % power." if tails else "",
            forget=1000,
            unseen_calibration=2000 if tails else 159,
            unseen_evaluation=8000 if tails else 638,
            calibration_digest="ef" * 32,
            retain=1000,
        ),
        scale=(
            Scale("retrain 1", 1.01, 0.99, True),
            Scale("candidate", 1.4, 1.0, True),
            Scale("original", 1.1, 1.0, True),
        ),
        no_op="NOOP" in reasons,
        unseen_check=UnseenCheck(
            hard=612,
            recovered=0.011,
            error=0.01,
            gain=0.003,
            gain_interval=(-0.002, 0.008),
            retain_gap=0.004,
            retain_interval=(-0.02, 0.028),
            threshold=1.02,
            known=False,
        ),
        share_forgotten=ShareForgotten(0.75, 1.5, 0.5, (0.44, 0.56), 0.5),
        operating_points=tuple(
            CalibratedPoint(
                score, fpr, min(1.0, fpr * 1.4), (fpr, fpr * 2), fpr * 1.1, (fpr * 0.9, fpr * 1.3), fpr, fpr * 4
            )
            for score in ("memory", "residual")
            for fpr in (0.1, 0.01)
        )
        if tails
        else (),
        attacks=tuple(
            SignalAttack("threshold", signal, 0.5 + gaps["M"] / 2, (0.495, 0.501, 0.508), 0.571)
            for signal in ("loss", "confidence", "entropy", "modified_entropy", "correctness", "hinge")
        ),
        curves=make_curves(shift, points),
        histograms=make_histograms(shift),
        method=Method(
            name if name.isidentifier() else "finetune", {"epochs": 5, "learning_rate": 0.05, "nesterov": False}
        ),
        weights="9f" * 32,
        cost=Cost(1000, 45000, 1000, 45000, 3.21e13, 0.083, "fixed number of epochs", 12.4),
        self_test=SelfTest("residual", 0.497, (0.479, 0.515), 0),
        controls=Controls(
            reason="",
            null=tuple(NullControl(f"retrain {k}", ()) for k in range(1, RETRAINS + 1)),
            planted=(PlantedLeak(0.05, 0), PlantedLeak(0.1, 6), PlantedLeak(0.2, RETRAINS)),
            smallest=0.2,
        ),
        single_examples=SingleExamples(
            reason="",
            rate=0.1,
            examples=1000,
            fewest_ranked=2,
            counts=(
                ExposureCounts("candidate", 41, 3, 32, 0),
                *(ExposureCounts(f"retrain {k}", 1, 0, 0, 0) for k in range(1, RETRAINS + 1)),
            ),
        ),
        retained=RetainExposure(
            "",
            9000,
            (
                RetainComparison(
                    "auc_z", "AUC of z, retain against unseen", 0.571, (0.54,) * RETRAINS, 0.031, (0.022, 0.04)
                ),
            ),
        ),
    )


def make_report(audits: tuple[Audit, ...]) -> Report:
    return Report(
        schema_version="3.0",
        battery="3",
        tool=Tool("vestige", "0.1.0"),
        created="2026-11-22T10:00:00Z",
        policy=PolicyRecord(
            profile="standard",
            margin_auc=0.05,
            margin_tpr=0.02,
            margin_group=0.1,
            margin_labels=0.05,
            margin_shape=0.1,
            margin_utility=0.02,
            margin_loss=0.05,
            alpha=0.05,
            fpr=0.01,
            min_evidence="B",
            accept_vacuous=False,
            worst_group="report",
            inconclusive="fail",
            calibration_share=0.2,
            sequential=False,
            hash="ab" * 32,
            registered_hash="ab" * 32,
            changed=False,
        ),
        data=DataRecord(
            source="parquet:data/cifar10",
            fingerprint="cd" * 32,
            split="1,000 random training examples, seed 1",
            classes=3,
            class_names=("cat", "dog", HOSTILE),
            forget=1000,
            unseen=10000,
            retain=9000,
            label_noise=LabelNoise(0.1, 1, 987),
            saturated=0,
        ),
        models=ModelsRecord(
            recipe={"architecture": "cnn", "epochs": 30, "learning_rate": 0.1, "nesterov": False, "width": None},
            seeds=Seeds(1, tuple(range(101, 101 + RETRAINS)), 1),
            weights=Weights("01" * 32, tuple(f"{index:02x}" * 32 for index in range(RETRAINS))),
            device="cpu, 2 cores",
        ),
        audits=audits,
        summary=Summary.of(audits),
        assumptions=assumptions(SETTING),
        limits=LIMITS,
        reproduce="vestige run audit.toml",
    )


@pytest.fixture
def audit_maker() -> Callable[..., Audit]:
    return make_audit


@pytest.fixture
def report_maker() -> Callable[[tuple[Audit, ...]], Report]:
    return make_report


@pytest.fixture(scope="session")
def report() -> Report:
    """Eight candidates: two controls and six more, with every outcome."""
    return make_report(tuple(make_audit(*given, **more) for given, more in CANDIDATES))


@pytest.fixture(scope="session")
def full_report() -> Report:
    """The same with as many points per curve as an audit stores."""
    return make_report(tuple(make_audit(*given, points=150, **more) for given, more in CANDIDATES))


@pytest.fixture(scope="session")
def small_report() -> Report:
    """One candidate, short curves."""
    return make_report((make_audit("finetune", "FAIL", ("LEAK",), 0.42),))
