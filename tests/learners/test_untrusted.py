"""Untrusted files and sources under attack: bounded before anything is allocated."""

import io
import os
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vestige.learners.data.sources.decode import decode_all
from vestige.learners.data.sources.load import load_examples
from vestige.learners.data.sources.parts import join
from vestige.learners.errors import DataError
from vestige.learners.files import untrusted
from vestige.learners.files.npz import read_npy, read_npz
from vestige.learners.files.untrusted import Folder, as_names, check_regular, shown, shown_path


def npy(shape: tuple[int, ...], descr: str, data: bytes) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"shape": shape, "descr": descr, "fortran_order": False})
    return stream.getvalue() + data


def archive(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as opened:
        for name, data in members.items():
            opened.writestr(name, data)
    return path


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    arrays = {
        "a": random.integers(0, 256, (3, 4, 5), dtype=np.uint8),
        "b": np.asfortranarray(random.normal(size=(3, 4))),
        "c": np.array(["x", "längere"]),
        "d": np.zeros((0, 3)),
        "e": np.array(7),
        "f": np.array([True, False]),
        "g": random.normal(size=(400, 1000)),
        "h": np.arange(3, dtype=">i4"),
    }
    np.savez_compressed(tmp_path / "x.npz", **arrays)
    found = read_npz(tmp_path / "x.npz", list(arrays))
    assert list(found) == list(arrays)
    for name, values in arrays.items():
        assert found[name].dtype == values.dtype and np.array_equal(found[name], values)
        np.save(tmp_path / "x.npy", values)
        assert np.array_equal(read_npy(tmp_path / "x.npy"), values)


def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 200 * 2**20
    path = archive(tmp_path / "bomb.npz", {"images.npy": npy((size,), "|u1", bytes(size))})
    assert path.stat().st_size < 2**20
    monkeypatch.setattr("vestige.learners.files.npz.most_bytes", lambda: 100 * 2**20)
    tracemalloc.start()
    with pytest.raises(DataError, match=r"at most 0\.0977 GiB once unpacked, got 0\.195 GiB"):
        load_examples(f"npz:{path}")
    assert tracemalloc.get_traced_memory()[1] < 5 * 2**20
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (npy((10**12,), "<f8", bytes(80)), r"its header says float64 \[1000000000000\], but 80 bytes follow"),
        (npy((-1, -10), "<f8", bytes(80)), "but 80 bytes follow"),
        (npy((10**12, 0), "<f8", bytes(8)), "but 8 bytes follow"),
        (npy((10,), "|O", bytes(80)), "Python objects, which are never read"),
        (npy((10,), "<f8", bytes(79)), "but 79 bytes follow"),
        (b"\x93NUMPY\x03\x00", "npy format"),
        (b"", "could not be read"),
        (b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535, "could not be read"),
    ],
)
def test_headers_that_lie(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "x.npy").write_bytes(data)
    with pytest.raises(DataError, match=words):
        read_npy(tmp_path / "x.npy")
    with pytest.raises(DataError, match=words):
        read_npz(archive(tmp_path / "x.npz", {"images.npy": data}), ["images"])


def test_archives_that_lie(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected only the arrays a, got '\.\./evil\.txt'"):
        read_npz(archive(tmp_path / "x.npz", {"../evil.txt": b""}), ["a"])
    with pytest.raises(DataError, match="expected only the arrays a, got '0.npy'"):
        read_npz(archive(tmp_path / "x.npz", {f"{i}.npy": b"" for i in range(1001)}), ["a"])
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(tmp_path / "x.npz", "w") as opened:
        opened.writestr("a.npy", npy((1,), "|u1", b"x"))
        opened.writestr("a.npy", npy((1,), "|u1", b"y"))
    with pytest.raises(DataError, match="expected one array a, got two"):
        read_npz(tmp_path / "x.npz", ["a"])


def test_every_truncation_and_flip_of_an_archive(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (4, 3, 3, 1), dtype=np.uint8)
    np.savez_compressed(tmp_path / "x.npz", images=values, labels=np.arange(4))
    whole = (tmp_path / "x.npz").read_bytes()
    for cut in range(0, len(whole), 11):
        (tmp_path / "x.npz").write_bytes(whole[:cut])
        with pytest.raises(DataError):
            load_examples("npz:x.npz", base=tmp_path)
    random = np.random.default_rng(1)
    for _ in range(400):
        flipped = bytearray(whole)
        flipped[random.integers(len(whole))] ^= 1 << int(random.integers(8))
        (tmp_path / "x.npz").write_bytes(flipped)
        try:
            assert np.array_equal(load_examples("npz:x.npz", base=tmp_path).images, values)
        except DataError:
            pass


def test_pixels_that_do_not_fit_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for label in "ab":
        (tmp_path / label).mkdir()
        Image.new("RGB", (100, 100)).save(tmp_path / label / "0.png")
    monkeypatch.setattr("vestige.learners.data.sources.decode.most_bytes", lambda: 50_000)
    with pytest.raises(DataError, match=r"0\.png: expected at most .* of pixels .* got 2 images of 100 x 100 pixels"):
        load_examples(f"imagefolder:{tmp_path}")


def test_image_folders_with_links_pipes_and_loops(tmp_path: Path) -> None:
    inside = tmp_path / "data" / "a"
    inside.mkdir(parents=True)
    Image.new("RGB", (3, 3)).save(inside / "0.png")
    Image.new("RGB", (3, 3)).save(tmp_path / "secret.png")
    (inside / "same.png").symlink_to("0.png")
    examples = load_examples(f"imagefolder:{tmp_path / 'data'}")
    assert examples.files is not None and examples.files.tolist() == ["a/0.png", "a/same.png"]

    def refused(words: str) -> None:
        with pytest.raises(DataError, match=words):
            load_examples(f"imagefolder:{tmp_path / 'data'}")
        (inside / "x.png").unlink()

    Path(os.fsdecode(os.fsencode(inside) + b"/\xff.png")).hardlink_to(inside / "0.png")
    with pytest.raises(DataError, match="names in UTF-8"):
        load_examples(f"imagefolder:{tmp_path / 'data'}")
    Path(os.fsdecode(os.fsencode(inside) + b"/\xff.png")).unlink()
    (inside / "x.png").symlink_to(tmp_path / "secret.png")
    refused("'a/x.png', a link that leads out of it; copy the file there")
    (inside / "x.png").symlink_to("x.png")
    refused("symbolic links")
    os.mkfifo(inside / "x.png")
    refused("x.png: expected only image files")
    with (inside / "x.png").open("wb") as stream:
        stream.truncate(2**28 + 1)
    refused("at most 256 MiB, got 256 MiB")
    (tmp_path / "data" / "b").symlink_to(tmp_path)
    with pytest.raises(DataError, match="leads out of it|expected only image files"):
        load_examples(f"imagefolder:{tmp_path / 'data'}")
    (tmp_path / "linked").symlink_to(tmp_path / "data" / "a" / "..")
    (tmp_path / "data" / "b").unlink()
    assert len(load_examples(f"imagefolder:{tmp_path / 'linked'}")) == 2


def test_a_parquet_file_that_repeats_one_image_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is absent (the extra vestige[parquet])")
    parquet = pytest.importorskip("pyarrow.parquet")
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)).save(stream, "PNG")
    rows = 20_000
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([stream.getvalue()]))
    path = tmp_path / "x.parquet"
    parquet.write_table(pa.table({"img": column, "label": np.zeros(rows, np.int64)}), path, store_schema=False)
    assert path.stat().st_size < 300_000 and rows * len(stream.getvalue()) > 2**31
    monkeypatch.setattr("vestige.learners.data.sources.decode.most_bytes", lambda: 2**30)
    with pytest.raises(DataError, match=r"row 0: expected at most 1 GiB of pixels .*got 20000 images of 200 x 200"):
        load_examples(f"parquet:{path}")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_as_many_images_as_were_claimed(count: int) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (2, 2)).save(stream, "PNG")
    with pytest.raises(DataError, match=f"expected {max(count, 1)} images, as the file says, got"):
        decode_all([stream.getvalue()] * 2, count, "row {}".format)


def test_a_column_of_notes_is_no_label() -> None:
    names = tuple(str(i) for i in range(65_537))
    with pytest.raises(DataError, match="at most 65536 classes, got 65537"):
        join("x", names, (np.zeros((1, 1, 1, 1), np.uint8), np.zeros(1, np.int64)))


def test_links_out_of_a_parquet_folder(tmp_path: Path) -> None:
    (tmp_path / "outside.parquet").write_bytes(b"x")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.parquet").symlink_to(tmp_path / "outside.parquet")
    with pytest.raises(DataError, match="leads out of it"):
        load_examples(f"parquet:{tmp_path / 'data'}")
    os.mkfifo(tmp_path / "pipe.parquet")
    with pytest.raises(DataError, match="got a pipe, socket or device"):
        load_examples(f"parquet:{tmp_path / 'pipe.parquet'}")


@pytest.mark.parametrize("name", ["", "/etc/passwd", "..", "a/../b", "a\0", "a/b/../../../c"])
def test_names_that_lead_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="relative to the folder"):
        Folder(tmp_path).file(name)


def test_names_as_an_array() -> None:
    assert as_names("x", ["a", "é"]).tolist() == ["a", "é"] and as_names("x", []).shape == (0,)
    with pytest.raises(DataError, match="without NUL characters"):
        as_names("x", ["a\0"])
    with pytest.raises(DataError, match=r"names in UTF-8, got 'a\\\\udcff'; rename it"):
        as_names("x", ["é", "a\udcff"])


def test_many_long_names_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untrusted, "most_bytes", lambda: 10_000)
    with pytest.raises(DataError, match="names that fit in memory, got 100 of up to 900 characters"):
        as_names("x", ["y" * 900, *["z"] * 99])


def test_texts_for_sentences(tmp_path: Path) -> None:
    assert shown("a\nb\x1b[31m\udcff") == r"a\nb\x1b[31m\udcff" and len(shown("y" * 10**6, 60)) == 63
    assert len(shown_path(Path("y" * 10**6))) < 300
    with pytest.raises(DataError, match="expected a regular file, got a folder"):
        check_regular(tmp_path)


def test_memory_is_that_of_the_machine_or_the_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for text, expected in [("max\n", physical), ("1000000\n", 1_000_000), (f"{physical * 2}\n", physical)]:
        (tmp_path / "memory.max").write_text(text)
        monkeypatch.setattr(untrusted, "_CGROUP", tmp_path / "memory.max")
        assert untrusted.most_bytes() == expected // 2


def test_subjects_that_are_no_text(tmp_path: Path) -> None:
    made: dict[str, Any] = {"images": np.zeros((2, 3, 3), np.uint8), "labels": np.zeros(2, np.int64)}
    crooked = np.array([0x110000, 65], dtype=np.uint32).view("<U1")
    np.savez(tmp_path / "x.npz", **made, subjects=crooked)
    with pytest.raises(DataError, match="letters beyond Unicode"):
        load_examples("npz:x.npz", base=tmp_path)


def test_values_of_no_size_are_refused(tmp_path: Path) -> None:
    """NumPy would make room for one letter each, ten thousand millions of them out of a file of 128 bytes."""
    (tmp_path / "a.npy").write_bytes(npy((10**10,), "<U0", b""))
    with pytest.raises(DataError, match="values of no size"):
        read_npy(tmp_path / "a.npy")
    (tmp_path / "b.npy").write_bytes(npy((0,), "<U0", b""))
    assert read_npy(tmp_path / "b.npy").shape == (0,)
