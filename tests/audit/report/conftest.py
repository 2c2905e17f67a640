"""A hand-made report: invented but plausible numbers, every kind of outcome, and names that try to break out."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm, t

from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.evidence import (
    Baseline,
    Controls,
    ExposureCounts,
    Grade,
    NullControl,
    Outcome,
    PlantedLeak,
    Reference,
    SignalAttack,
    SingleExamples,
    Utility,
    Verdict,
)
from vestige.audit.results.figures import CalibratedPoint, Curve, Histogram
from vestige.audit.results.groups import GroupResult, RetainComparison, RetainExposure
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
from vestige.audit.results.wording import ASSUMPTIONS, LIMITS

RETRAINS = 10
HOSTILE = "<script>alert(1)</script>"
CANDIDATES: list[tuple[Any, dict[str, Any]]] = [
    (("no_op", "FAIL", ("NOOP", "LEAK", "TAIL"), 0.65), {}),
    (("fresh_retrain", "PASS", (), 0.0), {}),
    (("finetune", "FAIL", ("LEAK",), 0.42), {}),
    (("gradient_ascent", "FAIL", ("OVER_FORGET", "UTILITY"), -0.8), {"accuracy": -0.11}),
    (("neggrad_plus", "INCONCLUSIVE", ("NEAR_MARGIN",), 0.16), {}),
    (("contrastive", "INCONCLUSIVE", ("EVIDENCE_GRADE",), 0.02), {"tails": False}),
    ((HOSTILE, "PASS", (), 0.01), {}),
    (("salun", "FAIL", ("GROUP:<b>cat</b>",), 0.08), {}),
]
STATISTICS = {
    "A1": "AUC of phi, class-centred",
    "A2": "AUC of the R-LiRA score z",
    "A3": "AUC of |z|",
    "T1": "TPR of z at FPR 0.01",
    "T2": "TPR of |z| at FPR 0.01",
    "F1": "AUC of RMIA",
    "F2": "AUC of entropy",
    "F3": "AUC of modified entropy",
}
SPREADS = {"A1": 0.004, "A2": 0.011, "A3": 0.009, "T1": 0.004, "T2": 0.004, "F1": 0.010, "F2": 0.005, "F3": 0.005}
NULLS = {"A1": 0.503, "A2": 0.499, "A3": 0.501, "T1": 0.011, "T2": 0.011, "F1": 0.502, "F2": 0.5, "F3": 0.5}
ORIGINAL_GAPS = {"A1": 0.142, "A2": 0.183, "A3": 0.074, "T1": 0.091, "T2": 0.064, "F1": 0.176, "F2": 0.12, "F3": 0.13}


def make_endpoint(name: str, gap: float) -> Endpoint:
    spread = SPREADS[name]
    draws = np.random.default_rng(sum(name.encode())).normal(NULLS[name], spread, RETRAINS)
    retrains = tuple(float(min(max(value, 0), 1)) for value in draws)
    mean, s = float(np.mean(retrains)), float(np.std(retrains, ddof=1))
    se = s * (1 + 1 / RETRAINS) ** 0.5
    upper = name.startswith("T")
    margin = 0.02 if upper else 0.05
    used = min(margin, ORIGINAL_GAPS[name] / 2)
    half, wide = float(t.ppf(0.95, 9) * se), float(t.ppf(0.995, 9) * se)
    p_value = min(1.0, (1 if upper else 2) * float(t.sf(((gap if upper else abs(gap)) - margin) / se, 9)))
    inside = gap + half < used and (upper or gap - half > -used)
    return Endpoint(
        name=name,
        statistic=STATISTICS[name],
        sides="upper" if upper else "two",
        primary=not name.startswith("F"),
        per_example=name not in ("A1", "F2", "F3"),
        candidate=min(max(mean + gap, 0.0), 1.0),
        retrains=retrains,
        original=mean + ORIGINAL_GAPS[name],
        gap=gap,
        original_gap=ORIGINAL_GAPS[name],
        spread=s,
        interval=(gap - half, gap + half),
        simultaneous=(gap - wide, gap + wide),
        example_half_width=half * 0.8,
        margin=margin,
        margin_effective=used,
        half_width=half,
        plan_width=half + float(t.ppf(0.90, 9) * se),
        p_value=p_value,
        p_holm=min(1.0, 6 * p_value),
        decision="outside" if 6 * p_value < 0.05 else "within" if inside else "uncertain",
    )


def not_estimable(name: str) -> Endpoint:
    endpoint = make_endpoint(name, 0.0)
    return replace(
        endpoint,
        candidate=None,
        retrains=(),
        original=None,
        gap=None,
        original_gap=None,
        spread=None,
        interval=None,
        simultaneous=None,
        example_half_width=None,
        half_width=None,
        plan_width=None,
        p_value=None,
        p_holm=None,
        decision="not estimable",
        reason="an FPR of 0.01 needs 1,000 unseen examples for evaluation, there are 638",
    )


def make_curves(shift: float, points: int) -> tuple[Curve, ...]:
    fpr = np.concatenate([[0.0], np.logspace(-4, 0, points - 1)])
    draws = np.random.default_rng(3).normal(0, 0.03, RETRAINS)
    models = {f"retrain {index}": float(one) for index, one in enumerate(draws, start=1)}
    models |= {"original": 0.65, "candidate": shift}

    def tpr(d: float) -> tuple[float, ...]:
        return tuple(float(one) for one in norm.cdf(norm.ppf(fpr) + d))

    rates = tuple(float(one) for one in fpr)
    return tuple(Curve(model, score, rates, tpr(d)) for score in ("phi", "z") for model, d in models.items())


def make_histograms(shift: float) -> tuple[Histogram, ...]:
    def counts(edges: np.ndarray, centre: float, scale: float, total: int) -> tuple[int, ...]:
        inner = norm.cdf(edges[1:-1], centre, scale)
        return tuple(int(one) for one in np.round(np.diff([0.0, *inner, 1.0]) * total))

    found = []
    for score, centre, scale, low, high in (("phi", 3.0, 2.4, -6.0, 12.0), ("z", 0.0, 1.0, -4.0, 4.0)):
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


def make_audit(
    name: str,
    outcome: Outcome,
    reasons: tuple[str, ...],
    shift: float,
    *,
    tails: bool = True,
    accuracy: float = 0.0,
    points: int = 30,
) -> Audit:
    sign = 1 if shift >= 0 else -1
    gaps = {key: gap * abs(shift) / 0.65 * sign for key, gap in ORIGINAL_GAPS.items()}
    gaps |= {"A3": abs(gaps["A3"]), "T1": max(gaps["T1"], -0.009), "T2": abs(gaps["T2"])}
    endpoints = [make_endpoint(key, gap + 0.003) for key, gap in gaps.items()]
    if not tails:
        endpoints = [not_estimable(one.name) if one.name.startswith("T") else one for one in endpoints]
    grade: Grade = "B" if tails else "C"
    separates = {
        "PASS": "no tested attack separates the candidate from retraining by more than the margins (95 %).",
        "FAIL": "at least one tested attack separates the candidate from retraining by more than the margins.",
        "INCONCLUSIVE": "this audit can tell neither; see what would change it.",
    }[outcome]
    return Audit(
        candidate=name,
        verdict=Verdict(
            outcome=outcome,
            reasons=reasons,
            grade=grade,
            profile="standard",
            headline=f"{outcome}: under battery 1, {RETRAINS} retrains and margins of 0.05 (AUC) and 0.02 "
            f"(TPR at FPR 0.01), {separates}",
            explanations=tuple(f"Why {reason.lower().replace('_', ' ')}, with numbers." for reason in reasons),
            notes=()
            if tails
            else ("TAIL_NOT_ASSESSED: 638 unseen examples are too few for an FPR of 0.01, which needs 1,000.",),
            would_change=("More unseen examples: about 4,000 would do.",) if outcome == "INCONCLUSIVE" else (),
        ),
        endpoints=tuple(endpoints),
        utility=(
            Utility(
                "retain",
                0.981 + accuracy,
                (0.982,) * RETRAINS,
                0.984,
                -0.001 + accuracy,
                (-0.004 + accuracy, 0.002 + accuracy),
                0.02,
                "inferior" if accuracy < -0.03 else "non-inferior",
            ),
            Utility(
                "unseen",
                0.921 + accuracy,
                (0.922,) * RETRAINS,
                0.925,
                -0.001 + accuracy,
                (-0.007 + accuracy, 0.005 + accuracy),
                0.02,
                "inferior" if accuracy < -0.03 else "non-inferior",
            ),
        ),
        baseline=Baseline(
            0.503 + gaps["A1"], (0.49 + gaps["A1"], 0.516 + gaps["A1"]), 0.503, (0.497, 0.509), True, False
        ),
        operating_points=tuple(
            CalibratedPoint(
                score, fpr, min(1.0, fpr * 1.4), (fpr, fpr * 2), fpr * 1.1, (fpr * 0.9, fpr * 1.3), fpr, fpr * 4
            )
            for score in ("phi", "z", "abs_z")
            for fpr in (0.1, 0.01)
        )
        if tails
        else (),
        attacks=tuple(
            SignalAttack("threshold", signal, 0.5 + gaps["A1"] / 2, (0.495, 0.501, 0.508), 0.571)
            for signal in (
                "loss",
                "confidence",
                "max_confidence",
                "entropy",
                "modified_entropy",
                "correctness",
                "hinge",
            )
        ),
        curves=make_curves(shift, points),
        histograms=make_histograms(shift),
        reference=Reference(
            retrains=RETRAINS,
            dropped=(),
            valid=True,
            problem="",
            original=True,
            assay_sensitive=True,
            detecting=("A2", "A3", "T1", "T2"),
            firing=("A1", "A2", "A3", "T1", "T2", "F1", "F2", "F3"),
            underpowered=(),
            short_of_power=("A2",) if tails else (),
            remedy="About 12 retrains would give A2 80 % power." if tails else "",
            forget=1000,
            unseen_calibration=2000 if tails else 159,
            unseen_evaluation=8000 if tails else 638,
            retain=1000,
        ),
        no_op="NOOP" in reasons,
        method=Method(
            name if name.isidentifier() else "finetune", {"epochs": 5, "learning_rate": 0.05, "nesterov": False}
        ),
        weights="9f" * 32,
        cost=Cost(1000, 45000, 1000, 45000, 3.21e13, 0.083, "fixed number of epochs", 12.4),
        self_test=SelfTest("z", 0.497, (0.479, 0.515), 0),
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
        groups=(
            GroupResult(
                f"group {HOSTILE}",
                "declared",
                400,
                2000,
                "",
                "within",
                tuple(replace(one, margin=0.1, margin_effective=0.1) for one in endpoints if one.primary),
            ),
            GroupResult(
                "group b", "declared", 90, 700, "needs at least 200 forget examples, got 90", "not assessed", ()
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
        schema_version="1.0",
        tool=Tool("vestige", "0.1.0"),
        created="2026-11-22T10:00:00Z",
        policy=PolicyRecord(
            profile="standard",
            margin_auc=0.05,
            margin_tpr=0.02,
            margin_group=0.1,
            margin_utility=0.02,
            alpha=0.05,
            fpr=0.01,
            min_evidence="B",
            conservative=False,
            accept_vacuous=False,
            worst_group="report",
            inconclusive="fail",
            calibration_share=0.2,
            calibration_seed=0,
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
        assumptions=ASSUMPTIONS,
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
    return make_report(tuple(make_audit(*one, **more) for one, more in CANDIDATES))


@pytest.fixture(scope="session")
def full_report() -> Report:
    """The same with as many points per curve as an audit stores."""
    return make_report(tuple(make_audit(*one, points=150, **more) for one, more in CANDIDATES))


@pytest.fixture(scope="session")
def small_report() -> Report:
    """One candidate, short curves."""
    return make_report((make_audit("finetune", "FAIL", ("LEAK",), 0.42),))
