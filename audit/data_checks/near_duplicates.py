"""Altered copies of forget images in other roles: counts for the report, the pairs for the annex."""

import csv
import io
from pathlib import Path

from vestige.audit.exposure.annex import PAIRS, refuse_annex, refuse_what_is_not_ours, safe_cell
from vestige.audit.progress import Watch
from vestige.learners.data.examples import Examples
from vestige.learners.data.near_duplicates import NearDuplicates, find_near_duplicates
from vestige.learners.data.split import Split
from vestige.learners.files.io import write_atomically

COLUMNS = ("forget", "other", "role", "likeness", "forget_index", "other_index")
STAGE = "looking for altered copies"


def near_duplicates(examples: Examples, split: Split, annex: Path | None, watch: Watch | None = None) -> NearDuplicates:
    """The altered copies in an audit's examples; the pairs go to ``annex/near-duplicates.csv``, readable by its owner
    alone, where an annex is asked for.

    Who is to be forgotten is personal data: the report holds counts. DataError for a place that is not ours."""
    if annex is not None:
        refuse_annex(annex)
    found = find_near_duplicates(examples, split, None if watch is None else lambda *counts: watch(STAGE, *counts))
    if annex is not None:
        write_pairs(annex, found, examples)
    return found


def write_pairs(folder: Path, found: NearDuplicates, examples: Examples) -> Path:
    """Write a line a pair, and the header alone where there is none, so that no older list is taken for this one.

    ``forget`` and ``other`` are names as in the list of exposed examples (``Examples.names``: files, or else indices),
    made safe for spreadsheets as there; the last two columns are indices into the examples."""
    table = io.StringIO()
    writer = csv.writer(table, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(COLUMNS)
    names = (examples.names(found.forget).tolist(), examples.names(found.other).tolist())
    rows = zip(*names, found.role, found.likeness, found.forget, found.other, strict=True)
    for first, second, role, likeness, index, other in rows:
        writer.writerow([safe_cell(first), safe_cell(second), str(role), f"{likeness:.4f}", int(index), int(other)])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{PAIRS}.csv"
    refuse_what_is_not_ours(path)
    write_atomically(path, table.getvalue().encode(), mode=0o600)
    return path
