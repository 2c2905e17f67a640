"""Reports from somewhere else: read with bounds, and refused in one sentence whatever the file holds."""

import json
from pathlib import Path
from typing import Any

from vestige.audit.files.text import one_line
from vestige.audit.results.json import from_json
from vestige.audit.results.report import Report
from vestige.learners.errors import DataError

MOST_BYTES = 64 * 2**20
"""A report of a hundred candidates has less than a tenth of this."""


def read(path: Path) -> Report:
    """The report in this file, or in ``report.json`` of this folder.

    DataError for what cannot be read, is larger than ``MOST_BYTES``, is no UTF-8, no JSON, JSON with a key twice or
    with numbers that are not finite, does not follow the shipped schema and its version, or names a candidate twice.
    """
    file = path / "report.json" if path.is_dir() else path
    try:
        with file.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise DataError(f"expected a report at {file}, got {error.strerror or error}; check the path") from None
    if len(content) > MOST_BYTES:
        raise DataError(f"{file}: expected a report of at most {MOST_BYTES >> 20} MiB, got more; give a report.json")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise DataError(f"{file}: expected UTF-8 text, got other bytes; give a report.json") from None
    try:
        _refuse_repeated_keys(text)
        report = from_json(text)
    except DataError as error:
        raise DataError(f"{file}: {one_line(str(error), 400)}") from None
    _refuse_repeated_names(report, file)
    return report


def _refuse_repeated_keys(text: str) -> None:
    """Of a key that stands twice, readers take either; a report that means two things is refused."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(f"expected every key once in an object, got {one_line(twice, 40)!r} twice; give one value")
        return found

    try:
        json.loads(text, object_pairs_hook=once)
    except RecursionError:
        raise DataError("expected a report as JSON, got brackets nested too deeply; give a report.json") from None
    except ValueError as error:
        raise DataError(f"expected a report as JSON, got text that is not ({error}); give a report.json") from None


def _refuse_repeated_names(report: Report, file: Path) -> None:
    names = [audit.candidate for audit in report.audits]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{file}: expected every candidate once, got {one_line(twice, 60)!r} twice; audit again")
