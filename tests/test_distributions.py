"""Wheel and sdist, each installed into a fresh environment next to a user's own folders of the same names."""

import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOORS = ("attacks", "audit", "learners", "unlearners")
TRAINING = """
import torch
from learners.net import Net

def train(indices, seed):
    torch.manual_seed(seed)
    return Net()
"""
NET = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.last = torch.nn.Linear(64, 10)

    def forward(self, images):
        return self.last(images.flatten(1))
"""
MARK = "import pathlib; pathlib.Path({name!r} + '.was-run').touch()\n"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both distributions, built from what git would commit."""
    place = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(place), "-t", "wheel", "-t", "sdist"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return place


def install(distribution: Path, place: Path) -> Path:
    """Python of a new environment that holds the distribution; its dependencies are this environment's."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    python = place / "bin" / "python"
    (site,) = place.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--no-index", str(distribution)], check=True)
    return python


def user_folder(place: Path) -> Path:
    """A user's project whose modules are called as our folders are."""
    for name in ("attacks", "learners"):
        (place / name).mkdir(parents=True)
        (place / name / "__init__.py").write_text(MARK.format(name=name))
    (place / "audit.py").write_text(MARK.format(name="audit"))
    (place / "learners" / "net.py").write_text(NET)
    (place / "training.py").write_text(TRAINING)
    (place / "forget.csv").write_text("index\n" + "\n".join(map(str, range(100))) + "\n")
    return place


def contents(path: Path) -> list[str]:
    if path.suffix == ".whl":
        return zipfile.ZipFile(path).namelist()
    with tarfile.open(path) as archive:
        assert all(member.isfile() for member in archive.getmembers())  # no link: an unpacked sdist works anywhere
        return [name.split("/", 1)[1] for name in archive.getnames()]


def test_both_hold_every_module_once(built: Path) -> None:
    expected = {str(path.relative_to(ROOT)) for floor in FLOORS for path in (ROOT / floor).rglob("*.py")}
    for path in built.iterdir():
        names = contents(path)
        modules = [name for name in names if name.endswith(".py")]
        assert len(modules) == len(set(modules))
        assert {name.removeprefix("vestige/") for name in modules} == expected | {"__init__.py", "__main__.py"}
        assert {"vestige/py.typed", "vestige/__init__.pyi", "vestige/audit/report/templates/page.html.jinja"} <= set(
            names
        )
        assert not any(name.split("/")[0] in (*FLOORS, "tests", "docs", "benchmarks") for name in names)


@pytest.mark.parametrize("suffix", [".whl", ".tar.gz"])
def test_an_installed_vestige_and_a_users_own_folders_leave_each_other_alone(
    built: Path, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (distribution,) = built.glob(f"*{suffix}")
    python, folder = install(distribution, tmp_path / "environment"), user_folder(tmp_path / "project")
    monkeypatch.setenv("PYTHONPATH", ".")

    def run(*words: str) -> str:
        done = subprocess.run([str(word) for word in words], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def was_run() -> set[str]:
        return {path.stem for path in folder.glob("*.was-run")}

    vestige = str(python.with_name("vestige"))
    assert "Commands:" in run(vestige, "--help") and "Commands:" in run(str(python), "-m", "vestige", "--help")
    where = run(
        str(python), "-c", "from vestige.attacks import lira; import vestige; print(lira.__name__, vestige.__file__)"
    )
    assert where.startswith("lira ") and str(tmp_path / "environment") in where
    assert '"lira_online"' in run(vestige, "attacks", "--json")
    assert was_run() == set()
    data = ("--data", "digits", "--forget", "forget.csv", "--unseen", "200")
    run(vestige, "retrain", "--train", "training:train", "--count", "2", "--workers", "2", "--out", "made", *data)
    assert {path.name for path in (folder / "made").glob("*.safetensors")} == {
        f"retrain-{k}.safetensors" for k in (1, 2)
    }
    assert was_run() == {"learners"}  # because the training module imports it
    shutil.rmtree(folder / "made")
