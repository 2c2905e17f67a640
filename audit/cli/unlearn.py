"""The commands ``vestige methods`` and ``vestige unlearn``."""

from pathlib import Path

import click
from click.core import ParameterSource

from vestige.audit.cli import console
from vestige.audit.cli.exit_codes import PASS
from vestige.audit.cli.options import PATH, json_option


@click.command()
@click.argument("name", required=False)
@json_option
@click.option("--markdown", "as_page", is_flag=True, help="Print docs/methods.md.")
def methods(name: str | None, as_json: bool, as_page: bool) -> int:
    """List the unlearning methods, or explain NAME with its parameters."""
    from vestige.audit.cli import methods_page

    if as_page and (name or as_json):
        raise click.UsageError("--markdown prints the page of all methods; give it alone")
    if as_page:
        click.echo(methods_page.markdown())
    else:
        methods_page.print_methods(name, as_json)
    return PASS


@click.command()
@click.argument("method")
@click.option("--checkpoint", type=PATH, required=True, help="The original: trained on forget and retain examples.")
@click.option("--config", "config_path", type=PATH, required=True, help="Audit file that names data and split.")
@click.option("--output", type=PATH, required=True, help="Checkpoint to write.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A hyper-parameter, in TOML; repeatable.")
@click.option("--seed", type=click.IntRange(0), help="Of the run  [default: an audit's for a candidate of this name]")
@click.option(
    "--ledger", type=PATH, help="Training ledger of the original, for amnesiac: a folder of WORKSPACE/ledgers."
)
@click.option("--force", is_flag=True, help="Overwrite an existing output.")
@click.option("--tune", "tuned", is_flag=True, help="First search the hyper-parameters that are not set, blindly.")
@click.option("--trials", type=click.IntRange(2, 1000), default=8, show_default=True, help="Runs of that search.")
@json_option
def unlearn(
    method: str,
    checkpoint: Path,
    config_path: Path,
    output: Path,
    settings: tuple[str, ...],
    seed: int | None,
    ledger: Path | None,
    force: bool,
    tuned: bool,
    trials: int,
    as_json: bool,
) -> int:
    """Apply METHOD to a checkpoint and write the candidate, for vestige audit --candidate.

    Data and split are the audit file's; its [unlearners] are not read. --tune scores its trials on forget and
    validation examples; it reads neither a retrain nor an unseen example.
    """
    from vestige.audit.cli.unlearned import print_unlearned
    from vestige.audit.config.config import read_config
    from vestige.audit.config.overrides import read_settings
    from vestige.audit.models.unlearning import unlearn_checkpoint

    if not tuned and click.get_current_context().get_parameter_source("trials") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--trials goes with --tune")
    parameters = read_settings(settings)
    config = read_config(config_path)
    with console.watching() as watch:
        made = unlearn_checkpoint(
            config,
            method,
            checkpoint,
            output,
            parameters=parameters,
            seed=seed,
            ledger=ledger,
            trials=trials if tuned else None,
            force=force,
            base=config_path.parent,
            watch=watch,
        )
    print_unlearned(made, checkpoint, as_json)
    return PASS
