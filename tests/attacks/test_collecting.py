"""collect_outputs: models as Python objects, asked about the user's arrays."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from torch import nn

from vestige.attacks.outputs.collect import collect_outputs, stack_logits
from vestige.learners.errors import DataError

N, CLASSES = 90, 3
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(0, 1, (N, 4)).astype(np.float32)
LABELS = np.arange(N) % CLASSES
ROLE = np.array(["forget", "unseen", "retain"])[np.arange(N) // 30]


def linear(seed: int, classes: int = CLASSES, dtype: Any = np.float32) -> Any:
    weights = np.random.default_rng(seed).normal(0, 1, (4, classes)).astype(dtype)
    return lambda x: x.astype(dtype) @ weights


def test_a_network_an_estimator_and_a_function() -> None:
    network = nn.Sequential(nn.Linear(4, CLASSES), nn.Dropout(0.5))
    network.train()
    estimators = [LogisticRegression(C=c).fit(X, LABELS) for c in (0.1, 1.0)]
    seen: list[tuple[str, int, int]] = []
    outputs = collect_outputs(
        X, LABELS, ROLE, candidate=network, original=linear(1), retrains=estimators, batch_size=40,
        ids=np.arange(N), group=LABELS, subject=[f"p{row // 2}" for row in range(N)],
        watch=lambda name, done, total: seen.append((name, done, total)),
    )  # fmt: skip
    assert network.training and network[1].training  # as it was
    with torch.no_grad():
        assert np.allclose(outputs.candidate, network[0](torch.from_numpy(X)).numpy(), atol=1e-6)  # without the dropout
    assert outputs.original is not None and np.allclose(outputs.original, linear(1)(X))
    for one, estimator in zip(outputs.retrain, estimators, strict=True):
        assert np.array_equal(one, estimator.decision_function(X))
    assert (
        outputs.id is not None and outputs.id[11] == "11" and outputs.group is not None and outputs.subject is not None
    )
    assert [one for one in seen if one[1] == N] == [
        (f"predictions of {name}", N, N) for name in ("candidate", "original", "retrain 1", "retrain 2")
    ]


def test_stacks_of_two_precisions_lose_nothing() -> None:
    models = [linear(1), linear(2, dtype=np.float64), linear(3)]
    for order in ([0, 1, 2], [1, 0, 2], [0, 2, 1]):
        given = [models[k] for k in order]
        outputs = collect_outputs(X, LABELS, ROLE, candidate=linear(9), retrains=given, shadows=given)
        assert outputs.retrain.dtype == np.float64 and outputs.candidate.dtype == np.float32
        assert outputs.shadow is not None
        for stack in (outputs.retrain, outputs.shadow):
            assert all(np.array_equal(one, model(X)) for one, model in zip(stack, given, strict=True))
    assert collect_outputs(X, LABELS, ROLE, candidate=linear(9), retrains=[linear(1)]).retrain.dtype == np.float32


def test_no_retrains_and_no_original() -> None:
    outputs = collect_outputs(X, LABELS, ROLE, candidate=linear(0))
    assert outputs.retrain.shape == (0, N, CLASSES) and outputs.original is None


def test_probabilities() -> None:
    def soft(seed: int) -> Any:
        return lambda x: softmax(linear(seed)(x).astype(np.float64), axis=1)

    outputs = collect_outputs(X, LABELS, ROLE, candidate=soft(0), retrains=[soft(1)], probabilities=True)
    assert np.allclose(softmax(outputs.candidate, axis=1), soft(0)(X))
    with pytest.raises(DataError, match="probabilities"):
        collect_outputs(X, LABELS, ROLE, candidate=soft(0), retrains=[soft(1)])
    with pytest.raises(DataError):
        collect_outputs(X, LABELS, ROLE, candidate=linear(0), retrains=[soft(1)], probabilities=True)


def fails(x: NDArray[Any]) -> NDArray[Any]:
    raise RuntimeError("no weights")


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "other classes": ({"retrains": [linear(1), linear(2, 4)]}, r"retrain 2: expected logits \[90, 3\] like the cand"),
    "an original of other classes": ({"original": linear(2, 4)}, "original: expected logits"),
    "a shadow of other classes": ({"shadows": [linear(2, 2)]}, "shadow 1: expected logits"),
    "fewer classes than labels": ({"candidate": linear(0, 2)}, r"labels: expected values in 0\.\.1, got 30 outside"),
    "a label less": ({"labels": LABELS[1:]}, "got 90 inputs and 89 labels"),
    "a role less": ({"role": ROLE[1:]}, "role"),
    "labels that are none": ({"labels": LABELS / 2}, "labels: expected integers"),
    "negative labels": ({"labels": LABELS - 1}, "labels: expected values in"),
    "ids twice": ({"ids": np.zeros(N, int)}, "id"),
    "no unseen": ({"role": np.where(ROLE == "unseen", "retain", ROLE)}, "expected unseen examples, got none"),
    "a model that fails": ({"retrains": [linear(1), fails]}, "retrain 2: .*RuntimeError: no weights"),
    "labels in place of logits": ({"original": lambda x: np.zeros(len(x))}, "original: .*expected logits of shape"),
    "nan": ({"candidate": lambda x: np.full((len(x), 3), np.nan)}, "candidate: .*expected finite logits"),
    "the batch": ({"candidate": lambda x: x[:, :3] - x[:, :3].mean(0)}, "candidate: .*do not depend on the batch"),
    "nothing to ask about": ({"inputs": X[:0], "labels": LABELS[:0], "role": ROLE[:0]}, "expected inputs"),
    "an estimator without labels": (
        {"candidate": LogisticRegression().fit(X, np.array(list("abc"))[LABELS])},
        "candidate: .*expected classes_ as labels",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit_is_refused(what: str) -> None:
    changes, sentence = WRONG[what]
    given: dict[str, Any] = {"inputs": X, "labels": LABELS, "role": ROLE, "candidate": linear(0), **changes}
    with pytest.raises(DataError, match=sentence) as refusal:
        collect_outputs(given.pop("inputs"), given.pop("labels"), given.pop("role"), **given)
    assert "\n" not in str(refusal.value)


def test_logits_are_stacked_one_model_after_the_other() -> None:
    asked: list[str] = []

    def answer(seed: int, name: str) -> NDArray[Any]:
        asked.append(name)
        return np.full((2, 3), float(seed))

    arrays = stack_logits(answer, candidate=1, original=2, retrains=[3, 4], shadows=[5])
    assert asked == ["candidate", "original", "retrain 1", "retrain 2", "shadow 1"]
    assert arrays["retrain"][:, 0, 0].tolist() == [3, 4] and arrays["shadow"].shape == (1, 2, 3)
