"""Planning from what is there: the retrains and the original of an outputs file, or of an audit's workspace.

Nothing is trained, and no candidate is read.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.config.config import AuditConfig
from vestige.audit.config.declaration import declaration
from vestige.audit.endpoints.setting import Declared, setting_of
from vestige.audit.models.outputs import audited_rows, role_outputs
from vestige.audit.models.reading import load_plan, read_models
from vestige.audit.models.workspace import Workspace
from vestige.audit.planning.plan_file import PlanFile, Sizes, Subject, make_plan
from vestige.audit.planning.preregistration import sizes_of, subject_of, subject_of_models
from vestige.audit.planning.projection import MeasuredPlan, project_reference
from vestige.audit.policy import Policy
from vestige.audit.progress import Watch, ignore
from vestige.audit.results.evidence import Reference


@dataclass(frozen=True)
class Planned:
    """What could be planned, and from what. there: retrains that exist, of ``sizes.retrains``. measured: None where
    none exists."""

    sizes: Sizes
    subject: Subject
    there: int
    original_there: bool
    measured: MeasuredPlan | None

    @property
    def preconditions(self) -> Reference | None:
        """What is settled beforehand, where the retrains that it was settled from are all that are planned."""
        return None if self.measured is None or self.there < self.sizes.retrains else self.measured.reference

    def file(self, policy: Policy) -> PlanFile:
        """The plan file of judging this under ``policy``."""
        setting = None if self.measured is None else self.measured.setting
        return make_plan(policy, self.sizes, setting=setting, subject=self.subject, preconditions=self.preconditions)


def plan_outputs(
    path: Path, policy: Policy, *, declared: Declared | None = None, probabilities: bool = False
) -> Planned:
    """The plan from the retrains and the original in an outputs file; its candidate is not read and may be missing.

    declared: the setting, None where the data are to show it. DataError for anything that is wrong with the rest."""
    outputs = Outputs.read(path, probabilities=probabilities, blind=True)
    retrains, original = len(outputs.retrain), outputs.original is not None
    measured = project_reference(outputs, setting_of(outputs, declared), policy)
    return Planned(sizes_of(outputs), subject_of(outputs), retrains, original, measured)


def plan_audit(
    config: AuditConfig,
    workspace: Workspace,
    *,
    declared: Declared | None = None,
    base: Path = Path("."),
    watch: Watch = ignore,
) -> Planned:
    """The plan of an audit file, from those of its original and retrains that the workspace holds.

    The outputs of these models are computed and kept in the workspace. Where models are still missing, what exists is
    measured, and the plan file leaves open what the others will be. DataError for a damaged workspace.
    """
    plan = load_plan(config, base, watch)
    rows, roles = audited_rows(plan)
    keys = [key for key in plan.retrains if workspace.has(key)]
    original_there = workspace.has(plan.original)
    originals = [plan.original] if original_there else []
    made = list(read_models(plan, workspace, [*originals, *keys], rows, watch))
    retrains = made[len(originals) :]
    counts = {role: int((roles == role).sum()) for role in ("forget", "unseen", "retain")}
    subject = replace(
        subject_of_models(plan, rows, roles),
        original=made[0].weights if original_there else None,
        retrains=tuple(retrain.weights for retrain in retrains) if len(retrains) == len(plan.retrains) else None,
    )
    measured = None
    if retrains:
        outputs = role_outputs(plan, rows, roles, [made[0], *retrains], retrains[0])
        outputs = outputs if original_there else replace(outputs, original=None)
        said, known = declaration(config, plan.examples, declared)
        measured = project_reference(outputs, setting_of(outputs, said, known=known), config.policy)
    return Planned(
        sizes=Sizes(**counts, retrains=len(plan.retrains), original=True),
        subject=subject,
        there=len(retrains),
        original_there=original_there,
        measured=measured,
    )
