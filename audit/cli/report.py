"""The command ``vestige report``."""

from pathlib import Path

import click

from vestige.audit.cli import console
from vestige.audit.cli.exit_codes import PASS
from vestige.audit.cli.finish import print_hygiene
from vestige.audit.cli.options import PATH
from vestige.learners.files.io import write_atomically


@click.command("report")
@click.argument("path", type=PATH)
@click.option("--html", "html_path", type=PATH, help="Write the page here  [default: report.html in the same folder]")
@click.option("--figures", type=PATH, help="Also write figures (PDF and PNG) into this folder.")
def report_command(path: Path, html_path: Path | None, figures: Path | None) -> int:
    """Render report.json again and print its table.

    PATH is the file, or its folder.
    """
    from vestige.audit.report.html import render_html
    from vestige.audit.results.json import read_report

    report = read_report(path)
    folder = path if path.is_dir() else path.parent
    page = html_path or folder / "report.html"
    write_atomically(page, render_html(report).encode())
    console.print_audits(report.audits)
    print_hygiene(report)
    click.echo(f"Report: {page}")
    if figures is not None:
        from vestige.audit.report.paper_figures import write_figures

        for figure in write_figures(report, figures):
            click.echo(f"Figure: {figure}")
    return PASS
