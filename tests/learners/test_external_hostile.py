"""Files that want more than to be read. Nothing in them runs, and nothing they claim is allocated."""

import io
import json
import pickle
import re
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tests.learners.external_files import (
    evil_pickle,
    evil_torch_file,
    images,
    make,
    rewrite,
    save_exported,
    save_state,
    save_torchscript,
)
from vestige.learners.errors import DataError
from vestige.learners.external.archives import open_archive
from vestige.learners.external.inference import infer
from vestige.learners.external.model_files import load_model
from vestige.learners.external.opcodes import read_pickle
from vestige.learners.files.untrusted import shown


def refused(path: Path, *, factory: Any = None) -> str:
    """The sentence; one line, and fit for a terminal."""
    with pytest.raises(DataError) as caught:
        load_model(path, factory=factory)
    text = str(caught.value)
    assert text.isprintable() and len(text) < 1000 + 2 * len(str(path)), text
    return text


# Doorways for a pickle.


@pytest.mark.parametrize("protocol", range(6))
def test_the_test_pickle_is_dangerous(tmp_path: Path, protocol: int) -> None:
    marker = tmp_path / "marker"
    pickle.loads(evil_pickle(marker, protocol))["weight"].close()
    assert marker.exists()


def hidden(tmp_path: Path, marker: Path) -> dict[str, Path]:
    """The same pickle behind every doorway."""
    files = {}
    changes: dict[str, Any]
    for protocol in range(6):
        files[f"bare {protocol}"] = tmp_path / f"bare{protocol}.pt"
        files[f"bare {protocol}"].write_bytes(evil_pickle(marker, protocol))
    files["torch.save"] = tmp_path / "saved.pt"
    files["torch.save"].write_bytes(evil_torch_file(marker))
    for protocol in range(6):
        name = f"torch.save {protocol}"
        files[name] = rewrite(
            save_state(tmp_path / "state.pt"), tmp_path / f"s{protocol}.pt", {"data.pkl": evil_pickle(marker, protocol)}
        )
    legacy = tmp_path / "legacy.pt"
    torch.save(make().state_dict(), legacy, _use_new_zipfile_serialization=False)
    files["legacy"] = legacy
    script = save_torchscript(tmp_path / "plain.ts")
    for member in ("data.pkl", "constants.pkl"):
        files[f"torchscript {member}"] = rewrite(script, tmp_path / f"{member}.ts", {member: evil_pickle(marker)})
    exported = save_exported(tmp_path / "plain.pt2")

    def pickled(content: bytes) -> bytes:
        config = json.loads(content)
        next(iter(config["config"].values()))["use_pickle"] = True
        return json.dumps(config).encode()

    changes = {"data/weights/model_weights_config.json": pickled, "data/weights/weight_0": evil_torch_file(marker)}
    files["pt2 weight"] = rewrite(exported, tmp_path / "weight.pt2", changes)
    changes = {"data/weights/model_weights_config.json": None, "data/weights/model.pt": evil_torch_file(marker)}
    files["pt2 weights in one"] = rewrite(exported, tmp_path / "weights.pt2", changes)
    arrays = tmp_path / "arrays.pt"
    with arrays.open("wb") as stream:
        np.savez(stream, weight=np.array([{"a": 1}], dtype=object))
    files["npz"] = arrays
    bare = tmp_path / "zip.pt"
    with zipfile.ZipFile(bare, "w") as archive:
        archive.writestr("data.pkl", evil_pickle(marker))
    files["zip with data.pkl"] = bare
    folder = tmp_path / "folder.pt"
    with zipfile.ZipFile(folder, "w") as archive:
        archive.writestr("archive/data.pkl", evil_pickle(marker))
        archive.writestr("archive/version", b"3")
    files["zip with archive/data.pkl"] = folder
    return files


def test_no_pickle_is_executed_behind_any_doorway(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    for name, path in hidden(tmp_path, marker).items():
        text = refused(path, factory=None if path.suffix in (".ts", ".pt2") else make)
        assert not marker.exists(), name
        words = ("starts with",) if name in ("bare 0", "bare 1") else ("--outputs",) if name == "npz" else ("code",)
        assert any(word in text for word in words), (name, text)


def test_sample_inputs_of_an_exported_program_are_never_read(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    exported = save_exported(tmp_path / "plain.pt2")
    sample = next(name for name in _names(exported) if "sample_inputs" in name).partition("/")[2]
    path = rewrite(exported, tmp_path / "evil.pt2", {sample: evil_torch_file(marker)})
    assert infer(load_model(path).predictor, images()).shape == (21, 5)
    assert not marker.exists()


def _names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_a_whole_network_is_refused_and_told_what_to_save(tmp_path: Path) -> None:
    torch.save(make(), tmp_path / "whole.pt")
    text = refused(tmp_path / "whole.pt", factory=make)
    assert "torch.nn.modules.container.Sequential" in text and "state_dict" in text


def code_of_graph(exported: Path, target: Path, change: Callable[[Any], None]) -> Path:
    def edit(content: bytes) -> bytes:
        program = json.loads(content)
        change(program)
        return json.dumps(program).encode()

    return rewrite(exported, target, {"models/model.json": edit})


def test_texts_of_an_exported_program_are_not_evaluated(tmp_path: Path) -> None:
    """Size expressions, guards and names that torch's own loader would hand to Python."""
    marker = tmp_path / "marker"
    code = f"open({str(marker)!r}, 'w')"
    exported = save_exported(tmp_path / "plain.pt2")

    def change(program: Any) -> None:
        program["guards_code"] = [code]
        for meta in program["graph_module"]["graph"]["tensor_values"].values():
            for size in meta["sizes"]:
                if "as_expr" in size:
                    size["as_expr"]["expr_str"] = code

    path = code_of_graph(exported, tmp_path / "evil.pt2", change)
    assert infer(load_model(path).predictor, images()).shape == (21, 5)
    assert not marker.exists()


@pytest.mark.parametrize(
    "target",
    [
        "torch.ops.aten.from_file.default",
        "torch.ops.aten.relu.__class__",
        "torch.ops.aten.relu._qualified_op_name",
        "torch.ops.profiler._record_function_enter.default",
        "torch.ops.higher_order.cond",
        "torch.ops.aten.set_.source_Tensor",
        "torch.ops.aten.resize_.default",
        "torch.ops.aten.bernoulli.default",
        "os.system",
        "_operator.attrgetter",
        "builtins.eval",
        "torch.load",
        "x\x1b[2J",
    ],
)
def test_other_operators_of_exported_programs_are_refused(tmp_path: Path, target: str) -> None:
    def change(program: Any) -> None:
        node = next(node for node in program["graph_module"]["graph"]["nodes"] if "relu" in node["target"])
        node["target"] = target

    path = code_of_graph(save_exported(tmp_path / "plain.pt2"), tmp_path / "evil.pt2", change)
    assert "operators" in refused(path)


class _FromFile(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)[:, :5] + torch.from_file("/etc/passwd", False, 1)


class _Random(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)[:, :5] + torch.rand(5)


class _Save(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(x, "marker")
        return x.flatten(1)[:, :5]


class _Waits(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.jit._wait(torch.jit._fork(torch.relu, x)).flatten(1)[:, :5]


class _SetState(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)[:, :5]

    @torch.jit.export
    def __getstate__(self) -> int:
        return self.count

    @torch.jit.export
    def __setstate__(self, state: int) -> None:
        self.count = state + 1


@pytest.mark.parametrize(
    ("model", "word"),
    [(_FromFile, "from_file"), (_Random, "rand"), (_Save, "save"), (_Waits, "fork"), (_SetState, "__setstate__")],
)
def test_other_operators_of_torchscript_are_refused(tmp_path: Path, model: type[nn.Module], word: str) -> None:
    assert word in refused(save_torchscript(tmp_path / "evil.ts", model()))


def test_torchscript_of_compiled_classes_is_refused(tmp_path: Path) -> None:
    def change(content: bytes) -> bytes:
        changed, count = re.subn(rb"__torch__[\w.]*activation[\w.]*\nReLU", b"__torch__.torch.classes.dnnl\nX", content)
        assert count == 1
        return changed

    script = save_torchscript(tmp_path / "plain.ts")
    assert "torch.classes" in refused(rewrite(script, tmp_path / "evil.ts", {"data.pkl": change}))


@pytest.mark.parametrize("text", ["(" * 100_000 + "input" + ")" * 100_000, "input" + " + input" * 100_000])
def test_a_text_that_overruns_the_parsers_stack_is_refused(tmp_path: Path, text: str) -> None:
    script = save_torchscript(tmp_path / "plain.ts")
    member = next(name for name in _names(script) if name.endswith("activation.py") or "activation/" in name)

    def change(content: bytes) -> bytes:
        return content.replace(b"    return", f"    _9 = {text}\n    return".encode(), 1)

    path = rewrite(script, tmp_path / "deep.ts", {member.partition("/")[2]: change})
    assert "ended the process that read it" in refused(path)


@pytest.mark.parametrize("member", ["models/model.json", "data/weights/model_weights_config.json"])
def test_deep_json_is_refused(tmp_path: Path, member: str) -> None:
    path = rewrite(save_exported(tmp_path / "plain.pt2"), tmp_path / "deep.pt2", {member: b"[" * 200_000})
    assert "could not be read" in refused(path)


# Claims.


def with_pickle(tmp_path: Path, change: Callable[[bytes], bytes]) -> Path:
    return rewrite(save_state(tmp_path / "state.pt"), tmp_path / "claims.pt", {"data.pkl": change})


def test_a_storage_that_claims_more_than_the_archive_has_is_refused(tmp_path: Path) -> None:
    path = with_pickle(tmp_path, lambda data: data.replace(b"Kl", b"J\xff\xff\xff\x7f", 1))
    assert "expected 2147483647 numbers of 4 bytes" in refused(path, factory=make)


def test_a_tensor_beyond_its_storage_is_refused(tmp_path: Path) -> None:
    shape = b"(K\x04K\x03K\x03K\x03t"
    for other in (b"(J\xff\xff\xff\x7fK\x03K\x03K\x03t", b"(K\x04K\x03K\x03J\xff\xff\xff\xfft"):
        path = with_pickle(tmp_path, lambda data, other=other: data.replace(shape, other, 1))  # type: ignore[misc]
        text = refused(path, factory=make)
        assert "expected a tensor" in text or "expected tensors" in text


def test_a_view_that_repeats_its_storage_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "expanded.pt"
    torch.save({"weight": torch.zeros(1).expand(10**9)}, path)
    assert path.stat().st_size < 10_000 and "within its 1 stored numbers" in refused(path, factory=make)


@pytest.mark.parametrize("protocol", [2, 4])
def test_calls_that_allocate_are_refused(tmp_path: Path, protocol: int) -> None:
    class Large:
        def __reduce__(self) -> Any:
            return (bytearray, (2**40,))

    path = rewrite(
        save_state(tmp_path / "state.pt"), tmp_path / "large.pt", {"data.pkl": pickle.dumps(Large(), protocol)}
    )
    assert "bytearray" in refused(path, factory=make)


def test_a_memo_far_away_is_not_allocated() -> None:
    data = b"\x80\x02}r\xff\xff\xff\x7f."  # LONG_BINPUT 2**31 - 1
    tracemalloc.start()
    assert read_pickle(data, admit=lambda name: name, call=lambda name, rest: None, persistent=lambda key: None) == {}
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_a_tower_of_tuples_as_a_key_does_not_end_the_process() -> None:
    data = b"\x80\x02})" + b"\x85" * 500_000 + b"K\x01s."
    with pytest.raises(DataError, match="key"):
        read_pickle(data, admit=lambda name: name, call=lambda name, rest: None, persistent=lambda key: None)


def test_zip_bombs_are_refused_before_they_are_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        with archive.open("archive/data.pkl", "w", force_zip64=True) as member:
            for _ in range(128):
                member.write(bytes(2**20))
    tracemalloc.start()
    text = refused(path, factory=make)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "to unpack" in text and peak < 20 * 2**20


def test_members_that_overlap_are_refused() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", bytes(1000))
        for number in range(20):
            archive.filelist.append(_alias(archive.filelist[0], f"archive/data/{number}"))
    with pytest.raises(DataError, match="claimed"):
        open_archive(stream.getvalue())


def _alias(info: zipfile.ZipInfo, name: str) -> zipfile.ZipInfo:
    other = zipfile.ZipInfo(name)
    for key in ("CRC", "compress_size", "file_size", "header_offset", "compress_type"):
        setattr(other, key, getattr(info, key))
    return other


@pytest.mark.parametrize(
    "name", ["archive/../../x", "/etc/passwd", "archive\\data.pkl", "archive//x", "archive/\x1b[2J"]
)
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", b"x")
        archive.writestr(zipfile.ZipInfo(name), b"x")
    with pytest.raises(DataError, match="plain member names") as caught:
        open_archive(stream.getvalue())
    assert str(caught.value).isprintable()


def test_a_safetensors_header_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "large.safetensors"
    path.write_bytes(struct.pack("<Q", 2**60) + b"{" + bytes(100))
    assert "it claims 1,152,921,504,606,846,976" in refused(path, factory=make)
    header = json.dumps({"weight": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    assert "could not be read" in refused(path, factory=make)


def test_a_checkpoint_of_vestige_that_claims_a_vast_network_is_refused(tmp_path: Path) -> None:
    from dataclasses import asdict

    from vestige.learners.files.io import canonical_json
    from vestige.learners.training.checkpoints import Checkpoint
    from vestige.learners.training.recipe import Recipe

    header = Checkpoint("candidate", Recipe(architecture="mlp", width=4096), (16_384, 16_384, 64), 10, 0, "", "")
    path = tmp_path / "vast.safetensors"
    save_file({"head.weight": torch.zeros(2)}, path, metadata={"vestige": canonical_json(asdict(header))})
    assert "do not fit" in refused(path)


# Words.


def test_control_characters_do_not_reach_the_terminal(tmp_path: Path) -> None:
    name = "evil\x1b[2J\u202ename\r\n"
    assert shown(name) == "evil\\x1b[2J\\u202ename\\r\\n"
    texts = [
        refused(save_state(tmp_path / "state.pt", lambda state: {name: torch.zeros(2), **state}), factory=make),
        refused(save_state(tmp_path / "one.pt", lambda state: {name: 3}), factory=make),
        refused(save_state(tmp_path / "\x1b[2J.pt", lambda state: {"a": torch.zeros(2)}), factory=make),
    ]
    save_file({name: torch.zeros(2)}, tmp_path / "weights.safetensors")
    texts.append(refused(tmp_path / "weights.safetensors", factory=make))
    assert all("x1b" in text for text in texts)


# Damage.


def whole_files(tmp_path: Path) -> dict[str, Path]:
    save_file(make().state_dict(), tmp_path / "weights.safetensors")
    return {
        "safetensors": tmp_path / "weights.safetensors",
        "state_dict": save_state(tmp_path / "state.pt"),
        "torch.export": save_exported(tmp_path / "program.pt2"),
        "torchscript": save_torchscript(tmp_path / "program.ts"),
    }


def test_files_cut_anywhere_are_refused(tmp_path: Path) -> None:
    for kind, path in whole_files(tmp_path).items():
        content = path.read_bytes()
        for part in range(20):
            cut = tmp_path / "cut"
            cut.write_bytes(content[: len(content) * part // 20])
            text = refused(cut, factory=make if kind in ("safetensors", "state_dict") else None)
            assert text.startswith(str(cut)), (kind, part)


def test_files_with_flipped_bits_are_refused_or_answer(tmp_path: Path) -> None:
    """A flip in what nobody reads (a date, a stack trace) may go unnoticed; any other is one sentence."""
    rng = np.random.default_rng(5)
    for kind, path in whole_files(tmp_path).items():
        content = path.read_bytes()
        for _ in range(3 if kind == "torchscript" else 60):  # each of those starts a process
            position = int(rng.integers(len(content)))
            broken = bytearray(content)
            broken[position] ^= 1 << int(rng.integers(8))
            path.write_bytes(broken)
            try:
                model = load_model(path, factory=make if kind in ("safetensors", "state_dict") else None)
                infer(model.predictor, images(3))
            except DataError as error:
                assert str(error).isprintable()


def test_what_is_no_model(tmp_path: Path) -> None:
    for content, word in [
        (b"", "an empty file"),
        (b"hello, world", "starts with"),
        (b"\x93NUMPY\x01\x00", "starts with"),
    ]:
        (tmp_path / "file").write_bytes(content)
        assert word in refused(tmp_path / "file")
    assert "a folder" in refused(tmp_path)
    assert "found none" in refused(tmp_path / "missing")
