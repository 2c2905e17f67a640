"""Options that several commands have."""

from pathlib import Path

import click

PATH = click.Path(path_type=Path)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
