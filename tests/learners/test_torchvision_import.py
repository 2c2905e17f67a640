"""torchvision is imported in one place, which also works beside a CPU-only torch."""

import ast
import gc
from pathlib import Path
from types import ModuleType

import pytest
import torch

from vestige.learners import torchvision

ROOT = Path(__file__).parents[2]


def test_import_works_and_happens_once() -> None:
    module = torchvision.load_torchvision()
    assert module.__name__ == "torchvision"
    assert torchvision.load_torchvision() is module


def test_models_transforms_and_datasets_work() -> None:
    loaded = torchvision.load_torchvision()
    from torchvision.transforms import v2

    gc.collect()
    assert hasattr(torch.ops.torchvision, "nms")
    model = loaded.models.resnet18(num_classes=3).eval()
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 3)
    assert v2.RandomHorizontalFlip(1.0)(torch.arange(2).reshape(1, 1, 2)).tolist() == [[[1, 0]]]
    assert loaded.datasets.CIFAR10.__name__ == "CIFAR10"


def test_working_operators_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = ModuleType("torchvision")
    monkeypatch.setattr(torchvision.importlib, "import_module", lambda name: fake)
    loaded = torchvision._import.__wrapped__()
    assert loaded.module is fake and loaded.schemas is None


def test_other_failures_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> ModuleType:
        raise RuntimeError("driver too old")

    monkeypatch.setattr(torchvision.importlib, "import_module", fail)
    with pytest.raises(RuntimeError, match="driver too old"):
        torchvision._import.__wrapped__()


def direct_imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        found += [name for name in names if name.split(".")[0] == "torchvision"]
    return found


def test_no_module_imports_torchvision_by_itself() -> None:
    modules = [
        path for floor in ("learners", "unlearners", "attacks", "audit") for path in (ROOT / floor).rglob("*.py")
    ]
    assert len(modules) > 10
    offenders = [str(path.relative_to(ROOT)) for path in modules if direct_imports(path)]
    assert not offenders
