"""The report of an audit: ``report.json`` (versioned, with a schema) and the page ``report.html`` made from it."""

from pathlib import Path

from vestige.audit.report.html import render_html
from vestige.audit.results.json import to_json
from vestige.audit.results.report import (
    Report,
)
from vestige.learners.files.io import write_together


def write_report(report: Report, directory: Path) -> tuple[Path, Path]:
    """Write ``report.json`` and ``report.html`` into the folder, both or neither; returns both paths."""
    text, page = to_json(report), render_html(report)
    paths = directory / "report.json", directory / "report.html"
    write_together({paths[0]: text.encode("utf-8"), paths[1]: page.encode("utf-8")})
    return paths
