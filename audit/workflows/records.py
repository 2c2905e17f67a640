"""From evidence and verdicts to the report: what else a reader needs to judge and to repeat an audit."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.metrics.roc import auc, delong_variance, placements
from vestige.attacks.outputs.outputs import Outputs
from vestige.attacks.scores.threshold import class_centred
from vestige.audit.config.source_names import record_without_folders
from vestige.audit.data_checks.checks import data_hygiene
from vestige.audit.endpoints.endpoints import BATTERY
from vestige.audit.endpoints.readings import judged_rows
from vestige.audit.policy import Policy
from vestige.audit.results.report import (
    SCHEMA_VERSION,
    Audit,
    DataRecord,
    DuplicatesRecord,
    LabelNoise,
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
from vestige.audit.statistics.intervals import auc_interval
from vestige.learners.data.duplicates import Duplicates
from vestige.learners.data.examples import Examples
from vestige.learners.data.near_duplicates import NearDuplicates
from vestige.learners.data.split import Split
from vestige.learners.seeds import numpy_generator

if TYPE_CHECKING:  # an audit of outputs holds no models and needs no torch
    from vestige.audit.models.making import MadeModel, Plan


def build_report(
    audits: Sequence[Audit],
    policy: PolicyRecord,
    data: DataRecord,
    models: ModelsRecord,
    *,
    reproduce: str | None,
) -> Report:
    """The report of these audits, stamped with the time and the program's version."""
    return Report(
        schema_version=SCHEMA_VERSION,
        battery=BATTERY,
        tool=Tool("vestige", version("vestige")),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        policy=policy,
        data=data,
        models=models,
        audits=tuple(audits),
        summary=Summary.of(audits),
        assumptions=assumptions(audits[0].setting),
        limits=LIMITS,
        reproduce=reproduce,
    )


def policy_record(policy: Policy, registered_hash: str | None) -> PolicyRecord:
    """The policy as applied, and the hash of the one registered before any candidate was scored."""
    changed = registered_hash is not None and registered_hash != policy.hash
    return PolicyRecord(**asdict(policy), hash=policy.hash, registered_hash=registered_hash, changed=changed)


def null_self_test(outputs: Outputs, setting: Setting, *, seed: int) -> SelfTest:
    """AUC of class-centred phi on the candidate after the roles forget and unseen were dealt out at random.

    The battery must find nothing here; the interval is DeLong's, 95 %."""
    rows = judged_rows(outputs, setting)
    phi = outputs.signals("logit")["logit"][len(outputs.retrain), rows]
    centred = class_centred(phi, outputs.labels[rows], outputs.where("unseen")[rows])
    dealt = numpy_generator(seed, "null self-test").permutation(centred)
    forget = int(outputs.where("forget").sum())
    members, others = dealt[:forget], dealt[forget:]
    value = auc(members, others)
    variance = delong_variance(*placements(members, others)) if min(len(members), len(others)) > 1 else 0.25
    return SelfTest("phi", value, auc_interval(value, variance, len(members), len(others), 0.025), seed)


def data_record(
    examples: Examples, split: Split, duplicates: Duplicates, roles: NDArray[np.str_], near: NearDuplicates
) -> DataRecord:
    """What was audited on, its sources without their folders; ``roles``: of the audited examples; ``near``: the
    altered copies among those of the split."""
    noise = examples.label_noise
    record = DataRecord(
        source=examples.name,
        fingerprint=examples.fingerprint,
        split=split.description,
        classes=examples.classes,
        class_names=examples.class_names,
        forget=int((roles == "forget").sum()),
        unseen=int((roles == "unseen").sum()),
        retain=int((roles == "retain").sum()),
        label_noise=None if noise is None else LabelNoise(noise.fraction, noise.seed, noise.changed),
        saturated=0,
        duplicates=DuplicatesRecord(duplicates.in_retain, duplicates.in_unseen),
        hygiene=data_hygiene(examples, split, duplicates, near),
    )
    return record_without_folders(record)


def models_record(plan: "Plan", reference: "Sequence[MadeModel]", device: str | None) -> ModelsRecord:
    """How original (first) and retrains were made; device: what trained them, None when that is not known."""
    seeds = [model.header.seed for model in reference]
    weights = [model.weights for model in reference]
    return ModelsRecord(
        recipe=asdict(reference[0].header.recipe),
        seeds=Seeds(seeds[0], tuple(seeds[1:]), plan.split.seed),
        weights=Weights(weights[0], tuple(weights[1:])),
        device=device,
    )
