"""Untrusted reports: read with bounds, and refused in one sentence whatever the file holds."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from vestige.audit.files.text import one_line
from vestige.audit.results.json import MOST_BYTES, from_json
from vestige.audit.results.report import Report
from vestige.learners.errors import DataError
from vestige.learners.files.io import read_bounded


def read(path: Path) -> Report:
    """The report in this file, or in ``report.json`` of this folder.

    DataError for what cannot be read, is larger than ``MOST_BYTES``, is no UTF-8, no JSON, JSON with a key twice or
    with numbers that are not finite, does not follow the shipped schema and its version, or names a candidate twice.
    """
    file = path / "report.json" if path.is_dir() else path
    try:
        text = read_bounded(file, MOST_BYTES, "a report").decode("utf-8")
    except UnicodeDecodeError:
        raise DataError(f"{file}: expected UTF-8 text, got other bytes; give a report.json") from None
    try:
        with suppress(RecursionError, ValueError):  # no JSON: from_json says so
            json.loads(text, object_pairs_hook=_each_once)
        report = from_json(text)
        _each_once([(audit.candidate, audit) for audit in report.audits])
    except DataError as error:
        raise DataError(f"{file}: {one_line(str(error), 400)}") from None
    return report


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a name that stands twice, readers take either; a report that means two things is refused."""
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"expected every key and every candidate once, got {one_line(twice, 60)!r} twice; audit again")
    return dict(pairs)
