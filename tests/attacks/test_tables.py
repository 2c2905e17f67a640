"""Tables in every layout give the outputs that they were written from, to the last bit."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from tests.attacks import table_files as t
from vestige.attacks.outputs.outputs import Outputs
from vestige.attacks.outputs.tables import records as records
from vestige.attacks.outputs.tables.columns import Columns, RoleNames
from vestige.attacks.outputs.tables.kinds import file_kind
from vestige.attacks.outputs.tables.read import TableFiles, read_tables

pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is absent (the extra vestige[parquet])")
pa = pytest.importorskip("pyarrow")

LAYOUTS = {"by row": t.by_row, "wide": t.wide, "long": t.long}
SUFFIXES = (".csv", ".tsv", ".csv.gz", ".parquet")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_file(tmp_path, layout, suffix):
    outputs = t.make(shadows=2)
    frame = LAYOUTS[layout](outputs).sample(frac=1, random_state=0)
    assert t.same(outputs, read_tables(TableFiles(outputs=t.save(frame, tmp_path / f"o{suffix}"))))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_for_each_model_matched_by_ids(tmp_path, suffix):
    outputs = t.make(shadows=1)
    read = read_tables(t.several(outputs, tmp_path, suffix, np.random.default_rng(0)))
    assert t.same(outputs, read) and read.id.tolist() == outputs.id.tolist()


# Python's csv module leaves a carriage return alone without quotes, so that no one can read it back.
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1, max_size=6)
NUMBER = st.floats(-1e6, 1e6, allow_nan=False)


@st.composite
def outputs_of_any_kind(draw):
    n, classes = draw(st.integers(2, 8)), draw(st.integers(2, 12))
    array = lambda *shape: np.array(  # noqa: E731
        draw(st.lists(NUMBER, min_size=int(np.prod(shape)), max_size=int(np.prod(shape)))), np.float64
    ).reshape(shape)
    role = ["forget", "unseen"] + draw(
        st.lists(st.sampled_from(["forget", "unseen", "retain"]), min_size=n - 2, max_size=n - 2)
    )
    return t.make(
        n=n,
        classes=classes,
        retrains=1,
        role=np.array(role),
        candidate=array(n, classes),
        retrain=array(draw(st.integers(1, 2)), n, classes),
        original=array(n, classes) if draw(st.booleans()) else None,
        group=np.array(draw(st.lists(TEXT, min_size=n, max_size=n))) if draw(st.booleans()) else None,
        id=np.array(draw(st.lists(TEXT, min_size=n, max_size=n, unique=True))),
    )


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("layout", [*LAYOUTS, "several"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(outputs=outputs_of_any_kind(), block=st.integers(1, 400))
def test_round_trip_of_any_outputs(tmp_path, monkeypatch, layout, suffix, outputs, block):
    monkeypatch.setattr(records, "_BLOCK", block)
    if layout == "several":
        source = t.several(outputs, tmp_path, suffix, np.random.default_rng(block))
    else:
        source = TableFiles(outputs=t.save(LAYOUTS[layout](outputs), tmp_path / f"o{suffix}"))
    assert t.same(outputs, read_tables(source))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_facts_may_stand_in_a_file_of_their_own(tmp_path, layout):
    outputs = t.make()
    own = [name for name in ("label", "role", "group", "subject")]
    source = TableFiles(
        outputs=t.save(LAYOUTS[layout](outputs).drop(columns=own), tmp_path / "o.csv"),
        examples=t.save(t.facts(outputs).sample(frac=1, random_state=1), tmp_path / "e.csv"),
    )
    assert t.same(outputs, read_tables(source))


def test_files_of_all_kinds_together(tmp_path):
    outputs = t.make(retrains=4)
    names = list(t.models(outputs))
    held = t.models(outputs)
    np.save(tmp_path / "original.npy", outputs.original)
    np.savez(tmp_path / "r1.npz", held["retrain-1"])
    np.savez_compressed(
        tmp_path / "r2.npz", logits=held["retrain-2"][::-1], id=outputs.id[::-1], labels=outputs.labels[::-1]
    )
    lists = pa.table({"id": pa.array(outputs.id.tolist()), "logits": pa.array(held["retrain-3"].tolist())})
    pq.write_table(lists, tmp_path / "r3.parquet", row_group_size=5)
    long = t.long(outputs).query("model == 'retrain-4'").drop(columns=["role", "group"]).sample(frac=1, random_state=2)
    paths = {
        "candidate": t.save(t.logits(outputs.candidate), tmp_path / "c.csv"),
        "original": tmp_path / "original.npy",
        **{f"retrain-{i}": tmp_path / f"r{i}.{kind}" for i, kind in ((1, "npz"), (2, "npz"), (3, "parquet"))},
        "retrain-4": t.save(long, tmp_path / "r4.tsv"),
    }
    assert list(paths) == names
    assert t.same(outputs, read_tables(t.files(paths, t.save(t.facts(outputs), tmp_path / "e.csv"))))


def test_facts_may_be_spread_over_the_models_files(tmp_path):
    outputs = t.make(original=False, retrains=1, group=None, subject=None)
    paths = {
        "candidate": t.save(t.logits(outputs.candidate).assign(label=outputs.labels), tmp_path / "c.csv"),
        "retrain-1": t.save(
            t.logits(outputs.retrain[0]).assign(role=outputs.role, label=outputs.labels), tmp_path / "r.csv"
        ),
    }
    read = read_tables(t.files(paths))
    assert read.id is None and np.array_equal(read.role, outputs.role) and np.array_equal(read.labels, outputs.labels)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("as_list", [None, "list", "large_list", "fixed"])
def test_float_types_of_parquet_are_kept(tmp_path, dtype, as_list):
    outputs = t.make(dtype=dtype)
    frame = t.by_row(outputs)
    columns = [name for name in frame if name.startswith("logit_")]
    table = pa.table({name: pa.array(frame[name]) for name in frame if name not in columns})
    values = frame[columns].to_numpy(dtype)
    if as_list is None:
        for place, name in enumerate(columns):
            table = table.append_column(name, pa.array(values[:, place]))
    else:
        element = pa.from_numpy_dtype(dtype)
        kind = {"list": pa.list_(element), "large_list": pa.large_list(element), "fixed": pa.list_(element, 3)}[as_list]
        table = table.append_column("logits", pa.array(list(values)).cast(kind))
    pq.write_table(table, tmp_path / "o.parquet", row_group_size=7)
    read = read_tables(TableFiles(outputs=tmp_path / "o.parquet"))
    assert t.same(outputs, read) and read.candidate.dtype == (np.float64 if dtype == np.float64 else np.float32)


def test_text_types_of_parquet_and_integers_as_ids_and_labels_as_floats(tmp_path):
    outputs = t.make()
    table = pa.Table.from_pandas(t.by_row(outputs))
    kinds = {"id": pa.large_string(), "role": pa.string_view(), "group": pa.dictionary(pa.int8(), pa.string())}
    for name, kind in kinds.items():
        table = table.set_column(table.schema.get_field_index(name), name, table[name].cast(kind))
    table = table.set_column(table.schema.get_field_index("label"), "label", table["label"].cast(pa.float64()))
    table = table.set_column(table.schema.get_field_index("subject"), "subject", table["subject"].cast(pa.uint16()))
    pq.write_table(table, tmp_path / "o.parquet")
    read = read_tables(TableFiles(outputs=tmp_path / "o.parquet"))
    assert np.array_equal(read.labels, outputs.labels) and read.id.tolist() == outputs.id.tolist()
    assert read.subject.tolist() == [str(int(one)) for one in outputs.subject]


def test_ids_stay_the_texts_of_the_file(tmp_path):
    ids = np.array(
        ["007", "7", "7.0", "=1+1", "NA", "nan", "None", "1e5", " x ", "ü/日本.png", "a,b", 'say "hi"', "True", "-"]
    )
    outputs = t.make(n=len(ids), id=ids)
    for layout, frame in LAYOUTS.items():
        read = read_tables(TableFiles(outputs=t.save(frame(outputs), tmp_path / "o.csv")))
        assert set(read.id.tolist()) == set(ids.tolist()) and t.same(outputs, read), layout


@pytest.mark.parametrize("text", ["{}", "{}.0", "{}.", "+{}", " {} "])
def test_whole_numbers_as_labels(tmp_path, text):
    outputs = t.make()
    frame = t.wide(outputs).assign(label=[text.format(label) for label in outputs.labels])
    assert t.same(outputs, read_tables(TableFiles(outputs=t.save(frame, tmp_path / "o.csv"))))


def test_classes_with_names_and_classes_counted_from_one(tmp_path):
    outputs = t.make()
    names = ["dog", "cat", "p_x"]
    frame = t.by_row(outputs).rename(columns={f"logit_{c}": f"p_{name}" for c, name in enumerate(names)})
    frame = frame.assign(label=[names[label] for label in frame.label])
    assert t.same(outputs, read_tables(TableFiles(outputs=t.save(frame, tmp_path / "n.csv"))))
    frame = (
        t.by_row(outputs)
        .rename(columns={f"logit_{c}": str(c + 1) for c in range(3)})
        .assign(label=lambda f: f.label + 1)
    )
    assert t.same(outputs, read_tables(TableFiles(outputs=t.save(frame[sorted(frame)[::-1]], tmp_path / "1.csv"))))


def test_class_columns_are_ordered_by_number_in_every_file(tmp_path):
    outputs = t.make(classes=12, original=False, retrains=1)
    shuffled = t.logits(outputs.retrain[0], "prob_")[[f"prob_{c}" for c in np.random.default_rng(0).permutation(12)]]
    paths = {
        "candidate": t.save(pd.concat([t.facts(outputs), t.logits(outputs.candidate, "")], axis=1), tmp_path / "c.csv"),
        "retrain-1": t.save(shuffled, tmp_path / "r.parquet"),
    }
    assert t.same(outputs, read_tables(t.files(paths)))


def test_columns_and_roles_named_by_the_user(tmp_path):
    outputs = t.make()
    names = {"label": "target", "role": "split", "id": "file", "model": "which", "group": "sex", "subject": "person"}
    frame = t.by_row(outputs).replace({"role": {"unseen": "test", "forget": "out"}}).rename(columns=names)
    frame = frame.rename(columns={f"logit_{c}": f"out[{c}]" for c in range(3)}).assign(logit_0=1.0, logit_1=2.0)
    columns = Columns.parse([f"{part}={column}" for part, column in names.items()] + ["logits=out[*]"])
    roles = RoleNames.parse(["test=unseen", "out=forget"])
    assert t.same(outputs, read_tables(TableFiles(outputs=t.save(frame, tmp_path / "o.csv")), columns, roles=roles))
    long = t.long(outputs).rename(columns={"class": "k", "value": "v"})
    columns = Columns.parse(["class=k", "value=v"])
    assert t.same(outputs, read_tables(TableFiles(outputs=t.save(long, tmp_path / "l.csv")), columns))


@pytest.mark.parametrize("spelling", ["retrain-{}", "retrain_{}", "retrain {}", "retrain{}"])
def test_spellings_of_models_and_their_order_by_number(tmp_path, spelling):
    outputs = t.make(retrains=11)
    frame = t.by_row(outputs).assign(model=lambda f: [spelling.format(m[8:]) if "-" in m else m for m in f.model])
    frame = frame.sort_values("model", kind="stable")
    assert t.same(outputs, read_tables(TableFiles(outputs=t.save(frame, tmp_path / "o.csv"))))


@pytest.mark.parametrize("change", ["bom", "crlf", "semicolon", "no last line end", "blank lines at the end", "quoted"])
def test_harmless_dialects_of_csv(tmp_path, change):
    outputs = t.make()
    options = {"semicolon": {"sep": ";"}, "quoted": {"quoting": 1}, "crlf": {"lineterminator": "\r\n"}}.get(change, {})
    path = tmp_path / "o.csv"
    t.wide(outputs).to_csv(path, index=False, **options)
    data = path.read_bytes()
    data = b"\xef\xbb\xbf" + data if change == "bom" else data
    data = data.rstrip(b"\n") if change == "no last line end" else data
    path.write_bytes(data + b"\n\r\n\n" if change == "blank lines at the end" else data)
    assert t.same(outputs, read_tables(TableFiles(outputs=path)))


def test_probabilities_become_log_probabilities_as_in_npz(tmp_path):
    outputs = t.make(n=60)
    soft = {name: softmax(getattr(outputs, name), axis=-1) for name in ("candidate", "retrain", "original")}
    soft["candidate"][3] = np.eye(3)[outputs.labels[3]]
    given = t.facts(outputs).to_dict("series")
    given = {("labels" if name == "label" else name): np.array(values.tolist()) for name, values in given.items()}
    expected = Outputs.from_arrays(given | soft, probabilities=True)
    frame = t.by_row(Outputs(labels=outputs.labels, **{name: given[name] for name in t.FACTS}, **soft), "prob_")
    path = t.save(frame, tmp_path / "o.csv")
    read = read_tables(TableFiles(outputs=path), probabilities=True)
    assert t.same(expected, read) and read.saturated == expected.saturated == 1


def test_without_retrains(tmp_path):
    outputs = t.make(shadows=1)
    frame = t.by_row(outputs)
    path = t.save(frame[~frame.model.str.startswith("retrain")], tmp_path / "o.csv")
    assert read_tables(TableFiles(outputs=path), without_retrains=True).retrain.shape == (0, 12, 3)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_thousands_of_classes(tmp_path, suffix):
    outputs = t.make(classes=3000, original=False, retrains=1, n=5)
    path = t.save(t.wide(outputs), tmp_path / f"o{suffix}")
    assert t.same(outputs, read_tables(TableFiles(outputs=path)))


def test_what_a_path_is(tmp_path):
    kinds = {
        "a.csv": "csv",
        "a.CSV": "csv",
        "a.csv.gz": "csv",
        "a.tsv": "tsv",
        "a.tsv.gz": "tsv",
        "a.parquet": "parquet",
    }
    kinds |= {"a.npz": "npz", "a.npy": "npy", "a.pt": None, "a.safetensors": None, "a.gz": None, "a": None}
    assert {name: file_kind(name) for name in kinds} == kinds
    pq.write_table(pa.table({"a": [1]}), tmp_path / "p")
    with (tmp_path / "n").open("wb") as stream:
        np.save(stream, np.zeros(2))
    (tmp_path / "g").write_bytes(gzip.compress(b"a"))
    assert [file_kind(tmp_path / name) for name in ("p", "n", "g")] == ["parquet", "npy", None]
    assert file_kind(tmp_path) is None and isinstance(tmp_path, Path)
