"""What is fuzzed of data sets as hubs lay them out: Arrow streams with descriptions in JSON, Parquet with images."""

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
from PIL import Image

from vestige.learners.data.sources.load import load_examples

_ARROW = "data-00000-of-00001.arrow"
_FEATURES = {"label": {"names": ["ant", "bee"], "_type": "ClassLabel"}, "image": {"_type": "Image"}}


def _table() -> pa.Table:
    images = []
    for level in (10, 90, 200, 250):
        stream = io.BytesIO()
        Image.new("RGB", (2, 2), (level, 0, level)).save(stream, "PNG")
        images.append({"bytes": stream.getvalue(), "path": f"{level}.png"})
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.table({"image": pa.array(images, kind), "label": pa.array([0, 1, 1, 0], pa.int64())})


def arrow_streams() -> list[bytes]:
    """A data file of ``save_to_disk``."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, _table().schema) as stream:
        stream.write_table(_table(), max_chunksize=3)
    return [sink.getvalue()]


def states() -> list[bytes]:
    """A ``state.json``."""
    return [json.dumps({"_data_files": [{"filename": _ARROW}], "_split": "train", "_format_type": None}).encode()]


def infos() -> list[bytes]:
    """A ``dataset_info.json``."""
    return [json.dumps({"features": _FEATURES, "description": ""}).encode()]


def parquet_files() -> list[bytes]:
    """Parquet with encoded images, plain and dictionary-coded, several row groups."""
    made = []
    for how in ({"row_group_size": 3}, {"use_dictionary": True, "compression": "gzip"}):
        sink = io.BytesIO()
        pyarrow.parquet.write_table(_table(), sink, **how)
        made.append(sink.getvalue())
    return made


def read_in(folder_file: str, path: Path) -> object:
    """The data set of which ``path`` is one file and the others are honest."""
    folder = path.parent / "saved"
    folder.mkdir()
    for name, content in ((_ARROW, arrow_streams()), ("state.json", states()), ("dataset_info.json", infos())):
        (folder / name).write_bytes(path.read_bytes() if name == folder_file else content[0])
    return load_examples(f"huggingface:{folder}")


def read_arrow(path: Path) -> object:
    """``path`` as the data file."""
    return read_in(_ARROW, path)


def read_state(path: Path) -> object:
    """``path`` as the list of data files."""
    return read_in("state.json", path)


def read_info(path: Path) -> object:
    """``path`` as the description of the columns."""
    return read_in("dataset_info.json", path)


def read_parquet(path: Path) -> object:
    """``path`` as a Parquet source."""
    return load_examples(f"parquet:{path}")
