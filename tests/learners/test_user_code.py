"""Which files an edit of which changes what the user's function does."""

import sys
from pathlib import Path

import pytest

from vestige.learners.files.user_code import also_from, find_function, own_line, own_sources

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
    for module in [
        name
        for name in sys.modules
        if name.split(".")[0]
        in ("project", "settings", "late", "other", "timing", "wrapped", "plain", "broken_one", "starts")
    ]:
        monkeypatch.delitem(sys.modules, module)
    return tmp_path


def sources(folder: Path, module: str, function: str) -> set[str]:
    with also_from(folder):
        found = find_function(f"{module}:{function}", "train")
        return set(own_sources(f"{module}:{function}", found, base=folder))


def test_a_package_with_relative_and_late_imports(folder: Path) -> None:
    expected = {
        text for name, text in FILES.items() if name not in ("project/unused.py", "other.py", "project/layers.py")
    }
    assert sources(folder, "project.train", "run") == expected | {"x = 1\n"}


def test_what_is_not_there_or_cannot_be_read(folder: Path) -> None:
    (folder / "plain.py").write_text("import broken_one\ndef train():\n    import nowhere\n    from . import nothing\n")
    (folder / "broken_one.py").write_text("x = 1\n")
    with also_from(folder):
        function = find_function("plain:train", "train")
        (folder / "broken_one.py").write_text("def (\n")
        assert set(own_sources("plain:train", function, base=folder)) == {(folder / "plain.py").read_text(), "def (\n"}
    assert own_sources("builtins:len", len, base=folder) == ()


def test_an_installed_package_is_not_followed_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "site-packages"
    place.mkdir()
    (place / "installed_one.py").write_text("import installed_two\ndef train(): pass\n")
    (place / "installed_two.py").write_text("")
    monkeypatch.syspath_prepend(str(place))
    found = own_sources("installed_one:train", find_function("installed_one:train", "train"))
    assert found == ("import installed_two\ndef train(): pass\n",)


def test_the_named_module_counts_whatever_wraps_the_function(folder: Path) -> None:
    (folder / "timing.py").write_text("def timed(f):\n    return lambda *a: f(*a)\n")
    (folder / "wrapped.py").write_text(
        "from functools import partial\nfrom timing import timed\n"
        "@timed\ndef train(i, s): pass\nbound = partial(train, 1)\n"
        "class Trainer:\n    def __call__(self, i, s):\n        raise ValueError('mine')\ntrainer = Trainer()\n"
    )
    expected = {(folder / name).read_text() for name in ("timing.py", "wrapped.py")}
    for name in ("train", "bound", "trainer"):
        assert sources(folder, "wrapped", name) == expected, name
    with also_from(folder):
        trainer = find_function("wrapped:trainer", "train")
    try:
        trainer(0, 0)
    except ValueError as error:
        assert own_line(error, "wrapped:trainer") == " (wrapped.py, line 8)"
        assert own_line(error, "json:load") == "" and own_line(error, "nowhere:f") == ""


def test_helpers_in_the_current_folder_and_huge_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "configs").mkdir()
    (folder / "configs" / "starts.py").write_text("def train():\n    import late, huge\n")
    (folder / "huge.py").write_text("#" * 2**22 + "\nx = 1\n")
    monkeypatch.chdir(folder)
    with also_from(folder / "configs"):
        found = own_sources("starts:train", find_function("starts:train", "train"), base=folder / "configs")
    assert set(found) == {(folder / "configs" / "starts.py").read_text(), FILES["late.py"]}
