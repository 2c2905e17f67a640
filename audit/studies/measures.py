"""The literature's numbers and the verdict on every model of one audit, kept in the workspace once they are known."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from vestige.attacks.metrics.literature import accuracy_percent, mia_efficacy_svc_confidence, unlearn_accuracy
from vestige.attacks.outputs.outputs import Outputs
from vestige.attacks.signals.signals import SIGNALS
from vestige.audit.config.declaration import declaration
from vestige.audit.models.making import MadeModel, Plan
from vestige.audit.models.outputs import audited_rows, outputs_of, role_outputs
from vestige.audit.models.workspace import ModelKey, Workspace, digest_indices
from vestige.audit.planning.registration import register
from vestige.audit.results.report import Audit
from vestige.audit.studies.records import LiteratureNumbers
from vestige.audit.workflows.judge import judge
from vestige.audit.workflows.request import Candidate, Criteria
from vestige.learners.arrays import Indices
from vestige.learners.errors import DataError
from vestige.learners.files.io import canonical_json, digest
from vestige.learners.files.source_code import source_version

Record = TypeVar("Record", Audit, LiteratureNumbers)

_ASIDE = (  # models and their keys, the audit file, what is written down beside the verdicts
    "vestige.audit.config.config",
    "vestige.audit.models.making",
    "vestige.audit.models.workspace",
    "vestige.audit.planning.registration",
)


def held_out_rows(plan: Plan) -> Indices:
    """The examples of TA, also the non-members of MIA-efficacy, in stored order.

    Sample forgetting: the whole test part. Class forgetting: its images of the remaining classes, as in the released
    code. Subject forgetting, and where there is no test part: the unseen examples, or for class forgetting the
    validation examples, which are of the remaining classes.
    Raises DataError when there are none.
    """
    examples, split = plan.examples, plan.split
    test = np.flatnonzero(examples.test_part)
    if split.setting == "class":
        test = test[~np.isin(examples.labels[test], np.unique(examples.labels[split.forget]))]
        found = test if len(test) else split.validation
    else:
        found = test if len(test) and split.setting == "sample" else split.unseen
    if not len(found):
        raise DataError(
            "study: expected test images of the remaining classes, got none; the source has no test part, so set "
            "forget.validation in the audit file"
        )
    return found


@dataclass(frozen=True, eq=False)
class Measures:
    """What one audit, of which every model exists, tells about its models."""

    plan: Plan
    workspace: Workspace

    @cached_property
    def reference_files(self) -> str:
        """Digest of the files of original and retrains."""
        return digest(*(self._file(key) for key in (self.plan.original, *self.plan.retrains)))

    @cached_property
    def rows(self) -> tuple[Indices, NDArray[np.str_]]:
        """The audited examples and their roles."""
        return audited_rows(self.plan)

    @cached_property
    def test(self) -> Indices:
        """The examples of TA."""
        return held_out_rows(self.plan)

    @cached_property
    def reference(self) -> list[MadeModel]:
        """Original and retrains on the audited examples."""
        plan, rows = self.plan, self.rows[0]
        return [outputs_of(plan, self.workspace, key, rows) for key in (plan.original, *plan.retrains)]

    @cached_property
    def criteria(self) -> Criteria:
        """What every candidate is judged by."""
        config = self.plan.config
        declared, known = declaration(config, self.plan.examples)
        return Criteria(
            policy=config.policy,
            seed=config.seed,
            declared=declared,
            known_random=known,
            retained=len(self.plan.split.retain),
        )

    @cached_property
    def shared(self) -> Outputs:
        """Outputs of the reference, registered; the candidate is yet to be put in."""
        shared = role_outputs(self.plan, *self.rows, self.reference, self.reference[0])
        # Policy and preconditions are written down before any candidate is scored.
        register(self.workspace.root, self.plan.config.policy, shared, self.criteria.setting(shared))
        return shared

    def measured(self, key: ModelKey) -> LiteratureNumbers:
        """The literature's numbers on the model with this key."""
        # An original's file does not tell how what it was trained on is divided into forget and retain.
        about = (self._file(key), self.plan.split.fingerprint, digest_indices(self.test))
        return self._kept("measured", LiteratureNumbers, lambda: self._measure(key), *about)

    def _measure(self, key: ModelKey) -> LiteratureNumbers:
        plan, rows = self.plan, self.rows[0]
        made = outputs_of(plan, self.workspace, key, rows)
        parts = [plan.split.retain, self.test, plan.split.forget]
        more = np.setdiff1d(np.concatenate(parts), rows)
        logits = made.logits
        if len(more):
            logits = np.concatenate([logits, outputs_of(plan, self.workspace, key, more).logits])
        place = np.argsort(np.concatenate([rows, more]))
        ordered = np.concatenate([rows, more])[place]
        found = [logits[place[np.searchsorted(ordered, part)]] for part in parts]
        labels = [plan.examples.labels[part] for part in parts]
        retain, test, forget = (SIGNALS["confidence"].function(*pair) for pair in zip(found, labels, strict=True))
        return LiteratureNumbers(
            retain_accuracy=accuracy_percent(found[0], labels[0]),
            unlearn_accuracy=unlearn_accuracy(found[2], labels[2]),
            test_accuracy=accuracy_percent(found[1], labels[1]),
            mia_efficacy_svc_confidence=mia_efficacy_svc_confidence(retain, test, forget),
            forward_flops=made.forward_flops,
            notes=tuple((made.header.cost or {}).get("notes", ())),
        )

    def judged(self, name: str, key: ModelKey) -> Audit:
        """The audit of one candidate."""
        config = self.plan.config
        files = (self._file(key), self.reference_files)
        about = (digest_indices(self.rows[0]), canonical_json(asdict(config.policy)), name, str(config.seed))
        return self._kept("judged", Audit, lambda: self._judge(name, key), *files, *about)

    def _judge(self, name: str, key: ModelKey) -> Audit:
        made = outputs_of(self.plan, self.workspace, key, self.rows[0])
        return judge(replace(self.shared, candidate=made.logits), Candidate(name=name, made=made), self.criteria)

    def _file(self, key: ModelKey) -> str:
        """Digest of the model's name and file: the name alone does not tell weights apart on every device."""
        return digest(key.name, self.workspace.model_path(key).read_bytes())

    def _kept(self, kind: str, form: type[Record], compute: Callable[[], Record], *parts: str) -> Record:
        name = digest(*parts, _judging_version())[:24]
        path = self.workspace.root / "measured" / f"{kind}-{name}.json"
        if path.is_file():
            try:
                return TypeAdapter(form).validate_json(path.read_bytes())
            except ValidationError as error:
                problem = error.errors()[0]["msg"]
                raise DataError(f"{path}: not a whole record ({problem}); delete it to have it made again") from None
        value = compute()
        self.workspace.record(f"measured/{path.name}", asdict(value))
        return value


def _judging_version() -> str:
    """Digest of the source that decides what is measured on given models, and of the libraries beneath."""
    entries = ("vestige.audit.workflows.judge", __name__)
    return source_version(*entries, aside=_ASIDE, libraries=("numpy", "scipy", "scikit-learn"))
