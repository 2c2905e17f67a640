"""Candidates of an audit by name, and more models of one, with seeds of their own."""

from dataclasses import replace

from vestige.audit.config.config import AuditConfig, CandidateSpec
from vestige.audit.models.ledgers import needs_ledger
from vestige.audit.models.making import STRIDE, Plan, candidate_seed
from vestige.audit.models.workspace import ModelKey
from vestige.learners.errors import ConfigError


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
