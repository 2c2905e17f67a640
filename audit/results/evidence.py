"""What an audit concludes and on what: from the statistics into ``report.json``.

Every field here is a key of the report. FPRs, TPRs, AUCs and accuracies are fractions in [0, 1]; gaps are candidate
minus the mean of the retrains; scores are higher = more member-like.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.exposure import RetainExposure, SingleExamples
from vestige.audit.results.figures import CalibratedPoint, Curve, Histogram, Interval
from vestige.audit.results.plan import PlanRecord
from vestige.audit.results.setting import Setting
from vestige.audit.results.shadows import ShadowEvidence

Outcome = Literal["PASS", "FAIL", "INCONCLUSIVE"]
Grade = Literal["A", "B", "C"]
Reason = Literal[
    "NOOP",
    "LEAK",
    "OVER_FORGET",
    "TRACE",
    "UTILITY",
    "REFERENCE",
    "UNSEEN",
    "NO_SIGNAL",
    "EVIDENCE",
    "NEAR_MARGIN",
    "NOTHING_TO_FORGET",
]


@dataclass(frozen=True)
class Utility:
    """Accuracy on one role, compared with the retrains (without any with the original); of scores without classes the
    loss."""

    role: Annotated[Literal["retain", "unseen"], Field(description="Which examples.")]
    measure: Annotated[
        Literal["accuracy", "log_loss"],
        Field(description="accuracy, or the logarithm of the mean loss, whose sign is turned: higher is better."),
    ]
    examples: Annotated[int, Field(ge=1, description="How many.")]
    candidate: Annotated[float, Field(description="Value on the candidate.")]
    retrains: Annotated[tuple[float, ...], Field(description="Value on each retrain.")]
    original: Annotated[float | None, Field(description="Value on the original.")]
    gap: Annotated[float, Field(description="Candidate minus the mean of the retrains (or minus the original).")]
    example_error: Annotated[
        float, Field(ge=0, le=1e6, description="e: standard error of the gap from the examples alone.")
    ]
    interval: Annotated[Interval, Field(description="Interval of the gap, level 1 - 2 alpha.")]
    margin: Annotated[float, Field(description="Loss that is tolerated.")]
    decision: Annotated[
        Literal["no worse", "worse", "uncertain", "open"],
        Field(
            description="no worse: shown to be within the margin; worse: shown to be beyond it; uncertain: a loss is "
            "shown and estimated beyond it; open: neither, which is no obstacle."
        ),
    ]


@dataclass(frozen=True)
class Scale:
    """How one model's outputs were brought to the retrains' scale."""

    model: Annotated[str, Field(description="retrain 1, retrain 2, ..., candidate, original.")]
    level: Annotated[float, Field(description="Scale of its logits, in units of the retrains' geometric mean.")]
    slope: Annotated[float | None, Field(description="Slope of its phi on its references' mean; null without any.")]
    followed: Annotated[bool, Field(description="False: it hardly follows them, and only medians were aligned.")]


@dataclass(frozen=True)
class Check:
    """One test of the reference, or of what the candidate knows; from numbers that the report states."""

    name: Annotated[str, Field(description="What was tested.")]
    statistic: Annotated[float, Field(description="z, or for seeds chi-squared.")]
    p_value: Annotated[float, Field(description="P-value.")]
    rejects: Annotated[bool, Field(description="True when it is at most its share of the 1 % of all such tests.")]


@dataclass(frozen=True)
class UnseenCheck:
    """Does the candidate know the unseen examples? Then no comparison with them says anything."""

    hard: Annotated[
        int, Field(ge=0, description="Unseen rows that every other retrain gets wrong, in the part with more to see.")
    ]
    recovered: Annotated[
        float | None,
        Field(ge=-1, le=1, description="Share of those that the candidate gets right more than a retrain does."),
    ]
    error: Annotated[float | None, Field(ge=0, le=1, description="Standard error of that share.")]
    gain: Annotated[float | None, Field(description="Accuracy (or log loss) on unseen rows, candidate minus retrains.")]
    gain_interval: Annotated[Interval | None, Field(description="Its interval, level 1 - 2 alpha.")]
    retain_gap: Annotated[
        float | None,
        Field(
            ge=-1,
            le=1,
            description="AUC of the residual, unseen against retain rows, candidate minus mean of the retrains.",
        ),
    ]
    retain_interval: Annotated[Interval | None, Field(description="Its interval, level 1 - 2 alpha.")]
    threshold: Annotated[
        float | None,
        Field(
            ge=-1e6,
            le=1e6,
            description="Threshold of T in interquartile ranges of the calibration rows, over the retrains' largest.",
        ),
    ]
    known: Annotated[bool, Field(description="True when the candidate knows unseen examples.")]


@dataclass(frozen=True)
class ShareForgotten:
    """How much of what the original knew is gone: 1 - g(candidate) / g(original), report only."""

    candidate: Annotated[float, Field(description="g of the candidate: mean residual, forget minus unseen examples.")]
    original: Annotated[float, Field(description="g of the original.")]
    estimate: Annotated[float | None, Field(description="The share; null where the original shows nothing.")]
    interval: Annotated[Interval | None, Field(description="Fieller's, level 1 - 2 alpha; null where unbounded.")]
    closer_p: Annotated[
        float | None,
        Field(description="P-value of: at most half is forgotten (closer to the original than to Retrain)."),
    ]


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
    """The retrains and the original: everything that is settled before the candidate is looked at."""

    retrains: Annotated[int, Field(description="Number of retrains K in the reference.")]
    dropped: Annotated[tuple[str, ...], Field(description="Retrains left out because byte-equal to the candidate.")]
    problem: Annotated[str, Field(description="Empty, or why the retrains are no reference.")]
    checks: Annotated[
        tuple[Check, ...], Field(description="Is the forget set a random draw, as the retrains see it? All settings.")
    ]
    original: Annotated[bool, Field(description="True when an original was given.")]
    detecting: Annotated[
        tuple[str, ...] | None,
        Field(description="Endpoints among M, T, L, B that catch the original; null when that was not tested."),
    ]
    firing: Annotated[tuple[str, ...], Field(description="All endpoints whose FAIL test rejects on the original.")]
    wide: Annotated[
        tuple[str, ...], Field(description="Primary endpoints on which no candidate can pass: interval over margin.")
    ]
    short_of_power: Annotated[
        tuple[str, ...], Field(description="Primary endpoints that a perfect candidate passes in less than 80 %.")
    ]
    remedy: Annotated[str, Field(description="What would cure the lack of power; empty when there is none.")]
    forget: Annotated[int, Field(description="Number of forget examples, or of people.")]
    unseen_calibration: Annotated[int, Field(description="Unseen examples used for thresholds and centring.")]
    unseen_evaluation: Annotated[int, Field(description="Unseen examples used for evaluation.")]
    calibration_digest: Annotated[str, Field(description="SHA-256 of which rows calibrate, by their content.")]
    retain: Annotated[int, Field(description="Retain examples in the utility comparison.")]
    unit: Annotated[
        Literal["example", "person"],
        Field(description="What forget and unseen examples are counted in: people where somebody has several of them."),
    ] = "example"
    saturated: Annotated[int, Field(description="(Model, example) pairs whose label has probability exactly 1.")] = 0
    classes_without_unseen: Annotated[int, Field(description="Classes of forget examples without unseen ones.")] = 0

    @property
    def valid(self) -> bool:
        """Whether the retrains can serve as a reference."""
        return not self.problem


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
    setting: Annotated[Setting, Field(description="What the forget set is: random, chosen or class.")]
    endpoints: Annotated[tuple[Endpoint, ...], Field(description="All endpoints, those of groups last.")]
    utility: Annotated[tuple[Utility, ...], Field(description="Accuracy against the retrains.")]
    reference: Annotated[Reference, Field(description="What was settled from retrains and original alone.")]
    scale: Annotated[tuple[Scale, ...], Field(description="Each model's scale.")]
    no_op: Annotated[bool, Field(description="True when the candidate is byte-equal to the original.")]
    masked: Annotated[
        tuple[int, ...], Field(description="Forgotten classes whose output is switched off: constant on every row.")
    ] = ()
    unseen_check: Annotated[UnseenCheck | None, Field(description="Does the candidate know unseen examples?")] = None
    share_forgotten: Annotated[
        ShareForgotten | None, Field(description="Share of what the original knew that is gone; null without one.")
    ] = None
    operating_points: Annotated[tuple[CalibratedPoint, ...], Field(description="TPR at the estimable FPRs.")] = ()
    attacks: Annotated[tuple[SignalAttack, ...], Field(description="Attacks on single signals.")] = ()
    curves: Annotated[tuple[Curve, ...], Field(description="ROC curves.")] = ()
    histograms: Annotated[tuple[Histogram, ...], Field(description="Score histograms.")] = ()
    controls: Annotated[Controls | None, Field(description="Controls; null when they were not run.")] = None
    single_examples: Annotated[
        SingleExamples | None, Field(description="Exposure of single examples; null when it was not judged.")
    ] = None
    retained: Annotated[
        RetainExposure | None, Field(description="Exposure of retain examples; null when it was not measured.")
    ] = None
    shadows: Annotated[
        ShadowEvidence | None, Field(description="The shadow models behind A4, T4, F4, F5; null without a bank.")
    ] = None
    plan: Annotated[PlanRecord | None, Field(description="The plan judged under; null for none.")] = None


@dataclass(frozen=True)
class ReasonAt:
    """A reason, and the endpoints, groups or roles that it rests on."""

    code: Annotated[Reason, Field(description="Reason code.")]
    where: Annotated[tuple[str, ...], Field(description="Names of endpoints (G: class 3), roles or classes.")] = ()


@dataclass(frozen=True)
class Verdict:
    """The conclusion about one candidate."""

    outcome: Annotated[Outcome, Field(description="PASS, FAIL or INCONCLUSIVE (forgetting and utility together).")]
    reasons: Annotated[tuple[ReasonAt, ...], Field(description="Reasons, most important first.")]
    grade: Annotated[Grade, Field(description="Grade of the evidence.")]
    profile: Annotated[str, Field(description="Profile of the policy.")]
    headline: Annotated[str, Field(description="The verdict in one sentence, margins included.")]
    explanations: Annotated[tuple[str, ...], Field(description="One sentence per reason.")]
    notes: Annotated[tuple[str, ...], Field(description="What else a reader must know, as CODE: sentence.")]
    would_change: Annotated[tuple[str, ...], Field(description="What would resolve or change the verdict.")]

    @property
    def codes(self) -> tuple[str, ...]:
        """The reason codes."""
        return tuple(reason.code for reason in self.reasons)
