"""vestige.learners.external: ONNX models, made here with the onnx package, run by onnxruntime."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="ONNX models need the extra [onnx]")
onnx = pytest.importorskip("onnx", reason="the models of these tests are made with the onnx package")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from tests.learners.external_files import expected, images, make  # noqa: E402
from vestige.learners.errors import ConfigError, DataError  # noqa: E402
from vestige.learners.external.inference import infer  # noqa: E402
from vestige.learners.external.model_files import load_model  # noqa: E402
from vestige.learners.external.preprocessing import Preprocessing  # noqa: E402


def weights() -> dict[str, Any]:
    return {name.replace(".", "_"): value.numpy() for name, value in make().state_dict().items() if value.ndim}


def model(*, batch: Any = "batch", last: bool = False, dtype: int = TensorProto.FLOAT, outputs: int = 1) -> Any:
    """The network of ``make`` as ONNX."""
    shape = [batch, 8, 8, 3] if last else [batch, 3, 8, 8]
    nodes = [helper.make_node("Transpose", ["input"], ["moved"], perm=[0, 3, 1, 2])] if last else []
    first = "moved" if last else "input"
    if dtype != TensorProto.FLOAT:
        nodes += [helper.make_node("Cast", [first], ["float"], to=TensorProto.FLOAT)]
        first = "float"
    names = ["1_weight", "1_bias", "1_running_mean", "1_running_var"]
    nodes += [
        helper.make_node("Conv", [first, "0_weight", "0_bias"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["a", *names], ["b"], epsilon=1e-5),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("MaxPool", ["c"], ["d"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["d"], ["e"]),
        helper.make_node("Gemm", ["e", "5_weight", "5_bias"], ["logits" if outputs < 3 else "x"], transB=1),
    ]
    given = ["logits", "e"] if outputs == 2 else ["x", "e"] if outputs == 3 else ["logits"]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("input", dtype, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in given],
        [numpy_helper.from_array(value, name) for name, value in weights().items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def save(path: Path, made: Any = None, **settings: Any) -> Path:
    path.write_bytes((made or model(**settings)).SerializeToString())
    return path


def tensor(made: Any, name: str) -> Any:
    return next(value for value in made.graph.initializer if value.name == name)


def refused(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        load_model(path)
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.parametrize("batch", ["batch", 4, 1])
@pytest.mark.parametrize("last", [False, True])
def test_logits_are_the_networks(tmp_path: Path, batch: Any, last: bool) -> None:
    path = save(tmp_path / "model", batch=batch, last=last)
    found = load_model(path)
    for batch_size in (512, 6):
        np.testing.assert_allclose(infer(found.predictor, images(), batch_size=batch_size), expected(), atol=1e-5)
    assert found.kind == "onnx" and f"channels {'last' if last else 'first'}" in found.description
    assert found.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert np.array_equal(*(infer(load_model(path).predictor, images()) for _ in range(2)))


def test_the_output_called_logits_is_taken(tmp_path: Path) -> None:
    found = load_model(save(tmp_path / "model", outputs=2))
    np.testing.assert_allclose(infer(found.predictor, images()), expected(), atol=1e-5)
    assert "the model has x, e" in refused(save(tmp_path / "two", outputs=3))


def test_types_of_the_input(tmp_path: Path) -> None:
    half = load_model(save(tmp_path / "half", dtype=TensorProto.FLOAT16))
    np.testing.assert_allclose(infer(half.predictor, images()), expected(), atol=5e-3)
    path = save(tmp_path / "bytes", dtype=TensorProto.UINT8)
    with pytest.raises(DataError, match="expected uint8 inputs for this ONNX model, got float32"):
        infer(load_model(path).predictor, images())
    whole = load_model(path, preprocessing=Preprocessing(scale=False, dtype="uint8"))
    assert infer(whole.predictor, images()).shape == (21, 5)


# Data in other files.


def outside(made: Any, **entries: str) -> Any:
    """The model with the last layer's weights in another file."""
    moved = tensor(made, "5_weight")
    moved.ClearField("raw_data")
    moved.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        moved.external_data.add(key=key, value=value)
    return made


def test_weights_beside_the_model(tmp_path: Path) -> None:
    content = weights()["5_weight"].tobytes()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "weights.bin").write_bytes(bytes(64) + content)
    path = save(
        tmp_path / "model.onnx",
        outside(model(), location="data/weights.bin", offset="64", length=str(len(content))),
    )
    found = load_model(path)
    np.testing.assert_allclose(infer(found.predictor, images()), expected(), atol=1e-5)
    assert "weights beside it in data/weights.bin" in found.description
    (tmp_path / "data" / "weights.bin").write_bytes(bytes(64) + content[::-1])
    assert load_model(path).digest != found.digest


@pytest.mark.parametrize(
    "location", ["../secret", "/etc/passwd", "data/../../secret", "link", "folder/secret", "..\\secret", "", "a\0b"]
)
def test_data_outside_of_the_models_folder_are_refused(tmp_path: Path, location: str) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(weights()["5_weight"].tobytes())
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link").symlink_to(secret)
    (folder / "folder").symlink_to(tmp_path)
    assert "beside it" in refused(save(folder / "model.onnx", outside(model(), location=location)))


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ({"location": "missing"}, "no such file"),
        ({"location": "short"}, "it has 10"),
        ({"location": "short", "offset": "99999999999999999999"}, "offset as a number"),
        ({"location": "short", "offset": "-1"}, "offset as a number"),
        ({"location": "short", "length": "4"}, "expected 1,280 bytes"),
    ],
)
def test_data_that_do_not_fit_are_refused(tmp_path: Path, entries: dict[str, str], sentence: str) -> None:
    (tmp_path / "short").write_bytes(bytes(10))
    assert sentence in refused(save(tmp_path / "model.onnx", outside(model(), **entries)))


def test_an_entry_given_twice_is_refused(tmp_path: Path) -> None:
    made = outside(model(), location="a")
    tensor(made, "5_weight").external_data.add(key="location", value="/etc/passwd")
    assert "once" in refused(save(tmp_path / "model.onnx", made))


def test_data_of_an_attribute_are_looked_at_too(tmp_path: Path) -> None:
    made = model()
    value = helper.make_tensor("value", TensorProto.FLOAT, [5], np.zeros(5, np.float32).tobytes(), raw=True)
    value.ClearField("raw_data")
    value.data_location = TensorProto.EXTERNAL
    value.external_data.add(key="location", value="../secret")
    made.graph.node.append(helper.make_node("Constant", [], ["unused"], value=value))
    assert "beside it" in refused(save(tmp_path / "model.onnx", made))


# Operators and sizes.


@pytest.mark.parametrize("domain", ["com.microsoft", "ai.onnx.contrib", "evil\x1b[2J"])
def test_operators_outside_of_the_standard_are_refused(tmp_path: Path, domain: str) -> None:
    made = model()
    made.opset_import.append(helper.make_opsetid(domain, 1))
    made.graph.node.append(helper.make_node("EPContext", ["e"], ["unused"], domain=domain))
    assert "operators of the ONNX standard" in refused(save(tmp_path / "model.onnx", made))


def test_operators_in_a_branch_are_looked_at_too(tmp_path: Path) -> None:
    branch = helper.make_graph([helper.make_node("X", [], ["y"], domain="com.microsoft")], "branch", [], [])
    made = model()
    made.graph.node.append(helper.make_node("If", ["condition"], ["unused"], then_branch=branch, else_branch=branch))
    assert "com.microsoft::X" in refused(save(tmp_path / "model.onnx", made))


@pytest.mark.parametrize("dims", [[2**40], [2**31, 2**31, 2**31], [-1], [2**20, 2**20]])
def test_sizes_beyond_the_data_are_refused(tmp_path: Path, dims: list[int]) -> None:
    made = model()
    tensor(made, "5_weight").dims[:] = dims
    text = refused(save(tmp_path / "model.onnx", made))
    assert "5_weight" in text and "expected" in text


def test_graphs_in_graphs_end_somewhere(tmp_path: Path) -> None:
    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, *varint(len(content))]) + content

    def varint(value: int) -> list[int]:
        return [value] if value < 128 else [value & 127 | 128, *varint(value >> 7)]

    graph = b""
    for _ in range(5000):  # GraphProto.node, NodeProto.attribute, AttributeProto.g
        graph = field(1, field(5, field(6, graph)))
    (tmp_path / "model.onnx").write_bytes(b"\x08\x09" + field(7, graph))
    assert "graphs in one another" in refused(tmp_path / "model.onnx")


def test_files_cut_or_flipped(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content = model().SerializeToString()
    path = tmp_path / "model.onnx"
    for part in range(20):
        path.write_bytes(content[: len(content) * part // 20])
        refused(path)
    rng = np.random.default_rng(2)
    for _ in range(200):
        broken = bytearray(content)
        broken[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(broken)
        try:
            infer(load_model(path).predictor, images(3))
        except DataError as error:
            assert str(error).isprintable()
    assert capfd.readouterr() == ("", "")  # the runtime prints nothing of its own


def test_without_onnxruntime_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match="pip install onnxruntime"):
        load_model(save(tmp_path / "model.onnx"))


def test_onnxruntime_is_imported_only_for_onnx() -> None:
    code = "import sys, vestige.learners.external.model_files; sys.exit('onnxruntime' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
