"""Sizes, budgets, the registry, the meter, the task, and what the base class refuses."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from pydantic.dataclasses import dataclass as hyperparameters

from vestige.learners.errors import ConfigError, DataError
from vestige.learners.training.architectures import Classifier, build_classifier
from vestige.learners.training.recipe import Recipe
from vestige.unlearners.core.cost import CostMeter
from vestige.unlearners.core.defaults import BySize, epochs_of, filled, size_of
from vestige.unlearners.core.registry import create, entry, get, names, register
from vestige.unlearners.core.unlearner import STRICT, Entry, Unlearner
from vestige.unlearners.finetune import Finetune
from vestige.unlearners.gradient_ascent import GradientAscent


@pytest.mark.parametrize(
    "architecture, width, images, expected",
    [
        ("mlp", 128, 1_000, "xs"),
        ("mlp", 128, 2_000, "s"),
        ("cnn", 16, 1_000, "s"),
        ("cnn", 16, 10_000, "s"),
        ("resnet18", 32, 50_000, "m"),
        ("resnet18", 64, 50_000, "l"),
    ],
)
def test_sizes(architecture: str, width: int, images: int, expected: str) -> None:
    model = build_classifier(Recipe(architecture=architecture, width=width), (8, 8, 3), 10, 0)
    assert size_of(model, images) == expected


def test_few_images_always_get_the_long_budget() -> None:
    budget = BySize(xs=1, s=2, m=3, l=4, few_images=9)
    assert [budget.at(size, 9_999) for size in ("xs", "l")] == [9, 9]
    assert [budget.at(size, 10_000) for size in ("xs", "s", "m", "l")] == [1, 2, 3, 4]
    assert BySize(xs=1, s=2, m=3, l=4).at("m", 10) == 3


def test_budgets_are_shares_of_the_recipe() -> None:
    recipe = Recipe(epochs=60)
    assert [epochs_of(share, recipe) for share in (0.0, 0.001, 0.3, 1.0)] == [0, 1, 18, 60]


def test_what_is_given_wins_over_the_size(perceptron_world: Any) -> None:
    model, task = perceptron_world.model, perceptron_world.task
    resolved = Finetune(rate=0.7).resolve(model, task)
    assert (resolved.rate, resolved.share) == (0.7, 0.3)
    assert GradientAscent().resolve(model, task).passes == 20


def test_a_method_that_is_not_called_says_so(perceptron_world: Any) -> None:
    with pytest.raises(RuntimeError, match="call the unlearner itself"):
        filled(None)


def test_names_list_the_controls_last() -> None:
    assert names(control=True) == ("fresh_retrain", "no_op")
    assert names() == (*names(control=False), *names(control=True))
    assert {"retrain", "finetune", "gradient_ascent", "neggrad_plus", "contrastive"} <= set(names(control=False))


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    for ask in (entry, get, lambda name: create(name, {})):
        with pytest.raises(ConfigError, match="expected one of .*finetune.*, got 'fine_tune'"):
            ask("fine_tune")


@pytest.mark.parametrize(
    "parameters, sentence",
    [
        ({"rate": -1.0}, "finetune.rate: expected greater than 0, got -1.0"),
        ({"rat": 1.0}, "finetune.rat: expected one of the keys rate, share, .*, got an unknown key"),
        ({"schedule": "step"}, "finetune.schedule: expected 'cosine' or 'constant', got 'step'"),
        ({"batch_size": 1}, "finetune.batch_size: expected greater than or equal to 2, got 1"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(parameters: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        create("finetune", parameters)
    with pytest.raises(ValidationError, match=next(iter(parameters))):
        Finetune(**parameters)


def test_an_integer_is_a_number() -> None:
    assert create("finetune", {"rate": 1}) == Finetune(rate=1.0)


def test_registering_twice_or_something_else_is_refused() -> None:
    about: dict[str, Any] = {"description": "A.", "citation": "B.", "settings": ("sample",), "reads": ()}
    with pytest.raises(ValueError, match="finetune"):
        register("finetune", **about)(Finetune)
    with pytest.raises(TypeError, match="subclass of Unlearner, got int"):
        register("new", **about)(int)
    assert "new" not in names()


# The base class against methods that break the contract.


@hyperparameters(frozen=True, kw_only=True, config=STRICT)
class Sloppy(Unlearner):
    fault: str

    def unlearn(self, model: Classifier, task: Any) -> Classifier:
        if self.fault == "hook":
            model.head.register_forward_hook(lambda module, inputs, output: None)
        if self.fault == "shape":
            model.head = torch.nn.Linear(model.head.in_features, 4)
        if self.fault == "nan":
            model.head.bias.data[0] = torch.nan
        if self.fault == "overflow":
            for parameter in model.parameters():
                parameter.data.fill_(1e30)
        if self.fault == "train mode":
            model.train()
            model.requires_grad_(False)
        return model


Sloppy.entry = Entry(
    name="sloppy", description="", citation="", settings=("sample",), reads=(), control=False, method=Sloppy
)


@pytest.mark.parametrize(
    "fault, error, sentence",
    [
        ("hook", RuntimeError, "sloppy left hooks"),
        ("shape", DataError, "sloppy: expected a candidate with the original's keys, shapes"),
        ("nan", DataError, "sloppy diverged: expected head.bias of the candidate to be finite"),
        ("overflow", DataError, "sloppy diverged: expected the candidate's logits to be finite"),
    ],
)
def test_a_method_that_breaks_the_contract_is_refused(fault: str, error: Any, sentence: str, world: Any) -> None:
    with pytest.raises(error, match=sentence):
        Sloppy(fault=fault)(world.model, world.task)


def test_mode_and_flags_are_put_right(world: Any) -> None:
    candidate = Sloppy(fault="train mode")(world.model, world.task)
    assert not candidate.training
    assert all(parameter.requires_grad for parameter in candidate.parameters())


def test_a_model_for_other_classes_is_refused(world: Any) -> None:
    other = build_classifier(world.task.recipe, world.task.examples.shape, 5, 0)
    with pytest.raises(DataError, match="finetune: expected a model with 3 outputs for made, got 5"):
        Finetune()(other, world.task)


def test_a_model_of_which_nothing_may_move_is_refused_by_all_that_would_move_it(perceptron_world: Any) -> None:
    model = copy.deepcopy(perceptron_world.model).requires_grad_(False)
    spared = set()
    for name in names():
        task = perceptron_world.suited(name).task
        try:
            create(name, {})(model, task)
            spared.add(name)
        except DataError as error:
            assert str(error) == (
                f"{name}: expected a model with at least one trainable parameter, got none; "
                "set requires_grad on those that may move"
            )
    assert spared == {"retrain", "fresh_retrain", "no_op"}


# The task and the meter.


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"forget": np.arange(9, 12)}, "expected forget and retain to share no example, got 2"),
        ({"validation": np.arange(3, 5)}, "expected forget and validation to share no example, got 2"),
        ({"validation": np.arange(40, 50)}, "expected retain and validation to share no example, got 3"),
        ({"forget": np.array([-1, 2])}, "forget: expected indices in 0..69, got -1..2"),
        ({"validation": np.array([70])}, "validation: expected indices in 0..69, got 70..70"),
        ({"forget": np.array([0.0, 1.0])}, "forget: expected indices as int64"),
    ],
)
def test_a_task_that_makes_no_sense_is_refused(changes: dict[str, Any], sentence: str, perceptron_world: Any) -> None:
    with pytest.raises(DataError, match=sentence):
        perceptron_world.with_task(**changes)


def test_a_meter_bills_one_run_only(perceptron_world: Any) -> None:
    world = perceptron_world.with_task(validation=None)
    GradientAscent(passes=2)(world.model, world.task)
    GradientAscent(passes=1)(world.model, world.task)
    assert world.task.meter.cost().forward_examples_forget == 10


def test_a_backward_pass_costs_two_forward_passes() -> None:
    meter = CostMeter()
    with meter.measure(1000, torch.device("cpu")):
        meter.forward("forget", 3)
        meter.forward("validation", 4)
        meter.backward("retain", 5)
        meter.note("once")
        meter.note("once")
    cost = meter.cost()
    assert (cost.image_passes, cost.flops, cost.notes) == (17, 17_000, ("once",))


def test_what_a_device_had_queued_before_is_waited_for_and_not_billed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that stands still but for the device: 5 s of work from before, 2 s of the method's own."""
    now, queued = [0.0], [5.0]

    def synchronize(device: torch.device) -> None:
        now[0] += queued[0]
        queued[0] = 0.0

    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    monkeypatch.setattr("vestige.unlearners.core.cost.time.perf_counter", lambda: now[0])
    meter = CostMeter()
    with meter.measure(1, torch.device("cuda")):
        queued[0] += 2.0
    assert meter.cost().seconds == 2.0
