"""The command ``vestige export-outputs``."""

import shlex
from pathlib import Path

import click

from vestige.audit.cli import console
from vestige.audit.cli.exit_codes import PASS
from vestige.audit.cli.model_options import DataOptions, InferenceOptions, data_options, expand, inference_options
from vestige.audit.cli.options import PATH, Section, SectionedCommand
from vestige.audit.files.output_paths import check_output_path

_first = Section("Models")


@click.command("export-outputs", cls=SectionedCommand)
@_first("--candidate", type=PATH, required=True, help="Checkpoint to judge.")
@_first("--original", type=PATH, help="Checkpoint before unlearning.")
@_first("--retrain", "retrains", type=PATH, multiple=True, help="Checkpoint of a retrain; repeat, or 'r-*.pt'.")
@_first("--shadow", "shadows", type=PATH, multiple=True, help="A model that saw neither forget nor unseen.")
@_first("--out", type=PATH, required=True, help="Outputs file to write (.npz).")
@data_options
@inference_options
def export_outputs(
    candidate: Path,
    original: Path | None,
    retrains: tuple[Path, ...],
    shadows: tuple[Path, ...],
    out: Path,
    data: DataOptions,
    inference: InferenceOptions,
) -> int:
    """Run checkpoints on the data and write their outputs, so that the audit can run elsewhere.

    The file holds logits, labels, roles, groups, persons and ids (file names where the source has them), and no
    image; its reader learns which examples are to be forgotten. Duplicate images, altered copies too, and persons
    in two roles are searched for here, where the images are, with a warning on stderr. On the other machine:
    vestige audit --outputs FILE --report DIR. One model at a time works too: vestige audit --candidate c.npz
    --retrain 'r-*.npz' reads such files.
    """
    from vestige.audit.cli.finish import warn_of_data
    from vestige.audit.workflows.export import export_to
    from vestige.audit.workflows.request import ModelFiles

    check_output_path(out)
    files = ModelFiles(candidate=candidate, original=original, retrains=expand(retrains), shadows=expand(shadows))
    settings = inference.parse(data.base)
    loaded = data.load()
    with console.watching() as watch:
        exported = export_to(out, loaded, files, settings, watch=watch)
    inferred = exported.inferred
    counts = ", ".join(f"{int(inferred.outputs.where(role).sum()):,} {role}" for role in ("forget", "unseen", "retain"))
    models = f"{len(inferred.models)} model{'s' if len(inferred.models) > 1 else ''}"
    name = shlex.quote(out.name)
    alone = f"--candidate {name} --original O.npz --retrain 'R*.npz', with a file for each other model,"
    then = f"--outputs {name}" if len(inferred.models) > 1 else alone
    click.echo(f"{out}: {models} on {counts} examples. Now: vestige audit {then} --report report")
    warn_of_data(exported.hygiene, out.name)
    return PASS
