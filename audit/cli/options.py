"""Options that several commands have."""

from pathlib import Path

import click

from vestige.audit.policy import PROFILES, Policy, profile

PATH = click.Path(path_type=Path)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
exposed_ids_option = click.option(
    "--exposed-ids",
    type=PATH,
    help="Folder for the ids of exposed examples, a CSV for each candidate, readable by you alone.",
)
profile_option = click.option("--profile", "profile_name", type=click.Choice(list(PROFILES)), help="Ready policy.")
policy_option = click.option("--policy", "policy_path", type=PATH, help="Policy file (TOML).")
plan_option = click.option("--plan", "plan_path", type=PATH, help="Plan file of vestige plan to be judged under.")


def chosen_policy(profile_name: str | None, policy_path: Path | None) -> Policy | None:
    """The policy of the two options, of which one may be given; None for neither."""
    if profile_name and policy_path:
        raise click.UsageError("give either --profile or --policy, not both")
    if policy_path is not None:
        return Policy.read(policy_path)
    return None if profile_name is None else profile(profile_name)
