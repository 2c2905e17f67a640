"""The blind search: what it reads, what it aims at, how it chooses, what it refuses."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from vestige import unlearners
from vestige.attacks.signals.signals import logit
from vestige.audit.models import tuning_objective
from vestige.audit.models.tuning import Tuning, search_space, tune
from vestige.audit.models.tuning_objective import Objective, TrialScore, best
from vestige.learners.arrays import Indices
from vestige.learners.data.examples import Examples
from vestige.learners.data.sources.load import load_examples
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.seeds import derive_seed
from vestige.learners.training.architectures import Classifier
from vestige.learners.training.checkpoints import weights_digest
from vestige.learners.training.recipe import Recipe
from vestige.learners.training.train import train
from vestige.unlearners.core.task import Task
from vestige.unlearners.finetune import Finetune
from vestige.unlearners.gradient_ascent import GradientAscent

FORGET, RETAIN, VALIDATION, UNSEEN = (np.arange(a, b) for a, b in ((0, 60), (60, 200), (200, 241), (241, 300)))


class Watched(Examples):
    """Examples that refuse to show the forbidden ones."""

    def __init__(self, examples: Examples, forbidden: Indices) -> None:
        super().__init__(**{field.name: getattr(examples, field.name) for field in fields(Examples)})
        object.__setattr__(self, "forbidden", set(forbidden.tolist()))

    def read(self, indices: Indices) -> tuple[np.ndarray, np.ndarray]:
        asked = {int(one) for one in indices} & self.forbidden
        assert not asked, f"read forbidden examples {sorted(asked)}"
        return super().read(indices)


@pytest.fixture(scope="module")
def original() -> tuple[Classifier, Task]:
    recipe = Recipe(architecture="mlp", width=32, epochs=20, batch_size=32, learning_rate=0.1, weight_decay=0.0)
    examples, device = load_examples("digits").subset(300, 0).with_label_noise(0.2, 0), torch.device("cpu")
    model = train(recipe, examples, np.concatenate([FORGET, RETAIN]), 1, device)
    task = Task(
        examples=examples, forget=FORGET, retain=RETAIN, validation=VALIDATION, recipe=recipe, seed=7, device=device
    )
    return model, task


@pytest.fixture(scope="module")
def of_class(original: tuple[Classifier, Task]) -> Task:
    """Forget class 3 whole; validation holds a few images of it."""
    task = original[1]
    trained = np.concatenate([FORGET, RETAIN])
    own = task.examples.labels[trained] == 3
    return replace(task, forget=trained[own], retain=trained[~own], setting="class")


def search(
    model: Classifier, task: Task, given: dict[str, Any] | None = None, name: str = "finetune", **more: Any
) -> Tuning:
    options = {"trials": 4, "tolerance": 0.02} | more
    return tune(name, {"share": 0.1} if given is None else given, model, task, **options)


def unpriced(tuning: Tuning) -> dict[str, Any]:
    record = tuning.record()
    for trial in record["trials"]:
        trial["cost"].pop("seconds")
    return record


def test_unseen_examples_are_never_read(original: tuple[Classifier, Task]) -> None:
    model, task = original
    guarded = replace(task, examples=Watched(task.examples, UNSEEN))
    assert unpriced(search(model, guarded)) == unpriced(search(model, task))
    with pytest.raises(AssertionError, match="forbidden"):  # the guard bites
        search(model, replace(task, examples=Watched(task.examples, VALIDATION[-1:])))


def test_a_trial_sees_one_half_of_validation_and_is_scored_on_the_other(
    original: tuple[Classifier, Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, task = original
    given: list[Task] = []
    judged: list[set[int]] = []
    run, read = GradientAscent.unlearn, tuning_objective._logits

    def spy(self: GradientAscent, network: Classifier, seen: Task) -> Classifier:
        given.append(seen)
        return run(self, network, seen)

    def reading(network: Classifier, seen: Task, indices: Indices) -> Any:
        judged.append({int(one) for one in indices})
        return read(network, seen, indices)

    monkeypatch.setattr(GradientAscent, "unlearn", spy)
    monkeypatch.setattr(tuning_objective, "_logits", reading)
    tuning = search(model, task, {"passes": 1}, "gradient_ascent", trials=3)
    assert len(given) == 3 == len({id(one.meter) for one in given})
    halves = {tuple(one.held_out.tolist()) for one in given}
    assert len(halves) == 1
    first, second = set(*halves), judged[0]
    assert first | second == set(VALIDATION.tolist()) and not first & second
    assert (tuning.validation_rule, tuning.validation_score) == (len(first), len(second)) == (21, 20)
    assert {one.seed for one in given} == {derive_seed(7, "tuning")} == {tuning.seed}
    assert given[0].seed != task.seed
    labels = task.examples.labels
    counts = [np.bincount(labels[sorted(half)], minlength=10) for half in (first, second)]
    assert np.abs(counts[0] - counts[1]).max() <= 1
    for one in given:
        assert one.forget is task.forget and one.retain is task.retain


def with_outputs(monkeypatch: pytest.MonkeyPatch, task: Task, logits: np.ndarray) -> None:
    """Any model puts out these logits, one row an example."""
    monkeypatch.setattr(tuning_objective, "_logits", lambda model, seen, indices: logits[indices])


def expected_auc(task: Task, scale: Objective, logits: np.ndarray) -> float:
    """By scikit-learn, each class less the median of the first half (of all of it where it has none)."""
    labels = task.examples.labels
    phi = logit(logits, labels)

    def centre(label: int) -> float:
        own = scale.rule[labels[scale.rule] == label]
        return float(np.median(phi[own if len(own) else scale.rule]))

    centred = np.array([phi[i] - centre(labels[i]) for i in range(len(labels))])
    scores = np.concatenate([centred[task.forget], centred[scale.judged]])
    return float(roc_auc_score(np.repeat([1, 0], [len(task.forget), len(scale.judged)]), scores))


@pytest.mark.parametrize("shift", [2.0, -2.0])
def test_the_score_of_samples_is_two_sided_with_a_price_for_utility(
    original: tuple[Classifier, Task], monkeypatch: pytest.MonkeyPatch, shift: float
) -> None:
    model, task = original
    labels = task.examples.labels
    logits = np.random.default_rng(0).normal(0, 1, (300, 10))
    logits[np.arange(300), labels] += 1 + labels / 3 + shift * np.isin(np.arange(300), task.forget)
    with_outputs(monkeypatch, task, logits)
    scale = replace(Objective.of(model, task, 0.02), original_accuracy=0.95)
    one = scale.measure(model, task)
    assert one.auc == pytest.approx(expected_auc(task, scale, logits), abs=1e-12)
    assert abs(one.auc - 0.5) > 0.2 and (one.auc > 0.5) == (shift > 0)
    right = logits.argmax(1) == labels
    assert one.forget_accuracy == right[task.forget].mean()
    assert one.validation_accuracy == right[scale.judged].mean()
    assert one.utility_loss == pytest.approx(0.95 - one.validation_accuracy) and one.utility_loss > 0.02
    assert one.score == pytest.approx(abs(one.auc - 0.5) + one.utility_loss - 0.02)
    assert 0.02 < one.standard_error < 0.2
    within = replace(scale, original_accuracy=one.validation_accuracy + 0.01).measure(model, task)
    assert within.score == pytest.approx(abs(one.auc - 0.5))


@pytest.mark.parametrize(("right_of_ten", "right", "wrong"), [(9, 0.01, -8.0), (3, 8.0, -0.01)])
def test_examples_right_or_wrong_by_training_alone_count_where_phi_tells_nothing(
    original: tuple[Classifier, Task], monkeypatch: pytest.MonkeyPatch, right_of_ten: int, right: float, wrong: float
) -> None:
    model, task = original
    labels = task.examples.labels
    confidence = np.where(np.arange(300) % 10 < 6, 4.0, -4.0)  # six of ten right
    forget = task.forget
    confidence[forget] = np.where(np.arange(60) % 10 < right_of_ten, right, wrong)
    logits = np.zeros((300, 10))
    logits[np.arange(300), labels] = confidence
    with_outputs(monkeypatch, task, logits)
    scale = Objective.of(model, task, 0.02)
    one = scale.measure(model, task)
    correct = logits.argmax(1) == labels
    known, reached = correct[forget].mean(), correct[scale.judged].mean()
    assert one.auc is not None and abs(one.auc - 0.5) < abs(known - reached) / 2
    assert one.score == pytest.approx(abs(known - reached) / 2)
    by_hand = roc_auc_score(np.repeat([1, 0], [60, len(scale.judged)]), correct[np.concatenate([forget, scale.judged])])
    assert one.score == pytest.approx(abs(by_hand - 0.5))
    share = [known * (1 - known) / (60 - 1), reached * (1 - reached) / (len(scale.judged) - 1)]
    assert one.standard_error == pytest.approx(0.5 * sum(share) ** 0.5)


def test_the_score_of_a_class_is_its_accuracy_and_the_price(
    original: tuple[Classifier, Task], of_class: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, labels = original[0], of_class.examples.labels
    logits = np.eye(10)[labels]
    quarter = of_class.forget[: len(of_class.forget) // 4]
    wrong = np.setdiff1d(of_class.forget, quarter)
    logits[wrong] = np.eye(10)[9]
    with_outputs(monkeypatch, of_class, logits)
    scale = Objective.of(model, of_class, 0.02)
    assert not np.isin(labels[np.concatenate([scale.rule, scale.judged])], 3).any()
    one, share = scale.measure(model, of_class), len(quarter) / len(of_class.forget)
    assert one.auc is None and one.score == one.forget_accuracy == share
    assert one.standard_error == pytest.approx((share * (1 - share) / len(of_class.forget)) ** 0.5)
    logits[scale.judged[::2]] = np.eye(10)[3]
    lost = len(scale.judged[::2]) / len(scale.judged)
    assert scale.measure(model, of_class).score == pytest.approx(share + lost - 0.02)


def measured(score: float, error: float = 0.0, loss: float = 0.0) -> TrialScore:
    return TrialScore(
        score=score, standard_error=error, auc=0.5, forget_accuracy=1.0, validation_accuracy=1.0, utility_loss=loss
    )


@pytest.mark.parametrize(
    ("runs", "place"),
    [
        ([(measured(0.3), 1), (measured(0.1), 9), (measured(0.2), 1)], 1),
        ([(measured(0.15, loss=0.0), 9), (measured(0.1, 0.06, loss=0.02), 1)], 0),  # within one error: less loss
        ([(measured(0.17, loss=0.0), 9), (measured(0.1, 0.06, loss=0.02), 1)], 1),  # beyond it
        ([(measured(0.15, 0.9), 1), (measured(0.1, 0.01), 2)], 1),  # the error is that of the best
        ([(measured(0.1, loss=0.0), 9), (measured(0.1, loss=-0.1), 3), (measured(0.1, loss=-0.2), 5)], 1),  # then FLOPs
        ([(measured(0.1), 3), (measured(0.1), 3)], 0),  # then the earlier
        ([None, (measured(0.9), 3), None], 1),
    ],
)
def test_which_trial_wins(runs: list[tuple[TrialScore, int] | None], place: int) -> None:
    assert best(runs) == place


def test_the_defaults_come_first_then_distinct_draws(original: tuple[Classifier, Task]) -> None:
    model, task = original
    tuning = search(model, task, {"bn": "frozen"}, trials=5)
    tried = [tuple(one.tried.items()) for one in tuning.trials]
    assert tried[0] == (("rate", 1.0), ("share", 0.3))
    assert len(set(tried)) == 5
    assert all(value in tuning.space[key] for one in tuning.trials for key, value in one.tried.items())
    for one in tuning.trials:
        assert one.parameters is not None and one.parameters["bn"] == "frozen"
        assert dict(one.tried).items() <= one.parameters.items()
    assert tuning.parameters == {"bn": "frozen", **tuning.trials[tuning.chosen].tried}
    others = {tuple(one.tried.items()) for one in search(model, replace(task, seed=8), {}, trials=5).trials}
    assert others != set(tried)


def test_a_space_that_is_smaller_than_the_trials_is_tried_whole(original: tuple[Classifier, Task]) -> None:
    model, task = original
    tuning = search(model, task, {"share": 0.1}, trials=50)
    assert sorted(one.tried["rate"] for one in tuning.trials) == sorted(tuning.space["rate"])
    assert "share" not in tuning.space


def test_same_seed_same_search_and_the_original_stays_as_it_is(original: tuple[Classifier, Task]) -> None:
    model, task = original
    before, steps = weights_digest(model), []

    def follow(done: int, total: int) -> None:
        steps.append((done, total))

    assert unpriced(search(model, task, progress=follow)) == unpriced(search(model, task))
    assert weights_digest(model) == before
    assert {total for _, total in steps} == {400} and [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert steps[-1] == (400, 400)


def test_the_defaults_are_what_an_untuned_run_does(original: tuple[Classifier, Task]) -> None:
    model, task = original
    first = search(model, task, {}, trials=2).trials[0]
    method = Finetune().resolve(model, task)
    assert first.parameters == method.settings()
    ran = replace(task, seed=derive_seed(7, "tuning"), validation=None)
    Finetune()(model, ran)
    assert first.cost is not None and first.cost.flops == ran.meter.cost().flops


def test_a_trial_that_diverges_is_kept_with_its_sentence_and_never_wins(original: tuple[Classifier, Task]) -> None:
    model, task = original
    from vestige.unlearners.core import defaults

    wild = {"rate": defaults.Among(1.0, 1e12)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Finetune, "search", wild)
        tuning = search(model, task, {"share": 0.1}, trials=2)
        assert tuning.chosen == 0 and tuning.trials[0].refused is None
        refused = tuning.trials[1]
        assert refused.tried == {"rate": 1e12} and refused.measured is None
        assert refused.refused is not None and "diverged" in refused.refused
        assert tuning.flops == tuning.trials[0].cost.flops  # type: ignore[union-attr]
        patch.setattr(Finetune, "by_size", {**Finetune.by_size, "rate": defaults.BySize(xs=1e12, s=1e12, m=1, l=1)})
        patch.setattr(Finetune, "search", {"rate": defaults.Among(1e11, 1e12)})
        with pytest.raises(DataError, match="got 2 that were refused .*diverged"):
            search(model, task, {"share": 0.1}, trials=2)


def test_outputs_that_are_not_finite_are_refused(
    original: tuple[Classifier, Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, task = original
    scale = Objective.of(model, task, 0.02)

    def infinite(network: Classifier, examples: Examples, indices: Indices, device: torch.device) -> np.ndarray:
        return np.full((len(indices), 10), np.inf, np.float32)

    monkeypatch.setattr(tuning_objective, "predict_logits", infinite)
    with pytest.raises(DataError, match="finite outputs"):
        scale.measure(model, task)


def test_the_space_of_a_method(original: tuple[Classifier, Task], monkeypatch: pytest.MonkeyPatch) -> None:
    from vestige.unlearners.core.defaults import Among, Scaled

    model, task = original
    resolve: Callable[..., Any] = lambda **given: GradientAscent(**given).resolve(model, task)  # noqa: E731
    ascent = resolve(passes=3)
    monkeypatch.setattr(
        GradientAscent,
        "search",
        {
            "rate": Scaled(0.5, 1.0),
            "passes": Scaled(0.1, 0.5, 1.0, 2.0),
            "momentum": Scaled(0.5, 1.0, 2.0),
            "bn": Among("train", "frozen"),
            "batch_size": Scaled(0.5, 2.0),
        },
    )
    rate = ascent.rate
    assert search_space(ascent, {}) == {
        "rate": (0.5 * rate, rate),
        "passes": (1, 2, 3, 6),  # whole, and at least one
        "momentum": (0.45, 0.9),  # 1.8 is out of range
        "bn": ("train", "frozen"),
    }  # batch_size is None: there is nothing to multiply
    assert set(search_space(ascent, {"rate": 1.0, "bn": "train"})) == {"passes", "momentum"}
    with pytest.raises(ConfigError, match="expected one of rate, .* to be left to search"):
        search_space(ascent, dict.fromkeys(GradientAscent.search, 1))
    with pytest.raises(ConfigError, match="no_op: expected a method with hyper-parameters to search"):
        search(model, task, {}, "no_op")


@pytest.mark.parametrize("left", [0, 3])
def test_without_validation_examples_there_is_no_search(original: tuple[Classifier, Task], left: int) -> None:
    model, task = original
    with pytest.raises(DataError, match=f"at least 4 validation examples .* got {left}; set forget.validation"):
        search(model, replace(task, validation=VALIDATION[:left]))


def test_a_class_is_tuned_too(original: tuple[Classifier, Task], of_class: Task) -> None:
    tuning = search(original[0], of_class, {"share": 0.5})
    assert tuning.objective.startswith("accuracy on the forget set")
    assert all(one.measured is not None and one.measured.auc is None for one in tuning.trials)


def test_every_method_with_a_search_has_one_that_holds_at_its_defaults(original: tuple[Classifier, Task]) -> None:
    model, task = original
    for name in unlearners.names():
        method = unlearners.get(name)
        if method.search:
            space = search_space(unlearners.create(name, {}).resolve(model, task), {})
            assert set(space) == set(method.search), f"{name}: nothing to try for {set(method.search) - set(space)}"
