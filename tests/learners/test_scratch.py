"""Arrays that may be larger than memory."""

import os
from pathlib import Path

import numpy as np
import pytest

from vestige.learners.errors import DataError
from vestige.learners.files.scratch import scratch_array


def test_a_small_array_lies_in_memory_and_a_large_one_in_a_file_without_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    small, large = scratch_array((3, 4), np.float32), scratch_array((3, 4), np.float32, in_memory=47)
    assert not isinstance(small, np.memmap)
    assert isinstance(large, np.memmap)
    assert os.listdir(tmp_path) == []
    large[1] = 7
    assert large.tolist() == [[0] * 4, [7] * 4, [0] * 4]


def test_a_disk_without_room_is_refused_before_anything_is_written() -> None:
    with pytest.raises(DataError, match="expected room for .* GiB of logits, .*; set TMPDIR"):
        scratch_array((2**50,), np.float64)
