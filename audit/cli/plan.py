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
from vestige.audit.policy import profile

if TYPE_CHECKING:
    from vestige.audit.endpoints.setting import Declared
    from vestige.audit.planning.plan_file import PlanFile

SIZES = "--forget, --unseen and --retrains"


@dataclass(frozen=True)
class Numbers:
    """Sizes of a plan without data."""

    forget: int | None = option(type=int, help="Number of forget examples, to plan from sizes alone.")
    unseen: int | None = option(type=int, help="Number of unseen examples.")
    retrains: int | None = option(type=int, help="Number of retrains.")
    seed_spread: float = option(
        type=float,
        default=0.5,
        show_default=True,
        help="Effect of a training seed on an endpoint, in units of its example error, for sizes alone.",
    )

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
class Given:
    """What is there to plan from, beside an audit file."""

    outputs: Path | None = option(
        type=PATH, help="Outputs file (.npz) with labels, role, retrain and perhaps original."
    )
    probabilities: bool = option(is_flag=True, help="The outputs are softmax probabilities, not logits.")
    random: bool = option(is_flag=True, help="Declare that the forget set is a random draw.")

    @property
    def declared(self) -> "Declared | None":
        """The declared setting."""
        return "random" if self.random else None


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
@audit_file_options(required=False)
@bundled("given", Given)
@bundled("numbers", Numbers)
@profile_option
@policy_option
@bundled("target", Target)
@json_option
def plan(
    audit: AuditFile,
    given: Given,
    numbers: Numbers,
    profile_name: str | None,
    policy_path: Path | None,
    target: Target,
    as_json: bool,
) -> int:
    """Show what an audit could certify and find, before a candidate is scored.

    \b
    vestige plan --forget N --unseen M --retrains K    from sizes alone
    vestige plan AUDIT_FILE                            from the retrains in its workspace
    vestige plan --outputs FILE                        from the retrains in an outputs file

    Nothing is trained and no candidate is read. --write fixes policy, sizes and what there is in a plan file; a verdict
    under --plan FILE says whether it was kept.
    """
    _check(audit, given, numbers)
    policy = chosen_policy(profile_name, policy_path)
    applied = policy or profile("standard")
    target.check()
    if numbers.given:
        from vestige.audit.cli.plan_listing import print_plan
        from vestige.audit.planning.plan_file import Sizes, make_plan
        from vestige.audit.planning.power import plan as plan_sizes

        print_plan(plan_sizes(*numbers.sizes, seed_spread=numbers.seed_spread, policy=policy), as_json)
        target.write(make_plan(applied, Sizes(*numbers.sizes)), quiet=as_json)
        return PASS
    from vestige.audit.cli.plan_listing import print_measured
    from vestige.audit.planning.from_reference import plan_audit, plan_outputs

    if given.outputs is not None:
        planned = plan_outputs(given.outputs, applied, declared=given.declared, probabilities=given.probabilities)
    else:
        config = audit.config()
        config = config if policy is None else replace(config, policy=policy)
        applied = config.policy
        with watching() as watch:
            planned = plan_audit(config, audit.place, declared=given.declared, base=audit.base, watch=watch)
    print_measured(planned, applied, as_json, None if given.outputs is not None else audit.path.name)
    target.write(planned.file(applied), quiet=as_json)
    return PASS


def _check(audit: AuditFile, given: Given, numbers: Numbers) -> None:
    """UsageError for options that do not go together."""
    if sum((audit.audit_file is not None, given.outputs is not None, numbers.given)) != 1:
        raise click.UsageError(f"give one of AUDIT_FILE, --outputs FILE, or {SIZES}")
    if audit.workspace is not None and audit.audit_file is None:
        raise click.UsageError("--workspace goes with AUDIT_FILE")
    if given.probabilities and given.outputs is None:
        raise click.UsageError("--probabilities goes with --outputs")
    if given.random and numbers.given:
        raise click.UsageError("--random goes with AUDIT_FILE or --outputs; sizes alone are planned in both settings")
