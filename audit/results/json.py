"""report.json: writing, reading, comparing, and the schema that ships beside this file."""

import json
from dataclasses import asdict
from functools import cache
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from vestige.audit.results.figures import Histogram
from vestige.audit.results.report import SCHEMA_VERSION, Audit, Report, Summary
from vestige.learners.errors import DataError
from vestige.learners.files.io import read_bounded

BATTERY_2 = "1.0"
"""Schema version of the reports of battery 2, whose rule has been replaced: a candidate could buy its PASS."""
SCHEMA_FILE = "report.schema.json"
MOST_BYTES = 64 * 2**20
"""A report of a hundred candidates has less than a tenth of this."""


@cache
def _adapter() -> TypeAdapter[Report]:
    return TypeAdapter(Report)


def _dump(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_json(report: Report) -> str:
    """The report as JSON text: declared key order, no NaN or Infinity, ends with a newline.

    Raises DataError when the report could not be read back, for instance because a number is not finite.
    """
    try:
        text = _dump(asdict(report))
    except ValueError:
        raise DataError("expected finite numbers in the report, got NaN or Infinity; use null for no value") from None
    from_json(text)
    return text


def from_json(text: str) -> Report:
    """The report that `to_json` wrote; DataError in one sentence for anything else."""
    value = _parse(text)
    if not isinstance(value, dict):
        raise DataError(f"expected a JSON object as report, got {type(value).__name__}; give a report.json")
    version = value.get("schema_version")
    if version == BATTERY_2:
        raise DataError(f"{_of_battery_2(value)}; audit again with this version")
    if version != SCHEMA_VERSION:
        raise DataError(
            f"expected a report with schema_version {SCHEMA_VERSION!r}, got {str(version)[:40]!r}; "
            "read it with the version of vestige that wrote it"
        )
    try:
        report = _adapter().validate_json(text, strict=True)
    except ValidationError as error:
        raise DataError(_sentence(error)) from None
    _check(report)
    return report


def _of_battery_2(value: dict[str, Any]) -> str:
    """What a report of battery 2 says, as far as it can be read."""
    audits = value.get("audits")
    found = []
    for audit in audits[:5] if isinstance(audits, list) else ():
        verdict = audit.get("verdict") if isinstance(audit, dict) else None
        if isinstance(verdict, dict):
            found.append(f"{str(audit.get('candidate'))[:40]} {str(verdict.get('outcome'))[:12]}")
    stated = f" ({', '.join(found)})" if found else ""
    return f"expected a report of battery 3, got one of battery 2{stated}, whose verdicts could be bought"


def read_report(path: Path) -> Report:
    """The report in this file, or in ``report.json`` of this folder; DataError when it cannot be read."""
    file = path / "report.json" if path.is_dir() else path
    try:
        text = read_bounded(file, MOST_BYTES, "a report").decode("utf-8")
    except UnicodeDecodeError:
        raise DataError(f"expected UTF-8 text in {file}, got other bytes; give a report.json") from None
    try:
        return from_json(text)
    except DataError as error:
        raise DataError(f"{file}: {error}") from None


def comparable(report_json: str) -> str:
    """The same JSON without what may differ between two runs with one seed: ``created`` and every ``seconds``."""
    value = _parse(report_json)
    if isinstance(value, dict):
        value.pop("created", None)
    return _dump(_without_seconds(value))


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a report, made from the dataclasses."""
    generated = _adapter().json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **generated, "title": "vestige report"}


def schema_text() -> str:
    """What ``report.schema.json`` must hold."""
    return _dump(schema())


def shipped_schema() -> str:
    """What ``report.schema.json`` does hold."""
    return resources.files("vestige.audit.results").joinpath(SCHEMA_FILE).read_text(encoding="utf-8")


def _without_seconds(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_seconds(item) for key, item in value.items() if key != "seconds"}
    if isinstance(value, list):
        return [_without_seconds(item) for item in value]
    return value


def _parse(text: str) -> Any:
    def refuse(token: str) -> float:
        raise DataError(f"expected finite numbers in the report, got {token[:40]}; write null for no value")

    def number(token: str) -> float:
        value = float(token)
        return value if abs(value) < float("inf") else refuse(token)

    try:
        return json.loads(text, parse_constant=refuse, parse_float=number)
    except RecursionError:
        raise DataError("expected a report as JSON, got brackets nested too deeply; give a report.json") from None
    except ValueError as error:
        raise DataError(f"expected a report as JSON, got text that is not ({error}); give a report.json") from None


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])[:120] or "the top level"
    got = repr(first["input"])
    got = got if len(got) <= 60 else got[:57] + "..."
    message = first["msg"][0].lower() + first["msg"][1:]
    return f"expected the report's {where} to follow report.schema.json, got {got} ({message}); write the report again"


def _check(report: Report) -> None:
    """What a schema cannot say: lengths that belong together, order, counts."""
    for audit in report.audits:
        stated = [endpoint.label for endpoint in audit.endpoints]
        if not stated or len(set(stated)) < len(stated):
            raise DataError(
                "expected endpoints, at least one and each once, for every candidate, "
                f"got {', '.join(stated)[:80] or 'none'} for {audit.candidate[:40]!r}; write the report again"
            )
        _check_plots(audit)
    if report.summary != Summary.of(report.audits):
        raise DataError("expected the report's summary to count its audits, got other numbers; write the report again")


def _check_plots(audit: Audit) -> None:
    for curve in audit.curves:
        if len(curve.fpr) != len(curve.tpr):
            raise DataError(
                f"expected equally many FPRs and TPRs in the ROC curves of {audit.candidate!r}, "
                f"got {len(curve.fpr)} and {len(curve.tpr)} numbers; write the report again"
            )
    for histogram in audit.histograms:
        if not _sound(histogram):
            raise DataError(
                f"expected rising bin edges and one count per bin in the histograms of {audit.candidate!r}, "
                f"got {len(histogram.edges)} edges, {len(histogram.forget)} and {len(histogram.unseen)} counts; "
                "write the report again"
            )


def _sound(histogram: Histogram) -> bool:
    bins = len(histogram.edges) - 1
    rising = all(low < high for low, high in pairwise(histogram.edges))
    moderate = all(abs(edge) < 1e9 for edge in histogram.edges)
    counts = (*histogram.forget, *histogram.unseen)
    return (
        bins >= 1 and rising and moderate and len(counts) == 2 * bins == 2 * len(histogram.forget) and min(counts) >= 0
    )
