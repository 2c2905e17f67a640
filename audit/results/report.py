"""The report: everything that ``report.json`` holds, and all that ``report.html`` is rendered from.

Every field is a key of the JSON file and carries its description into the shipped schema. FPRs, TPRs, AUCs and
accuracies are fractions in [0, 1], never percentages; gaps are candidate minus the mean of the retrains.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from vestige.audit.results.canaries import CanaryAudit
from vestige.audit.results.data_checks import Hygiene
from vestige.audit.results.evidence import Evidence, Verdict
from vestige.audit.results.figures import Interval

SCHEMA_VERSION: Literal["3.0"] = "3.0"

Setting = str | int | float | bool | None
Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Tool:
    """What wrote the report."""

    name: Annotated[str, Field(description="Name of the program.")]
    version: Annotated[str, Field(description="Version of the program.")]


@dataclass(frozen=True)
class PolicyRecord:
    """The policy that was applied; the fields are those of `vestige.audit.policy.Policy` and its registration."""

    profile: Annotated[str, Field(description="Profile that the policy starts from: strict, standard or screening.")]
    margin_auc: Annotated[float, Field(description="Margin of M, S, B, V: gaps of AUCs.")]
    margin_tpr: Annotated[float, Field(description="Margin of T: gap of a TPR, upwards only.")]
    margin_group: Annotated[float, Field(description="Margin of G: gap of an AUC within a group of the forget set.")]
    margin_labels: Annotated[float, Field(description="Margin of L: gap of accuracy on the forget set.")]
    margin_shape: Annotated[float, Field(description="Margin of D: gap of the shape of the scores, upwards only.")]
    margin_utility: Annotated[float, Field(description="Loss of accuracy that is tolerated.")]
    margin_loss: Annotated[float, Field(description="Increase of the loss that is tolerated, without classes.")]
    alpha: Annotated[float, Field(description="Error rate of the PASS tests (each side) and of the FAIL family.")]
    fpr: Annotated[float, Field(description="False-positive rate of the TPR endpoints (a fraction).")]
    min_evidence: Annotated[str, Field(description="Lowest grade of evidence that can PASS: A, B or C.")]
    accept_vacuous: Annotated[bool, Field(description="True when nothing detectable to forget counts as PASS.")]
    worst_group: Annotated[str, Field(description="Whether PASS requires every group: enforce or report.")]
    inconclusive: Annotated[str, Field(description="What a gate does with INCONCLUSIVE: fail or warn.")]
    calibration_share: Annotated[float, Field(description="Share of unseen examples set aside for calibration.")]
    sequential: Annotated[
        bool, Field(description="True where retrains are added until decided: half of alpha at each look.")
    ]
    hash: Annotated[str, Field(description="SHA-256 of the policy.")]
    registered_hash: Annotated[
        str | None, Field(description="SHA-256 registered before a candidate was scored; null when none was.")
    ]
    changed: Annotated[bool, Field(description="True when the policy differs from the registered one.")]


@dataclass(frozen=True)
class LabelNoise:
    """Labels that were made wrong on purpose, so that there is something to memorise."""

    fraction: Annotated[float, Field(description="Share of training labels drawn for the change.")]
    seed: Annotated[int, Field(description="Seed of the change.")]
    changed: Annotated[Count, Field(description="Number of labels that differ from the source's.")]


@dataclass(frozen=True)
class DuplicatesRecord:
    """Images that stand in two roles, pixel for pixel."""

    in_retain: Annotated[Count, Field(description="Forget images with a copy in the retain set.")]
    in_unseen: Annotated[Count, Field(description="Forget images with a copy in the unseen set.")]


@dataclass(frozen=True)
class DataRecord:
    """The data audited on."""

    source: Annotated[str, Field(description="Data source or outputs file, as given.")]
    fingerprint: Annotated[str | None, Field(description="SHA-256 of pixels and labels, or of the outputs file.")]
    split: Annotated[str | None, Field(description="How the forget set was chosen, in words.")]
    classes: Annotated[Count, Field(description="Number of classes.")]
    class_names: Annotated[tuple[str, ...] | None, Field(description="Names of the classes, by label.")]
    forget: Annotated[Count, Field(description="Number of forget examples.")]
    unseen: Annotated[Count, Field(description="Number of unseen examples, calibration and evaluation together.")]
    retain: Annotated[Count, Field(description="Number of retain examples.")]
    label_noise: Annotated[LabelNoise | None, Field(description="Seeded label noise; null when there is none.")]
    saturated: Annotated[
        Count,
        Field(description="(Model, example) pairs whose label has probability exactly 1; 0 when logits were given."),
    ]
    duplicates: Annotated[
        DuplicatesRecord | None,
        Field(
            description="Forget images with a pixel-identical copy in another role; null when only outputs were given."
        ),
    ] = None
    hygiene: Annotated[
        Hygiene | None, Field(description="Checks on pixels and split; null when only outputs were given.")
    ] = None


@dataclass(frozen=True)
class Seeds:
    """The seeds that determine data split and models."""

    original: Annotated[int | None, Field(description="Training seed of the original.")]
    retrains: Annotated[tuple[int, ...], Field(description="Training seed of each retrain.")]
    split: Annotated[int | None, Field(description="Seed of the split.")]


@dataclass(frozen=True)
class Weights:
    """Digests of the models' weights."""

    original: Annotated[str | None, Field(description="SHA-256 of the original's weights.")]
    retrains: Annotated[tuple[str, ...], Field(description="SHA-256 of each retrain's weights.")]


@dataclass(frozen=True)
class ModelsRecord:
    """How the models were made, as far as the audit knows."""

    recipe: Annotated[dict[str, Setting] | None, Field(description="Training settings; null when not known.")]
    seeds: Annotated[Seeds | None, Field(description="Seeds; null when not known.")]
    weights: Annotated[Weights | None, Field(description="Digests of weights; null when only outputs were given.")]
    device: Annotated[str | None, Field(description="Device that trained and unlearned; null when not known.")]
    asked: Annotated[
        str | None,
        Field(description="Kinds of model files made elsewhere, and how images were prepared for them; else null."),
    ] = None


@dataclass(frozen=True)
class Method:
    """The unlearning method behind a candidate."""

    name: Annotated[str, Field(description="Registry name of the method, or of the control.")]
    parameters: Annotated[dict[str, Setting], Field(description="Its hyper-parameters.")]

    @classmethod
    def of(cls, name: str, parameters: Mapping[str, Any]) -> "Method":
        """From hyper-parameters that may be nested."""
        return cls(name, dict(flat_parameters(parameters)))


@dataclass(frozen=True)
class Cost:
    """What it took to make the candidate."""

    forward_examples_forget: Annotated[Count, Field(description="Forget examples through a forward pass.")]
    forward_examples_retain: Annotated[Count, Field(description="Retain examples through a forward pass.")]
    backward_examples_forget: Annotated[Count, Field(description="Forget examples through a backward pass.")]
    backward_examples_retain: Annotated[Count, Field(description="Retain examples through a backward pass.")]
    flops: Annotated[float | None, Field(description="Floating-point operations; null when not counted.")]
    share_of_retrain: Annotated[float | None, Field(description="FLOPs as a fraction of one retrain's.")]
    stop: Annotated[str | None, Field(description="The rule that ended the unlearning, in words.")]
    seconds: Annotated[float | None, Field(description="Wall time; not comparable between machines.")]


@dataclass(frozen=True)
class SelfTest:
    """Does the battery stay silent when there is nothing to find? Forget and unseen labels were permuted."""

    score: Annotated[str, Field(description="Attack score that was tested: phi or z.")]
    auc: Annotated[float, Field(description="AUC after the permutation; one half is expected.")]
    interval: Annotated[Interval, Field(description="DeLong interval of that AUC, 95 %.")]
    seed: Annotated[int, Field(description="Seed of the permutation.")]


@dataclass(frozen=True)
class CandidateVerdict:
    """A candidate and its verdict: these come first in the file."""

    candidate: Annotated[str, Field(description="Name of the candidate.")]
    verdict: Annotated[Verdict, Field(description="The conclusion.")]


@dataclass(frozen=True)
class Audit(Evidence, CandidateVerdict):
    """One candidate: verdict, evidence and what it cost."""

    method: Annotated[Method | None, Field(description="Unlearning method; null when not known.")] = None
    weights: Annotated[str | None, Field(description="SHA-256 of the candidate's weights.")] = None
    cost: Annotated[Cost | None, Field(description="Cost of the unlearning; null when not known.")] = None
    self_test: Annotated[SelfTest | None, Field(description="Null self-test; null when it was not run.")] = None
    canaries: Annotated[CanaryAudit | None, Field(description="Canaries; null when none were planted.")] = None
    hygiene: Annotated[Hygiene | None, Field(description="Checks on outputs; null when none were made.")] = None


@dataclass(frozen=True)
class Summary:
    """How many candidates came out how."""

    candidates: Annotated[Count, Field(description="Number of candidates.")]
    passed: Annotated[Count, Field(description="Number with outcome PASS.")]
    failed: Annotated[Count, Field(description="Number with outcome FAIL.")]
    inconclusive: Annotated[Count, Field(description="Number with outcome INCONCLUSIVE.")]

    @classmethod
    def of(cls, audits: Iterable[Audit]) -> "Summary":
        """The counts of these audits."""
        outcomes = [audit.verdict.outcome for audit in audits]
        return cls(len(outcomes), outcomes.count("PASS"), outcomes.count("FAIL"), outcomes.count("INCONCLUSIVE"))


@dataclass(frozen=True)
class Report:
    """One run of an audit: policy, data, models and every candidate's verdict with its evidence."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    schema_version: Annotated[Literal["3.0"], Field(description="Version of this format.")]
    battery: Annotated[Literal["3"], Field(description="Version of endpoints and rule.")]
    tool: Annotated[Tool, Field(description="Program and version that wrote this file.")]
    created: Annotated[str, Field(description="Time of writing, ISO 8601, UTC.")]
    policy: Annotated[PolicyRecord, Field(description="The policy that was applied.")]
    data: Annotated[DataRecord, Field(description="Source, sizes and classes of the data.")]
    models: Annotated[ModelsRecord, Field(description="How the models were made.")]
    audits: Annotated[tuple[Audit, ...], Field(description="One entry per candidate.", min_length=1)]
    summary: Annotated[Summary, Field(description="Counts of the outcomes.")]
    assumptions: Annotated[tuple[str, ...], Field(description="What the verdicts rest on.")]
    limits: Annotated[tuple[str, ...], Field(description="What the verdicts do not show.")]
    reproduce: Annotated[str | None, Field(description="Command that makes this report again.")] = None


def flat_parameters(parameters: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Nested hyper-parameters by dotted names; a list as its JSON text, which a report can show."""
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            yield from flat_parameters(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", json.dumps(value) if isinstance(value, list | tuple) else value
