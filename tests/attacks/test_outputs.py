"""The outputs file: round trips, equal bytes, and what a stranger's file may hold (one sentence for each fault)."""

import errno
import io
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
from scipy.special import softmax

from vestige.attacks.outputs.outputs import Outputs
from vestige.attacks.outputs.tables.read import TableFiles, read_tables
from vestige.attacks.signals import signals
from vestige.learners.errors import DataError
from vestige.learners.files import npz

N, C, K = 30, 4, 3


class Bomb:
    """Unpickling it would be noticed."""

    def __reduce__(self):
        return (os.mkdir, ("unpickled",))


def arrays(seed=0, dtype=np.float32, **changes):
    random = np.random.default_rng(seed)
    made = {
        "labels": random.integers(0, C, N),
        "role": np.array(["forget"] * 10 + ["unseen"] * 15 + ["retain"] * 5),
        "candidate": random.normal(0, 3, (N, C)).astype(dtype),
        "retrain": random.normal(0, 3, (K, N, C)).astype(dtype),
        "original": random.normal(0, 3, (N, C)).astype(dtype),
        "group": np.array(["a", "bb", "ccc"] * 10),
        "subject": np.arange(N) // 2,
        "id": np.array([f"image-{i}" for i in range(N)]),
    }
    made.update(changes)
    return {name: values for name, values in made.items() if values is not None}


def saved(tmp_path, **changes):
    path = tmp_path / "outputs.npz"
    np.savez(path, **arrays(**changes))
    return path


def replaced(values, at, value):
    values = values.copy()
    values[at] = value
    return values


def test_reads_what_numpy_wrote(tmp_path):
    given = arrays()
    outputs = Outputs.read(saved(tmp_path))
    assert len(outputs) == N and outputs.classes == C and outputs.saturated == 0
    for name in ("labels", "role", "candidate", "retrain", "original", "group", "id"):
        assert np.array_equal(getattr(outputs, name), given[name])
    assert outputs.labels.dtype == np.int64 and outputs.candidate.dtype == np.float32
    assert outputs.subject.tolist() == [str(i // 2) for i in range(N)]
    assert outputs.where("forget").sum() == 10 and outputs.where("retain").sum() == 5


def test_optional_arrays_and_retain_may_be_absent(tmp_path):
    role = np.array(["forget"] * 10 + ["unseen"] * 20)
    outputs = Outputs.read(saved(tmp_path, role=role, original=None, group=None, subject=None, id=None))
    assert outputs.original is outputs.group is outputs.subject is outputs.id is None


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4", ">f8"])
def test_float_types_are_exact(tmp_path, dtype):
    outputs = Outputs.read(saved(tmp_path, dtype=dtype))
    assert outputs.candidate.dtype == (np.float64 if np.dtype(dtype).itemsize == 8 else np.float32)
    assert np.array_equal(outputs.candidate, arrays(dtype=dtype)["candidate"])


@pytest.mark.parametrize("labels", [np.uint8, np.int32, np.uint64])
def test_integer_types_and_byte_strings_are_accepted(tmp_path, labels):
    given = arrays()
    path = saved(tmp_path, labels=given["labels"].astype(labels), role=given["role"].astype("S"))
    outputs = Outputs.read(path)
    assert np.array_equal(outputs.labels, given["labels"]) and outputs.role.dtype.kind == "U"


def test_compressed_and_fortran_ordered_files_are_read(tmp_path):
    given = arrays()
    np.savez_compressed(tmp_path / "c.npz", **{**given, "candidate": np.asfortranarray(given["candidate"])})
    assert np.array_equal(Outputs.read(tmp_path / "c.npz").candidate, given["candidate"])


def test_write_and_read_give_the_same_and_equal_bytes(tmp_path):
    first = Outputs.from_arrays(arrays())
    first.write(tmp_path / "a.npz")
    again = Outputs.read(tmp_path / "a.npz")
    again.write(tmp_path / "b" / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b" / "b.npz").read_bytes()
    for name in ("labels", "role", "candidate", "retrain", "original", "group", "subject", "id"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    with np.load(tmp_path / "a.npz", allow_pickle=False) as plain:
        assert np.array_equal(plain["retrain"], first.retrain)


def test_equal_bytes_whatever_the_memory_layout_text_width_and_clock(tmp_path, monkeypatch):
    given = arrays()
    Outputs.from_arrays(given).write(tmp_path / "a.npz")
    monkeypatch.setattr("time.time", lambda: 2e9)
    wide = {**given, "role": given["role"].astype("<U40"), "retrain": np.asfortranarray(given["retrain"])}
    Outputs.from_arrays(dict(reversed(wide.items()))).write(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_failed_write_leaves_the_old_file_and_no_scrap(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    Outputs.from_arrays(arrays()).write(path)
    before = path.read_bytes()

    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(OSError, match="disk full"):
        Outputs.from_arrays(arrays(seed=1)).write(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["a.npz"]


def test_a_disk_that_fills_up_leaves_the_old_file_and_no_scrap(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    Outputs.from_arrays(arrays()).write(path)
    before = path.read_bytes()
    written = npz._write_array

    def full(member, array):
        written(member, array)
        if array.ndim == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(npz, "_write_array", full)
    with pytest.raises(OSError, match="No space left") as refusal:
        Outputs.from_arrays(arrays(seed=1)).write(path)
    assert refusal.value.filename == str(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["a.npz"]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("map_from", [1, 2**30])
def test_letters_beyond_unicode_are_refused(tmp_path, order, map_from):
    """NumPy ends in a SystemError where it makes a text of them."""
    given = arrays()
    wrong = given["id"].astype(f"{order}U8") if "id" in given else np.array([str(i) for i in range(N)], f"{order}U8")
    wrong.view(f"{order}u4")[5] = 0x110000
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", **{**given, "id": wrong})
        with pytest.raises(DataError, match="id, got a damaged one .*letters beyond Unicode"):
            Outputs.read(tmp_path / "a.npz", map_from=map_from)
        save(tmp_path / "m.npz", logits=given["candidate"], labels=given["labels"], role=given["role"], id=wrong)
        with pytest.raises(DataError, match="letters beyond Unicode"):
            read_tables(TableFiles(candidate=tmp_path / "m.npz"), without_retrains=True)


def test_arrays_of_any_layout_are_written_as_numpy_does(tmp_path):
    whole = np.arange(120.0).reshape(4, 5, 6)
    odd = {
        "fortran": np.asfortranarray(whole), "strided": whole[::2, ::-1], "column": whole[:, :, 1],
        "flat": whole[1, :, 0], "number": np.float64(3), "none": whole[:0],
        "no_letters": np.array(["", ""], "<U0"), "big": whole.astype(">f4"),
    }  # fmt: skip
    (tmp_path / "a.npz").write_bytes(npz.npz_bytes(odd, comment="made här"))
    assert npz.npz_comment(tmp_path / "a.npz") == "made här"
    with np.load(tmp_path / "a.npz", allow_pickle=False) as held:
        for name, values in odd.items():
            assert np.array_equal(held[name], values) and held[name].shape == np.shape(values)


GIVEN = arrays()
FAULTS = {
    "no labels": ({"labels": None}, "got no labels"),
    "no role and no retrain": ({"role": None, "retrain": None}, "got no role and no retrain"),
    "a misspelt key": ({"orignal": GIVEN["original"]}, "got 'orignal.npy'"),
    "labels too long": ({"labels": np.zeros(N + 1, int)}, r"labels: expected shape \[30\], got \[31\]"),
    "labels as a column": ({"labels": np.zeros((N, 1), int)}, r"labels \[n\].* got labels \[30, 1\]"),
    "labels as floats": ({"labels": np.zeros(N)}, "labels: expected integers, got float64"),
    "labels as booleans": ({"labels": np.zeros(N, bool)}, "labels: expected integers, got bool"),
    "a label too large": (
        {"labels": replaced(GIVEN["labels"], [3, 4], C)},
        r"labels: expected values in 0\.\.3, got 2",
    ),
    "a negative label": ({"labels": replaced(GIVEN["labels"], 3, -1)}, "got 1 outside"),
    "a label beyond int64": ({"labels": np.full(N, 2**64 - 1, np.uint64)}, "got 30 outside"),
    "an unknown role": ({"role": replaced(GIVEN["role"], [1, 2], "test")}, "got 'test' for 2 examples"),
    "no unseen": ({"role": np.array(["forget", "retain"] * 15)}, "role: expected unseen examples, got none"),
    "no forget": ({"role": np.array(["unseen", "retain"] * 15)}, "role: expected forget examples, got none"),
    "roles as numbers": ({"role": np.zeros(N, int)}, "role: expected text, got int64"),
    "NaN": (
        {"candidate": replaced(GIVEN["candidate"], (0, 0), np.nan)},
        "candidate: .* got 1 NaN and 0 infinite of 120",
    ),
    "infinite": (
        {"retrain": replaced(GIVEN["retrain"], (1, 2), np.inf)},
        "retrain: .* got 0 NaN and 4 infinite of 360",
    ),
    "NaN in original": ({"original": np.full((N, C), np.nan)}, "original: .* got 120 NaN"),
    "K = 0": ({"retrain": np.zeros((0, N, C))}, r"expected at least one retrain \(K >= 1\), got none"),
    "one retrain without its axis": (
        {"retrain": np.zeros((N, C))},
        r"retrain \[K, n, classes\], got .*retrain \[30, 4\]",
    ),
    "retrain of other examples": ({"retrain": np.zeros((K, N - 1, C))}, r"retrain: expected shape \[3, 30, 4\]"),
    "original of other classes": (
        {"original": np.zeros((N, C + 1))},
        r"original: expected shape \[30, 4\], got \[30, 5\]",
    ),
    "one class": ({"candidate": np.zeros((N, 1))}, "2 classes, got 30 and 1"),
    "candidate as integers": ({"candidate": np.zeros((N, C), int)}, "candidate: expected floating-point numbers"),
    "candidate complex": ({"candidate": np.zeros((N, C), complex)}, "floating-point numbers, got complex128"),
    "no examples": (
        {
            name: GIVEN[name][..., :0, :] if name in ("candidate", "retrain", "original") else GIVEN[name][:0]
            for name in GIVEN
        },
        "at least 1 example",
    ),
    "group too short": ({"group": np.array(["a"])}, r"group: expected shape \[30\], got \[1\]"),
    "groups as floats": ({"group": np.zeros(N)}, "group: expected text, got float64"),
    "an id twice": ({"id": replaced(GIVEN["id"], 1, "image-0")}, "got 1 ids repeated .first 'image-0'"),
    "bytes that are no text": ({"group": np.array([b"\xff\xfe"] * N)}, "group: expected UTF-8 text"),
    "saturated as a list": ({"saturated": np.zeros(2, int)}, r"saturated: expected shape \[\], got \[2\]"),
    "probabilities as logits": ({"candidate": softmax(GIVEN["candidate"], axis=1)}, "pass --probabilities"),
}


@pytest.mark.parametrize(("changes", "part"), FAULTS.values(), ids=FAULTS)
def test_each_fault_gets_one_sentence_that_names_file_and_array(tmp_path, changes, part):
    path = saved(tmp_path, **changes)
    with pytest.raises(DataError, match=part) as caught:
        Outputs.read(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message and "expected" in message


@pytest.mark.parametrize("name", ["role", "group", "candidate", "labels"])
def test_python_objects_are_refused_without_unpickling(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    path = saved(tmp_path, **{name: np.array([Bomb()] * N, dtype=object)})
    with pytest.raises(DataError, match=rf"as {name}, could not be read: it holds Python objects.*astype\(str\)"):
        Outputs.read(path)
    assert not (tmp_path / "unpickled").exists()


def test_a_bare_pickle_a_text_a_folder_and_nothing_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps(Bomb()))
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "empty.npz").write_bytes(b"")
    np.save(tmp_path / "single.npy", np.zeros(3))
    for name in ("pickle.npz", "text.npz", "empty.npz", "single.npy"):
        with pytest.raises(DataError, match="truncated or different file"):
            Outputs.read(tmp_path / name)
    with pytest.raises(DataError, match="got nothing"):
        Outputs.read(tmp_path / "absent.npz")
    with pytest.raises(DataError, match="got a folder"):
        Outputs.read(tmp_path)
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95, 0.999])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_truncated_file_is_refused(tmp_path, share, save):
    path = tmp_path / "whole.npz"
    save(path, **arrays())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(DataError, match="truncated"):
        Outputs.read(path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_any_flipped_byte_is_refused_or_harmless(tmp_path, save):
    path = tmp_path / "whole.npz"
    save(path, **arrays())
    whole = path.read_bytes()
    expected = Outputs.read(path)
    for at in np.random.default_rng(0).integers(0, len(whole), 150).tolist():
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x5A]) + whole[at + 1 :])
        try:
            outputs = Outputs.read(path)
        except DataError as error:
            assert "expected" in str(error)
        else:
            assert np.array_equal(outputs.retrain, expected.retrain)
            assert np.array_equal(outputs.candidate, expected.candidate)


def header(shape, descr="<f4"):
    text = str({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def with_member(tmp_path, content, name="candidate.npy"):
    path = saved(tmp_path, candidate=None)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (header((10**12, 10**3)) + b"abcd", "as candidate, .* its header says float32 .* but 4 bytes follow"),
        (header((10**40,)), "but 0 bytes follow"),
        (header((-4, 4)) + bytes(64), "but 64 bytes follow"),
        (header((N, C)) + bytes(10), "but 10 bytes follow"),
        (header((N, C)) + bytes(N * C * 4 + 1), "but 481 bytes follow"),
        (header((N, C), "no type"), "damaged header"),
        (b"\x93NUMPY\x03\x00" + bytes(20), r"damaged header \(npy format \(3, 0\)\)"),
        (b"not an array", "damaged header"),
        (b"", "damaged header"),
        (header("open('x')"), "damaged header"),
        (b"\x93NUMPY\x01\x00\x20\x00" + b"{'descr': '<f4', 'shape': (((   \n", "damaged header"),
    ],
)
def test_a_lying_header_is_refused_before_anything_is_allocated(tmp_path, content, part):
    with pytest.raises(DataError, match=part):
        Outputs.read(with_member(tmp_path, content))


def test_structured_arrays_and_repeated_names_and_paths_are_refused(tmp_path):
    structured = np.zeros(N, dtype=[("a", "<f4")])
    content = io.BytesIO()
    np.save(content, structured)
    with pytest.raises(DataError, match="candidate: expected floating-point numbers"):
        Outputs.read(with_member(tmp_path, content.getvalue()))
    with pytest.raises(DataError, match="'../labels.npy'"):
        Outputs.read(with_member(tmp_path, header((1,)) + bytes(4), "../labels.npy"))
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = with_member(tmp_path, header((1,)) + bytes(4), "labels.npy")
    with pytest.raises(DataError, match="expected one array labels, got two"):
        Outputs.read(path)


def test_a_compression_bomb_is_refused_by_its_size_before_it_is_unpacked(tmp_path):
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, **arrays(retrain=np.zeros((200, N, C))))
    assert path.stat().st_size < 20_000
    with pytest.raises(DataError, match="expected at most .* GiB once unpacked, got"):
        Outputs.read(path, max_bytes=100_000)
    Outputs.read(path, max_bytes=10**6)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-9), (np.float32, 2e-3), (np.float16, 0.3)])
def test_probabilities_become_log_probabilities(tmp_path, dtype, tolerance):
    given = arrays(dtype=np.float64)
    names = ("candidate", "retrain", "original")
    soft = {name: softmax(given[name] / 2, axis=-1).astype(dtype) for name in names}
    outputs = Outputs.read(saved(tmp_path, **soft), probabilities=True)
    assert outputs.saturated == 0
    for name in names:
        expected = signals.logit(given[name] / 2, given["labels"])
        assert signals.logit(getattr(outputs, name), outputs.labels) == pytest.approx(expected, abs=tolerance)


def test_saturated_probabilities_are_counted_stay_finite_and_survive_the_file(tmp_path):
    given = arrays()
    certain = np.zeros((N, C), np.float32)
    certain[np.arange(N), given["labels"]] = 1.0
    wrong = np.roll(certain, 1, axis=1)
    retrain = np.stack([certain, wrong, np.full((N, C), 0.25, np.float32)])
    outputs = Outputs.read(saved(tmp_path, candidate=certain, retrain=retrain, original=wrong), probabilities=True)
    assert outputs.saturated == 2 * N
    phi = signals.logit(outputs.retrain, outputs.labels)
    assert np.isfinite(phi).all() and phi[0].min() > 100 and phi[1].max() < -100
    outputs.write(tmp_path / "again.npz")
    assert Outputs.read(tmp_path / "again.npz").saturated == 2 * N


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda p: replaced(p, (0, 0), -0.01), r"probabilities in \[0, 1\], got 1 of 120 values outside"),
        (lambda p: replaced(p, (0, 0), 1.5), "got 1 of 120 values outside"),
        (lambda p: p * 0.9, "sum to 1, got 30 of 30 that do not"),
        (lambda p: replaced(p, (slice(0, 2), 0), 0.999), "sum to 1, got 2 of 30 that do not"),
        (lambda p: replaced(p, (0, 0), np.nan), "got 1 NaN"),
    ],
)
def test_false_probabilities_are_refused(tmp_path, change, part):
    soft = {name: softmax(values, axis=-1) for name, values in arrays().items() if name in ("retrain", "original")}
    soft["candidate"] = change(softmax(arrays()["candidate"], axis=-1))
    with pytest.raises(DataError, match=f"candidate: .*{part}"):
        Outputs.read(saved(tmp_path, **soft), probabilities=True)


@pytest.mark.parametrize("name", ["candidate", "original", "retrain"])
def test_probabilities_called_logits_are_refused_in_every_array(tmp_path, name):
    given = arrays()[name]
    soft = softmax(given, axis=-1)
    if name == "retrain":
        soft = np.concatenate([given[:-1], soft[-1:]])
    place = rf"retrain\[{K - 1}\]" if name == "retrain" else name
    with pytest.raises(DataError, match=f"{place}: expected logits"):
        Outputs.read(saved(tmp_path, **{name: soft}))


@pytest.mark.parametrize("size", [1.5e6, -1.5e6, 1.7e308])
def test_logits_beyond_any_classifier_are_refused(tmp_path, size):
    changed = arrays(dtype=np.float64)["original"]
    changed[3, 1] = size
    with pytest.raises(DataError, match=r"original: expected logits between -1e\+06 and 1e\+06, got 1 of 120 values"):
        Outputs.read(saved(tmp_path, original=changed))


def test_logits_called_probabilities_are_refused(tmp_path):
    with pytest.raises(DataError, match="audit logits as logits"):
        Outputs.read(saved(tmp_path), probabilities=True)


def test_probabilities_rounded_to_four_digits_are_accepted(tmp_path):
    soft = {name: softmax(arrays()[name], axis=-1).round(4) for name in ("candidate", "retrain", "original")}
    assert len(Outputs.read(saved(tmp_path, **soft), probabilities=True)) == N


def test_the_given_arrays_are_not_modified():
    given = arrays()
    soft = {name: softmax(given[name], axis=-1) for name in ("candidate", "retrain", "original")}
    before = {name: values.copy() for name, values in (given | soft).items()}
    Outputs.from_arrays(given)
    Outputs.from_arrays(given | soft, probabilities=True)
    assert all(np.array_equal(values, before[name]) for name, values in (given | soft).items())
    assert all(np.array_equal(values, arrays()[name]) for name, values in given.items())


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        (
            {"candidate": np.zeros((N, C), np.longdouble)},
            "candidate: expected float16, .* got float128",
        ),
        ({"labels": np.zeros(N, np.int32)}, "labels: expected int64, got int32"),
        ({"subject": np.arange(N)}, "subject: expected text, got int64"),
        ({"role": np.array(["forget"] * N)}, "expected unseen"),
        ({"retrain": np.full((K, N, C), np.inf)}, "retrain: .* 360 infinite"),
        ({"id": np.array(["same"] * N)}, "1 ids repeated"),
    ],
)
def test_direct_construction_is_checked_too(changes, part):
    with pytest.raises(DataError, match=part):
        Outputs(**arrays(**{"subject": None, **changes}))


def test_direct_construction_works():
    assert len(Outputs(**arrays(subject=None))) == N


def test_one_example_of_each_role_is_enough_to_be_outputs():
    two = {name: values[..., 9:11, :] if values.ndim > 1 else values[9:11] for name, values in arrays().items()}
    assert Outputs.from_arrays(two).role.tolist() == ["forget", "unseen"]


def test_without_retrains_where_the_caller_allows_it(tmp_path):
    given = arrays()
    shadow = given["retrain"]
    for retrain in (None, np.zeros((0, N, C), np.float32)):
        kept = {name: values for name, values in given.items() if name != "retrain"} | {"shadow": shadow}
        kept |= {} if retrain is None else {"retrain": retrain}
        np.savez(tmp_path / "a.npz", **kept)
        with pytest.raises(DataError, match=r"declared a random draw|a random draw \(--random\), where it is"):
            Outputs.read(tmp_path / "a.npz")
        outputs = Outputs.read(tmp_path / "a.npz", without_retrains=True)
        assert outputs.retrain.shape == (0, N, C) and np.array_equal(outputs.shadow, shadow)
        outputs.write(tmp_path / "b.npz")
        again = Outputs.read(tmp_path / "b.npz", without_retrains=True)
        assert again.retrain.shape == (0, N, C) and np.array_equal(again.shadow, shadow)


@pytest.mark.parametrize(
    ("shadow", "message"),
    [
        (np.zeros((0, N, C)), "shadow: expected at least one model"),
        (np.zeros((N, C)), "shadow: expected shape"),
        (np.zeros((2, N + 1, C)), "shadow: expected shape"),
        (np.full((2, N, C), np.nan), "shadow: expected finite"),
        (np.zeros((2, N, C), int), "shadow: expected floating-point"),
        (np.float64(1.0), "shadow: expected shape"),
    ],
)
def test_shadows_that_cannot_be_used_are_refused(shadow, message, tmp_path):
    np.savez(tmp_path / "a.npz", **arrays(), shadow=shadow)
    with pytest.raises(DataError, match=message):
        Outputs.read(tmp_path / "a.npz", without_retrains=True)


def test_files_without_a_candidate_are_refused_whatever_is_allowed(tmp_path):
    for fields in ({"labels": np.zeros(3, int)}, {"candidate": np.zeros(3)}, {"candidate": np.zeros((0, 2))}):
        np.savez(tmp_path / "a.npz", **fields)
        with pytest.raises(DataError):
            Outputs.read(tmp_path / "a.npz", without_retrains=True)
