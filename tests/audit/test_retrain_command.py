"""vestige retrain: the user's own training function, on the retain examples alone."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from tests.audit.outside_world import CLASSES, FORGET, TRAIN, N, arguments, forget_module, make_world
from tests.command import say
from tests.hostile.conftest import remains, start
from tests.hostile.test_signals import check, interrupt, said_in, when
from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.results.json import read_report

NET = "net_of_the_retrain_tests"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_world(tmp_path_factory.mktemp("retrain") / "ein ördner", NET)
    (folder / "trains_well.py").write_text(TRAIN.format(network=NET, data=str(folder / "data.npz")))
    return folder


@pytest.fixture
def inside(world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(world)
    return world


DATA = ("--data", "npz:data.npz", "--forget", "forget.txt")


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def write(folder: Path, name: str, text: str) -> str:
    """A module of the user's in the current folder; its function."""
    (folder / f"{name}.py").write_text(text)
    forget_module(name)
    return f"{name}:train"


def test_retrains_of_a_network(inside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = tmp_path / "öne at a time", tmp_path / "two"
    given = ["retrain", "--train", "trains_well:train", *DATA, "--count", "3"]
    said = say(capsys, *given, "--out", one, "--workers", "1")
    assert said.code == 0 and f"3 retrains on {N - FORGET} retain examples: '{one}/retrain-*.safetensors'" in said.out
    forget_module("trains_well", NET)
    assert say(capsys, *given, "--out", two, "--workers", "2").code == 0
    first = content(one)
    assert content(two) == first and list(first) == [f"retrain-{k}.safetensors" for k in (1, 2, 3)]
    weights = [load_file(one / name)["1.weight"] for name in first]
    assert not any(np.array_equal(weights[a], weights[b]) for a, b in ((0, 1), (0, 2), (1, 2)))

    (one / "retrain-2.safetensors").unlink()
    kept = (one / "retrain-1.safetensors").stat().st_mtime_ns
    said = say(capsys, *given, "--out", one)
    assert said.code == 0 and "retain examples (1 made now, 2 kept)" in said.out
    assert content(one) == first and (one / "retrain-1.safetensors").stat().st_mtime_ns == kept
    assert say(capsys, *given, "--out", one, "--seed", "1").code == 4
    (tmp_path / "other.txt").write_text("1\n2\n")
    other = ["--data", "npz:data.npz", "--forget", str(tmp_path / "other.txt")]
    said = say(capsys, "retrain", "--train", "trains_well:train", *other, "--out", one)
    assert said.code == 4 and "got one made from something else" in said.refusal
    assert content(one) == first

    audit = ["audit", *arguments(NET, "--retrain", f"{one}/retrain-*.safetensors", leave_out=["--retrain"])]
    said = say(capsys, *audit, "--report", tmp_path / "report")
    assert said.code in (0, 1, 3), said.err
    assert read_report(tmp_path / "report").audits[0].reference.retrains == 3


def test_an_edited_module_makes_other_retrains(
    inside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = TRAIN.format(network=NET, data=str(inside / "data.npz"))
    given = ["--train", write(inside, "edited", text), *DATA, "--count", "1", "--out", str(tmp_path / "out")]
    assert say(capsys, "retrain", *given).code == 0
    write(inside, "edited", text.replace("range(40)", "range(400)"))
    assert "expected a retrain of these examples, seed and training code" in say(capsys, "retrain", *given).refusal


def test_so_does_an_edit_of_what_it_imports(inside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (inside / "settings_of_it.py").write_text("EPOCHS = 1\n")
    text = f"from settings_of_it import EPOCHS\nfrom {NET} import make\ndef train(indices, seed):\n    return make()\n"
    given = ["--train", write(inside, "reads_settings", text), *DATA, "--count", "1", "--out", str(tmp_path / "out")]
    assert say(capsys, "retrain", *given).code == 0
    (inside / "unrelated.py").write_text("EPOCHS = 1\n")
    assert say(capsys, "retrain", *given).code == 0
    (inside / "settings_of_it.py").write_text("EPOCHS = 2\n")
    assert "expected a retrain of these examples, seed and training code" in say(capsys, "retrain", *given).refusal


def test_retrains_that_ignore_their_seed_are_told_at_once(
    inside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = "    torch.manual_seed(0)\n    return make()\n"
    text = f"import torch\nfrom {NET} import make\ndef train(indices, seed):\n{body}"
    given = ["--train", write(inside, "stubborn", text), *DATA, "--count", "2", "--workers", "1"]
    said = say(capsys, "retrain", *given, "--out", tmp_path / "out")
    assert said.code == 0 and "retrains 1 and 2 are equal: stubborn:train does not use its seed" in said.err


def test_beside_the_audit_file(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The module lies there, or in the current folder; workers find it, too."""
    monkeypatch.chdir(tmp_path)
    (world / "audit.toml").write_text('[data]\nsource = "npz:data.npz"\n[forget]\nfile = "forget.txt"\n')
    given = ["--config", str(world / "audit.toml"), "--count", "2", "--workers"]
    forget_module("trains_well", NET)
    assert say(capsys, "retrain", "--train", "trains_well:train", *given, "2", "--out", "a").code == 0
    (tmp_path / "lies_here.py").write_text((world / "trains_well.py").read_text())
    assert say(capsys, "retrain", "--train", "lies_here:train", *given, "1", "--out", "b").code == 0
    for name in ("retrain-1.safetensors", "retrain-2.safetensors"):
        one, other = load_file(tmp_path / "a" / name), load_file(tmp_path / "b" / name)
        assert all(np.array_equal(one[key], other[key]) for key in one)


def test_the_function_is_given_retain_examples_alone(
    inside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"""
import numpy as np
from {NET} import make
def train(indices, seed):
    np.save({str(tmp_path)!r} + f"/seen-{{seed}}.npy", indices)
    indices[:] = 0
    return make()
"""
    given = ["--train", write(inside, "tells", text), *DATA, "--count", "2", "--workers", "1", "--seed", "3"]
    assert say(capsys, "retrain", *given, "--out", tmp_path / "out").code == 0
    seen = sorted(tmp_path.glob("seen-*.npy"))
    assert len(seen) == 2
    for path in seen:
        assert np.array_equal(np.load(path), np.arange(FORGET, N))


ESTIMATOR = """
import numpy as np
from sklearn.linear_model import LogisticRegression
def flat(images):
    return images.reshape(len(images), -1) / 255
def train(indices, seed):
    with np.load({data!r}) as data:
        rows = np.random.default_rng(seed).permutation(indices)[:300]
        return LogisticRegression(C=0.1).fit(flat(data["images"][rows]), data["labels"][rows])
"""


def test_what_is_no_network_is_kept_as_its_outputs(
    inside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    function = write(inside, "linear", ESTIMATOR.format(data=str(inside / "data.npz")))
    for workers in ("1", "2"):
        given = ["--train", function, *DATA, "--count", "3", "--preprocess", "linear:flat", "--workers", workers]
        said = say(capsys, "retrain", *given, "--out", tmp_path / workers)
        assert said.code == 0 and "retrain-*.npz" in said.out, said.err
    assert content(tmp_path / "1") == content(tmp_path / "2")
    candidate = tmp_path / "c.npz"
    given = arguments(NET, leave_out=["--original", "--retrain"])
    assert say(capsys, "export-outputs", *given, "--out", candidate).code == 0
    said = say(
        capsys, "audit", "--candidate", candidate, "--retrain", tmp_path / "1" / "*.npz", "--report", tmp_path / "r"
    )
    assert said.code in (1, 3), said.err
    with np.load(tmp_path / "1" / "retrain-1.npz") as held:
        assert held["logits"].shape == (len(Outputs.read(candidate, without_retrains=True)), CLASSES)
    without = ["--train", function, *DATA, "--count", "3", "--workers", "1"]  # images as they are: not for this model
    assert say(capsys, "retrain", *without, "--out", tmp_path / "no").code == 4
    assert say(capsys, "retrain", *without, "--out", tmp_path / "1").code == 4 and not (tmp_path / "no").exists()


UNUSUAL = """
import torch
from torch import nn
class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(16, 16), nn.Linear(16, 16)
        self.two.weight = self.one.weight
        self.norm, self.last = nn.BatchNorm1d(16), nn.Linear(16, 3)
    def forward(self, x):
        return self.last(self.norm(self.two(self.one(x.flatten(1).to(self.one.weight.dtype))))).float()
def make():
    return Tied().to(torch.bfloat16)
def train(indices, seed):
    model = make()  # as the seed is not used, it comes from the streams that vestige has seeded
    model.norm.num_batches_tracked += 7
    return model
"""


def test_tied_weights_bfloat16_and_counters(inside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    function = write(inside, "unusual", UNUSUAL)
    given = ["--train", function, *DATA, "--count", "2", "--workers", "1"]
    assert say(capsys, "retrain", *given, "--out", tmp_path).code == 0
    one, two = (load_file(tmp_path / f"retrain-{k}.safetensors") for k in (1, 2))
    assert np.array_equal(one["one.weight"], one["two.weight"]) and one["norm.num_batches_tracked"] == 7
    assert not np.array_equal(one["one.weight"], two["one.weight"])
    back = torch.from_numpy(one["one.weight"])
    assert torch.equal(back.to(torch.bfloat16).float(), back)
    given = arguments(NET, "--model", "unusual:make", leave_out=["--model", "--original", "--retrain", "--candidate"])
    out = tmp_path / "out.npz"
    candidate = ["--candidate", tmp_path / "retrain-1.safetensors"]
    said = say(capsys, "export-outputs", *given, *candidate, "--out", out)
    assert said.code == 0, said.err


NONSENSE = {
    "raises": ("raise RuntimeError('out of\\nluck')", "luck (nonsense.py, line 2)"),
    "leaves": ("raise SystemExit(1)", "it raised SystemExit: 1"),
    "nothing": ("return None", "expected a torch.nn.Module, a fitted scikit-learn classifier or a function"),
    "a class": ("return dict", "got the class dict"),
    "labels": ("import numpy as np; return lambda x: np.zeros((len(x), 3), int)", "expected floating-point logits"),
    "four classes": ("import numpy as np; return lambda x: np.zeros((len(x), 4))", "expected 3 classes as in the data"),
    "nan": ("import numpy as np; return lambda x: np.full((len(x), 3), np.nan)", "expected finite logits"),
    "meta": ("import torch; return torch.nn.Linear(2, 2, device='meta')", "weights are plain tensors"),
    "lazy": ("import torch; return torch.nn.LazyLinear(3)", "weights are plain tensors"),
    "a number": ("return 3", "got int"),
}


@pytest.mark.parametrize("what", NONSENSE)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_is_no_model(
    what: str, workers: str, inside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if workers == "2" and what != "leaves":
        pytest.skip("the same in another process")
    body, words = NONSENSE[what]
    function = write(inside, "nonsense", f"def train(indices, seed):\n    {body}\n")
    given = ["--train", function, *DATA, "--count", "2", "--workers", workers]
    said = say(capsys, "retrain", *given, "--out", tmp_path / "out")
    assert said.code == 4 and words in said.refusal and "nonsense:train" in said.refusal, said
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_found(inside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (inside / "broken_module.py").write_text("1 / 0\n")
    for function, code, words in (
        ("train", 2, "expected package.module:function"),
        ("no_such_module_here:train", 2, "no_such_module_here"),
        ("trains_well:trian", 2, "trian"),
        ("broken_module:train", 4, "ZeroDivisionError"),
    ):
        said = say(capsys, "retrain", "--train", function, *DATA, "--out", tmp_path / "out")
        assert said.code == code and words in said.refusal
    given = ["--train", "trains_well:train", *DATA, "--preprocess", f"{NET}:nothing"]
    assert say(capsys, "retrain", *given, "--out", tmp_path / "out").code == 2
    assert say(capsys, "retrain", "--train", "trains_well:train", "--out", tmp_path / "out").code == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["safetensors", "npz"])
def test_strange_files_in_the_folder(
    kind: str, inside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"retrain-1.{kind}"
    deep = "[" * 60_000
    header = f'{{"__metadata__":{{"vestige_retrain":"{deep}"}}}}'.encode()
    zipped = b"PK\x05\x06" + bytes(16) + len(deep).to_bytes(2, "little") + deep.encode()
    for strange in (b"", b"\xff" * 50, len(header).to_bytes(8, "little") + header, zipped, zipped[:40]):
        path.write_bytes(strange)
        said = say(capsys, "retrain", "--train", "trains_well:train", *DATA, "--out", tmp_path)
        assert said.code == 4 and "made from something else" in said.refusal
        assert path.read_bytes() == strange
    path.unlink()
    os.mkfifo(path)  # nobody writes into it
    assert say(capsys, "retrain", "--train", "trains_well:train", *DATA, "--out", tmp_path).code == 4


SLOW = (
    TRAIN
    + """
fast = train
def train(indices, seed):
    import pathlib, time
    model = fast(indices, seed)
    if seed % 100 > 1:
        pathlib.Path({asleep!r}, str(seed)).touch()
        time.sleep(10**6)
    return model
"""
)


@pytest.mark.parametrize(("workers", "number"), [("1", signal.SIGINT), ("2", signal.SIGTERM)])
def test_an_interrupt_keeps_what_is_whole(
    workers: str, number: signal.Signals, inside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asleep = tmp_path / "asleep"
    asleep.mkdir()
    write(inside, "slow", SLOW.format(network=NET, data=str(inside / "data.npz"), asleep=str(asleep)))
    given = ["retrain", "--train", "slow:train", *DATA, "--count", "3", "--out", str(tmp_path / "out")]
    err = tmp_path / "err.txt"
    with err.open("w") as stream:
        process = start(*given, "--workers", workers, folder=inside, stderr=stream)
    # Not while a process is being started: each worker is in the middle of its retrain.
    when(process, lambda: len(list(asleep.iterdir())) == int(workers))
    when(process, lambda: (tmp_path / "out" / "retrain-1.safetensors").exists())
    check(interrupt(process, number, whole_group=number == signal.SIGINT), err.read_text())
    assert not remains(tmp_path) and [path.name for path in (tmp_path / "out").iterdir()] == ["retrain-1.safetensors"]
    assert said_in(err, "training 3 retrains")()
