"""Which kind of file some bytes are."""

from collections.abc import Sequence
from typing import Literal

from vestige.learners.errors import DataError
from vestige.learners.external.protobuf import fields
from vestige.learners.files.untrusted import shown

Kind = Literal["safetensors", "state_dict", "torch.export", "torchscript", "onnx"]

_LEGACY = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"  # LONG1 of the number that torch.save wrote first before version 1.6


def kind_of(content: bytes, members: Sequence[str] | None) -> Kind | Literal["pickle"]:
    """The kind of file; ``members`` are the names in it where it is a zip archive.

    Raises DataError for what is no model."""
    if members is not None:
        return _kind_of_archive(members)
    if len(content) > 9 and content[8:9] == b"{":
        return "safetensors"
    if content[:1] == b"\x80" and content[1:2] <= b"\x05":
        return "pickle"
    if _is_onnx(content):
        return "onnx"
    what = "an empty file" if not content else f"a file that starts with {shown(content[:8])}"
    raise DataError(
        "expected safetensors, a torch.save file, a torch.export program, TorchScript or ONNX, "
        f"got {what}; check which file this is, and that it is whole"
    )


def pickle_error(content: bytes) -> DataError:
    """Why a bare pickle is not read."""
    if content[2:14] == _LEGACY:
        return DataError(
            "expected torch.save's archive, got the format of torch before 1.6, a chain of pickles, and opening it "
            "would run code; where you trust it, load it and save its state_dict again"
        )
    return DataError(
        "expected a model file, got a pickled Python object, and opening it would run code; "
        "save a state_dict (torch.save(model.state_dict(), path)) or audit a scikit-learn estimator from Python"
    )


def _kind_of_archive(members: Sequence[str]) -> Kind:
    names = set(members)
    if "archive_format" in names and any(name.startswith("models/") for name in names):
        return "torch.export"
    if "serialized_exported_program.json" in names:
        raise DataError("expected a program of torch.export 2.8 or later, got the older format; export it again")
    if "constants.pkl" in names or any(name.startswith("code/") for name in names):
        return "torchscript"
    if "data.pkl" in names:
        return "state_dict"
    if all(name.endswith(".npy") for name in names):
        raise DataError("expected a model, got a NumPy archive; give outputs of models with --outputs")
    raise DataError(
        f"expected an archive of torch.save, torch.export or TorchScript, got one of {shown(', '.join(members[:4]))}; "
        "check which file this is"
    )


def _is_onnx(content: bytes) -> bool:
    """ONNX has no magic bytes: it is a protocol buffer that has a version (field 1) and a graph (field 7)."""
    if not content or content[0] & 7 not in (0, 2):
        return False
    found = set()
    try:
        with memoryview(content) as whole:
            for number, value in fields(whole):
                found.add((number, isinstance(value, int)))
                if number > 30:
                    return False
    except DataError:  # cut short: still an ONNX model if it begins as one
        pass
    return (1, True) in found
