"""ONNX models, run by onnxruntime."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from vestige.learners.arrays import Array
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.external.onnx_file import external_files, look_through
from vestige.learners.external.preprocessing import Layout
from vestige.learners.files.untrusted import readable, shown

_TYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(uint8)": "uint8",
}
_LOGITS = "logits"


@dataclass(frozen=True)
class OnnxModel:
    """A session of onnxruntime on the CPU, one thread.

    layout: where the input's shape tells; batch: rows of every call, where the model has a fixed number.
    """

    session: Any
    input: str
    dtype: str
    output: str
    layout: Layout | None
    batch: int | None

    def __call__(self, x: Array) -> Array:
        """The result for a batch of prepared inputs."""
        if x.dtype.kind != np.dtype(self.dtype).kind:
            raise DataError(
                f"expected {self.dtype} inputs for this ONNX model, got {x.dtype}; "
                "set the preprocessing's dtype and scale to what the model was exported with"
            )
        (result,) = self.session.run([self.output], {self.input: np.ascontiguousarray(x, dtype=self.dtype)})
        return np.asarray(result)


def read_onnx(content: bytes, folder: Path) -> tuple[OnnxModel, dict[str, bytes]]:
    """The model whose file is ``content``, and the files beside it that it refers to.

    folder: where the file lies. The runtime is given bytes that were looked through and never a path, so that it opens
    no file, and no library of operators. Raises DataError for what ``look_through`` and the runtime refuse, ConfigError
    where onnxruntime is not installed."""
    found = look_through(content)
    files = external_files(found, folder)
    runtime = _runtime()
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # what is wrong is said in the exception
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # the bits of a sum depend on how it is shared out
    # Folding constants would run the model's own operators before any input was given.
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if files:
        options.add_external_initializers_from_files_in_memory(
            list(files), list(files.values()), [len(data) for data in files.values()]
        )
    with readable("a whole ONNX model", "export it again"):  # the runtime raises all kinds
        # The fallback would print the error, with words of the file in it, and try the same again.
        session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    return _described(session), files


def _described(session: Any) -> OnnxModel:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or inputs[0].type not in _TYPES:
        kinds = ", ".join(f"{shown(entry.name)} {shown(entry.type)}" for entry in inputs[:4])
        raise DataError(
            f"expected one input of numbers, the model has {kinds or 'none'}; export a model of images alone"
        )
    names = [entry.name for entry in outputs]
    named = [name for name in names if name == _LOGITS] or names
    if len(named) != 1:
        raise DataError(
            f"expected one output, or one called {_LOGITS}, the model has {shown(', '.join(names))}; "
            "export the logits alone"
        )
    shape = list(inputs[0].shape)
    batch = shape[0] if shape and isinstance(shape[0], int) and shape[0] > 0 else None
    return OnnxModel(session, inputs[0].name, _TYPES[inputs[0].type], named[0], _layout(shape), batch)


def _layout(shape: list[Any]) -> Layout | None:
    if len(shape) != 4:
        return None
    first, last = shape[1] in (1, 3), shape[3] in (1, 3)
    if first == last:
        return None
    return "channels_first" if first else "channels_last"


def _runtime() -> ModuleType:
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError("ONNX models need onnxruntime: pip install onnxruntime") from error
    runtime: ModuleType = onnxruntime
    return runtime
