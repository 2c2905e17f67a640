"""What a path is: a table, an array file, or neither."""

from pathlib import Path
from typing import Literal

Kind = Literal["csv", "tsv", "parquet", "npz", "npy"]

_SUFFIXES: tuple[tuple[str, Kind], ...] = (
    (".csv", "csv"),
    (".csv.gz", "csv"),
    (".tsv", "tsv"),
    (".tsv.gz", "tsv"),
    (".parquet", "parquet"),
    (".npz", "npz"),
    (".npy", "npy"),
)
# Checkpoints are zip archives as well (torch.save), so a zip without the suffix .npz says nothing.
_MAGIC: tuple[tuple[bytes, Kind], ...] = ((b"PAR1", "parquet"), (b"\x93NUMPY", "npy"))


def file_kind(path: Path | str) -> Kind | None:
    """``csv``, ``tsv``, ``parquet``, ``npz`` or ``npy`` by the end of the name (any case; ``.csv.gz`` is a csv),
    else by the first bytes of the file (Parquet and npy say what they are); None for everything else, such as a
    checkpoint.

    The name decides where it is known, whatever is inside: a reader then says what is wrong with the content.
    """
    file = Path(path)
    name = file.name.lower()
    for suffix, kind in _SUFFIXES:
        if name.endswith(suffix):
            return kind
    if not file.is_file():
        return None
    with file.open("rb") as stream:
        start = stream.read(8)
    return next((kind for magic, kind in _MAGIC if start.startswith(magic)), None)
