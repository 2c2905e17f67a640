"""The command ``vestige plan``."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vestige.audit.cli.console import watching
from vestige.audit.cli.exit_codes import PASS
from vestige.audit.cli.options import (
    PATH,
    AuditFile,
    audit_file_options,
    bundled,
    chosen_policy,
    json_option,
    option,
    policy_option,
    profile_option,
)
from vestige.audit.policy import Policy, profile

if TYPE_CHECKING:
    from vestige.audit.planning.from_reference import Planned
    from vestige.audit.planning.plan_file import PlanFile
    from vestige.audit.planning.power import SizesPlan

SIZES = "--forget, --unseen and --retrains"


@dataclass(frozen=True)
class Numbers:
    """Sizes of a plan without data, and audits to simulate."""

    forget: int | None = option(type=int, help="Number of forget examples, to plan from sizes alone.")
    unseen: int | None = option(type=int, help="Number of unseen examples.")
    retrains: int | None = option(type=int, help="Number of retrains.")
    runs: int = option(type=int, default=200, show_default=True, help="Simulated audits, for sizes alone.")

    @property
    def given(self) -> bool:
        """Whether any size was."""
        return any(size is not None for size in (self.forget, self.unseen, self.retrains))

    @property
    def sizes(self) -> tuple[int, int, int]:
        """All three. UsageError where one is missing."""
        if self.forget is None or self.unseen is None or self.retrains is None:
            raise click.UsageError(f"give all of {SIZES}")
        return self.forget, self.unseen, self.retrains


@dataclass(frozen=True)
class Target:
    """The plan file to write."""

    target: Path | None = option(
        "--write", type=PATH, help="Write a plan file (JSON), for --plan of run, audit and gate."
    )
    force: bool = option(is_flag=True, help="Overwrite an existing plan file.")

    def check(self) -> None:
        """Refuse, before the work, --force alone and a file that is there."""
        from vestige.audit.planning.plan_file import check_absent

        if self.force and self.target is None:
            raise click.UsageError("--force goes with --write")
        if self.target is not None:
            check_absent(self.target, force=self.force)

    def write(self, plan: "PlanFile", *, quiet: bool) -> None:
        """Write the plan and say so, on standard error where standard output holds JSON."""
        from vestige.audit.planning.plan_file import write_plan

        if self.target is not None:
            write_plan(plan, self.target, force=self.force)
            fixed = (
                f"Plan: {self.target} ({plan.hash[:12]}) fixes {', '.join(plan.bound)}; keep it where others see it."
            )
            click.echo(fixed, err=quiet)


@click.command()
@audit_file_options(
    required=False, seed_type=click.IntRange(0), seed_help="Of the simulation, or replaces AUDIT_FILE's."
)
@click.option("--outputs", type=PATH, help="Outputs file (.npz) with labels, role, retrain and perhaps original.")
@click.option("--probabilities", is_flag=True, help="The outputs are softmax probabilities, not logits.")
@bundled("numbers", Numbers)
@profile_option
@policy_option
@bundled("target", Target)
@json_option
def plan(
    audit: AuditFile,
    outputs: Path | None,
    probabilities: bool,
    numbers: Numbers,
    profile_name: str | None,
    policy_path: Path | None,
    target: Target,
    as_json: bool,
) -> int:
    """Show what an audit could certify and detect, before a candidate is scored.

    \b
    vestige plan --forget N --unseen M --retrains K    from sizes alone, on synthetic scores
    vestige plan AUDIT_FILE                            from the retrains in its workspace
    vestige plan --outputs FILE                        from the retrains in an outputs file

    Nothing is trained and no candidate is read. --write fixes policy, sizes and what there is in a plan file; a verdict
    under --plan FILE says whether it was kept.
    """
    if sum((audit.audit_file is not None, outputs is not None, numbers.given)) != 1:
        raise click.UsageError(f"give one of AUDIT_FILE, --outputs FILE, or {SIZES}")
    if audit.workspace is not None and audit.audit_file is None:
        raise click.UsageError("--workspace goes with AUDIT_FILE")
    if probabilities and outputs is None:
        raise click.UsageError("--probabilities goes with --outputs")
    policy = chosen_policy(profile_name, policy_path)
    target.check()
    if numbers.given:
        from vestige.audit.cli.plan_listing import print_plan
        from vestige.audit.planning.plan_file import Sizes, make_plan

        print_plan(_simulated(numbers, audit.seed or 0, policy), as_json)
        target.write(make_plan(policy or profile("standard"), Sizes(*numbers.sizes)), quiet=as_json)
        return PASS
    from vestige.audit.cli.plan_listing import print_measured

    if outputs is not None:
        from vestige.audit.planning.from_reference import plan_outputs

        applied = policy or profile("standard")
        planned = plan_outputs(outputs, applied, probabilities=probabilities)
    else:
        planned, applied = _of_workspace(audit, policy)
    print_measured(planned, applied, as_json, None if outputs is not None else audit.path.name)
    target.write(planned.file(applied), quiet=as_json)
    return PASS


def _simulated(numbers: Numbers, seed: int, policy: Policy | None) -> "SizesPlan":
    from vestige.audit.planning.power import plan as simulate

    sizes = numbers.sizes
    with watching() as watch:
        return simulate(
            *sizes,
            seed=seed,
            runs=numbers.runs,
            policy=policy,
            progress=lambda done, total: watch("simulating", done, total),
        )


def _of_workspace(audit: AuditFile, policy: Policy | None) -> "tuple[Planned, Policy]":
    from vestige.audit.planning.from_reference import plan_audit

    config = audit.config()
    config = config if policy is None else replace(config, policy=policy)
    with watching() as watch:
        return plan_audit(config, audit.place, base=audit.base, watch=watch), config.policy
