"""Parquet files that are broken or hostile are refused by their footer, or in one sentence when they are read."""

import re

import numpy as np
import pytest

from tests.attacks import table_files as t
from vestige.attacks.outputs.tables.footer import read_chunks
from vestige.attacks.outputs.tables.read import TableFiles, read_tables
from vestige.learners.errors import DataError

pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is absent (the extra vestige[parquet])")
pa = pytest.importorskip("pyarrow")


def table(n=30):
    return pa.Table.from_pandas(t.wide(t.make(n=n, original=False, retrains=1)), preserve_index=False)


def changed(name, values):
    made = table()
    return made.set_column(made.schema.get_field_index(name), name, values)


def refused(path, **options):
    with pytest.raises(DataError) as caught:
        read_tables(TableFiles(outputs=path), **options)
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message and "expected" in message
    return message


def with_value(at, value):
    values = table()["candidate_1"].to_pylist()
    values[at] = value
    return changed("candidate_1", pa.array(values, pa.float64()))


LISTS = [[0.0, 1.0, 2.0]] * 30
FAULTS = {
    "a null": (with_value(7, None), "row 8, column 'candidate_1': expected a value, got a null"),
    "NaN": (with_value(7, float("nan")), "row 8, column 'candidate_1': expected a finite number, got nan"),
    "inf": (with_value(29, float("-inf")), "row 30, column 'candidate_1': expected a finite number, got -inf"),
    "integers": (changed("candidate_1", pa.array(range(30))), "column 'candidate_1': .* got int64; cast it"),
    "decimals": (changed("candidate_1", pa.array(range(30)).cast(pa.decimal128(38))), "float64, got decimal128"),
    "numbers as text": (changed("candidate_1", pa.array(["1"] * 30)), "float64, got string"),
    "a struct": (changed("candidate_1", pa.array([{"a": 1.0}] * 30)), "float64, got struct"),
    "a null id": (changed("id", pa.array([None] + ["a"] * 29)), "row 1, column 'id': expected a value, got a null"),
    "an empty id": (changed("id", pa.array([""] * 30)), "column 'id', from row 1: expected a text"),
    "a long id": (changed("id", pa.array(["x" * 5000] * 30)), "column 'id', from row 1: expected at most 4096"),
    "a longer id": (changed("id", pa.array(["x" * 50000] * 30)), "column 'id', from row 1: expected at most 4096"),
    "ids as floats": (changed("id", pa.array(np.arange(30.0))), "column 'id': .* got double; .* 007"),
    "ids as bytes": (changed("id", pa.array([b"a"] * 30)), "column 'id': .* got binary"),
    "ids as lists": (
        changed("id", pa.array([["a"]] * 30)),
        "column 'id': expected one text or number in a row, got lists",
    ),
    "labels as words of truth": (changed("label", pa.array([True] * 30)), "column 'label': .* got bool"),
    "labels with a NaN": (changed("label", pa.array([float("nan")] + [1.0] * 29)), "column 'label': .* got 'nan'"),
    "labels with a null": (changed("label", pa.array([None] + [1.0] * 29)), "column 'label': .* got a null"),
    "a column twice": (table().append_column("id", pa.array(["a"] * 30)), "each column name once, got 'id' twice"),
    "no rows": (table()[:0], "expected rows, got none"),
    "an id twice": (
        changed("id", pa.array(["b", "b", *map(str, range(28))])),
        "row 2, column 'id': .* once, got 1 more",
    ),
}


@pytest.mark.parametrize(("made", "part"), FAULTS.values(), ids=FAULTS)
def test_each_fault_gets_one_sentence(tmp_path, made, part):
    pq.write_table(made, tmp_path / "o.parquet", row_group_size=7)
    message = refused(tmp_path / "o.parquet")
    assert re.search(part, message), message


def one_model(tmp_path, lists):
    outputs = t.make(n=30, original=False, retrains=1)
    pq.write_table(pa.table({"logits": lists}), tmp_path / "c.parquet", row_group_size=11)
    pq.write_table(pa.table({"logits": pa.array(LISTS)}), tmp_path / "r.parquet")
    examples = t.save(t.facts(outputs), tmp_path / "e.csv")
    return TableFiles(candidate=tmp_path / "c.parquet", retrain=[tmp_path / "r.parquet"], examples=examples)


@pytest.mark.parametrize(
    ("lists", "part"),
    [
        (
            [[0.0, 1.0]] * 10 + [[0.0, 1.0, 2.0, 3.0]] + LISTS[11:],
            "expected lists of one length, got 81 values in 30 rows",
        ),
        ([[0.0, 1.0], [0.0, 1.0, 2.0, 3.0]] + LISTS[2:], "row 1, column 'logits': expected a list of 3 numbers"),
        (LISTS[:12] + [[0.0, None, 1.0]] + LISTS[13:], "from row 1: expected numbers, got a null"),
        (LISTS[:12] + [None] + LISTS[13:], "expected lists of one length|got a null"),
        (
            LISTS[:12] + [[0.0, float("nan"), 1.0]] + LISTS[13:],
            "row 13, column 'logits': expected a finite number, got nan",
        ),
        ([[[1.0]]] * 30, "expected float16, float32 or float64, got list"),
        ([["a", "b", "c"]] * 30, "expected float16, float32 or float64, got list"),
    ],
)
def test_lists_that_are_no_logits(tmp_path, lists, part):
    with pytest.raises(DataError, match=part):
        read_tables(one_model(tmp_path, pa.array(lists)))


def test_lists_that_are_logits(tmp_path):
    assert len(read_tables(one_model(tmp_path, pa.array(LISTS)))) == 30


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95, 0.999])
def test_a_truncated_file(tmp_path, share):
    pq.write_table(table(), tmp_path / "o.parquet")
    whole = (tmp_path / "o.parquet").read_bytes()
    (tmp_path / "o.parquet").write_bytes(whole[: int(len(whole) * share)])
    assert "expected a whole Parquet file, got a damaged one" in refused(tmp_path / "o.parquet")


def test_the_footer_says_what_pyarrow_reads_there(tmp_path):
    made = table().append_column("lists", pa.array(LISTS)).append_column("struct", pa.array([{"a": {"b": 1}}] * 30))
    pq.write_table(made, tmp_path / "o.parquet", row_group_size=7)
    expected = []
    with pq.ParquetFile(tmp_path / "o.parquet") as file:
        for group in range(file.metadata.num_row_groups):
            for place in range(file.metadata.num_columns):
                one = file.metadata.row_group(group).column(place)
                expected.append((one.path_in_schema, one.num_values, one.total_uncompressed_size))
    found = [(".".join(one.path), one.values, one.size) for one in read_chunks(tmp_path / "o.parquet")]
    assert found == expected and len(found) == 5 * 13


def test_flipped_bytes_are_refused_or_give_outputs(tmp_path):
    path = tmp_path / "o.parquet"
    pq.write_table(table(), path, compression="zstd", write_page_checksum=True)
    whole = path.read_bytes()
    for at in np.random.default_rng(0).integers(0, len(whole), 150).tolist():
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x5A]) + whole[at + 1 :])
        try:
            read_tables(TableFiles(outputs=path))
        except Exception as error:
            assert hasattr(error, "exit_code") and "\n" not in str(error), repr(error)


def varint(number):
    number, out = number << 1, b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def test_a_footer_that_claims_a_million_million_rows(tmp_path):
    path = tmp_path / "o.parquet"
    made = pa.concat_tables([table(30)] * 5)  # 150 rows: the number needs two bytes
    pq.write_table(made, path, row_group_size=10**6)
    whole = path.read_bytes()
    length = int.from_bytes(whole[-8:-4], "little")
    footer = whole[-8 - length : -8]
    claimed = footer.replace(b"\x16" + varint(150), b"\x16" + varint(10**12))
    assert claimed != footer
    path.write_bytes(whole[: -8 - length] + claimed + len(claimed).to_bytes(4, "little") + b"PAR1")
    assert "expected at most 16 GiB of numbers, got 1000000000000 rows of 6" in refused(path)


def test_a_small_file_that_unpacks_to_much(tmp_path):
    path = tmp_path / "o.parquet"
    n = 10**6
    columns = {f"candidate_{c}": pa.array(np.zeros(n)) for c in range(2)} | {
        f"retrain_1_{c}": pa.array(np.zeros(n)) for c in range(2)
    }
    same = pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array(["x" * 4000]))
    made = pa.table(columns | {"label": pa.array(np.zeros(n, int)), "role": same, "group": same})
    pq.write_table(made, path)
    assert path.stat().st_size < 10**6
    assert "expected at most 0.00931 GiB of numbers" in refused(path, max_bytes=10**7)
    before = pa.total_allocated_bytes()
    pool = pa.default_memory_pool()
    assert "GiB of texts, got 1000000 of up to 4000" in refused(path, max_bytes=10**8)
    assert pool.max_memory() - before < 2 * 10**8


def test_a_prefix_shared_by_many_texts_is_refused(tmp_path):
    made = table()
    pq.write_table(made, tmp_path / "o.parquet", use_dictionary=False, column_encoding={"id": "DELTA_BYTE_ARRAY"})
    assert "got DELTA_BYTE_ARRAY" in refused(tmp_path / "o.parquet")
