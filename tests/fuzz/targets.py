"""What is fuzzed: a reader, bytes that it is to read, and honest inputs to start from.

The invariant of every reader: any bytes give a value or a VestigeError of one line; nothing else, in bounded time and
memory. A new reader is a function and a line in ``TARGETS``; the fuzzer, the tests of found inputs and the hypothesis
tests take it from there.
"""

import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from learners._index_file import read_indices

from attacks import Outputs
from audit._text import one_line
from audit.config import read_config
from audit.gating._reading import read as read_for_gate
from audit.plan_file import Sizes, make_plan, parse_plan
from audit.planting_file import read_planting
from audit.policy import Policy, profile
from learners import VestigeError

MOST_BYTES = 2**20
__all__ = ["TARGETS", "Target", "hold"]


@dataclass(frozen=True)
class Target:
    """read: takes the file. suffix: of the file's name. seeds: makes inputs that are read without a refusal."""

    read: Callable[[Path], object]
    suffix: str
    seeds: Callable[[], list[bytes]]


def hold(target: Target, content: bytes) -> object:
    """The value that is read, or the VestigeError; AssertionError for one that is not fit to be printed.

    Every other exception is let through: it is what is looked for."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"fuzzed{target.suffix}"
        path.write_bytes(content)
        try:
            return target.read(path)
        except VestigeError as error:
            line = one_line(str(error), 10**6)
            assert line and type(error) is not VestigeError and error.exit_code in (2, 4), repr(error)
            return error


def _outputs() -> list[bytes]:
    labels, role = np.array([0, 1, 0, 1]), np.array(["forget", "unseen", "unseen", "retain"])
    logits = np.linspace(-3, 3, 24, dtype=np.float32).reshape(3, 4, 2)
    arrays = {
        "labels": labels,
        "role": role,
        "candidate": logits[0],
        "retrain": logits[1:],
        "id": np.array(list("abcd")),
    }
    found = []
    for save in (np.savez, np.savez_compressed):
        buffer = io.BytesIO()
        save(buffer, **arrays)
        found.append(buffer.getvalue())
    return found


def _config() -> list[bytes]:
    from importlib import resources

    return [resources.files("audit").joinpath(name).read_bytes() for name in ("demo.toml", "init.toml")]


def _report() -> list[bytes]:
    from audit._records import build_report, policy_record
    from audit._simulation import World
    from audit.judging import judge
    from audit.report import DataRecord, ModelsRecord, to_json

    outputs = World(forget=20, unseen=40, retain=10, retrains=3).draw(0).outputs()
    policy = profile("standard")
    audit = judge(outputs, policy, name="model", seed=0)
    data = DataRecord("o.npz", "0" * 64, None, 2, None, 20, 40, 10, None, 0)
    models = ModelsRecord(recipe=None, seeds=None, weights=None, device=None)
    return [to_json(build_report([audit], policy_record(policy, policy.hash), data, models, reproduce=None)).encode()]


def _planting() -> list[bytes]:
    from audit.one_run import plant
    from audit.planting_file import write_planting

    with tempfile.TemporaryDirectory() as folder:
        write_planting(Path(folder) / "p", plant(20, 3))
        return [(Path(folder) / "p").read_bytes()]


def _array() -> list[bytes]:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(5))
    return [buffer.getvalue()]


TARGETS = {
    "outputs": Target(lambda path: Outputs.read(path, max_bytes=MOST_BYTES), ".npz", _outputs),
    "probabilities": Target(
        lambda path: Outputs.read(path, probabilities=True, max_bytes=MOST_BYTES), ".npz", _outputs
    ),
    "config": Target(read_config, ".toml", _config),
    "policy": Target(
        Policy.read,
        ".toml",
        lambda: [b'[policy]\nprofile = "strict"\nalpha = 0.05\nmin_evidence = "B"\n', b"fpr = 0.01\n"],
    ),
    "report": Target(read_for_gate, ".json", _report),
    "plan": Target(
        lambda path: parse_plan(path.read_bytes()),
        ".json",
        lambda: [make_plan(profile("standard"), Sizes(60, 200, 3)).text().encode()],
    ),
    "planting": Target(read_planting, ".json", _planting),
    "indices_text": Target(read_indices, ".txt", lambda: [b"1\n2\n3\n"]),
    "indices_csv": Target(read_indices, ".csv", lambda: [b'index,name\n1,"a"\n2,b\n']),
    "indices_npy": Target(read_indices, ".npy", _array),
}


def words_of(content: bytes) -> list[bytes]:
    """Keys of a JSON seed, for a fuzzer's dictionary."""
    try:
        value = json.loads(content)
    except ValueError:
        return []
    return [key.encode() for key in value] if isinstance(value, dict) else []
