"""The demonstration: a whole audit on embedded data, with two candidates whose verdict is known beforehand."""

import tomllib
from collections.abc import Sequence
from importlib import resources

from vestige.audit.config.config import AuditConfig, parse_config
from vestige.audit.models.workspace import Workspace
from vestige.audit.progress import Watch, ignore
from vestige.audit.results.report import Audit, Report
from vestige.audit.workflows.request import Terms
from vestige.audit.workflows.run import run_audit


def demo_config(seed: int = 0) -> AuditConfig:
    """The audit of ``demo.toml`` under a seed."""
    text = resources.files("vestige.audit.workflows").joinpath("demo.toml").read_text(encoding="utf-8")
    return parse_config({**tomllib.loads(text), "seed": seed})


def run_demo(workspace: Workspace, *, seed: int = 0, watch: Watch = ignore) -> Report:
    """Train, unlearn and judge on digits; see ``control_problems`` for what must come out."""
    config = demo_config(seed)
    terms = Terms(policy=config.policy, folder=workspace.root, reproduce=f"vestige demo --seed {seed}")
    return run_audit(config, workspace, terms, watch=watch)


def control_problems(audits: Sequence[Audit], *, only_present: bool = False) -> list[str]:
    """What is wrong with the controls, a sentence each: no_op must FAIL with NOOP and be found by an endpoint, and
    fresh_retrain must not FAIL. Empty when the audit can be trusted that far. only_present: for any audit, where a
    control may be missing and too few data may hide no_op from every endpoint.
    """
    problems = []
    by_name = {audit.candidate: audit for audit in audits}
    no_op, fresh = by_name.get("no_op"), by_name.get("fresh_retrain")
    if no_op is None or "NOOP" not in no_op.verdict.codes:
        if no_op is not None or not only_present:
            problems.append(f"the control no_op must FAIL with NOOP, got {_got(no_op)}")
    elif not only_present and all(endpoint.decision != "outside" for endpoint in no_op.endpoints):
        problems.append("the control no_op must be outside a margin, got no endpoint that finds it")
    if (fresh is None and not only_present) or (fresh is not None and fresh.verdict.outcome == "FAIL"):
        problems.append(f"the control fresh_retrain must not FAIL, got {_got(fresh)}")
    return problems


def _got(audit: Audit | None) -> str:
    return "none" if audit is None else f"{audit.verdict.outcome} ({', '.join(audit.verdict.codes)})"
