"""vestige.learners.data.sources.huggingface against what the library itself wrote and decodes, and against damage."""

import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vestige.learners.data.sources.load import load_examples
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.files import arrow

pa = pytest.importorskip("pyarrow", reason="pyarrow is absent (the extra vestige[parquet])")

REAL = Path(__file__).parent / "fixtures" / "huggingface"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A copy of the real data set, to damage."""
    return Path(shutil.copytree(REAL / "dict", tmp_path / "saved"))


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def save(folder: Path, images: list[tuple[bytes | None, str | None]], labels: Any, features: Any = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    column = pa.array([{"bytes": data, "path": path} for data, path in images], kind)
    table = pa.table({"image": column, "label": labels})
    with (
        pa.OSFile(str(folder / "data-00000-of-00001.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, table.schema) as out,
    ):
        out.write_table(table, max_chunksize=2)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
    (folder / "dataset_info.json").write_text(json.dumps({"features": features or {}}))
    return folder


def load(path: Path, **columns: str) -> Any:
    return load_examples(f"huggingface:{path}", **columns)


def test_a_real_dictionary_gives_the_librarys_own_pixels() -> None:
    examples = load(REAL / "dict")
    with np.load(REAL / "pixels.npz") as expected:
        assert np.array_equal(examples.images[~examples.test_part], expected["train"])
        assert np.array_equal(examples.images[examples.test_part], expected["test"])
    assert examples.labels.tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2] and examples.class_names == ("ant", "bee", "cat")
    assert examples.files is None


def test_a_real_single_data_set_has_text_labels_and_file_names() -> None:
    examples = load(REAL / "paths")
    assert examples.class_names == ("a", "b") and examples.labels.tolist() == [1, 0, 1]
    assert examples.files is not None and examples.files.tolist() == ["0.png", "1.png", "2.png"]
    assert not examples.test_part.any()
    part = load(REAL / "dict" / "train")
    assert len(part) == 6 and not part.test_part.any()


def test_validation_stands_in_for_an_absent_test_part(saved: Path) -> None:
    (saved / "dataset_dict.json").write_text('{"splits": ["train", "validation"]}')
    assert load(saved).test_part.tolist() == [False] * 6 + [True] * 2
    (saved / "dataset_dict.json").write_text('{"splits": ["validation", "test"]}')
    with pytest.raises(DataError, match="split named train, got 'validation', 'test'; give one of the folders as"):
        load(saved)


def test_images_by_path_lie_inside_the_folder(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
    (tmp_path / "s" / "p").mkdir(parents=True)
    (tmp_path / "s" / "p" / "a.png").write_bytes(png(pixels[1]))
    folder = save(tmp_path / "s", [(png(pixels[0]), "x.png"), (None, "p/a.png")], [0, 1])
    examples = load(folder)
    assert np.array_equal(examples.images, pixels) and examples.files.tolist() == ["x.png", "p/a.png"]
    (tmp_path / "secret.png").write_bytes(png(pixels[0]))
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    for path, words in [
        ("../secret.png", "relative to the folder"),
        (str(tmp_path / "secret.png"), "relative to the folder"),
        ("link.png", "leads out of it"),
        ("absent.png", "No such file"),
        ("x" * 10_000, "File name too long"),
        ("p", "got a folder"),
        (None, "expected an encoded image, got none"),
    ]:
        save(folder, [(png(pixels[0]), None), (None, path)], [0, 1])
        with pytest.raises(DataError, match=f"row 1: .*{words}"):
            load(folder)


def test_columns_of_other_names(saved: Path) -> None:
    with pytest.raises(ConfigError, match="label_column: expected 'kind' .* image, label, note"):
        load(saved, label_column="kind")
    assert load(saved, label_column="note").class_names == ("x",)
    with pytest.raises(DataError, match="column label to hold encoded images .* got int64"):
        load(saved, image_column="label")


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("dataset_dict.json", "", "expected JSON"),
        ("dataset_dict.json", "[" * 100_000, "expected JSON"),
        ("dataset_dict.json", "[]", "expected a JSON object"),
        ("dataset_dict.json", '{"splits": 3}', "list of splits"),
        ("train/state.json", '{"_data_files": []}', "data files by name"),
        ("train/state.json", '{"_data_files": 7}', "data files by name"),
        ("train/state.json", '{"_data_files": [{"filename": null}]}', "data files by name"),
        ("train/state.json", '{"_data_files": [{"filename": "../../x"}]}', "relative to the folder"),
        ("train/state.json", '{"_data_files": [{"filename": "/etc/passwd"}]}', "whole Arrow stream|expected the file"),
        ("train/state.json", '{"_data_files": [{"filename": "state.json"}]}', "whole Arrow stream"),
        ("train/state.json", '{"_data_files": [], "_indices_data_files": [{"filename": "i"}]}', "flatten_indices"),
        ("test/dataset_info.json", "\xff\x00", "expected JSON"),
        (
            "test/dataset_info.json",
            '{"features": {"label": {"names": ["bee", "ant", "cat"]}}}',
            "the classes of .* in the same order, got 'bee', 'ant', 'cat'",
        ),
    ],
)
def test_damaged_descriptions(saved: Path, file: str, text: str, words: str) -> None:
    (saved / file).write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=words):
        load(saved)


def test_links_and_pipes_in_the_place_of_data(saved: Path, tmp_path: Path) -> None:
    data = saved / "test" / "data-00000-of-00001.arrow"
    data.rename(tmp_path / "outside.arrow")
    data.symlink_to(tmp_path / "outside.arrow")
    with pytest.raises(DataError, match="leads out of it"):
        load(saved)
    data.unlink()
    os.mkfifo(data)
    with pytest.raises(DataError, match="pipe, socket or device"):
        load(saved)
    data.unlink()
    data.symlink_to(data)
    with pytest.raises(DataError, match="symbolic links"):
        load(saved)


def test_every_truncation_and_many_flips_are_refused_or_read(saved: Path) -> None:
    data = saved / "test" / "data-00000-of-00001.arrow"
    whole = data.read_bytes()
    for size in range(0, len(whole) - 8, 37):  # the last 8 bytes say that the stream ends, and may be absent
        data.write_bytes(whole[:size])
        with pytest.raises(DataError):
            load(saved)
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        flipped = bytearray(whole)
        flipped[random.integers(len(whole))] ^= 1 << int(random.integers(8))
        data.write_bytes(flipped)
        try:
            load(saved)
        except (DataError, ConfigError) as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 50


@pytest.mark.parametrize("dictionary", [False, True])
def test_a_compressed_stream_is_refused_before_it_is_unpacked(tmp_path: Path, dictionary: bool) -> None:
    folder = save(tmp_path / "s", [(png(np.zeros((2, 2, 3), np.uint8)), None)] * 5, list("abcab"))
    data = folder / "data-00000-of-00001.arrow"
    with pa.OSFile(str(data)) as source:
        table = pa.ipc.open_stream(source).read_all()
    table = table.set_column(1, "label", table["label"].dictionary_encode()) if dictionary else table
    for codec in (None, "zstd", "lz4"):
        options = pa.ipc.IpcWriteOptions(compression=codec)
        with pa.OSFile(str(data), "wb") as sink, pa.ipc.new_stream(sink, table.schema, options=options) as out:
            out.write_table(table)
        if codec is None:
            assert load(folder).labels.tolist() == [0, 1, 2, 0, 1]
        else:
            with pytest.raises(DataError, match="expected a plain Arrow stream, got a compressed one"):
                load(folder)


def test_nothing_there_and_no_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent: expected a folder, No such file"):
        load(tmp_path / "absent")
    with pytest.raises(DataError, match="found neither; for Parquet files write parquet:PATH"):
        load(tmp_path)
    folder = save(tmp_path / "none", [], pa.array([], pa.int64()))
    with pytest.raises(DataError, match="at least one row"):
        load(folder)


def test_unlabelled_rows_and_class_names_of_any_length(tmp_path: Path) -> None:
    image = (png(np.zeros((2, 2, 3), np.uint8)), None)
    folder = save(tmp_path / "a", [image, image], [0, -1], {"label": {"names": ["x", "y"]}})
    with pytest.raises(DataError, match=r"row 1: expected a label in 0\.\.1, got -1"):
        load(folder)
    save(folder, [image], [0], {"label": {"names": ["y" * 10_000]}})
    with pytest.raises(DataError, match="at most 1000 characters, got 'y.* with 10000"):
        load(folder)


def test_without_pyarrow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(arrow, "import_module", absent)
    with pytest.raises(ConfigError, match="pip install pyarrow"):
        load(REAL / "dict")
