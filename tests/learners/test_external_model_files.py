"""vestige.learners.external: each kind of file gives the logits of the model that was saved."""

import hashlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tests.learners.external_files import (
    expected,
    images,
    make,
    rewrite,
    save_exported,
    save_state,
    save_torchscript,
)
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.external.archives import open_archive
from vestige.learners.external.inference import infer
from vestige.learners.external.model_files import ExternalModel, load_model
from vestige.learners.external.preprocessing import Preprocessing
from vestige.learners.external.state import state_of_torch_file
from vestige.learners.torchvision import load_torchvision
from vestige.learners.training.architectures import build_classifier
from vestige.learners.training.checkpoints import Checkpoint, save_checkpoint
from vestige.learners.training.recipe import Recipe


def check(model: ExternalModel, path: Path) -> None:
    for batch_size in (512, 6):
        np.testing.assert_allclose(infer(model.predictor, images(), batch_size=batch_size), expected(), atol=1e-5)
    assert model.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert model.description.startswith(path.name) and model.description.endswith(".")


def prefixed(*prefixes: str) -> Any:
    return lambda state: {"".join(prefixes) + name: value for name, value in state.items()}


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda state: state, "from a state_dict"),
        (dict, "from a state_dict"),
        (lambda state: {"state_dict": state, "epoch": 3}, "the entry state_dict of a checkpoint"),
        (lambda state: {"model_state_dict": state, "optimizer": {"state": {0: {"step": 1}}}}, "entry model_state_dict"),
        (lambda state: {"net": state, "accuracy": np.float64(0.5)}, "entry net"),
        (lambda state: {"model": {"state_dict": state}}, "entry model.state_dict"),
        (lambda state: {"ema": state, "model": state}, "entry model of a checkpoint; ema in it not used"),
        (lambda state: {"weights": prefixed("module.")(state)}, "entry weights"),
        (lambda state: {**state, "0._extra_state": None}, "from a state_dict"),
        (prefixed("module.", "_orig_mod."), "from a state_dict"),
        (prefixed("_orig_mod.", "module.", "model."), "from a state_dict"),
        (lambda state: {name: nn.Parameter(v) if v.is_floating_point() else v for name, v in state.items()}, "a state"),
        (lambda state: {name: v for name, v in state.items() if "batches_tracked" not in name}, "from a state_dict"),
    ],
)
def test_state_dicts_and_what_scripts_wrap_them_in(tmp_path: Path, change: Any, where: str) -> None:
    path = save_state(tmp_path / "model.pt", change)
    model = load_model(path, factory=make)
    check(model, path)
    assert model.kind == "state_dict" and where in model.description and "network made by make" in model.description


def test_a_lightning_checkpoint(tmp_path: Path) -> None:
    from argparse import Namespace

    state = prefixed("model.")(make().state_dict())
    content = {"state_dict": state, "hyper_parameters": Namespace(lr=0.1), "callbacks": {}, "loops": None, "epoch": 2}
    torch.save(content, tmp_path / "last.ckpt")
    check(load_model(tmp_path / "last.ckpt", factory=make), tmp_path / "last.ckpt")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_tensors_are_those_of_torch_load(tmp_path: Path, protocol: int) -> None:
    """Types, strides, shared storages and empty tensors, against torch's own reader."""
    base = torch.arange(24.0).reshape(4, 6)
    types = [torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int8, torch.uint8, torch.bool]
    state = {str(dtype): base.to(dtype) for dtype in [*types, torch.complex64, torch.uint16]}
    state |= {"t": base.t(), "row": base[2], "same": base, "empty": torch.zeros(0, 3), "scalar": torch.tensor(2.5)}
    path = tmp_path / "state.pt"
    torch.save(state, path, pickle_protocol=protocol)
    ours, _ = state_of_torch_file(open_archive(path.read_bytes()))
    theirs = torch.load(path, weights_only=True) if protocol == 2 else state  # torch warns about later protocols
    assert list(ours) == list(theirs)
    for name, tensor in theirs.items():
        assert ours[name].dtype == tensor.dtype and ours[name].stride() == tensor.stride()
        assert torch.equal(ours[name], tensor), name
    assert ours["t"].untyped_storage().data_ptr() == ours["same"].untyped_storage().data_ptr()


def test_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"  # the name says nothing
    save_file(prefixed("model.")(make().state_dict()), path)
    model = load_model(path, factory=make)
    check(model, path)
    assert model.kind == "safetensors"


def test_half_precision_weights_go_into_the_networks_own_type(tmp_path: Path) -> None:
    path = save_state(tmp_path / "half.pt", lambda state: {name: value.half() for name, value in state.items()})
    logits = infer(load_model(path, factory=make).predictor, images())
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, expected(), atol=0.02)


def test_checkpoints_of_vestige_need_no_factory(tmp_path: Path) -> None:
    recipe = Recipe(architecture="cnn", width=4)
    network = build_classifier(recipe, (8, 8, 3), 5, seed=1)
    path = tmp_path / "own.safetensors"
    save_checkpoint(path, network, Checkpoint("candidate", recipe, (8, 8, 3), 5, 1, "", ""))
    model = load_model(path)
    with torch.no_grad():
        reference = network.eval()(torch.from_numpy(images()).movedim(3, 1) / 255).numpy()
    np.testing.assert_allclose(infer(model.predictor, images()), reference, atol=1e-5)
    assert "a checkpoint of vestige (cnn, candidate)" in model.description
    theirs = load_model(path, factory=lambda: build_classifier(recipe, (8, 8, 3), 5, seed=9))
    np.testing.assert_allclose(infer(theirs.predictor, images()), reference, atol=1e-5)


@pytest.mark.parametrize("dynamic", [True, False])
def test_exported_programs(tmp_path: Path, dynamic: bool) -> None:
    path = save_exported(tmp_path / "model", dynamic=dynamic)
    model = load_model(path)
    check(model, path)
    assert model.kind == "torch.export" and ("batches of 4" in model.description) != dynamic


def test_exported_programs_with_all_weights_in_one_torch_file(tmp_path: Path) -> None:
    state = save_state(tmp_path / "state.pt").read_bytes()
    changes = {"data/weights/model_weights_config.json": None, "data/weights/model.pt": state}
    path = rewrite(save_exported(tmp_path / "new.pt2"), tmp_path / "earlier.pt2", changes)
    check(load_model(path), path)


@pytest.mark.parametrize("way", ["trace", "freeze"])
def test_torchscript_of_other_makings(tmp_path: Path, way: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        network = make().eval()
        made = torch.jit.trace(network, torch.rand(2, 3, 8, 8)) if way == "trace" else torch.jit.script(network)
        torch.jit.save(torch.jit.freeze(made) if way == "freeze" else made, tmp_path / "model")
    check(load_model(tmp_path / "model"), tmp_path / "model")


def test_torchscript(tmp_path: Path) -> None:
    path = save_torchscript(tmp_path / "model")
    model = load_model(path)
    check(model, path)
    assert model.kind == "torchscript"


@pytest.mark.parametrize("save", [save_exported, save_torchscript])
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5", "vit_b_16"])
def test_programs_of_well_known_networks(tmp_path: Path, save: Any, name: str) -> None:
    """Their operators are in the stated set, and the interpreter runs them as torch does."""
    zoo = load_torchvision().models
    side = 32
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if name == "vit_b_16":  # a small one of its kind
            network = zoo.VisionTransformer(side, 8, 2, 2, 16, 32, num_classes=4)
        else:
            network = zoo.get_model(name, weights=None, num_classes=4)
    network.eval()
    if save is save_exported:
        example = (torch.rand(4, 3, side, side),)
        batch = torch.export.Dim("batch", min=1, max=1024)
        torch.export.save(torch.export.export(network, example, dynamic_shapes=({0: batch},)), tmp_path / "model")
    else:
        save(tmp_path / "model", network)
    logits = infer(load_model(tmp_path / "model").predictor, images(5, side))
    with torch.no_grad():
        reference = network(torch.from_numpy(images(5, side)).movedim(3, 1) / 255).numpy()
    np.testing.assert_allclose(logits, reference, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("save", [save_state, save_exported, save_torchscript])
def test_the_same_file_run_twice_gives_the_same_bits(tmp_path: Path, save: Any) -> None:
    path = save(tmp_path / "model")
    factory = make if save is save_state else None
    first, second = (infer(load_model(path, factory=factory).predictor, images()) for _ in range(2))
    assert np.array_equal(first, second)


def test_preprocessing_is_applied(tmp_path: Path) -> None:
    path = save_state(tmp_path / "model.pt")
    settings = Preprocessing(mean=(0.5, 0.4, 0.3), std=(0.25,), channels="bgr")
    logits = infer(load_model(path, factory=make, preprocessing=settings).predictor, images())
    with torch.no_grad():
        reference = make().eval()(settings(images())).numpy()
    np.testing.assert_allclose(logits, reference, atol=1e-5)
    x = settings(images()).numpy()
    np.testing.assert_allclose(
        infer(load_model(path, factory=make, preprocessing=None).predictor, x), reference, atol=1e-5
    )


# Factories.


def test_a_factory_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "outside_own_network.py").write_text(
        "from tests.learners.external_files import make\n"
        "from torch import nn\n"
        "class Network(nn.Sequential):\n"
        "    def __init__(self):\n"
        "        super().__init__(*make())\n"
        "def broken():\n    raise SystemExit('no')\n"
        "def other():\n    return 3\n"
        "def lazy():\n    return nn.Sequential(nn.Flatten(), nn.LazyLinear(3))\n"
        "constant = 3\n"
    )
    path = save_state(tmp_path / "model.pt")
    for factory in ("outside_own_network:make", "outside_own_network:Network"):
        check(load_model(path, factory=factory, base=tmp_path), path)
    for name, error, sentence in [
        ("broken", DataError, "it raised SystemExit: no"),
        ("other", DataError, "expected it to return a torch.nn.Module, got int"),
        ("lazy", DataError, "lazy: expected layers that know their sizes, got lazy ones"),
        ("constant", ConfigError, "to be a function, got int"),
        ("missing", ConfigError, "model: expected a function outside_own_network:missing"),
    ]:
        with pytest.raises(error, match=sentence):
            load_model(path, factory=f"outside_own_network:{name}", base=tmp_path)
    with pytest.raises(ConfigError, match="expected package.module:function or torchvision:NAME"):
        load_model(path, factory="outside_own_network")


def test_torchvision_takes_the_classes_from_the_weights(tmp_path: Path) -> None:
    zoo = load_torchvision().models
    network = zoo.get_model("mobilenet_v3_small", weights=None, num_classes=7).eval()
    torch.save({"state_dict": prefixed("module.")(network.state_dict())}, tmp_path / "model.pt")
    model = load_model(tmp_path / "model.pt", factory="torchvision:mobilenet_v3_small", expected_classes=7)
    with torch.no_grad():
        reference = network(torch.from_numpy(images(3, 32)).movedim(3, 1) / 255).numpy()
    np.testing.assert_allclose(infer(model.predictor, images(3, 32)), reference, atol=1e-5)
    with pytest.raises(ConfigError, match="a model of torchvision, got 'resnet19'"):
        load_model(tmp_path / "model.pt", factory="torchvision:resnet19")


# Weights that do not fit.


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda state: {name: value for name, value in state.items() if not name.startswith("1.")},
            r"expected the 8 tensors of the network of make, got 4: 4 missing \(first 1.weight\)",
        ),
        (lambda state: {**state, "extra": torch.zeros(2)}, r"got 10: 1 unexpected \(first extra\)"),
        (
            lambda state: {**state, "0.weight": torch.zeros(4, 3, 5, 5)},
            r"1 of another shape \(first 0.weight: network \[4, 3, 3, 3\], file \[4, 3, 5, 5\]\)",
        ),
        (
            lambda state: {**state, "5.weight": torch.zeros(7, 64), "5.bias": torch.zeros(7)},
            r"the factory make makes 5 classes and the checkpoint has 7 \(5.weight\)",
        ),
        (
            lambda state: {"module.extra": torch.zeros(2), **prefixed("model.")(state)},
            r"8 missing \(first 0.weight\), 10 unexpected \(first module.extra\)",
        ),
    ],
)
def test_weights_that_do_not_fit(tmp_path: Path, change: Any, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        load_model(save_state(tmp_path / "model.pt", change), factory=make)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (torch.zeros(3), "a single tensor"),
        ([torch.zeros(3)], "got a list"),
        ({"epoch": 3}, "a dictionary of epoch"),
        ({}, "a dictionary of nothing"),
        ({"state_dict": {"a": torch.zeros(2), "b": 3}}, "a dictionary of state_dict"),
    ],
)
def test_files_without_a_state_dict(tmp_path: Path, content: Any, sentence: str) -> None:
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(DataError, match=sentence):
        load_model(tmp_path / "model.pt", factory=make)


def test_settings_that_do_not_fit_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a factory for weights alone"):
        load_model(save_state(tmp_path / "model.pt"))
    with pytest.raises(ConfigError, match="expected no factory for a file that holds the whole network"):
        load_model(save_exported(tmp_path / "model.pt2"), factory=make)
    model = load_model(tmp_path / "model.pt2", expected_classes=10)
    with pytest.raises(DataError, match="expected 10 classes as in the data, the model has 5"):
        infer(model.predictor, images())


def test_a_program_that_changes_its_weights_is_refused(tmp_path: Path) -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("count", torch.zeros(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.count.add_(1)
            return x.flatten(1)[:, :5] + self.count

    with pytest.raises(DataError, match="changes nothing, got buffer_mutation|leaves its weights alone"):
        infer(load_model(save_exported(tmp_path / "model.pt2", Counting())).predictor, images())
