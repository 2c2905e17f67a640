"""What a measurement asks of an audit's models: data and plan, outputs, a candidate by name, keys of more models."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from vestige.audit.config.config import AuditConfig, CandidateSpec
from vestige.audit.models.ledgers import needs_ledger
from vestige.audit.models.making import STRIDE, MadeModel, Plan, candidate_seed, plan_models
from vestige.audit.models.outputs import outputs_of
from vestige.audit.models.workspace import ModelKey, Workspace
from vestige.audit.progress import Watch
from vestige.learners.arrays import Indices
from vestige.learners.errors import ConfigError


def load_plan(config: AuditConfig, base: Path, watch: Watch) -> Plan:
    """``plan_models``, watched."""
    watch("loading data", 0, 1)
    plan = plan_models(config, base)
    watch("loading data", 1, 1)
    return plan


def read_models(
    plan: Plan,
    workspace: Workspace,
    keys: Sequence[ModelKey],
    rows: Indices,
    watch: Watch,
    stage: str = "computing outputs",
) -> Iterator[MadeModel]:
    """``outputs_of`` each key, in order, watched as ``stage``."""
    for done, key in enumerate(keys):
        watch(stage, done, len(keys))
        yield outputs_of(plan, workspace, key, rows)
    watch(stage, len(keys), len(keys))


def candidate_of(config: AuditConfig, name: str) -> CandidateSpec:
    """The candidate of this name; ConfigError for a name that is none."""
    specs = {spec.name: spec for spec in config.candidates}
    if name not in specs:
        raise ConfigError(f"candidate: expected one of {', '.join(specs)}, got {name!r}; name one of the audit file")
    return specs[name]


def repeatable_candidate(config: AuditConfig, name: str) -> CandidateSpec:
    """The candidate of this name, whose method can be run again on other models; ConfigError for others."""
    spec = candidate_of(config, name)
    if needs_ledger(spec):
        raise ConfigError(
            f"candidate: expected a method that needs the model and data alone, got {spec.method}, which takes back "
            "the recorded updates of one training; choose another"
        )
    return spec


def model_key(plan: Plan, role: str, indices: str, seed: int) -> ModelKey:
    """One more original or retrain, trained on the examples with this digest; seed: within the audit's."""
    return replace(plan.original, role=role, indices=indices, seed=plan.config.seed * STRIDE + seed)


def candidate_key(plan: Plan, name: str, run: str, original: ModelKey, indices: str) -> ModelKey:
    """One more model of the candidate ``name``, made from ``original``; run: what its seed comes from beside the name.
    indices: fingerprint of the split."""
    key = next(key for spec, key in plan.candidates if spec.name == name)
    seed = plan.config.seed * STRIDE + candidate_seed(f"{name}, {run}")
    return replace(key, indices=indices, seed=seed, made_from=original.name)
