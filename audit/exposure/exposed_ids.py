"""Exposed ids: ids of the flagged examples, in a CSV file for its owner alone. Never part of a report.

A list of exposed examples is itself personal data. The file is made with mode 0600 and is never, not for a moment,
readable by others; under its name there is a whole file or what was there before.
"""

import csv
import io
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from vestige.audit.exposure.examples import Exposure, Family
from vestige.audit.files.output_paths import check_output_path
from vestige.learners.errors import DataError
from vestige.learners.files.io import write_atomically

COLUMNS = ("id", "direction", "t", "p", "p_adjusted", "p_ranked", "p_ranked_adjusted", "flagged_by")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the beginning of a formula, or strips and then does; the last four are full-width."""


def write_exposed_ids(path: Path, found: Exposure, ids: Sequence[str]) -> None:
    """Write every flagged forget example of the model that was judged to ``path``, mode 0600, exposed ones first.

    ids: ``[f]``, of the rows ``found.rows``. A row for each example and direction that either family flags;
    ``flagged_by``: ``t``, ``ranked`` or both. A file that is there already is replaced whole. An id that a
    spreadsheet would run as a formula has a ``'`` before it, and so has one that begins with ``'``: take one off to
    read. DataError for ids that do not fit, and for a ``path`` that is a link, no plain file, or another user's.
    Source: OWASP, "CSV Injection".
    """
    if len(ids) != len(found.rows):
        raise DataError(f"ids: expected one for each of {len(found.rows)} forget rows, got {len(ids)}")
    table = io.StringIO()
    writer = csv.writer(table, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(COLUMNS)
    for direction, by_t, by_rank in (
        ("exposed", found.model.exposed, found.model.exposed_ranked),
        ("over-forgotten", found.model.over_forgotten, found.model.over_forgotten_ranked),
    ):
        writer.writerows(_rows(direction, found, by_t, by_rank, ids))
    check_owner(path)
    # A rename: what has come under this name since that look is replaced, and no link is followed.
    write_atomically(path, table.getvalue().encode(), mode=0o600)


def safe_cell(text: str) -> str:
    """``text`` as a cell that no spreadsheet runs.

    >>> safe_cell("=1+1"), safe_cell("'tis"), safe_cell("image-7")
    ("'=1+1", "''tis", 'image-7')
    """
    return "'" + text if text.startswith((*FORMULA, "'")) else text


def _rows(direction: str, found: Exposure, by_t: Family, by_rank: Family, ids: Sequence[str]) -> list[list[object]]:
    flagged = (by_t.flagged | by_rank.flagged).nonzero()[0]
    return [
        [
            safe_cell(str(ids[x])),
            direction,
            *(f"{value:.6g}" for value in (found.model.t[x], by_t.p[x], by_t.adjusted[x])),
            *(f"{value:.6g}" for value in (by_rank.p[x], by_rank.adjusted[x])),
            " and ".join(name for name, family in (("t", by_t), ("ranked", by_rank)) if family.flagged[x]),
        ]
        for x in flagged[by_t.p[flagged].argsort(kind="stable")]
    ]


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
