"""Altered copies of forget images in other roles: counts for the report, the pairs for the folder of exposed ids."""

import csv
import io
from pathlib import Path

from vestige.audit.exposure.exposed_ids import PAIRS, check_exposed_ids_path, check_owner, safe_cell
from vestige.audit.progress import Watch
from vestige.learners.data.examples import Examples
from vestige.learners.data.near_duplicates import NearDuplicates, find_near_duplicates
from vestige.learners.data.split import Split
from vestige.learners.files.io import write_atomically

COLUMNS = ("forget", "other", "role", "similarity", "forget_index", "other_index")
STAGE = "looking for altered copies"


def near_duplicates(
    examples: Examples, split: Split, exposed_ids: Path | None, watch: Watch | None = None
) -> NearDuplicates:
    """The altered copies in an audit's examples; the pairs go to ``near-duplicates.csv`` in ``exposed_ids``,
    readable by its owner alone, where such a folder is named.

    Who is to be forgotten is personal data: the report holds counts. DataError for a place that is not ours."""
    if exposed_ids is not None:
        check_exposed_ids_path(exposed_ids)
    found = find_near_duplicates(examples, split, None if watch is None else lambda *counts: watch(STAGE, *counts))
    if exposed_ids is not None:
        write_pairs(exposed_ids, found, examples)
    return found


def write_pairs(folder: Path, found: NearDuplicates, examples: Examples) -> Path:
    """Write a line a pair, and the header alone where there is none, so that no older list is taken for this one.

    ``forget`` and ``other`` are names as in the list of exposed examples (``Examples.names``: files, or else indices),
    made safe for spreadsheets as there; the last two columns are indices into the examples."""
    table = io.StringIO()
    writer = csv.writer(table, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(COLUMNS)
    names = (examples.names(found.forget).tolist(), examples.names(found.other).tolist())
    rows = zip(*names, found.role, found.similarity, found.forget, found.other, strict=True)
    for first, second, role, similarity, index, other in rows:
        writer.writerow([safe_cell(first), safe_cell(second), str(role), f"{similarity:.4f}", int(index), int(other)])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{PAIRS}.csv"
    check_owner(path)
    write_atomically(path, table.getvalue().encode(), mode=0o600)
    return path
