"""Any bytes give a value or a refusal: hypothesis over every reader of tests/fuzz, from a fixed seed."""

import io
import json
import tomllib
import zipfile
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, hold
from vestige.learners.errors import VestigeError

SHORT = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
SEEDS = {name: target.seeds() for name, target in TARGETS.items()}


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_are_read(name: str) -> None:
    found = [hold(TARGETS[name], content) for content in SEEDS[name]]
    if name == "probabilities":
        assert all(isinstance(one, VestigeError) for one in found)  # they are logits
    else:
        assert not any(isinstance(one, VestigeError) for one in found), found


@pytest.mark.parametrize("name", TARGETS)
@SHORT
@given(data=st.data())
def test_edited_bytes(name: str, data: st.DataObject) -> None:
    """A few edits of an honest file: bytes replaced, cut out, put in or repeated."""
    content = bytearray(data.draw(st.sampled_from(SEEDS[name])))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        stop = data.draw(st.integers(start, min(len(content), start + 40)))
        new = data.draw(st.binary(max_size=12) | st.sampled_from(WORDS) | st.just(bytes(content[start:stop] * 2)))
        content[start:stop] = new
    hold(TARGETS[name], bytes(content))


WORDS = [
    b"nan",
    b"1e999",
    b"-1",
    b"9" * 400,
    b"[" * 3000,
    b'"\\ud800"',
    b"\x00",
    b"null",
    b"\xff",
    b"''''",
    b"\r",
    b"{}",
]


@pytest.mark.parametrize("name", TARGETS)
@SHORT
@given(content=st.binary(max_size=200))
def test_any_bytes(name: str, content: bytes) -> None:
    hold(TARGETS[name], content)


SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in places(one, (*path, key)))]


@pytest.mark.parametrize("name", ["report", "plan", "planting", "hub_state", "hub_info"])
@SHORT
@given(data=st.data())
def test_json_with_any_value_in_any_place(name: str, data: st.DataObject) -> None:
    whole: Any = {"root": json.loads(SEEDS[name][0])}
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places(whole)[1:]))
        inside = whole
        for key in path[:-1]:
            inside = inside[key]
        inside[path[-1]] = data.draw(VALUES)
    hold(TARGETS[name], json.dumps(whole["root"]).encode())


def toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value).replace("NaN", "nan").replace("Infinity", "inf").replace("null", '""')


@pytest.mark.parametrize("name", ["config", "policy"])
@SHORT
@given(data=st.data())
def test_toml_with_any_value_at_any_key(name: str, data: st.DataObject) -> None:
    content = tomllib.loads(data.draw(st.sampled_from(SEEDS[name])).decode())
    places_ = [place for place in places(content) if place and all(isinstance(key, str) for key in place)]
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places_))
        inside = content
        for key in path[:-1]:
            inside = inside.get(key) if isinstance(inside, dict) else None
        if isinstance(inside, dict):
            key = data.draw(st.sampled_from([path[-1], "", "\x1b", "seed", "method"]))
            inside[key] = data.draw(VALUES)
    text = "".join(f"{json.dumps(key)} = {toml(value)}\n" for key, value in content.items())
    hold(TARGETS[name], text.encode("utf-8", "surrogatepass"))


DTYPES = st.sampled_from(
    [
        "<f2",
        "<f4",
        ">f4",
        "<f8",
        "<i8",
        ">u2",
        "|u1",
        "|b1",
        "<U3",
        "|S4",
        "<U0",
        "<c8",
        "<M8[s]",
        "|V4",
        "|O",
        "<f16",
        "<i9",
        "[('a','<f4')]",
    ]
)
SIZES = st.integers(-3, 6) | st.sampled_from([2**31, 2**63 - 1, 2**64, 10**30])


@st.composite
def headers(draw: st.DrawFn) -> bytes:
    """An .npy member whose header says anything about shape, type and order."""
    shape = draw(st.lists(SIZES, max_size=4).map(tuple))
    text = f"{{'descr': '{draw(DTYPES)}', 'fortran_order': {draw(st.booleans())}, 'shape': {shape}, }}"
    text = draw(st.just(text) | st.sampled_from(["", "{}", "[]", "(" * 400, "{'descr': 1}", text[:-9], "9" * 5000]))
    raw = text.encode().ljust(118) + b"\n"
    version = draw(st.sampled_from([b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x00\x00", b"\xff\xff"]))
    length = draw(st.just(len(raw)) | st.integers(0, 2**32 - 1))
    size = (length % 2**16).to_bytes(2, "little") if version == b"\x01\x00" else length.to_bytes(4, "little")
    return b"\x93NUMPY" + version + size + raw + draw(st.binary(max_size=64))


@SHORT
@given(data=st.data())
def test_outputs_with_any_header_and_any_directory(data: st.DataObject) -> None:
    """Structure-aware: a zip whose members are sound or not, compressed or not, named so or otherwise."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, zipfile.ZipFile(io.BytesIO(SEEDS["outputs"][0])) as honest:
        for name in honest.namelist():
            member = data.draw(st.just(honest.read(name)) | headers())
            title = data.draw(
                st.just(name) | st.sampled_from([name.upper(), "../x.npy", "role", "\x1b.npy", "labels.npy"])
            )
            if title in archive.namelist():
                continue
            how = data.draw(
                st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
            )
            archive.writestr(title, member, compress_type=how)
    content = bytearray(buffer.getvalue())
    end = content.rfind(b"PK\x01\x02")
    for _ in range(data.draw(st.integers(0, 3))):  # in the directory: sizes, offsets, methods, flags, counts
        content[data.draw(st.integers(max(0, end - 200), len(content) - 1))] = data.draw(st.integers(0, 255))
    hold(TARGETS["outputs"], bytes(content))


@SHORT
@given(data=st.data())
def test_outputs_of_any_arrays(data: st.DataObject) -> None:
    """Arrays of any type and shape under the right names."""
    arrays = {}
    for name in ("labels", "role", "candidate", "retrain", "original", "id", "group", "saturated"):
        shape = data.draw(st.sampled_from([(), (4,), (4, 2), (2, 4, 2), (0,), (4, 0), (0, 4, 2), (1, 1, 1, 1)]))
        kind = data.draw(st.sampled_from(["f2", "f4", "f8", "i1", "u8", "b1", "U2", "S2", "c8", "M8[s]"]))
        arrays[name] = np.zeros(shape, kind)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    hold(TARGETS["outputs"], buffer.getvalue())
