"""vestige.learners.data.sources.parquet: hub layouts, columns, encoded images, damaged rows."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vestige.learners.data.sources.load import load_examples
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.files import arrow

pa = pytest.importorskip("pyarrow", reason="pyarrow is absent (the extra vestige[parquet])")
pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is absent (the extra vestige[parquet])")

CIFAR10 = Path(__file__).parents[2] / ".." / "shared" / "data" / "cifar10"


def pixels(n: int, seed: int = 0, shape: tuple[int, ...] = (4, 6, 3)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def encode(images: np.ndarray, kind: str = "PNG") -> list[bytes]:
    encoded = []
    for image in images:
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, kind)
        encoded.append(stream.getvalue())
    return encoded


def write(
    path: Path,
    encoded: list[bytes | None],
    labels: Any,
    *,
    image: str = "img",
    label: str = "label",
    struct: bool = True,
    names: list[str] | None = None,
    extra: dict[str, Any] | None = None,
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    column = [{"bytes": data, "path": None} for data in encoded] if struct else encoded
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())]) if struct else pa.binary()
    table = pa.table({image: pa.array(column, kind), label: labels, **(extra or {})})
    if names is not None:
        features = {"info": {"features": {label: {"names": names, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
    pq.write_table(table, path, row_group_size=2)
    return path


@pytest.mark.parametrize("struct", [True, False])
@pytest.mark.parametrize(("image", "label"), [("img", "label"), ("image", "fine_label"), ("images", "labels")])
def test_one_file(tmp_path: Path, struct: bool, image: str, label: str) -> None:
    images = pixels(5)
    write(tmp_path / "x.parquet", encode(images), [0, 1, 2, 1, 0], image=image, label=label, struct=struct)
    examples = load_examples("parquet:x.parquet", base=tmp_path)
    assert np.array_equal(examples.images, images) and examples.labels.tolist() == [0, 1, 2, 1, 0]
    assert not examples.test_part.any() and examples.class_names == ("0", "1", "2")


@pytest.mark.parametrize(
    ("train", "test"),
    [
        (["train.parquet"], "test.parquet"),
        (["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"], "test-00000-of-00001.parquet"),
        (["data/train-00000-of-00001-0a1b2c.parquet"], "data/test-00000-of-00001-ff00.parquet"),
        (["train/0000.parquet", "train/0001.parquet"], "test/0000.parquet"),
        (["plain_text/train-00000-of-00001.parquet"], "plain_text/test-00000-of-00001.parquet"),
        (["default/train/0000.parquet", "default/train/0001.parquet"], "default/test/0000.parquet"),
    ],
)
def test_folders(tmp_path: Path, train: list[str], test: str) -> None:
    images = pixels(3 * len(train) + 2)
    for i, name in enumerate(train):
        write(tmp_path / name, encode(images[3 * i : 3 * i + 3]), [i, 1, 2], names=["ant", "bee", "cat", "dog"])
    write(tmp_path / test, encode(images[-2:]), [1, 0])
    write((tmp_path / test).with_name("validation.parquet"), encode(images[-1:]), [0])
    if test.endswith("test/0000.parquet"):
        (tmp_path / test).with_name("validation.parquet").unlink()
    examples = load_examples("parquet:.", base=tmp_path)
    assert np.array_equal(examples.images, images)
    assert examples.test_part.tolist() == [False] * 3 * len(train) + [True] * 2
    assert examples.labels[-2:].tolist() == [1, 0] and examples.labels[3 * len(train) - 3] == len(train) - 1
    assert examples.class_names == ("ant", "bee", "cat", "dog")


def test_jpeg_grey_and_text_labels(tmp_path: Path) -> None:
    grey = np.full((2, 8, 8), 77, dtype=np.uint8)
    write(tmp_path / "train.parquet", encode(grey, "JPEG"), ["dog", "ant"])
    write(tmp_path / "test.parquet", encode(grey, "JPEG")[:1], ["bee"])
    examples = load_examples(f"parquet:{tmp_path}")
    assert examples.shape == (8, 8, 1) and np.array_equal(examples.images[:2, ..., 0], grey)
    assert examples.class_names == ("ant", "bee", "dog") and examples.labels.tolist() == [2, 0, 1]
    write(tmp_path / "test.parquet", encode(pixels(1, shape=(8, 8, 3))), ["bee"])
    assert load_examples(f"parquet:{tmp_path}").shape == (8, 8, 3)


def test_columns_by_name(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.parquet", encode(pixels(2)), [1, 0], extra={"coarse": [0, 1]}, image="scan", label="kind"
    )
    with pytest.raises(
        ConfigError, match="data.image_column: expected one of img, image, images .* scan, kind, coarse"
    ):
        load_examples(f"parquet:{path}")
    with pytest.raises(ConfigError, match="data.label_column: expected one of"):
        load_examples(f"parquet:{path}", image_column="scan")
    with pytest.raises(ConfigError, match="data.label_column: expected 'sort'"):
        load_examples(f"parquet:{path}", image_column="scan", label_column="sort")
    for label, expected in (("kind", [1, 0]), ("coarse", [0, 1])):
        examples = load_examples(f"parquet:{path}", image_column="scan", label_column=label)
        assert examples.labels.tolist() == expected


def test_damaged_image_names_the_row(tmp_path: Path) -> None:
    good = encode(pixels(3, shape=(32, 32, 3)), "JPEG")
    write(tmp_path / "train.parquet", good, [0, 1, 0])
    for bad in (good[1][: len(good[1]) // 2], b"", b"no image"):
        write(tmp_path / "test.parquet", [good[0], bad, good[2]], [0, 1, 0])
        with pytest.raises(DataError, match=r"test\.parquet, row 1: expected an image"):
            load_examples(f"parquet:{tmp_path}")
    write(tmp_path / "test.parquet", [good[0], good[1], None], [0, 1, 0])
    with pytest.raises(DataError, match=r"test\.parquet, row 2: expected an encoded image, got none"):
        load_examples(f"parquet:{tmp_path}")


def test_size_that_differs_names_the_row(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", encode(pixels(2)) + encode(pixels(1, shape=(6, 6, 3))), [0, 1, 0])
    with pytest.raises(DataError, match=r"x\.parquet, row 2: expected 6 x 4 pixels as in .*row 0, got 6 x 6"):
        load_examples(f"parquet:{path}")


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        ([0, 3], ["a", "b", "c"], r"row 1: expected a label in 0\.\.2, got 3"),
        ([0, -1], None, "row 1: expected a label in 0 and up, got -1"),
        ([0, None], None, "row 1: expected a label in 0 and up, got None"),
        (["a", None], None, "got 'a'"),
        ([0.0, 1.0], None, r"got 0\.0"),
        ([True, False], None, "got True"),
        ([0, 70_000], None, "expected labels below 65536"),
    ],
)
def test_bad_labels(tmp_path: Path, labels: list[Any], names: list[str] | None, message: str) -> None:
    path = write(tmp_path / "x.parquet", encode(pixels(2)), labels, names=names)
    with pytest.raises(DataError, match=message):
        load_examples(f"parquet:{path}")


@pytest.mark.parametrize(
    "metadata", ["", "[]", "{}", '{"info": {"features": {"label": {"names": {"0": "a"}}}}}', "\udc80"]
)
def test_odd_metadata_means_no_class_names(tmp_path: Path, metadata: str) -> None:
    path = write(tmp_path / "x.parquet", encode(pixels(2)), [0, 1])
    data = metadata.encode("utf-8", "surrogateescape")
    pq.write_table(pq.read_table(path).replace_schema_metadata({b"huggingface": data}), path)
    assert load_examples(f"parquet:{path}").class_names == ("0", "1")


def test_columns_of_another_type(tmp_path: Path) -> None:
    pq.write_table(pa.table({"img": ["a.png"], "label": [0]}), tmp_path / "x.parquet")
    with pytest.raises(DataError, match="column img to hold encoded images .* got string"):
        load_examples("parquet:x.parquet", base=tmp_path)
    pq.write_table(
        pa.table({"img": pa.array([], pa.binary()), "label": pa.array([], pa.int64())}), tmp_path / "x.parquet"
    )
    with pytest.raises(DataError, match="at least one row"):
        load_examples("parquet:x.parquet", base=tmp_path)


def test_damaged_files(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", encode(pixels(4, shape=(20, 20, 3))), [0, 1, 0, 1])
    whole = path.read_bytes()
    for data in (
        whole[:-20],
        whole[: len(whole) // 2],
        b"",
        b"text",
        whole[:4] + bytes(len(whole) - 2_000) + whole[-1_996:],
    ):
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"x\.parquet"):
            load_examples(f"parquet:{path}")


def test_flipped_bits_give_examples_or_a_sentence(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", encode(pixels(4)), [0, 1, 0, 1], names=["a", "b"])
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        flipped = bytearray(whole)
        flipped[random.integers(len(whole))] ^= 1 << int(random.integers(8))
        path.write_bytes(flipped)
        try:
            load_examples(f"parquet:{path}")
        except (DataError, ConfigError) as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 100


def test_classes_of_the_test_file_in_another_order(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", encode(pixels(2)), [0, 1], names=["a", "b"])
    write(tmp_path / "test.parquet", encode(pixels(2)), [0, 1], names=["b", "a"])
    with pytest.raises(DataError, match=r"test\.parquet: expected the classes of .*train\.parquet in the same order"):
        load_examples(f"parquet:{tmp_path}")


def test_paths_become_file_names_where_every_image_has_one(tmp_path: Path) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    for last, expected in (("b.png", ["a.png", "b.png"]), (None, None)):
        images = [{"bytes": data, "path": name} for data, name in zip(encode(pixels(2)), ["a.png", last], strict=True)]
        pq.write_table(pa.table({"img": pa.array(images, kind), "label": [0, 1]}), tmp_path / "x.parquet")
        files = load_examples(f"parquet:{tmp_path / 'x.parquet'}").files
        assert (None if files is None else files.tolist()) == expected


def test_text_that_is_no_text(tmp_path: Path) -> None:
    labels = pa.array([b"ant", b"b\xffe"], pa.binary())
    crooked = pa.StringArray.from_buffers(2, labels.buffers()[1], labels.buffers()[2])
    path = write(tmp_path / "x.parquet", encode(pixels(2)), crooked)
    with pytest.raises(DataError, match=r"x\.parquet: expected a whole Parquet file"):
        load_examples(f"parquet:{path}")


def test_incomplete_or_ambiguous_folders(tmp_path: Path) -> None:
    encoded = encode(pixels(1))
    with pytest.raises(DataError, match="expected train.parquet"):
        load_examples(f"parquet:{tmp_path}")
    with pytest.raises(DataError, match="got nothing there"):
        load_examples(f"parquet:{tmp_path / 'absent'}")
    write(tmp_path / "train-00000-of-00003.parquet", encoded, [0])
    write(tmp_path / "train-00002-of-00003.parquet", encoded, [0])
    with pytest.raises(DataError, match="all its numbered ones once, got train-00000-of-00003"):
        load_examples(f"parquet:{tmp_path}")
    for other in (2, 4, 5):
        stray = write(tmp_path / f"train-00001-of-0000{other}.parquet", encoded, [0])
        with pytest.raises(DataError, match="all its numbered ones once"):
            load_examples(f"parquet:{tmp_path}")
        stray.unlink()
    write(tmp_path / "train-00001-of-00003.parquet", encoded, [0])
    assert len(load_examples(f"parquet:{tmp_path}")) == 3
    write(tmp_path / "train.parquet", encoded, [0])
    with pytest.raises(DataError, match="expected one train file"):
        load_examples(f"parquet:{tmp_path}")


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x.parquet", encode(pixels(1)), [0])

    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(arrow, "import_module", absent)
    with pytest.raises(ConfigError, match="pip install pyarrow"):
        load_examples(f"parquet:{path}")


@pytest.mark.skipif(not (CIFAR10 / "train.parquet").is_file(), reason="../shared/data/cifar10 is absent")
def test_real_cifar10_test_file() -> None:
    examples = load_examples(f"parquet:{CIFAR10 / 'test.parquet'}")
    assert examples.images.shape == (10_000, 32, 32, 3)
    assert np.bincount(examples.labels).tolist() == [1_000] * 10
    assert examples.class_names[0] == "airplane" and examples.class_names[9] == "truck"
    assert abs(examples.images.mean() / 255 - 0.4765) < 0.005  # published channel means .494 .485 .450 of the test part
