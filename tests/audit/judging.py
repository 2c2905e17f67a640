"""``judge`` with the few arguments that tests vary."""

from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.setting import Declared
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Controls
from vestige.audit.results.plan import PlanRecord
from vestige.audit.results.report import Audit
from vestige.audit.results.shadows import ShadowTables
from vestige.audit.workflows.judge import judge as judge_candidate
from vestige.audit.workflows.request import Candidate, Criteria


def judge(
    outputs: Outputs,
    policy: Policy,
    *,
    name: str,
    seed: int = 0,
    controls: Controls | None = None,
    plan: PlanRecord | None = None,
    declared: Declared | None = None,
    known_random: bool = False,
    shadows: ShadowTables | None = None,
) -> Audit:
    """The audit of the candidate of ``outputs``."""
    criteria = Criteria(
        policy=policy, seed=seed, declared=declared, known_random=known_random, plan=plan, controls=controls
    )
    return judge_candidate(outputs, Candidate(name=name, shadows=shadows), criteria)
