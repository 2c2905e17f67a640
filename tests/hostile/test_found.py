"""Inputs that once broke a reader."""

from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS, hold
from vestige.learners.errors import VestigeError

FOUND = sorted((Path(__file__).parents[1] / "fuzz" / "found").glob("*-*"))


def test_what_was_found_is_refused() -> None:
    for path in FOUND:
        assert isinstance(hold(TARGETS[path.name.split("-", 1)[0]], path.read_bytes()), VestigeError), path.name


DEEP = b"[" * 100_000
MENDED = {
    "config": [b"x = " + DEEP, b"x = " + b"9" * 5000, b"x" + b".x" * 50_000 + b" = 1"],
    "policy": [b"x = " + DEEP, b"fpr = " + b"9" * 5000],
    "indices_npy": [b"\x93NUMPY\x01\x00\x60\xea" + b"(" * 60_000, b"PK\x05\x06" + bytes(18)],
    "report": [b'{"schema_version": "\\ud800"}'],
}


@pytest.mark.parametrize("name", MENDED)
def test_what_was_mended_stays_so(name: str) -> None:
    assert all(isinstance(hold(TARGETS[name], content), VestigeError) for content in MENDED[name])
