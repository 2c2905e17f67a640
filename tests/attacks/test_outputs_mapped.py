"""Outputs larger than memory: mapped from the file and read in blocks, with the same numbers as in memory."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from vestige.attacks.outputs.outputs import Outputs
from vestige.attacks.signals import blocks
from vestige.attacks.signals.signals import SIGNALS
from vestige.audit.planning.registration import subject
from vestige.audit.policy import Policy
from vestige.audit.results.setting import CHOSEN
from vestige.audit.verdict.evidence import gather
from vestige.learners.errors import DataError

N, C, K = 400, 7, 4


def arrays(dtype: type = np.float32, order: str = "C") -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    logits = random.normal(0, 2, (K + 2, N, C)).astype(dtype)
    return {
        "labels": random.integers(0, C, N),
        "role": np.repeat(["forget", "unseen", "retain"], [100, 200, 100]),
        "candidate": np.asarray(logits[0], order=order),
        "original": np.asarray(logits[1], order=order),
        "retrain": np.asarray(logits[2:], order=order),
    }


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_mapped_outputs_are_the_same_outputs(tmp_path: Path, dtype: type, order: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays(dtype, order))
    small, large = Outputs.read(tmp_path / "a.npz"), Outputs.read(tmp_path / "a.npz", map_from=1000)
    assert isinstance(large.retrain, np.memmap) and not isinstance(small.retrain, np.memmap)
    assert large.retrain.dtype == dtype  # float16 needs no second copy
    for name, table in small.signals(*SIGNALS).items():
        assert np.array_equal(table, large.signals(name)[name])
    assert gather(small, CHOSEN, Policy()) == gather(large, CHOSEN, Policy())
    if dtype != np.float16:
        assert subject(small) == subject(large)


def test_compressed_outputs_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vestige.learners.files.scratch.IN_MEMORY", 0)
    np.savez_compressed(tmp_path / "a.npz", **arrays(order="F"))
    found = Outputs.read(tmp_path / "a.npz", map_from=1000)
    assert np.array_equal(found.retrain, arrays()["retrain"])


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_mapped_probabilities_keep_their_logarithms_relative_precision(tmp_path: Path, dtype: type) -> None:
    soft = {k: softmax(9 * v.astype(np.float64), -1).astype(dtype) if v.ndim > 1 else v for k, v in arrays().items()}
    np.savez(tmp_path / "a.npz", **soft)
    small = Outputs.read(tmp_path / "a.npz", probabilities=True)
    large = Outputs.read(tmp_path / "a.npz", probabilities=True, map_from=1000)
    assert large.saturated == small.saturated and (dtype == np.float64 or small.saturated > 0)
    assert np.allclose(large.candidate, small.candidate, rtol=1e-6, atol=0)


def test_a_flipped_bit_in_a_mapped_array_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **arrays())
    content = bytearray(path.read_bytes())
    place = content.index(arrays()["retrain"].tobytes()) + 5003
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="expected a whole array retrain, got a damaged one"):
        Outputs.read(path, map_from=1000)


def test_blocks_part_every_row_once() -> None:
    for rows, classes, block in ((1, 5, 1), (10, 3, 7), (1000, 10, 64), (5, 100, 10)):
        slices = blocks.row_slices((rows, classes), block)
        assert [i for one in slices for i in range(rows)[one]] == list(range(rows))
        assert max(one.stop - one.start for one in slices) <= max(1, block // classes)


def test_signals_do_not_depend_on_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    given = Outputs.from_arrays(arrays())
    whole = {name: one.function(np.stack(given.models), given.labels) for name, one in SIGNALS.items()}
    for name, table in given.signals(*SIGNALS).items():
        assert np.array_equal(table, whole[name])
    slices = [slice(k, k + 3) for k in range(0, N, 3)]
    monkeypatch.setattr(blocks, "row_slices", lambda shape: slices)
    again = blocks.signal_tables(given.models, given.labels, list(SIGNALS))
    assert all(np.array_equal(again[name], whole[name]) for name in whole)


def test_models_are_the_same_only_where_every_number_is() -> None:
    given = arrays()
    given["candidate"] = given["retrain"][2].copy()
    outputs = Outputs.from_arrays(given)
    assert outputs.same(2, K) and not outputs.same(1, K)
    # A class beside label and largest ones can change by less than phi shows.
    given["candidate"][0, given["candidate"][0].argmin()] -= 300
    given["retrain"][2, 0, given["retrain"][2, 0].argmin()] -= 301
    moved = Outputs.from_arrays(given)
    assert not moved.same(2, K)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_threads_give_the_same_bits_and_what_a_block_raises_is_raised(
    dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = Outputs.from_arrays(arrays(dtype))
    alone = blocks.signal_tables(given.models, given.labels, list(SIGNALS))
    monkeypatch.setattr(blocks, "FOR_THREADS", 0)
    monkeypatch.setattr(blocks, "available_workers", lambda: 4)
    monkeypatch.setattr(blocks, "row_slices", lambda shape: [slice(at, at + 7) for at in range(0, shape[0], 7)])
    for name, table in blocks.signal_tables(given.models, given.labels, list(SIGNALS)).items():
        assert np.array_equal(table, alone[name]), name
    answers = blocks.predictions_of(given.models)
    assert np.array_equal(answers, [one.argmax(1) for one in given.models])
    with pytest.raises(DataError, match="labels: expected values in 0..6"):
        blocks.signal_tables(given.models, given.labels + 1, ["loss"])


def test_of_equal_logits_the_first_is_the_answer() -> None:
    tied = np.zeros((3, 4), np.float16)
    tied[1, 2:] = 1
    assert blocks.predictions_of([tied]).tolist() == [[0, 2, 0]]
