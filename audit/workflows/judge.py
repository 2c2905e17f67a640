"""One candidate judged, with all that the report says about it."""

from collections.abc import Collection
from dataclasses import replace

from vestige.attacks.outputs.outputs import Outputs
from vestige.attacks.signals.signals import SIGNALS
from vestige.audit.data_checks.checks import outputs_hygiene
from vestige.audit.endpoints.preconditions import identify
from vestige.audit.models.cost import cost_record, retrain_flops
from vestige.audit.models.making import MadeModel
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Controls
from vestige.audit.results.exchangeable import Declaration
from vestige.audit.results.plan import PlanRecord
from vestige.audit.results.report import Audit, Method, _flat
from vestige.audit.results.shadows import ShadowTables
from vestige.audit.verdict.controls import run_controls
from vestige.audit.verdict.evidence import gather
from vestige.audit.verdict.rule import decide
from vestige.audit.workflows.records import null_self_test


def judge(
    outputs: Outputs,
    policy: Policy,
    *,
    name: str,
    seed: int,
    made: MadeModel | None = None,
    retained: int = 0,
    signals: Collection[str] = tuple(SIGNALS),
    controls: Controls | None = None,
    plan: PlanRecord | None = None,
    declared: Declaration | None = None,
    shadows: ShadowTables | None = None,
) -> Audit:
    """Evidence, verdict and controls of the candidate of ``outputs``.

    seed: of the self-test. made: the candidate's checkpoint, where there is one; retained: number of examples that a
    retrain is trained on, to which its cost is compared. signals: of the report-only attacks. controls: of all the
    retrains, where they are known already; they are run where not, or where the candidate is one of the retrains.
    declared, shadows: see ``gather``.
    """
    identity = identify(outputs)
    if controls is None or identity.dropped:
        controls = run_controls(outputs, policy, shadows)
    evidence = gather(outputs, policy, candidate_name=name, controls=controls, declared=declared, shadows=shadows)
    evidence = replace(evidence, plan=plan)
    shared = {field: getattr(evidence, field) for field in Audit.__dataclass_fields__ if hasattr(evidence, field)}
    audit = Audit(**shared, verdict=decide(evidence, policy), self_test=null_self_test(outputs, seed=seed))
    control = made is not None and made.header.method == "no_op"
    problem = evidence.reference.problem
    audit = replace(
        audit,
        attacks=tuple(result for result in evidence.attacks if result.signal in signals),
        hygiene=outputs_hygiene(outputs, identity, problem, seed=policy.calibration_seed, control=control),
    )
    if made is None:
        return audit
    header = made.header
    flops = retrain_flops(header.recipe, retained, made.forward_flops)
    return replace(
        audit,
        weights=made.weights,
        method=None if header.method is None else Method(header.method, dict(_flat(header.parameters or {}))),
        cost=None if header.cost is None else cost_record(header.cost, flops),
    )
