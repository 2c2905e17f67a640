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
    """What is wrong with the controls, a sentence each: no_op must FAIL with NOOP and LEAK, and fresh_retrain
    must not FAIL. Empty when the audit can be trusted that far. only_present: for any audit, where a control may be
    missing and too few data may leave no_op without LEAK.
    """
    problems = []
    required = {"NOOP"} if only_present else {"NOOP", "LEAK"}
    verdicts = {audit.candidate: audit.verdict for audit in audits}
    no_op, fresh = verdicts.get("no_op"), verdicts.get("fresh_retrain")
    if only_present and no_op is None:
        pass
    elif no_op is None or no_op.outcome != "FAIL" or not required <= set(no_op.codes):
        got = "none" if no_op is None else f"{no_op.outcome} ({', '.join(no_op.codes)})"
        problems.append(f"the control no_op must FAIL with {' and '.join(sorted(required, reverse=True))}, got {got}")
    if only_present and fresh is None:
        pass
    elif fresh is None or fresh.outcome == "FAIL":
        got = "none" if fresh is None else f"FAIL ({', '.join(fresh.codes)})"
        problems.append(f"the control fresh_retrain must not FAIL, got {got}")
    return problems
