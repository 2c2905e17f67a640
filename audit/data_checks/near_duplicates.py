"""Altered copies of forget images in other roles: counts for the report, the pairs for the folder of exposed ids."""

from pathlib import Path

from vestige.audit.exposure.exposed_ids import PAIRS, check_exposed_ids_path, safe_cell, write_private
from vestige.audit.progress import Watch
from vestige.learners.data.examples import Examples
from vestige.learners.data.near_duplicates import NearDuplicates, find_near_duplicates
from vestige.learners.data.split import Split

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
    pairs = find_near_duplicates(examples, split, None if watch is None else lambda *counts: watch(STAGE, *counts))
    if exposed_ids is not None:
        write_pairs(exposed_ids, pairs, examples)
    return pairs


def write_pairs(folder: Path, pairs: NearDuplicates, examples: Examples) -> Path:
    """Write a line a pair, and the header alone where there is none, so that no older list is taken for this one.

    ``forget`` and ``other`` are names as in the list of exposed examples (``Examples.names``: files, or else indices),
    made safe for spreadsheets as there; the last two columns are indices into the examples."""
    names = zip(examples.names(pairs.forget).tolist(), examples.names(pairs.other).tolist(), strict=True)
    rows = zip(names, pairs.role, pairs.similarity, pairs.forget, pairs.other, strict=True)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{PAIRS}.csv"
    write_private(
        path,
        COLUMNS,
        [
            (*map(safe_cell, pair), str(role), f"{similarity:.4f}", int(index), int(other))
            for pair, role, similarity, index, other in rows
        ],
    )
    return path
