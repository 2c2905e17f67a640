"""Altered copies of forget images in other roles: counts for the report, the pairs for the annex."""

import csv
import io
from pathlib import Path

from audit.annex import refuse_what_is_not_ours
from audit.exposures import PAIRS, refuse_annex
from learners import Examples, NearDuplicates, Split, find_near_duplicates, write_atomically

COLUMNS = ("forget", "other", "role", "likeness")


def near_duplicates(examples: Examples, split: Split, annex: Path | None) -> NearDuplicates:
    """The altered copies in an audit's examples; the pairs, by index into the examples, go to
    ``annex/near-duplicates.csv``, readable by its owner alone, where an annex is asked for.

    Who is to be forgotten is personal data: the report holds counts. DataError for a place that is not ours."""
    if annex is not None:
        refuse_annex(annex)
    found = find_near_duplicates(examples, split)
    if annex is not None:
        write_pairs(annex, found)
    return found


def write_pairs(folder: Path, found: NearDuplicates) -> Path:
    """Write a line a pair, and the header alone where there is none, so that no older list is taken for this one."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    for first, second, role, likeness in zip(found.forget, found.other, found.role, found.likeness, strict=True):
        writer.writerow([int(first), int(second), str(role), f"{likeness:.4f}"])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{PAIRS}.csv"
    refuse_what_is_not_ours(path)
    write_atomically(path, table.getvalue().encode(), mode=0o600)
    return path
