"""Which files an edit of which changes what the user's function does."""

import sys
from pathlib import Path

import pytest

from learners._own_code import also_from, find_function, own_sources

FILES = {
    "project/__init__.py": "",
    "project/train.py": "from . import layers\nfrom .data.read import load\nimport settings\ndef run(): import late\n",
    "project/layers.py": "from project.unused_name import nothing\n",
    "project/unused.py": "1 / 0\n",
    "project/data/__init__.py": "COLOURS = 3\n",
    "project/data/read.py": "from ..layers import x\nfrom os import path\ndef load(): pass\n",
    "settings.py": "import project.train\n",
    "late.py": "LATE = 1\n",
    "other.py": "OTHER = 1\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "project/layers.py").write_text("x = 1\n")
    for module in [name for name in sys.modules if name.split(".")[0] in ("project", "settings", "late", "other")]:
        monkeypatch.delitem(sys.modules, module)
    return tmp_path


def sources(folder: Path, module: str, function: str) -> set[str]:
    with also_from(folder):
        return set(own_sources(find_function(module, function, function, "train")))


def test_a_package_with_relative_and_late_imports(folder: Path) -> None:
    expected = {
        text for name, text in FILES.items() if name not in ("project/unused.py", "other.py", "project/layers.py")
    }
    assert sources(folder, "project.train", "run") == expected | {"x = 1\n"}


def test_what_is_not_there_or_cannot_be_read(folder: Path) -> None:
    (folder / "plain.py").write_text("import broken_one\ndef train():\n    import nowhere\n    from . import nothing\n")
    (folder / "broken_one.py").write_text("x = 1\n")
    with also_from(folder):
        function = find_function("plain", "train", "train", "train")
        (folder / "broken_one.py").write_text("def (\n")
        assert set(own_sources(function)) == {(folder / "plain.py").read_text(), "def (\n"}
    assert own_sources(len) == () and own_sources(eval("lambda: 1")) != ()
    assert own_sources(pytest.main)  # installed: its own package, and no other


def test_an_installed_package_is_not_followed_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "site-packages"
    place.mkdir()
    (place / "installed_one.py").write_text("import installed_two\ndef train(): pass\n")
    (place / "installed_two.py").write_text("")
    monkeypatch.syspath_prepend(str(place))
    assert own_sources(find_function("installed_one", "train", "train", "train")) == (
        "import installed_two\ndef train(): pass\n",
    )
