"""Sources of data as a report may call them: without the folders of the machine that they lie on."""

import re
from dataclasses import replace
from pathlib import Path

from vestige.audit.results.report import DataRecord

_KIND = re.compile(r"torchvision:\w+:|[a-z-]{2,}:")  # and no drive letter
_UNSEEN = ", unseen from "


def without_folders(text: str) -> str:
    """A path, or a source with one, by its last name alone.

    >>> without_folders("imagefolder:/home/ann/photos"), without_folders("lists/forget.csv"), without_folders("digits")
    ('imagefolder:photos', 'forget.csv', 'digits')
    """
    start = _KIND.match(text)
    kind = "" if start is None else start.group()
    return kind + (Path(text[len(kind) :]).name or text[len(kind) :])


def record_without_folders(record: DataRecord) -> DataRecord:
    """What the report says about the data, with its sources called so."""
    source, split = record.source, record.split
    for name in source.split(_UNSEEN):
        source = source.replace(name, without_folders(name))
        split = None if split is None else split.replace(name, without_folders(name))
    return replace(record, source=source, split=split)
