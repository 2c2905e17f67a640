"""The one way through an audit: from a request to its report."""

from dataclasses import replace

from vestige.attacks.signals.signals import SIGNALS
from vestige.audit.exposure.counts import write_exposed
from vestige.audit.planning.preregistration import judged_under, sizes_of
from vestige.audit.planning.registration import register
from vestige.audit.progress import Watch, ignore
from vestige.audit.results.report import Audit, Report
from vestige.audit.verdict.controls import run_controls
from vestige.audit.workflows.judge import judge
from vestige.audit.workflows.records import build_report, policy_record
from vestige.audit.workflows.request import AuditRequest, Candidate, Criteria


def conclude(request: AuditRequest, watch: Watch = ignore) -> Report:
    """Register the policy, run the controls, judge every candidate, write exposed ids where a folder is named.

    Policy and preconditions are written down before any candidate is scored (docs/verdict.md). The same
    request gives the same report, times aside. DataError where the plan is of another audit."""
    terms, outputs, candidates, criteria = request.terms, request.outputs, request.candidates, request.criteria
    if any(candidate.logits is None for candidate in candidates):
        outputs.signals(*SIGNALS)  # all in one reading
    policy = criteria.policy
    setting = criteria.setting(outputs)
    shadows = next((candidate.shadows for candidate in candidates if candidate.shadows is not None), None)
    plan = judged_under(terms.plan, policy, sizes_of(outputs), request.subject, setting)
    registered = register(terms.folder, policy, outputs, setting, shadows)
    watch("judging", 0, len(candidates))
    criteria = replace(criteria, plan=plan, controls=run_controls(outputs, setting, policy, shadows))
    audits = []
    for done, candidate in enumerate(candidates):
        audits.append(_judged(request, candidate, criteria))
        watch("judging", done + 1, len(candidates))
    record = policy_record(policy, registered)
    return build_report(audits, record, request.data, request.models, reproduce=terms.reproduce)


def _judged(request: AuditRequest, candidate: Candidate, criteria: Criteria) -> Audit:
    outputs = request.outputs_of(candidate)
    audit = judge(outputs, candidate, criteria)
    if request.canaries is not None and candidate.canaries is not None:
        canaries = request.canaries
        bounds = canaries.question.bounds(canaries.retrains, candidate.canaries, canaries.original)
        audit = replace(audit, canaries=bounds)
    if request.terms.exposed_ids is not None:
        setting = criteria.setting(outputs)
        write_exposed(request.terms.exposed_ids, candidate.name, outputs, setting, criteria.policy)
    return audit
