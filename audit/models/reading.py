"""What an audit needs before it measures: its data, and its models on some examples, with progress."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from vestige.audit.config.config import AuditConfig
from vestige.audit.models.making import MadeModel, Plan, plan_models
from vestige.audit.models.outputs import outputs_of
from vestige.audit.models.workspace import ModelKey, Workspace
from vestige.audit.progress import Watch
from vestige.learners.arrays import Indices


def load_plan(config: AuditConfig, base: Path, watch: Watch) -> Plan:
    """``plan_models``, watched."""
    watch("loading data", 0, 1)
    plan = plan_models(config, base)
    watch("loading data", 1, 1)
    return plan


def read_models(
    plan: Plan, workspace: Workspace, keys: Sequence[ModelKey], rows: Indices, watch: Watch, what: str = "models"
) -> Iterator[MadeModel]:
    """``outputs_of`` each key, in order, watched; what: the models in a word."""
    for done, key in enumerate(keys):
        watch(f"computing outputs of {what}", done, len(keys))
        yield outputs_of(plan, workspace, key, rows)
    watch(f"computing outputs of {what}", len(keys), len(keys))
