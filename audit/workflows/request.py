"""The request of one audit: what is judged, under which policy and plan, and what is written where."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.outputs.outputs import Outputs
from vestige.attacks.signals.signals import SIGNALS
from vestige.audit.endpoints.setting import Declared, setting_of
from vestige.audit.exposure.exposed_ids import check_exposed_ids_path
from vestige.audit.planning.plan_file import PlanFile, Subject
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Controls
from vestige.audit.results.plan import PlanRecord
from vestige.audit.results.report import DataRecord, ModelsRecord
from vestige.audit.results.setting import Setting
from vestige.audit.results.shadows import ShadowTables

if TYPE_CHECKING:  # an audit of outputs holds no models and needs no torch
    from vestige.audit.canaries.bounds import CanaryQuestion
    from vestige.audit.models.making import MadeModel

UNKNOWN_MODELS = ModelsRecord(recipe=None, seeds=None, weights=None, device=None)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What the user lays down about an audit, wherever the outputs come from.

    folder: where the policy is registered before a candidate is scored. plan: the plan file to judge under. declared:
    the setting that the user declares (random, chosen or class), None where the data are to show it. name: of the
    candidate, in place of its file's. exposed_ids: folder for the ids of exposed examples, or None. reproduce: the
    command that makes the report again. DataError, before hours of work, where exposed ids cannot be written."""

    policy: Policy
    folder: Path
    plan: PlanFile | None = None
    declared: Declared | None = None
    name: str | None = None
    exposed_ids: Path | None = None
    reproduce: str | None = None

    def __post_init__(self) -> None:
        if self.exposed_ids is not None:
            check_exposed_ids_path(self.exposed_ids)


@dataclass(frozen=True, kw_only=True)
class ModelFiles:
    """One file for each model: checkpoints of this project, or of the kinds that ``learners.external`` reads."""

    candidate: Path
    original: Path | None = None
    retrains: tuple[Path, ...] = ()
    shadows: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """One candidate: its name, and what is known of it.

    logits: ``[n, classes]``; None for those that the audit's outputs hold already. made: the model, where this project
    trained it. shadows: scores against shadow models, see ``gather``. canaries: its logits for ``CanaryQuestion``."""

    name: str
    logits: NDArray[np.floating] | None = None
    made: "MadeModel | None" = None
    shadows: ShadowTables | None = None
    canaries: NDArray[np.float32] | None = None


@dataclass(frozen=True, kw_only=True)
class Criteria:
    """What all candidates of an audit are judged by.

    seed: of the self-test. declared: the setting that the user declares. known_random: this project drew the forget set
    at random. plan: whether it is judged as planned. controls: of all the retrains, where they are known already.
    signals: of the report-only attacks. retained: number of examples that a retrain is trained on, to which a
    candidate's cost is compared."""

    policy: Policy
    seed: int = 0
    declared: Declared | None = None
    known_random: bool = False
    plan: PlanRecord | None = None
    controls: Controls | None = None
    signals: Collection[str] = tuple(SIGNALS)
    retained: int = 0

    def setting(self, outputs: Outputs) -> Setting:
        """What the forget set of these outputs is; DataError where the labels contradict what was declared."""
        return setting_of(outputs, self.declared, known=self.known_random)


@dataclass(frozen=True, eq=False)
class Canaries:
    """The canaries of an audit, and the logits of the original and of the retrains on the rows that it needs."""

    question: "CanaryQuestion"
    original: NDArray[np.float32]
    retrains: Sequence[NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True, eq=False)
class AuditRequest:
    """One audit, complete: ``conclude`` makes the report of it.

    outputs: of the reference models, and of the candidate where there is only one. subject: what a plan file fixes of
    it. criteria: what all candidates are judged by. data, models: what the report says of them."""

    outputs: Outputs
    candidates: tuple[Candidate, ...]
    subject: Subject
    criteria: Criteria
    terms: Terms
    data: DataRecord
    models: ModelsRecord = UNKNOWN_MODELS
    canaries: Canaries | None = None

    def outputs_of(self, candidate: Candidate) -> Outputs:
        """The outputs with this candidate in place."""
        return self.outputs if candidate.logits is None else replace(self.outputs, candidate=candidate.logits)
