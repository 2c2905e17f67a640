"""The command ``vestige study``."""

import shlex
from pathlib import Path

import click

from vestige.audit.cli import console
from vestige.audit.cli.exit_codes import PASS
from vestige.audit.cli.options import PATH
from vestige.audit.files.output_paths import shown


@click.command()
@click.argument("audit_files", type=PATH, nargs=-1, required=True)
@click.option(
    "--seeds", type=click.IntRange(1, 1000), default=3, show_default=True, help="Runs of each audit: 0 to N-1."
)
@click.option("--workspace", type=PATH, default=Path("vestige-study"), show_default=True, help="Where results go.")
@click.option("--page", type=PATH, required=True, help="Markdown page to write; its hand-written notes are kept.")
@click.option("--title", help="Title of the page  [default: from the files' names]")
def study(audit_files: tuple[Path, ...], seeds: int, workspace: Path, page: Path, title: str | None) -> int:
    """Run every audit of AUDIT_FILES with several seeds, and write one page of results.

    The page has a table of all candidates: verdicts, the literature's numbers (RA, UA, TA, MIA-efficacy, average gap)
    and the cost. What exists already is not made again; a method that refuses the data does not end the study. The exit
    code does not depend on the verdicts.
    """
    from vestige.audit.studies.study import run_study

    words = ["vestige", "study", *map(shown, audit_files), "--seeds", str(seeds)]
    words += ["--workspace", shown(workspace), "--page", shown(page), *(("--title", title) if title else ())]
    with console.watching() as watch:
        results = run_study(
            audit_files,
            seeds=seeds,
            workspace=workspace,
            page=page,
            title=title or f"Unlearning methods: {', '.join(file.stem for file in audit_files)}",
            command=shlex.join(words),
            watch=watch,
        )
    for setting in results.settings:
        for seed in setting.seeds:
            console.complain([f"{setting.file}, seed {seed.seed}: {problem}" for problem in seed.problems])
    click.echo(f"Page: {page}\nNumbers: {workspace / f'study-{page.stem}.json'}")
    return PASS
