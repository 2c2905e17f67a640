"""What is fuzzed: a reader, bytes that it is to read, and honest inputs to start from.

The invariant of every reader: any bytes give a value or a VestigeError of one line; nothing else, in bounded time and
memory. A new reader is a function and a line in ``TARGETS``; the fuzzer, the tests of found inputs and the hypothesis
tests take it from there.
"""

import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from safetensors import torch as safetensors
from torch import nn

from tests.conftest import make_examples
from tests.fuzz import hubs
from vestige.attacks.outputs.npz import npz_bytes
from vestige.attacks.outputs.outputs import Outputs
from vestige.attacks.outputs.tables.read import TableFiles, read_tables
from vestige.audit.canaries.planting_file import read_planting
from vestige.audit.config.config import read_config
from vestige.audit.files.text import one_line
from vestige.audit.gate.reading import read as read_for_gate
from vestige.audit.planning.plan_file import Sizes, make_plan, parse_plan
from vestige.audit.policy import Policy, profile
from vestige.learners.data.examples import Examples
from vestige.learners.data.selection import read_selection
from vestige.learners.data.sources.load import load_examples
from vestige.learners.errors import VestigeError
from vestige.learners.external.model_files import load_model

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

    places = (("workflows", "demo.toml"), ("cli", "init.toml"))
    return [resources.files(f"vestige.audit.{folder}").joinpath(name).read_bytes() for folder, name in places]


def _report() -> list[bytes]:
    from tests.audit.judging import judge
    from vestige.audit.endpoints.simulation import World
    from vestige.audit.results.json import to_json
    from vestige.audit.results.report import DataRecord, ModelsRecord
    from vestige.audit.workflows.records import build_report, policy_record

    outputs = World(forget=20, unseen=40, retain=10, retrains=3).draw(0).outputs()
    policy = profile("standard")
    audit = judge(outputs, policy, name="model", seed=0)
    data = DataRecord("o.npz", "0" * 64, None, 2, None, 20, 40, 10, None, 0)
    models = ModelsRecord(recipe=None, seeds=None, weights=None, device=None)
    return [to_json(build_report([audit], policy_record(policy, policy.hash), data, models, reproduce=None)).encode()]


def _planting() -> list[bytes]:
    from vestige.audit.canaries.planting_file import write_planting
    from vestige.audit.statistics.one_run import plant

    with tempfile.TemporaryDirectory() as folder:
        write_planting(Path(folder) / "p", plant(20, 3))
        return [(Path(folder) / "p").read_bytes()]


def _array() -> list[bytes]:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(5))
    return [buffer.getvalue()]


def _facts() -> dict[str, list[Any]]:
    return {"id": list("abcd"), "label": [0, 1, 0, 1], "role": ["forget", "unseen", "unseen", "retain"]}


def _frame(models: bool) -> "pd.DataFrame":
    parts = []
    for place, name in enumerate(["candidate", "original", "retrain-1"] if models else [None]):
        frame = pd.DataFrame(_facts())
        frame["logit_0"], frame["logit_1"] = np.arange(4.0) - place, np.arange(4.0)[::-1] + 0.5
        parts.append(frame if name is None else frame.assign(model=name))
    return pd.concat(parts, ignore_index=True)


def _csv() -> list[bytes]:
    quoted = _frame(True).to_csv(index=False, quoting=1, sep=";")
    return [_frame(True).to_csv(index=False).encode(), b"\xef\xbb\xbf" + quoted.encode()]


def _parquet() -> list[bytes]:
    found = []
    for how in ({"compression": None, "use_dictionary": False}, {"compression": "snappy"}):
        buffer = io.BytesIO()
        _frame(True).to_parquet(buffer, index=False, **how)
        found.append(buffer.getvalue())
    return found


def _one_model() -> list[bytes]:
    logits = np.linspace(-3, 3, 8, dtype=np.float32).reshape(4, 2)
    return [npz_bytes({"logits": logits, **{name: np.array(values) for name, values in _facts().items()}})]


def _one_array() -> list[bytes]:
    buffer = io.BytesIO()
    np.save(buffer, np.linspace(-3, 3, 8, dtype=np.float32).reshape(4, 2))
    return [buffer.getvalue()]


def _network() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))


def _torch() -> list[bytes]:
    found = []
    for zipped in (_network().state_dict(), {"epoch": 3, "state_dict": _network().state_dict()}):
        buffer = io.BytesIO()
        torch.save(zipped, buffer)
        found.append(buffer.getvalue())
    return found


def _onnx() -> list[bytes]:
    from tests.learners.test_outside_onnx import model

    return [model().SerializeToString()]


def _mask() -> list[bytes]:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(10) < 4)
    return [buffer.getvalue(), *_array()]


def _examples() -> Examples:
    made = make_examples(10, size=2)
    return replace(
        made,
        files=np.array([f"{row}.png" for row in range(10)]),
        subjects=np.array([f"p{row // 2}" for row in range(10)]),
    )


def _images() -> list[bytes]:
    made = make_examples(4, size=2)
    words = np.array(list("aabb"))
    plain = {"images": made.images, "labels": made.labels}
    return [npz_bytes(plain), npz_bytes({**plain, "subjects": words, "groups": words})]


def _read_selection(path: Path) -> object:
    return read_selection(path, _examples())


def _read_images(path: Path) -> object:
    for name in ("a.png", "b.png"):
        Image.fromarray(np.full((2, 2), 90, np.uint8)).save(path.parent / name)
    return load_examples(f"imagecsv:{path}")


def _read_table(path: Path) -> object:
    return read_tables(TableFiles(outputs=path), without_retrains=True, max_bytes=MOST_BYTES)


def _read_one(path: Path) -> object:
    """A model's file; what only the examples file would say is there as well."""
    examples = path.parent / "examples.csv"
    pd.DataFrame(_facts()).to_csv(examples, index=False)
    return read_tables(TableFiles(candidate=path, examples=examples), without_retrains=True, max_bytes=MOST_BYTES)


def _read_model(path: Path) -> object:
    return load_model(path, factory=_network, preprocessing=None)


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
    "indices_text": Target(_read_selection, ".txt", lambda: [b"1\n2\n3\n", b"1.png\n2.png\n"]),
    "indices_csv": Target(
        _read_selection,
        ".csv",
        lambda: [b'index,name\n1,"a"\n2,b\n', b"subject,age\np1,3\np2,4\n", b'file,sex\n"1.png",1\n2.png,0\n'],
    ),
    "indices_npy": Target(_read_selection, ".npy", _mask),
    "table_csv": Target(_read_table, ".csv", _csv),
    "table_parquet": Target(_read_table, ".parquet", _parquet),
    "model_npz": Target(_read_one, ".npz", _one_model),
    "model_npy": Target(_read_one, ".npy", _one_array),
    "weights_safetensors": Target(_read_model, ".safetensors", lambda: [safetensors.save(_network().state_dict())]),
    "weights_torch": Target(_read_model, ".pt", _torch),
    "imagecsv": Target(_read_images, ".csv", lambda: [b"file,label,part\na.png,0,train\nb.png,1,test\n"]),
    "hub_arrow": Target(hubs.read_arrow, ".arrow", hubs.arrow_streams),
    "hub_state": Target(hubs.read_state, ".json", hubs.states),
    "hub_info": Target(hubs.read_info, ".json", hubs.infos),
    "hub_parquet": Target(hubs.read_parquet, ".parquet", hubs.parquet_files),
    "images_npz": Target(lambda path: load_examples(f"npz:{path}"), ".npz", _images),
}


if all(map(find_spec, ("onnx", "onnxruntime"))):  # an extra
    TARGETS["weights_onnx"] = Target(lambda path: load_model(path, preprocessing=None), ".onnx", _onnx)


def words_of(content: bytes) -> list[bytes]:
    """Keys of a JSON seed, for a fuzzer's dictionary."""
    try:
        value = json.loads(content)
    except ValueError:
        return []
    return [key.encode() for key in value] if isinstance(value, dict) else []
