"""The source that decides about a result is found by following imports, and what decides is in the key."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vestige.audit.studies import measures
from vestige.learners.files import source_code
from vestige.learners.files.source_code import imported_modules, module_file, reached_modules, source_version
from vestige.learners.training.code_version import code_version

FILES = {
    "__init__": "",
    "entry": "from house.rooms import table\nfrom house.rooms.chair import seat\nimport numpy",
    "rooms/__init__": "",
    "rooms/table": "def legs():\n    from house import cellar\n    return cellar",
    "rooms/chair": "import house.attic.box",
    "rooms/unused": "",
    "cellar": "",
    "attic/__init__": "",
    "attic/box": "",
    "whole": "from house import attic",
}


def clear() -> None:
    for function in (source_version, reached_modules, imported_modules, source_code._below):
        function.cache_clear()


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, text in FILES.items():
        path = tmp_path / "house" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(source_code, "PROJECT", "house")
    clear()
    yield tmp_path / "house"
    clear()
    for name in [name for name in sys.modules if name.split(".")[0] == "house"]:
        del sys.modules[name]


def test_imports_are_followed_wherever_they_stand(house: Path) -> None:
    reached = reached_modules("house.entry")
    assert reached == ("house.attic.box", "house.cellar", "house.entry", "house.rooms.chair", "house.rooms.table")
    assert reached_modules("house.entry", aside=("house.rooms.chair",)) == (
        "house.cellar",
        "house.entry",
        "house.rooms.table",
    )
    assert reached_modules("house.whole") == ("house.attic", "house.attic.box", "house.whole")
    assert set(reached_modules("house.rooms")) >= {"house.rooms.unused", "house.cellar", "house.attic.box"}


@pytest.mark.parametrize("name", ["entry", "cellar", "attic/box", "rooms/chair", "rooms/unused"])
def test_an_edit_changes_the_version_where_it_is_reached(house: Path, name: str) -> None:
    before = source_version("house.entry")
    (house / f"{name}.py").write_text(FILES[name] + "\n# edited")
    clear()
    assert (source_version("house.entry") != before) == (name != "rooms/unused")


def test_a_name_that_stands_for_nothing_is_an_error(house: Path) -> None:
    for names, aside in ((("house.moved",), ()), (("house.entry",), ("house.moved",))):
        with pytest.raises(ModuleNotFoundError, match="house.moved"):
            reached_modules(*names, aside=aside)


def reached_by(version: str, monkeypatch: pytest.MonkeyPatch) -> tuple[set[str], set[str]]:
    """What a version of this project covers and what it leaves aside, heard where it is computed."""
    heard: list[tuple[tuple[str, ...], tuple[str, ...]]] = []

    def hear(*entries: str, aside: tuple[str, ...] = (), libraries: tuple[str, ...] = ()) -> str:
        heard.append((entries, aside))
        return "heard"

    module = sys.modules[version.rpartition(".")[0]]
    monkeypatch.setattr(module, "source_version", hear)
    getattr(module, version.rpartition(".")[2])()
    ((entries, aside),) = heard
    return set(reached_modules(*entries, aside=aside)), set(aside)


def test_what_decides_about_weights_and_logits_is_in_the_key_of_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    reached, aside = reached_by("vestige.learners.training.code_version.code_version", monkeypatch)
    decisive = "architectures batches device inference recipe stacked train train_many".split()
    expected = {f"vestige.learners.training.{name}" for name in decisive}
    assert reached >= expected | {
        "vestige.learners.data.examples",
        "vestige.learners.seeds",
        "vestige.learners.torchvision",
    }
    nothing = ("engine", "errors", "files.io", "progress", "training.ledger")  # of these decides about bits
    assert aside == {f"vestige.learners.{name}" for name in nothing}
    assert not any(name.startswith(("vestige.audit", "vestige.attacks", "vestige.unlearners")) for name in reached)
    monkeypatch.undo()
    assert code_version() != code_version("vestige.unlearners")


def test_what_decides_about_a_measurement_is_in_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    reached, aside = reached_by(f"{measures.__name__}._judging_version", monkeypatch)
    folders = {name.split(".")[2] for name in reached if name.startswith("vestige.audit.")}
    assert folders >= {"endpoints", "statistics", "verdict", "exposure", "data_checks", "results"}
    assert {"vestige.attacks.scores.rlira", "vestige.attacks.metrics.roc", measures.__name__} <= reached
    assert aside == {  # models and their keys, the audit file, what is written down beside the verdicts
        "vestige.audit.config.config",
        "vestige.audit.models.making",
        "vestige.audit.models.workspace",
        "vestige.audit.planning.registration",
    }
    assert all(module_file(name).is_file() for name in reached)
