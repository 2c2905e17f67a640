"""One candidate judged, with all that the report says about it."""

from dataclasses import replace

from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.data_checks.checks import outputs_hygiene
from vestige.audit.endpoints.preconditions import identify
from vestige.audit.models.cost import cost_record, retrain_flops
from vestige.audit.results.report import Audit, Method
from vestige.audit.verdict.controls import run_controls
from vestige.audit.verdict.evidence import gather
from vestige.audit.verdict.rule import decide
from vestige.audit.workflows.records import null_self_test
from vestige.audit.workflows.request import Candidate, Criteria


def judge(outputs: Outputs, candidate: Candidate, criteria: Criteria) -> Audit:
    """Evidence, verdict and controls of the candidate of ``outputs``.

    The controls are run where the criteria hold none, and where the candidate is one of the retrains."""
    policy, controls, shadows = criteria.policy, criteria.controls, candidate.shadows
    setting = criteria.setting(outputs)
    identity = identify(outputs)
    if controls is None or identity.dropped:
        controls = run_controls(outputs, setting, policy, shadows)
    evidence = gather(outputs, setting, policy, candidate_name=candidate.name, controls=controls, shadows=shadows)
    evidence = replace(evidence, plan=criteria.plan)
    shared = {field: getattr(evidence, field) for field in Audit.__dataclass_fields__ if hasattr(evidence, field)}
    audit = Audit(
        **shared, verdict=decide(evidence, policy), self_test=null_self_test(outputs, setting, seed=criteria.seed)
    )
    made = candidate.made
    control = made is not None and made.header.method == "no_op"
    problem = evidence.reference.problem
    audit = replace(
        audit,
        attacks=tuple(result for result in evidence.attacks if result.signal in criteria.signals),
        hygiene=outputs_hygiene(outputs, setting, identity, problem, control=control),
    )
    if made is None:
        return audit
    header = made.header
    flops = retrain_flops(header.recipe, criteria.retained, made.forward_flops)
    return replace(
        audit,
        weights=made.weights,
        method=None if header.method is None else Method.of(header.method, header.parameters or {}),
        cost=None if header.cost is None else cost_record(header.cost, flops),
    )
