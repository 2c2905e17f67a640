"""The report of an audit: ``report.json`` (versioned, with a schema) and the page ``report.html`` made from it."""

from pathlib import Path

from audit.report._html import render_html
from audit.report._hygiene import warnings as hygiene_warnings
from audit.report._json import comparable, from_json, read_report, schema, shipped_schema, to_json
from audit.report._model import (
    SCHEMA_VERSION,
    Audit,
    Cost,
    DataRecord,
    DuplicatesRecord,
    LabelNoise,
    Method,
    ModelsRecord,
    PolicyRecord,
    Report,
    Seeds,
    SelfTest,
    Summary,
    Tool,
    Weights,
)
from audit.report._wording import ASSUMPTIONS, EXAMPLE_ASSUMPTIONS, FORBIDDEN, LIMITS, NOTES, REASONS
from learners import write_together

__all__ = [
    "ASSUMPTIONS",
    "EXAMPLE_ASSUMPTIONS",
    "FORBIDDEN",
    "LIMITS",
    "NOTES",
    "REASONS",
    "SCHEMA_VERSION",
    "Audit",
    "Cost",
    "DataRecord",
    "DuplicatesRecord",
    "LabelNoise",
    "Method",
    "ModelsRecord",
    "PolicyRecord",
    "Report",
    "Seeds",
    "SelfTest",
    "Summary",
    "Tool",
    "Weights",
    "comparable",
    "from_json",
    "hygiene_warnings",
    "read_report",
    "render_html",
    "schema",
    "shipped_schema",
    "to_json",
    "write_report",
]


def write_report(report: Report, directory: Path) -> tuple[Path, Path]:
    """Write ``report.json`` and ``report.html`` into the folder, both or neither; returns both paths."""
    text, page = to_json(report), render_html(report)
    paths = directory / "report.json", directory / "report.html"
    write_together({paths[0]: text.encode("utf-8"), paths[1]: page.encode("utf-8")})
    return paths
