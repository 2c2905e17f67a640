"""Exposed ids: ids of the flagged examples, in a CSV file for its owner alone. Never part of a report.

A list of exposed examples is itself personal data. The file is made with mode 0600 and is never, not for a moment,
readable by others; under its name there is a whole file or what was there before.
"""

import csv
import io
import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from vestige.audit.exposure.examples import Exposure
from vestige.audit.files.output_paths import check_output_path
from vestige.learners.errors import DataError
from vestige.learners.files.io import write_atomically

COLUMNS = ("id", "direction", "t", "p", "p_adjusted", "p_ranked", "p_ranked_adjusted", "flagged_by")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the beginning of a formula, or strips and then does; the last four are full-width."""


def write_exposed_ids(path: Path, exposure: Exposure, ids: Sequence[str]) -> None:
    """Write every flagged forget example of the model that was judged to ``path``, exposed ones first.

    ids: ``[f]``, of the rows ``exposure.rows``. A row for each example and direction that either family flags;
    ``flagged_by``: ``t``, ``ranked`` or both. An id that a spreadsheet would run as a formula has a ``'`` before it,
    and so has one that begins with ``'``: take one off to read. DataError for ids that do not fit, and as in
    ``write_private``. Source: OWASP, "CSV Injection".
    """
    if len(ids) != len(exposure.rows):
        raise DataError(f"ids: expected one for each of {len(exposure.rows)} forget rows, got {len(ids)}")
    model, rows = exposure.model, []
    for direction, by_t, by_rank in (
        ("exposed", model.exposed, model.exposed_ranked),
        ("over-forgotten", model.over_forgotten, model.over_forgotten_ranked),
    ):
        flagged = (by_t.flagged | by_rank.flagged).nonzero()[0]
        for x in flagged[by_t.p[flagged].argsort(kind="stable")]:
            numbers = (model.t[x], by_t.p[x], by_t.adjusted[x], by_rank.p[x], by_rank.adjusted[x])
            families = " and ".join(name for name, family in (("t", by_t), ("ranked", by_rank)) if family.flagged[x])
            rows.append([safe_cell(str(ids[x])), direction, *(f"{number:.6g}" for number in numbers), families])
    write_private(path, COLUMNS, rows)


def write_private(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file for its owner alone (mode 0600); a file that is there already is replaced whole.

    DataError for a ``path`` that is a link, no plain file, or another user's."""
    table = io.StringIO()
    csv.writer(table, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([columns, *rows])
    check_owner(path)
    # A rename: what has come under this name since that look is replaced, and no link is followed.
    write_atomically(path, table.getvalue().encode(), mode=0o600)


def safe_cell(text: str) -> str:
    """``text`` as a cell that no spreadsheet runs.

    >>> safe_cell("=1+1"), safe_cell("'tis"), safe_cell("image-7")
    ("'=1+1", "''tis", 'image-7')
    """
    return "'" + text if text.startswith((*FORMULA, "'")) else text


def check_owner(path: Path) -> None:
    """DataError for a link, what is no plain file, or a file of another user."""
    try:
        there = path.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISLNK(there.st_mode):
        raise DataError(
            f"{path}: expected a new file or a list of exposed ids, got a symbolic link; remove it or take another name"
        )
    if not stat.S_ISREG(there.st_mode):
        raise DataError(
            f"{path}: expected a new file or a list of exposed ids, got a folder or device; take another name"
        )
    if there.st_uid != os.geteuid():
        raise DataError(f"{path}: expected a file of your own, got one of user {there.st_uid}; take another name")


PAIRS = "near-duplicates"
"""Name of the list of altered copies."""


def check_exposed_ids_path(folder: Path) -> None:
    """Before hours of work: DataError for a list of exposed ids that could not be written there."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: expected a folder for the file of exposed ids, got a file; choose another name")
    check_output_path(folder / "exposed_ids.csv")
