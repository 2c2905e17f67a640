"""Options that several commands have."""

from pathlib import Path

import click

PATH = click.Path(path_type=Path)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
annex_option = click.option(
    "--annex",
    type=PATH,
    help="Folder for the ids of exposed examples, a CSV for each candidate, readable by you alone.",
)
