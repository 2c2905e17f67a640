"""vestige.learners.external: networks, estimators and functions give the logits that they should, and are checked."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from torch import nn

from tests.learners.external_files import expected, images, make
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.external.estimators import LEAST
from vestige.learners.external.inference import infer
from vestige.learners.external.predictors import as_predictor
from vestige.learners.external.preprocessing import Preprocessing

RNG = np.random.default_rng(3)
X = RNG.normal(size=(90, 4))
Y = np.digitize(X[:, 0], [-0.5, 0.5])


def inferred(model: Any, inputs: NDArray[Any] = X, **settings: Any) -> NDArray[Any]:
    return infer(as_predictor(model, **settings), inputs)


# Networks.


@pytest.mark.parametrize("batch_size", [1, 4, 20, 512])
def test_a_network_gives_the_same_logits_in_any_batch(batch_size: int) -> None:
    network = make().train()
    logits = infer(as_predictor(network, preprocessing=Preprocessing()), images(), batch_size=batch_size)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, expected(), atol=1e-6)


def test_every_module_is_put_back_into_its_own_mode() -> None:
    network = make().train()
    network[1].eval()  # a frozen layer in a network that trains
    state = {name: value.clone() for name, value in network.state_dict().items()}
    infer(as_predictor(network, preprocessing=Preprocessing()), images())
    assert network.training and network[0].training and not network[1].training
    assert all(torch.equal(state[name], value) for name, value in network.state_dict().items())


def test_the_same_question_gives_the_same_bits() -> None:
    first, second = (inferred(make(), images(), preprocessing=Preprocessing()) for _ in range(2))
    assert np.array_equal(first, second)


class _TrainsItself(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.network = layer, make()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.layer.train()
        return self.network(self.layer(x))


@pytest.mark.parametrize("layer", [nn.BatchNorm2d(3), nn.Dropout(0.5), nn.Dropout(0.05)])
def test_a_network_that_looks_at_its_batch_is_refused(layer: nn.Module) -> None:
    with pytest.raises(DataError, match="do not depend on the batch.*eval mode"):
        inferred(_TrainsItself(layer), images(), preprocessing=Preprocessing())


def test_a_network_that_needs_a_batch_is_refused() -> None:
    class Head(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.batch_norm(x, None, None, training=True)

    with pytest.raises(DataError, match="same logits for a row alone as in a batch"):
        inferred(Head(), X.astype(np.float32))


def test_a_batch_shift_far_below_the_noise_of_half_precision_passes() -> None:
    network = nn.Linear(4, 3).bfloat16()
    logits = inferred(network, X, preprocessing=lambda rows: torch.from_numpy(rows).bfloat16())
    assert logits.dtype == np.float32 and logits.shape == (90, 3)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_types(dtype: Any) -> None:
    logits = inferred(lambda rows: rows[:, :3].astype(dtype))
    assert logits.dtype == (np.float64 if dtype is np.float64 else np.float32)
    np.testing.assert_allclose(logits, X[:, :3].astype(dtype))


def test_logits_beside_other_outputs() -> None:
    class Output(dict[str, Any]):
        pass

    weights = RNG.normal(size=(4, 3))
    for wrap in (lambda z: {"logits": z, "hidden": z}, lambda z: Output(logits=z), lambda z: z):
        np.testing.assert_allclose(
            inferred(lambda rows, wrap=wrap: wrap(torch.from_numpy(rows @ weights))), X @ weights
        )
    with pytest.raises(DataError, match="got a tuple of 2; wrap the model"):
        inferred(lambda rows: (rows, rows))


def test_a_network_without_preprocessing_says_what_it_was_given() -> None:
    with pytest.raises(
        DataError, match=r"failed on rows 0..20 \(input uint8 \[21, 8, 8, 3\]\).*check the preprocessing"
    ):
        inferred(make(), images())


def test_read_only_inputs() -> None:
    inputs = X.astype(np.float32)
    inputs.flags.writeable = False
    assert inferred(nn.Linear(4, 3), inputs).shape == (90, 3)


# What is checked in every batch.


def broken(change: Callable[[NDArray[Any], int], Any]) -> Callable[[NDArray[Any]], Any]:
    """A function that answers well for the first batch of 30, and for rows alone, and then does not."""
    calls = iter(range(100))
    return lambda rows: rows[:, :3] if len(rows) == 1 or next(calls) == 0 else change(rows[:, :3], 0)


def with_value(value: float) -> Callable[[NDArray[Any], int], Any]:
    def change(rows: NDArray[Any], _: int) -> NDArray[Any]:
        rows = rows.copy()
        rows[2:4, 1] = value
        return rows

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda rows, _: rows[:-1], r"shape \[30, classes\].*for rows 30..59, got \[29, 3\]"),
        (lambda rows, _: rows[:, :2], "expected 3 classes as before, got 2 for rows 30..59"),
        (lambda rows, _: rows[:, 0], r"got \[30\]"),
        (lambda rows, _: rows[:, :1], r"2 classes or more.*got \[30, 1\]"),
        (lambda rows, _: rows[:, :, None], r"got \[30, 3, 1\]"),
        (lambda rows, _: rows.astype(int), "expected floating-point logits, got int64"),
        (lambda rows, _: rows.astype(str), "expected floating-point logits, got <U"),
        (lambda rows, _: None, r"got \[\]"),
        (with_value(np.nan), "2 NaN or infinite of 90 values for rows 30..59"),
        (with_value(-np.inf), "2 NaN or infinite of 90 values"),
        (lambda rows, _: 1 / 0, "failed on rows 30..59.*ZeroDivisionError"),
    ],
)
def test_a_batch_that_is_no_logits_is_refused(change: Any, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        infer(as_predictor(broken(change)), X, batch_size=30)


def test_progress_and_settings() -> None:
    steps: list[tuple[int, int]] = []
    infer(lambda rows: rows, X, batch_size=40, progress=lambda done, total: steps.append((done, total)))
    assert steps == [(40, 90), (80, 90), (90, 90)]
    with pytest.raises(ConfigError, match="1 or more"):
        infer(lambda rows: rows, X, batch_size=0)
    with pytest.raises(DataError, match="got none"):
        infer(lambda rows: rows, X[:0])


@pytest.mark.parametrize("model", [3, "a model", None, {"a": 1}, nn.Linear, LogisticRegression])
def test_what_is_no_model(model: object) -> None:
    with pytest.raises(ConfigError, match="expected a"):
        as_predictor(model)


# Estimators.


def softmax(logits: NDArray[Any]) -> NDArray[Any]:
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    shares: NDArray[Any] = exponentials / exponentials.sum(1, keepdims=True)
    return shares


@pytest.mark.parametrize("model", [LogisticRegression(), GaussianNB(), RandomForestClassifier(20, random_state=0)])
@pytest.mark.parametrize("classes", [2, 3])
def test_softmax_of_an_estimators_logits_is_its_probabilities(model: Any, classes: int) -> None:
    labels = np.minimum(Y, classes - 1)
    model.fit(X, labels)
    logits = inferred(model)
    assert logits.shape == (90, classes) and logits.dtype == np.float64
    np.testing.assert_allclose(softmax(logits), model.predict_proba(X), atol=1e-12)
    assert np.array_equal(logits.argmax(1), model.predict(X))


def test_decision_function_is_called_first() -> None:
    model = LogisticRegression().fit(X, Y)
    np.testing.assert_array_equal(inferred(model), model.decision_function(X))
    two = LogisticRegression().fit(X, Y > 0)
    assert two.classes_.dtype == np.bool_
    np.testing.assert_array_equal(inferred(two), np.stack([np.zeros(90), two.decision_function(X)], 1))


def test_one_against_one_columns_are_not_taken_for_classes() -> None:
    ovr = SVC().fit(X, Y)
    np.testing.assert_array_equal(inferred(ovr), ovr.decision_function(X))
    ovo = SVC(decision_function_shape="ovo").fit(X, Y)
    assert ovo.decision_function(X).shape == (90, 3)  # three pairs, as many as classes
    with pytest.raises(DataError, match="expected a fitted classifier"):
        as_predictor(make_pipeline(StandardScaler(), ovo))


def test_pipelines_flatten_for_themselves() -> None:
    pixels, labels = images(60), np.arange(60) % 5
    with pytest.raises(DataError, match="dim 4"):
        inferred(LogisticRegression().fit(pixels.reshape(60, -1) / 255, labels), pixels)
    flatten = FunctionTransformer(lambda rows: rows.reshape(len(rows), -1) / 255)
    model = make_pipeline(flatten, LogisticRegression()).fit(pixels, labels)
    np.testing.assert_allclose(inferred(model, pixels), model.decision_function(pixels))


def test_columns_follow_the_labels_and_unseen_labels_come_last() -> None:
    model = GaussianNB().fit(X, np.array([4, 1, 2])[Y])
    logits = inferred(model, classes=6)
    assert logits.shape == (90, 6)
    np.testing.assert_allclose(logits[:, [1, 2, 4]], model.predict_log_proba(X), atol=1e-12)
    assert (logits[:, [0, 3, 5]].max(1) <= logits[:, [1, 2, 4]].min(1)).all()
    assert (softmax(logits)[:, [0, 3, 5]] <= 2.0**-53 * (1 + 1e-9)).all()
    assert inferred(model).shape == (90, 5)


def test_a_probability_of_zero_becomes_a_finite_logit() -> None:
    model = RandomForestClassifier(5, random_state=0).fit(X, Y)
    zero = model.predict_proba(X) == 0
    assert zero.any() and np.allclose(inferred(model)[zero], LEAST)
    assert np.isclose(np.exp(LEAST), 2.0**-53)


class _Classes:
    def __init__(self, classes: Any) -> None:
        self.classes_ = classes

    def fit(self) -> None: ...

    def predict_proba(self, rows: Any) -> Any: ...


@pytest.mark.parametrize(
    "classes",
    [
        np.array(["cat", "dog"]),
        np.array([-1, 1]),
        np.array([0.5, 1]),
        np.array([0]),
        [np.array([0, 1])],
        np.array([1, 1]),
    ],
)
def test_classes_that_are_no_labels_are_refused(classes: Any) -> None:
    with pytest.raises(DataError, match="classes_"):
        as_predictor(_Classes(classes))


def test_estimators_that_cannot_answer_are_refused() -> None:
    from sklearn.linear_model import LinearRegression

    for model in (LogisticRegression(), LinearRegression().fit(X, Y), make_pipeline(StandardScaler(), GaussianNB())):
        with pytest.raises(DataError, match="expected a fitted classifier"):
            as_predictor(model)
    with pytest.raises(DataError, match="labels below 2, its classes_ go up to 2"):
        as_predictor(GaussianNB().fit(X, Y), classes=2)
