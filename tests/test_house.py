"""The house: four floors, imports go down only; arrays above, models below; one door to torchvision."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOORS = ("learners", "unlearners", "attacks", "audit")
MODULES = sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_only(path: Path) -> None:
    own = FLOORS.index(path.relative_to(ROOT).parts[0])
    reached = {name.split(".")[0] for name in imported(path)} & set(FLOORS)
    above = {floor for floor in reached if FLOORS.index(floor) > own}
    assert not above, f"{path.relative_to(ROOT)} imports up: {sorted(above)}"


@pytest.mark.parametrize("floor", FLOORS)
def test_other_floors_are_entered_by_the_front_door_or_a_public_room(floor: str) -> None:
    private = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in (ROOT / floor).rglob("*.py")
        for name in imported(path)
        if name.split(".")[0] in FLOORS and name.split(".")[0] != floor and "._" in name
    ]
    assert private == []


def test_attacks_and_statistics_never_touch_torch() -> None:
    allowed = {"audit/models/making.py", "audit/models/workspace.py"}  # these make and keep models
    offenders = {
        str(path.relative_to(ROOT))
        for floor in ("attacks", "audit")
        for path in (ROOT / floor).rglob("*.py")
        if any(name.split(".")[0] == "torch" for name in imported(path))
    }
    assert offenders <= allowed


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_stay_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300
