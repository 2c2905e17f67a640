"""What an audit concludes and on what: from the statistics into ``report.json``.

Every field here is a key of the report. FPRs, TPRs, AUCs and accuracies are fractions in [0, 1]; gaps are candidate
minus the mean of the retrains; scores are higher = more member-like.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.exchangeable import Exchangeable
from vestige.audit.results.figures import CalibratedPoint, Curve, Histogram, Interval
from vestige.audit.results.groups import GroupResult, RetainExposure
from vestige.audit.results.plan import PlanRecord
from vestige.audit.results.shadows import ShadowEvidence

Outcome = Literal["PASS", "FAIL", "INCONCLUSIVE"]
Grade = Literal["A", "B", "C", "S"]


@dataclass(frozen=True)
class Utility:
    """Accuracy on one role, compared with the retrains (non-inferiority)."""

    role: Annotated[Literal["retain", "unseen"], Field(description="Which examples.")]
    candidate: Annotated[float, Field(description="Accuracy of the candidate.")]
    retrains: Annotated[tuple[float, ...], Field(description="Accuracy of each retrain.")]
    original: Annotated[float | None, Field(description="Accuracy of the original.")]
    gap: Annotated[float, Field(description="Candidate minus the mean of the retrains.")]
    interval: Annotated[Interval, Field(description="Interval of the gap, level 1 - 2 alpha.")]
    margin: Annotated[float, Field(description="Loss of accuracy that is tolerated.")]
    decision: Annotated[
        Literal["non-inferior", "inferior", "uncertain"], Field(description="Where the interval lies against -margin.")
    ]


@dataclass(frozen=True)
class Baseline:
    """The second baseline: the candidate against data that nobody trained on, not against Retrain."""

    auc: Annotated[float, Field(description="AUC of phi, forget against unseen, on the candidate.")]
    interval: Annotated[Interval, Field(description="DeLong interval of that AUC, level 1 - 2 alpha.")]
    retrain_auc: Annotated[
        float | None, Field(description="Mean of the same AUC over the retrains; null without retrains.")
    ]
    retrain_interval: Annotated[
        Interval | None,
        Field(description="Interval of that mean (wider of seed-t and DeLong); null without retrains."),
    ]
    exchangeable: Annotated[
        bool,
        Field(description="True when the retrains cannot tell forget from unseen by more than the margin."),
    ]
    disagrees: Annotated[bool, Field(description="True when this baseline contradicts a PASS against Retrain.")]


@dataclass(frozen=True)
class SignalAttack:
    """An attack on one signal: AUC of forget against unseen on every model; report only, unless it is an endpoint."""

    name: Annotated[str, Field(description="Registry name of the attack.")]
    signal: Annotated[str, Field(description="Registry name of the signal it thresholds.")]
    candidate: Annotated[float, Field(description="AUC on the candidate.")]
    retrains: Annotated[tuple[float, ...], Field(description="AUC on each retrain.")]
    original: Annotated[float | None, Field(description="AUC on the original.")]


@dataclass(frozen=True)
class Reference:
    """The retrains and the original: everything that is settled before the candidate is looked at (E0 to E3)."""

    retrains: Annotated[int, Field(description="Number of retrains K in the reference.")]
    dropped: Annotated[tuple[str, ...], Field(description="Retrains left out because byte-equal to the candidate.")]
    valid: Annotated[bool, Field(description="E1: the retrains can serve as a reference.")]
    problem: Annotated[str, Field(description="Empty, or why the reference is invalid.")]
    original: Annotated[bool, Field(description="True when an original was given.")]
    assay_sensitive: Annotated[
        bool | None,
        Field(
            description="E2: the battery catches the original; null when that was not tested (no original, fewer than "
            "three retrains, or an invalid reference)."
        ),
    ]
    detecting: Annotated[tuple[str, ...], Field(description="Per-example endpoints that catch the original.")]
    firing: Annotated[
        tuple[str, ...], Field(description="All endpoints whose FAIL test rejects on the original, FAIL-only ones too.")
    ]
    underpowered: Annotated[
        tuple[str, ...], Field(description="E3: primary endpoints whose half-width exceeds the margin.")
    ]
    short_of_power: Annotated[
        tuple[str, ...], Field(description="E3: endpoints that can pass, with less than 80 % probability.")
    ]
    remedy: Annotated[str, Field(description="What would cure the lack of power; empty when there is none.")]
    forget: Annotated[int, Field(description="Number of forget examples, or of people.")]
    unseen_calibration: Annotated[int, Field(description="Unseen examples used for thresholds and centring.")]
    unseen_evaluation: Annotated[int, Field(description="Unseen examples used for evaluation.")]
    retain: Annotated[int, Field(description="Retain examples in the utility comparison.")]
    unit: Annotated[
        Literal["example", "person"],
        Field(description="What forget and unseen examples are counted in: people where somebody has several of them."),
    ] = "example"
    saturated: Annotated[int, Field(description="(Model, example) pairs whose label has probability exactly 1.")] = 0
    classes_without_unseen: Annotated[int, Field(description="Classes of forget examples without unseen ones.")] = 0


@dataclass(frozen=True)
class ExposureCounts:
    """How many forget examples are flagged on one model: against Student's t, and ranked among unseen examples."""

    model: Annotated[str, Field(description="candidate, or a retrain against the others.")]
    exposed: Annotated[int, Field(description="Still remembered, by moderated t.")]
    over_forgotten: Annotated[int, Field(description="Conspicuously forgotten, by moderated t.")]
    exposed_ranked: Annotated[int, Field(description="Still remembered, by rank among unseen examples.")]
    over_forgotten_ranked: Annotated[int, Field(description="Conspicuously forgotten, by that rank.")]


@dataclass(frozen=True)
class SingleExamples:
    """Which single examples stick out: counts only, the ids are in no report."""

    reason: Annotated[str, Field(description="Empty, or why single examples were not judged.")]
    rate: Annotated[float, Field(description="False discovery rate of each direction (Benjamini-Hochberg).")]
    examples: Annotated[int, Field(description="Number of forget examples.")]
    fewest_ranked: Annotated[
        int,
        Field(description="So many must lie beyond every unseen example before a ranked count can be above 0."),
    ]
    counts: Annotated[
        tuple[ExposureCounts, ...], Field(description="The candidate, then each retrain against the others.")
    ]


@dataclass(frozen=True)
class NullControl:
    """A retrain judged as if it were the candidate, by the other retrains."""

    retrain: Annotated[str, Field(description="Which retrain.")]
    outside: Annotated[tuple[str, ...], Field(description="Endpoints, also of groups, that FAIL; none is expected.")]


@dataclass(frozen=True)
class PlantedLeak:
    """A leak of known size planted in the retrains."""

    share: Annotated[
        float, Field(description="Share of the forget examples on which a retrain answers as the original does.")
    ]
    caught: Annotated[int, Field(description="Number of retrains on which the FAIL rule finds it.")]


@dataclass(frozen=True)
class Controls:
    """Is a retrain left in peace, and how small a leak is found? From retrains and original alone."""

    reason: Annotated[str, Field(description="Empty, or why the controls were not run.")]
    null: Annotated[tuple[NullControl, ...], Field(description="Each retrain as if it were the candidate.")]
    planted: Annotated[tuple[PlantedLeak, ...], Field(description="Leaks of growing size; none without an original.")]
    smallest: Annotated[
        float | None,
        Field(description="Smallest share from which on at least 80 % of the retrains are caught; null for none."),
    ]

    @property
    def accused(self) -> tuple[str, ...]:
        """Retrains that fail against the others."""
        return tuple(control.retrain for control in self.null if control.outside)


@dataclass(frozen=True)
class Evidence:
    """Everything measured about one candidate."""

    candidate: Annotated[str, Field(description="Name of the candidate.")]
    endpoints: Annotated[tuple[Endpoint, ...], Field(description="Primary and FAIL-only endpoints.")]
    utility: Annotated[tuple[Utility, ...], Field(description="Accuracy against the retrains (E5).")]
    baseline: Annotated[Baseline, Field(description="The unseen-data baseline.")]
    operating_points: Annotated[tuple[CalibratedPoint, ...], Field(description="TPR at the estimable FPRs.")]
    attacks: Annotated[tuple[SignalAttack, ...], Field(description="Attacks on single signals.")]
    curves: Annotated[tuple[Curve, ...], Field(description="ROC curves.")]
    histograms: Annotated[tuple[Histogram, ...], Field(description="Score histograms.")]
    reference: Annotated[Reference, Field(description="Preconditions E0 to E3 and sizes.")]
    no_op: Annotated[bool, Field(description="True when the candidate is byte-equal to the original.")]
    controls: Annotated[Controls | None, Field(description="Controls; null when they were not run.")] = None
    single_examples: Annotated[
        SingleExamples | None, Field(description="Exposure of single examples; null when it was not judged.")
    ] = None
    groups: Annotated[tuple[GroupResult, ...], Field(description="Groups of forget examples, each by itself.")] = ()
    retained: Annotated[
        RetainExposure | None, Field(description="Exposure of retain examples; null when it was not measured.")
    ] = None
    shadows: Annotated[
        ShadowEvidence | None, Field(description="The shadow models behind A4, T4, F4, F5; null without a bank.")
    ] = None
    plan: Annotated[PlanRecord | None, Field(description="The plan judged under; null for none.")] = None
    exchangeable: Annotated[
        Exchangeable | None, Field(description="The second mode of the verdict; null where the main rule holds.")
    ] = None


@dataclass(frozen=True)
class Verdict:
    """The conclusion about one candidate."""

    outcome: Annotated[Outcome, Field(description="PASS, FAIL or INCONCLUSIVE (forgetting and utility together).")]
    reasons: Annotated[tuple[str, ...], Field(description="Reason codes, most important first.")]
    grade: Annotated[Grade, Field(description="Grade of the evidence.")]
    profile: Annotated[str, Field(description="Profile of the policy.")]
    headline: Annotated[str, Field(description="The verdict in one sentence, margins included.")]
    explanations: Annotated[tuple[str, ...], Field(description="One sentence per reason code.")]
    notes: Annotated[tuple[str, ...], Field(description="What else a reader must know, as CODE: sentence.")]
    would_change: Annotated[tuple[str, ...], Field(description="What would resolve or change the verdict.")]
    mode: Annotated[
        Literal["retrains", "exchangeable"],
        Field(
            description="retrains: over training seeds, against retrains; exchangeable: over examples, taken to be "
            "drawn alike."
        ),
    ] = "retrains"
