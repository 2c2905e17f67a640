"""The command ``vestige plan``."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vestige.audit.cli import console
from vestige.audit.cli.exit_codes import PASS
from vestige.audit.cli.options import PATH, chosen_policy, json_option, policy_option, profile_option
from vestige.audit.policy import profile

if TYPE_CHECKING:
    from vestige.audit.planning.from_reference import Planned
    from vestige.audit.planning.plan_file import PlanFile
    from vestige.audit.policy import Policy

SIZES = "--forget, --unseen and --retrains"


@click.command()
@click.argument("audit_file", type=PATH, required=False)
@click.option("--workspace", type=PATH, help="Where AUDIT_FILE's models are  [default: vestige-NAME]")
@click.option("--outputs", type=PATH, help="Outputs file (.npz) with labels, role, retrain and perhaps original.")
@click.option("--probabilities", is_flag=True, help="The outputs are softmax probabilities, not logits.")
@click.option("--forget", type=int, help="Number of forget examples, to plan from sizes alone.")
@click.option("--unseen", type=int, help="Number of unseen examples.")
@click.option("--retrains", type=int, help="Number of retrains.")
@click.option("--runs", type=int, default=200, show_default=True, help="Simulated audits, for sizes alone.")
@click.option("--seed", type=click.IntRange(0), help="Of the simulation, or instead of AUDIT_FILE's.")
@profile_option
@policy_option
@click.option("--write", "target", type=PATH, help="Write a plan file (JSON), for --plan of run, audit and gate.")
@click.option("--force", is_flag=True, help="Overwrite an existing plan file.")
@json_option
def plan(
    audit_file: Path | None,
    workspace: Path | None,
    outputs: Path | None,
    probabilities: bool,
    forget: int | None,
    unseen: int | None,
    retrains: int | None,
    runs: int,
    seed: int | None,
    profile_name: str | None,
    policy_path: Path | None,
    target: Path | None,
    force: bool,
    as_json: bool,
) -> int:
    """What an audit could certify and detect, before a candidate is scored.

    \b
    vestige plan --forget N --unseen M --retrains K    from sizes alone, on synthetic scores
    vestige plan AUDIT_FILE                            from the retrains in its workspace
    vestige plan --outputs FILE                        from the retrains in an outputs file

    Nothing is trained and no candidate is read. --write fixes policy, sizes and what there is in a plan file; a verdict
    under --plan FILE says whether it was kept.
    """
    from vestige.audit.planning.plan_file import check_absent

    sizes = [forget, unseen, retrains]
    if sum((audit_file is not None, outputs is not None, any(size is not None for size in sizes))) != 1:
        raise click.UsageError(f"give one of AUDIT_FILE, --outputs FILE, or {SIZES}")
    if workspace is not None and audit_file is None:
        raise click.UsageError("--workspace goes with AUDIT_FILE")
    if probabilities and outputs is None:
        raise click.UsageError("--probabilities goes with --outputs")
    if force and target is None:
        raise click.UsageError("--force goes with --write")
    policy = chosen_policy(profile_name, policy_path)
    if target is not None:
        check_absent(target, force=force)
    if forget is not None and unseen is not None and retrains is not None:
        _synthetic(forget, unseen, retrains, runs, seed or 0, policy, target, force, as_json)
    elif audit_file is not None:
        planned, applied = _of_workspace(audit_file, workspace, seed, policy)
        _measured(planned, applied, target, force, as_json, audit_file)
    elif outputs is not None:
        from vestige.audit.planning.from_reference import plan_outputs

        applied = policy or profile("standard")
        _measured(plan_outputs(outputs, applied, probabilities=probabilities), applied, target, force, as_json)
    else:
        raise click.UsageError(f"give all of {SIZES}")
    return PASS


def _synthetic(
    forget: int,
    unseen: int,
    retrains: int,
    runs: int,
    seed: int,
    policy: "Policy | None",
    target: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    from vestige.audit.cli import listing
    from vestige.audit.planning.plan_file import Sizes, make_plan
    from vestige.audit.planning.power import plan as simulate

    with console.watching() as watch:
        result = simulate(
            forget,
            unseen,
            retrains,
            seed=seed,
            runs=runs,
            policy=policy,
            progress=lambda done, total: watch("simulating", done, total),
        )
    listing.print_plan(result, as_json)
    if target is not None:
        _write(make_plan(policy or profile("standard"), Sizes(forget, unseen, retrains)), target, force, as_json)


def _of_workspace(
    audit_file: Path, workspace: Path | None, seed: int | None, policy: "Policy | None"
) -> "tuple[Planned, Policy]":
    from vestige.audit.config.config import read_config
    from vestige.audit.models.workspace import Workspace
    from vestige.audit.planning.from_reference import plan_audit

    config = read_config(audit_file, seed=seed)
    config = config if policy is None else replace(config, policy=policy)
    place = Workspace(workspace or Path(f"vestige-{audit_file.stem}"))
    with console.watching() as watch:
        return plan_audit(config, place, base=audit_file.parent, watch=watch), config.policy


def _measured(
    planned: "Planned",
    policy: "Policy",
    target: Path | None,
    force: bool,
    as_json: bool,
    audit_file: Path | None = None,
) -> None:
    from vestige.audit.cli.plan_listing import print_measured

    print_measured(planned, policy, as_json, None if audit_file is None else audit_file.name)
    if target is not None:
        _write(planned.file(policy), target, force, as_json)


def _write(made: "PlanFile", target: Path, force: bool, quiet: bool) -> None:
    from vestige.audit.planning.plan_file import write_plan

    write_plan(made, target, force=force)
    fixed = f"Plan: {target} ({made.hash[:12]}) fixes {', '.join(made.bound)}; keep it where others see it."
    click.echo(fixed, err=quiet)
