"""Images that are not prepared as in training are noticed, and honest models are left alone."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.datasets import load_digits
from torch import Tensor, nn

from tests.audit.outside_world import forget_module
from tests.command import say
from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.data_checks import preprocessing
from vestige.audit.data_checks.preprocessing import (
    MOST_PASSES,
    ROWS,
    STAGE,
    Better,
    check_preparation,
    draw_rows,
    find_better,
)
from vestige.audit.data_checks.preprocessing_trials import (
    STEPS,
    command_options,
    common,
    gained,
    moved,
    reversed_colours,
    values_of,
)
from vestige.learners.errors import DataError
from vestige.learners.external.inference import infer
from vestige.learners.external.model_files import load_model
from vestige.learners.external.predictors import as_predictor
from vestige.learners.external.preprocessing import Preprocessing
from vestige.learners.external.settings import parse_preprocessing

MODULE = "net_of_the_preparation_tests"
GIVEN = Preprocessing(mean=(0.5,), std=(0.5,))
TRUE = Preprocessing(mean=(0.3,), std=(0.3,))


def make(channels: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 10),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Digits:
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def rows(self, seed: int, count: int = 1000) -> "Digits":
        chosen = np.random.default_rng(seed).permutation(len(self.labels))[:count]
        return Digits(self.images[chosen], self.labels[chosen])


@pytest.fixture(scope="module")
def digits() -> Digits:
    """16x16, grey."""
    read = load_digits()
    small = (read.images * 255 / 16).round().astype(np.uint8)
    return Digits(np.kron(small, np.ones((1, 2, 2), np.uint8))[..., None], read.target.astype(np.int64))


def coloured(one: Digits, seed: int = 0) -> Digits:
    """Digits whose class is in the colours: red for one half of the classes, blue for the other, both seen as two."""
    dim = np.repeat(one.images // 8, 3, axis=3)
    rows, channel = np.arange(len(one.labels)), np.where(one.labels % 2, 2, 0)
    dim[rows, :, :, channel] = one.images[..., 0]
    return Digits(dim, one.labels)


def train(
    seed: int,
    data: Digits,
    prepare: Preprocessing,
    *,
    epochs: int = 12,
    rate: float = 2e-3,
    change: Callable[[Tensor], Tensor] = lambda x: x,
) -> nn.Module:
    """change: of a batch in 0..1, before means are subtracted."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = make(data.images.shape[3])
        optimiser = torch.optim.Adam(model.parameters(), rate)
        x, y = torch.from_numpy(data.images).movedim(3, 1).float() / 255, torch.from_numpy(data.labels)
        mean, std = (torch.tensor(one).reshape(1, -1, 1, 1) for one in values_of(prepare))
        for _ in range(epochs):
            for batch in torch.randperm(len(x)).split(64):
                optimiser.zero_grad()
                logits = model((change(x[batch]) - mean) / std)
                nn.functional.cross_entropy(logits, y[batch]).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
    return model.eval()


@dataclass(eq=False)
class Tried:
    """What a model answers, and a count of what it was asked."""

    model: nn.Module
    data: Digits
    passes: int = 0
    images: int = 0

    def __call__(self, own: Preprocessing, rows: slice) -> NDArray[Any]:
        logits = infer(as_predictor(self.model, preprocessing=own), self.data.images[:ROWS][rows])
        self.passes, self.images = self.passes + 1, self.images + len(logits)
        return logits

    def better(self, given: Preprocessing) -> Better | None:
        return find_better(self, given, self.data.labels[:ROWS], self.data.images.shape[3])

    def accuracy(self, own: Preprocessing) -> float:
        logits = infer(as_predictor(self.model, preprocessing=own), self.data.images)
        return float((logits.argmax(1) == self.data.labels).mean())


@pytest.fixture(scope="module")
def outsider(digits: Digits) -> Tried:
    """Trained with mean .3 and deviation .3."""
    data = digits.rows(1)
    return Tried(train(1, data, TRUE), data)


@pytest.mark.parametrize("given", [GIVEN, Preprocessing(), Preprocessing(std=(1 / 255,)), Preprocessing(scale=False)])
def test_means_that_are_not_those_of_training_are_noticed(outsider: Tried, given: Preprocessing) -> None:
    assert 0.8 < outsider.accuracy(given) < 0.96 and outsider.accuracy(TRUE) > 0.98
    counted = Tried(outsider.model, outsider.data)
    found = counted.better(given)
    assert found is not None and found.other > 0.97 * found.rows and found.rows == 384
    assert counted.passes <= MOST_PASSES and counted.images <= 2 * ROWS + (MOST_PASSES - 2) * ROWS // 4
    again = parse_preprocessing(
        **dict(zip(("mean", "std"), command_options(found.preprocessing).split()[1::2], strict=True))
    )
    assert values_of(again) == values_of(found.preprocessing)  # what is said is what was asked
    right = [Tried(outsider.model, outsider.data)(own, slice(128, 512)).argmax(1) for own in (given, again)]
    old, new = (one == outsider.data.labels[128:512] for one in right)
    p = binomtest(int((new & ~old).sum()), int((new != old).sum()), 0.5, alternative="greater").pvalue
    assert p < preprocessing.LEVEL and (found.given, found.other) == (old.sum(), new.sum())


def test_right_means_cost_one_pass(outsider: Tried) -> None:
    counted = Tried(outsider.model, outsider.data)
    assert counted.better(TRUE) is None
    assert (counted.passes, counted.images) == (1, ROWS)


def test_colours_in_reverse_are_noticed(digits: Digits) -> None:
    data = coloured(digits.rows(2))
    asked = Tried(train(2, data, GIVEN), data)
    assert asked.better(GIVEN) is None
    for given, hint in (("bgr", "rgb"), (None, None)):
        own = Preprocessing(mean=(0.5,), std=(0.5,), channels=given)
        found = asked.better(own)
        assert (found is None) == (hint is None)
        assert found is None or f"--channels {hint}" in command_options(found.preprocessing)
    swapped = Tried(asked.model, Digits(data.images[..., ::-1].copy(), data.labels))
    found = swapped.better(GIVEN)
    assert found is not None and found.other > 0.97 * found.rows
    assert command_options(found.preprocessing).endswith("--channels bgr")


def test_range_and_colours_at_once(digits: Digits) -> None:
    """As networks of Caffe: 0..255, BGR, the means of ImageNet subtracted."""
    data = coloured(digits.rows(3))
    caffe = Preprocessing(mean=(0.485, 0.456, 0.406), std=(1 / 255,))
    asked = Tried(train(3, data, caffe, rate=5e-4, epochs=20), Digits(data.images[..., ::-1].copy(), data.labels))
    found = asked.better(Preprocessing())
    assert found is not None and found.other > 0.95 * found.rows and found.preprocessing.channels == "bgr"
    assert asked.passes <= MOST_PASSES


def jitter(x: Tensor) -> Tensor:
    gain, offset = torch.rand(len(x), 1, 1, 1) * 1.6 + 0.2, torch.rand(len(x), 1, 1, 1) * 0.8 - 0.4
    return (x * gain + offset).clamp(0, 1)


HONEST: dict[str, dict[str, Any]] = {
    "labels made wrong": {"epochs": 6},
    "stopped early": {"epochs": 2, "rate": 1e-3},
    "brightness jitter": {"epochs": 4, "change": jitter},
    "darkened": {"epochs": 3, "change": lambda x: x * (1 - 0.9 * torch.rand(len(x), 1, 1, 1))},
    "noise added": {"epochs": 4, "change": lambda x: x + 0.6 * torch.randn_like(x)},
}


@pytest.mark.parametrize("kind", HONEST)
def test_honest_models_that_are_often_wrong_are_left_alone(digits: Digits, kind: str) -> None:
    for seed, prepare in enumerate((Preprocessing(), GIVEN, TRUE)):
        data = digits.rows(10 + seed)
        if kind == "labels made wrong":
            random = np.random.default_rng(seed)
            wrong = random.random(len(data.labels)) < 0.2
            data = Digits(data.images, np.where(wrong, random.integers(0, 10, len(wrong)), data.labels))
        asked = Tried(train(seed, data, prepare, **HONEST[kind]), data)
        assert 0.2 < asked.accuracy(prepare) < 0.96
        assert asked.better(prepare) is None, (seed, prepare)
        assert 1 < asked.passes <= MOST_PASSES  # others were tried


def test_choosing_among_many_costs_no_level(monkeypatch: pytest.MonkeyPatch) -> None:
    """Preparations that are equally good: the chosen one is better with p < .05 in at most 5 % of audits."""
    monkeypatch.setattr(preprocessing, "LEVEL", 0.05)
    monkeypatch.setattr(preprocessing, "FEWER", 1.0)
    monkeypatch.setattr(preprocessing, "RIGHT", 0.0)
    labels, audits = np.zeros(ROWS, np.int64), 500
    random = np.random.default_rng(0)

    def answers(own: Preprocessing, rows: slice) -> NDArray[Any]:
        right = random.random(len(labels[rows])) < 0.8
        return np.stack([right, ~right], axis=1) * random.normal(2, 0.5)

    alarms = sum(find_better(answers, GIVEN, labels, 3) is not None for _ in range(audits))
    assert alarms / audits <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / audits)
    assert alarms > 0  # the exact test is conservative, and not blind


def test_preparations_that_a_network_refuses_are_passed_over(outsider: Tried) -> None:
    def answers(own: Preprocessing, rows: slice) -> NDArray[Any]:
        if min(values_of(own)[1]) < 0.01:
            raise DataError("too large")
        return outsider(own, rows)

    found = find_better(answers, GIVEN, outsider.data.labels[:ROWS], 1)
    assert found is not None and found.other > found.given

    def only_given(own: Preprocessing, rows: slice) -> NDArray[Any]:
        if own != GIVEN:
            raise DataError("no")
        return outsider(own, rows)

    assert find_better(only_given, GIVEN, outsider.data.labels[:ROWS], 1) is None
    with pytest.raises(DataError, match="too large"):
        find_better(answers, Preprocessing(std=(1 / 255,)), outsider.data.labels[:ROWS], 1)


@pytest.mark.parametrize("rows", [1, 3, 4, 26])
def test_few_rows_decide_nothing(outsider: Tried, rows: int) -> None:
    labels = (outsider.data.labels[:rows] + 1) % 10  # all wrong
    assert find_better(outsider, TRUE, labels, 1) is None


def test_what_is_tried_is_what_the_options_can_say() -> None:
    for given, channels in ((GIVEN, 1), (Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.2, 0.3, 0.4)), 3)):
        steps = [one for gains, by in STEPS for one in (*gained(given, gains), *moved(given, by))]
        tried = [*common(given, channels), *steps]
        assert len(tried) > 15 and len({(values_of(one), one.channels) for one in tried}) == len(tried)
        for one in tried:
            text = command_options(one)
            said = text.split() if text.startswith("--") else []
            again = parse_preprocessing(**dict(zip((word[2:] for word in said[::2]), said[1::2], strict=True)))
            assert values_of(again) == values_of(one)
    x = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), dtype=np.uint8)
    colour = Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    torch.testing.assert_close(gained(colour, (2.0,))[0](x), 2 * colour(x), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(moved(colour, (0.5,))[0](x), colour(x) + 0.5, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(reversed_colours(Preprocessing(), 3)[0](x), Preprocessing()(x).flip(1))
    assert reversed_colours(Preprocessing(), 1) == reversed_colours(Preprocessing(channels="grey"), 3) == ()
    raw = Preprocessing(scale=False, dtype="uint8")  # the network scales
    assert common(raw, 3) == gained(raw, (2.0,)) == moved(raw, (0.5,)) == ()


def test_rows_are_drawn_with_the_seed() -> None:
    retain = np.arange(100, 2100)
    drawn = draw_rows(retain, 3)
    assert len(drawn) == len(set(drawn.tolist())) == ROWS and np.isin(drawn, retain).all()
    assert np.array_equal(drawn, draw_rows(retain, 3)) and not np.array_equal(drawn, draw_rows(retain, 4))
    assert sorted(draw_rows(retain[:7], 3)) == retain[:7].tolist()


def test_programs_are_prepared_in_another_way_too(outsider: Tried, tmp_path: Path) -> None:
    images, labels = outsider.data.images[:ROWS], outsider.data.labels[:ROWS]
    program = torch.export.export(outsider.model, (torch.zeros(4, 1, 16, 16),))  # for batches of four
    torch.export.save(program, tmp_path / "o.pt2")
    torch.save(outsider.model.state_dict(), tmp_path / "o.pt")
    stages: list[tuple[str, int, int]] = []
    for name, factory in (("o.pt2", None), ("o.pt", make)):
        model = load_model(tmp_path / name, factory=factory, preprocessing=GIVEN, expected_classes=10)
        there = infer(model.prepared_by(TRUE).predictor, images)
        np.testing.assert_allclose(there, outsider(TRUE, slice(0, ROWS)), atol=1e-4)
        check_preparation(model, TRUE, images, labels, 512, watch=lambda *now: stages.append(now))
        assert stages == [(STAGE, 1, MOST_PASSES), (STAGE, MOST_PASSES, MOST_PASSES)]
        stages.clear()
        with pytest.raises(
            DataError, match=r"right on 0\.[89]\d\d of 384 retain rows as given \(--mean 0\.5 --std 0\.5\)"
        ):
            check_preparation(model, GIVEN, images, labels, 512, watch=lambda *now: stages.append(now))
        assert [done for _, done, _ in stages[:-1]] == list(range(1, len(stages))) and len(stages) <= MOST_PASSES + 1
        stages.clear()


@pytest.fixture
def world(outsider: Tried, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments that name data, and one model as candidate, original and retrain."""
    (tmp_path / f"{MODULE}.py").write_text(
        f"from torch import nn\n{inspect.getsource(make)}"
        + "def prepare(images):\n    import torch\n"
        + "    return (torch.from_numpy(images).movedim(3, 1).float() / 255 - 0.5) / 0.5\n"
    )
    more = outsider.data.images[:200]
    np.savez(
        tmp_path / "data.npz", images=outsider.data.images, labels=outsider.data.labels,
        test_images=255 - more, test_labels=outsider.data.labels[:200],
    )  # fmt: skip
    (tmp_path / "forget.txt").write_text("".join(f"{row}\n" for row in range(100)))
    torch.save(outsider.model.state_dict(), tmp_path / "o.pt")
    torch.save({name: 1.01 * one for name, one in outsider.model.state_dict().items()}, tmp_path / "c.pt")
    monkeypatch.chdir(tmp_path)
    forget_module(MODULE)
    return ["--model", f"{MODULE}:make", "--data", "npz:data.npz", "--forget", "forget.txt", "--candidate", "c.pt"]


def test_the_command_refuses_before_it_asks_the_others(
    world: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    original, wrong = ["--original", "o.pt"], ["--mean", "0.5", "--std", "0.5"]
    for given in (wrong, []):
        for more in (["audit", "--retrain", "o.pt", "--report", "new"], ["export-outputs", "--out", "new.npz"]):
            said = say(capsys, more[0], *world, *original, *given, *more[1:])
            words_of_it = f"({' '.join(given) or 'no --mean and no --std'})"
            assert said.code == 4 and "o.pt: expected images prepared as in training" in said.refusal
            assert words_of_it in said.refusal and "such as --mean 0." in said.refusal, said.refusal
            assert "--preprocess with the function of training, which is used as it is" in said.refusal
            assert STAGE in said.err and "asking" not in said.err
            assert not (tmp_path / "new").exists() and not (tmp_path / "new.npz").exists()
    for allowed in (
        [*original, "--mean", "0.3", "--std", "0.3"],
        [*original, "--preprocess", f"{MODULE}:prepare"],  # as wrong, and the user's own
        wrong,  # no original to ask
    ):
        said = say(capsys, "export-outputs", *world, *allowed, "--out", "out.npz")
        assert said.code == 0, said.err
        assert (STAGE in said.err) == ("0.3" in allowed)
        Outputs.read(tmp_path / "out.npz", without_retrains=True)
        Path("out.npz").unlink()
