"""What every method must do (reference P1 to P10, UN-01, UN-03, UN-04), over the whole registry.

A new method joins by a line in METHODS: parameters that make it quick, a zero budget, its closed form, and a bad value.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from vestige.learners.errors import ConfigError, DataError
from vestige.learners.training.batches import batch_bounds
from vestige.learners.training.flops import forward_flops
from vestige.unlearners.core.cost import Cost
from vestige.unlearners.core.registry import create, entry, names

Passes = dict[str, int]


@dataclass(frozen=True)
class Case:
    """quick: parameters; zero: those of an empty budget, or None where there is none; passes: expected image passes
    forward and backward by role, from (n_forget, n_retain, n_validation, recipe); bad: a parameter out of range.
    stochastic: whether the seed matters. identity: whether an empty budget gives the original's bits. absurd: what must
    be refused as diverging, by default a rate of 1e30 where the method has one. partial: whether the backward passes go
    through a part of the network only."""

    quick: dict[str, Any]
    zero: dict[str, Any] | None
    passes: Callable[..., tuple[Passes, Passes]]
    bad: tuple[str, Any] | None
    stochastic: bool = True
    identity: bool = True
    absurd: dict[str, Any] | None = None
    partial: bool = False

    def diverging(self) -> dict[str, Any] | None:
        if self.absurd is None and "rate" not in {**self.quick, **(self.zero or {})} and not self.zero:
            return None
        return {**self.quick, **(self.absurd or {"rate": 1e30})}


def nothing(f: int, r: int, v: int, recipe: Any) -> tuple[Passes, Passes]:
    return {}, {}


def full_training(f: int, r: int, v: int, recipe: Any) -> tuple[Passes, Passes]:
    return {"retain": recipe.epochs * r}, {"retain": recipe.epochs * r}


def finetuning(f: int, r: int, v: int, recipe: Any) -> tuple[Passes, Passes]:
    return {"retain": 2 * r}, {"retain": 2 * r}


def two_views(f: int, r: int, v: int, recipe: Any) -> tuple[Passes, Passes]:
    return {"retain": 4 * r}, {"retain": 4 * r}


def ascent(f: int, r: int, v: int, recipe: Any) -> tuple[Passes, Passes]:
    return {"forget": 2 * f + 2 * f * (v > 0), "validation": 3 * v}, {"forget": 2 * f}


OTHERS = 7
"""Of the validation examples: how many are of another class than the one that is forgotten."""


def of_a_class(f: int, r: int, v: int, recipe: Any) -> tuple[Passes, Passes]:
    """Two passes; the rule reads the validation images of the class or, where there are none, the forget set."""
    rule = {"validation": OTHERS + 2 * v} if v else {}
    return {"forget": 2 * f + 2 * f * (v == 0), **rule}, {"forget": 2 * f}


def shrunk(f: int, r: int, v: int, recipe: Any) -> tuple[Passes, Passes]:
    forward, backward = of_a_class(f, r, v, recipe)
    return {**forward, "forget": forward["forget"] + 2 * f}, {"forget": backward["forget"] + f}


def deleted(f: int, r: int, v: int, recipe: Any) -> tuple[Passes, Passes]:
    forward, backward = of_a_class(f, r, v, recipe)
    return {**forward, "forget": forward["forget"] + f}, backward


def paired(f: int, r: int, v: int, recipe: Any) -> tuple[Passes, Passes]:
    recycled = 2 * len(batch_bounds(r, recipe.batch_size)) * min(recipe.batch_size, f)
    return {"retain": 2 * r, "forget": recycled}, {"retain": 2 * r, "forget": recycled}


def contrasted(f: int, r: int, v: int, recipe: Any) -> tuple[Passes, Passes]:
    forget, retain = 2 * 3 * f, 2 * 3 * len(batch_bounds(f, 4)) * 4
    rule = {"forget": forget + 2 * f * (v > 0), "retain": retain, "validation": 3 * v}
    return rule, {"forget": forget, "retain": retain}


def queued(f: int, r: int, v: int, recipe: Any) -> tuple[Passes, Passes]:
    forward, backward = contrasted(f, r, v, recipe)
    keys = min(r, 60) + backward["retain"]  # at least 20 keys for each of 3 classes
    return {**forward, "retain": forward["retain"] + keys}, backward


def impaired(f: int, r: int, v: int, recipe: Any) -> tuple[Passes, Passes]:
    noise = 5 * 3 + 2 * 5
    return {"retain": 2 * r, "synthetic": noise}, {"retain": 2 * r, "synthetic": noise}


def relabelled(f: int, r: int, v: int, recipe: Any) -> tuple[Passes, Passes]:
    return {"forget": 2 * f, "retain": 2 * r}, {"forget": 2 * f, "retain": 2 * r}


def masked(f: int, r: int, v: int, recipe: Any) -> tuple[Passes, Passes]:
    return {"forget": 3 * f, "retain": 2 * r}, {"forget": 3 * f, "retain": 2 * r}


def max_and_min(f: int, r: int, v: int, recipe: Any) -> tuple[Passes, Passes]:
    return {"forget": 2 * f, "retain": 2 * 3 * r}, {"forget": f, "retain": 3 * r}


def badly_taught(f: int, r: int, v: int, recipe: Any) -> tuple[Passes, Passes]:
    return {"forget": 2 * 2 * f, "retain": 2 * 2 * r}, {"forget": 2 * f, "retain": 2 * r}


def amended(f: int, r: int, v: int, recipe: Any) -> tuple[Passes, Passes]:
    statistics = r if recipe.architecture != "mlp" else 0
    return {"retain": statistics + 2 * r}, {"retain": 2 * r}


def scrubbed(f: int, r: int, v: int, recipe: Any) -> tuple[Passes, Passes]:
    hessian = min(r, 8)
    forward = {"retain": hessian, "forget": 21 * f, "validation": v * (f + 1), "synthetic": 1}
    return forward, {"retain": 3 * hessian, "forget": f}


def fisher_noise(f: int, r: int, v: int, recipe: Any) -> tuple[Passes, Passes]:
    return {"retain": r}, {"retain": r}


def importances(f: int, r: int, v: int, recipe: Any) -> tuple[Passes, Passes]:
    return {"forget": 2 * f, "retain": r}, {"forget": 2 * f, "retain": r}


def newton_step(f: int, r: int, v: int, recipe: Any) -> tuple[Passes, Passes]:
    return {"forget": f, "retain": r + min(8, r)}, {"forget": f, "retain": r + min(8, r)}


# max_utility_loss 1 switches the floor off, so that the number of passes is known.
METHODS: dict[str, Case] = {
    "retrain": Case({}, None, full_training, None),
    "finetune": Case({"share": 0.2}, {"share": 0.0}, finetuning, ("rate", -1.0)),
    "gradient_ascent": Case(
        {"passes": 2, "rate": 1e-4, "cap": 100.0, "max_utility_loss": 1.0},
        {"passes": 0},
        ascent,
        ("max_utility_loss", 1.5),
    ),
    "neggrad_plus": Case(
        {"share": 0.2, "rate": 0.1, "beta": 0.95, "cap": 100.0}, {"share": 0.0}, paired, ("beta", 1.01)
    ),
    "contrastive": Case(
        {"passes": 2, "omega": 3, "batch_size": 4, "rate": 1e-3, "max_utility_loss": 1.0},
        {"passes": 0},
        contrasted,
        ("temperature", 0.0),
    ),
    "l1_sparse": Case({"share": 0.2}, {"share": 0.0}, finetuning, ("penalty", -1.0)),
    "weight_negation": Case({"share": 0.2}, {"share": 0.0}, finetuning, ("rate", -1.0), identity=False),
    "coun": Case({"share": 0.2}, {"share": 0.0}, two_views, ("temperature", 0.0)),
    "cf_k": Case({"share": 0.2, "k": 1}, {"share": 0.0}, finetuning, ("k", 0), partial=True),
    "eu_k": Case({"k": 1}, None, full_training, ("k", 0), partial=True),
    "contrastive_moco": Case(
        {"passes": 2, "omega": 3, "batch_size": 4, "rate": 1e-3, "queue": 20, "max_utility_loss": 1.0},
        {"passes": 0},
        queued,
        ("key_momentum", 1.5),
    ),
    "unsir": Case(
        {"noise_images": 5, "noise_steps": 3, "copies": 2, "impair_rate": 1e-3, "repair_rate": 1e-3},
        {"impair_epochs": 0, "repair_epochs": 0},
        impaired,
        ("impair_rate", -1.0),
        absurd={"impair_rate": 1e30},
    ),
    "random_label": Case({"share": 0.2}, {"share": 0.0}, relabelled, ("share", -1.0)),
    "salun": Case({"share": 0.2}, {"share": 0.0}, masked, ("rho", 0.0)),
    "scrub": Case(
        {"share": 0.2, "msteps": 1, "rate": 0.1, "bn": "frozen_on_forget"},
        {"share": 0.0},
        max_and_min,
        ("alpha", -1.0),
    ),
    "bad_teacher": Case(
        {"share": 0.2, "retain_share": 1.0},
        {"share": 0.0},
        badly_taught,
        ("retain_share", 1.5),
        absurd={"learning_rate": 1e30},
    ),
    "amnesiac": Case({"share": 0.2}, {"share": 0.0, "statistics": False}, amended, ("rate", -1.0), identity=False),
    "lcodec": Case({"perturbations": 20, "hessian_images": 8, "damping": 1.0}, None, scrubbed, ("damping", 0.0)),
    "boundary_shrink": Case(
        {"passes": 2, "rate": 1e-4, "batch_size": 4, "max_utility_loss": 1.0}, {"passes": 0}, shrunk, ("epsilon", 1.5)
    ),
    "boundary_expansion": Case(
        {"passes": 2, "rate": 1e-4, "max_utility_loss": 1.0}, {"passes": 0}, of_a_class, ("rate", -1.0)
    ),
    "delete": Case(
        {"passes": 2, "rate": 1e-4, "batch_size": 4, "max_utility_loss": 1.0}, {"passes": 0}, deleted, ("rate", -1.0)
    ),
    "fisher": Case({"alpha": 1e-6}, {"alpha": 0.0}, fisher_noise, ("alpha", -1.0), absurd={"alpha": 1e30}),
    "ssd": Case({"alpha": 1.5}, None, importances, ("alpha", 0.0)),
    "influence": Case({"samples": 8}, {"alpha": 0.0}, newton_step, ("damping", 0.0), absurd={"alpha": 1e30}),
    "no_op": Case({}, {}, nothing, None, stochastic=False),
    "fresh_retrain": Case({}, None, full_training, None),
}

every_method = pytest.mark.parametrize("name", names())


def run(name: str, world: Any, parameters: dict[str, Any] | None = None) -> tuple[dict[str, torch.Tensor], Cost]:
    method = create(name, METHODS[name].quick if parameters is None else parameters)
    result = method(world.model, world.task)
    return result.state_dict(), world.task.meter.cost()


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def never_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget accuracy stays above validation accuracy, whatever the network does; the images pass all the same."""
    from vestige.unlearners.shared import stopping

    measure = stopping.accuracy

    def accuracy(name: str, model: Any, batches: Any, task: Any, role: str) -> float:
        measure(name, model, batches, task, role)
        return 0.9 if role == "forget" else 0.8

    monkeypatch.setattr(stopping, "accuracy", accuracy)


def test_every_method_has_a_case() -> None:
    assert set(METHODS) == set(names())


@every_method
def test_p1_un_03_the_model_given_is_untouched(name: str, world: Any) -> None:
    world = world.suited(name)
    model = copy.deepcopy(world.model).train()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = copy.deepcopy(model.state_dict())
    create(name, METHODS[name].quick)(model, world.task)
    assert equal(before, model.state_dict())
    assert model.training
    assert all(torch.equal(parameter.grad, torch.ones_like(parameter)) for parameter in model.parameters())


@every_method
def test_p2_the_candidate_has_the_shape_of_the_original(name: str, world: Any) -> None:
    world = world.suited(name)
    model = copy.deepcopy(world.model)
    model.head.bias.requires_grad_(False)
    candidate = create(name, METHODS[name].quick)(model, world.task)
    expected, got = model.state_dict(), candidate.state_dict()
    assert {k: (v.shape, v.dtype) for k, v in got.items()} == {k: (v.shape, v.dtype) for k, v in expected.items()}
    assert candidate is not model
    assert not set(map(id, candidate.parameters())) & set(map(id, model.parameters()))
    assert not any(module.training for module in candidate.modules())
    flags = {key: parameter.requires_grad for key, parameter in candidate.named_parameters()}
    assert flags == {key: key != "head.bias" for key in flags}
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in candidate.modules())
    norms = [module for module in candidate.modules() if isinstance(module, nn.BatchNorm2d)]
    assert all(norm.track_running_stats for norm in norms)
    with torch.no_grad():
        assert candidate(torch.zeros(2, *reversed(world.task.examples.shape))).shape == (2, 3)


@every_method
def test_p3_un_04_the_seed_decides_everything(name: str, world: Any) -> None:
    world = world.suited(name)
    torch.manual_seed(1)
    one, _ = run(name, world)
    torch.manual_seed(2)
    stream = torch.get_rng_state()
    again, _ = run(name, world.with_task())
    assert torch.equal(torch.get_rng_state(), stream), "the caller's random stream was used"
    assert equal(one, again)
    other, _ = run(name, world.with_task(seed=8))
    # One batch holds the whole forget set, so a perceptron sees the same gradients in any order.
    blind_to_order = name == "gradient_ascent" and world.task.recipe.augmentation == "none"
    if METHODS[name].stochastic and not blind_to_order:
        assert not equal(one, other)


@every_method
@pytest.mark.parametrize("validation", [True, False], ids=["validation", "no validation"])
def test_p4_reads_exactly_what_the_registry_declares(name: str, validation: bool, world: Any, watch: Any) -> None:
    world = world.suited(name)
    task = world.task
    roles = {"forget": task.forget, "retain": task.retain, "validation": task.validation if validation else []}
    declared = {int(i) for role in entry(name).reads for i in roles[role]}
    examples = watch(task.examples, set(range(len(task.examples))) - declared)
    run(name, world.with_task(examples=examples, validation=task.validation if validation else None))
    assert examples.seen == declared


@every_method
def test_p4_what_is_not_declared_has_no_influence(name: str, world: Any) -> None:
    """Also where pixels were looked at past ``read``: other pixels and labels there give the same bits. Which classes
    are to be forgotten is part of the request, so their labels stay."""
    world = world.suited(name)
    task = world.task
    roles = {"forget": task.forget, "retain": task.retain, "validation": task.validation}
    declared = [i for role in entry(name).reads for i in roles[role]]
    other = np.setdiff1d(np.arange(len(task.examples)), declared)
    spoiled = copy.deepcopy(task.examples)
    spoiled.images[other] = 255 - spoiled.images[other]
    unlabelled = np.setdiff1d(other, task.forget) if task.setting == "class" else other
    labels = spoiled.labels[unlabelled]
    # No retain example may come to be of the class that is forgotten, so there the other two change places.
    swapped = np.where(labels == 0, 0, 3 - labels)
    spoiled.labels[unlabelled] = swapped if task.setting == "class" else (labels + 1) % 3
    one, _ = run(name, world)
    again, _ = run(name, world.with_task(examples=spoiled))
    assert equal(one, again)


@pytest.mark.parametrize("name", [name for name, case in METHODS.items() if case.zero is not None])
def test_p5_un_01_without_a_budget_the_original_comes_back(name: str, world: Any) -> None:
    world = world.suited(name)
    state, cost = run(name, world, METHODS[name].zero)
    if METHODS[name].identity:
        assert equal(state, world.model.state_dict())
    assert cost.image_passes == 0


@pytest.mark.parametrize("name", [name for name, case in METHODS.items() if case.diverging()])
def test_p6_an_absurd_rate_is_refused_and_never_returns_nan(name: str, world: Any) -> None:
    world = world.suited(name)
    with pytest.raises(DataError, match=f"{name} diverged.*lower {name}"):
        run(name, world, METHODS[name].diverging())


@every_method
@pytest.mark.parametrize("validation", [True, False], ids=["validation", "no validation"])
def test_p7_the_meter_equals_the_closed_form(
    name: str, validation: bool, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    never_stopping(monkeypatch)
    world = world.suited(name)
    task = world.task if validation else world.with_task(validation=None).task
    create(name, METHODS[name].quick)(world.model, task)
    cost = task.meter.cost()
    sizes = len(task.forget), len(task.retain), len(task.held_out)
    forward, backward = METHODS[name].passes(*sizes, task.recipe)
    assert cost.forward_examples_forget == forward.get("forget", 0)
    assert cost.forward_examples_retain == forward.get("retain", 0)
    assert cost.forward_examples_validation == forward.get("validation", 0)
    assert cost.backward_examples_forget == backward.get("forget", 0)
    assert cost.backward_examples_retain == backward.get("retain", 0)
    assert cost.forward_examples_synthetic == forward.get("synthetic", 0)
    assert cost.backward_examples_synthetic == backward.get("synthetic", 0)
    expected = sum(forward.values()) + 2 * sum(backward.values())
    assert cost.image_passes == expected
    flops = forward_flops(world.model, task.examples.shape)
    if METHODS[name].partial:
        assert sum(forward.values()) * flops < cost.flops < expected * flops
    else:
        assert cost.flops == expected * flops
    assert cost.seconds > 0
    assert cost.stop


@every_method
@pytest.mark.parametrize("forget, retain", [(1, 17), (2, 33), (17, 16), (33, 2)])
def test_p8_odd_sizes(name: str, forget: int, retain: int, world: Any) -> None:
    world = world.suited(name).with_task(validation=None)
    first, then = np.arange(forget), np.arange(forget, forget + retain)
    if world.task.setting == "class":
        first, then = world.task.forget[:forget], world.task.retain[:retain]
    state, _ = run(name, world.with_task(forget=first, retain=then))
    assert all(torch.isfinite(tensor).all() for tensor in state.values() if tensor.is_floating_point())


@every_method
def test_p8_a_single_example_on_a_network_that_ends_in_one_pixel(name: str, tiny_resnet_world: Any) -> None:
    """Batch normalisation has no statistics of one value per channel."""
    world = tiny_resnet_world.suited(name).with_task(validation=None)
    lone = world.with_task(forget=world.task.forget[:1])
    state, _ = run(name, lone)
    assert all(torch.isfinite(tensor).all() for tensor in state.values() if tensor.is_floating_point())


@every_method
def test_half_precision_in_the_forward_pass(name: str, convolutional_world: Any) -> None:
    world = convolutional_world.suited(name).with_recipe(precision="bfloat16")
    state, _ = run(name, world)
    assert all(torch.isfinite(tensor).all() for tensor in state.values() if tensor.is_floating_point())
    assert {tensor.dtype for tensor in state.values()} == {tensor.dtype for tensor in world.model.state_dict().values()}


@every_method
def test_p9_a_value_out_of_range_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{name}\.nonsense: expected .*, got .*; "):
        create(name, {"nonsense": 1})
    if METHODS[name].bad is not None:
        key, value = METHODS[name].bad
        with pytest.raises(ConfigError, match=rf"^{name}\.{key}: expected .*, got {value}"):
            create(name, {key: value})
        with pytest.raises(ConfigError, match=rf"^{name}\.{key}: expected .*, got nan"):
            create(name, {key: math.nan})
        with pytest.raises(ConfigError, match=rf"^{name}\.{key}: expected .*, got '1'"):
            create(name, {key: "1"})


@every_method
def test_p10_the_registry_describes_it(name: str) -> None:
    about = entry(name)
    assert about.name == name and about.method is type(create(name, {}))
    assert about.description[0].isupper() and about.description.endswith(".")
    assert about.citation
    assert about.settings
    assert about.control == (name in ("no_op", "fresh_retrain"))


@every_method
def test_p10_an_unsupported_setting_is_refused(name: str, world: Any) -> None:
    for setting in ("sample", "class", "subject"):
        if setting in entry(name).settings:
            run(name, world.of(setting))
        else:
            with pytest.raises(ConfigError, match=f"{name}: expected .*{entry(name).settings[0]}.*got {setting}"):
                run(name, world.of(setting))


@every_method
def test_a_set_that_is_needed_and_empty_is_refused(name: str, world: Any) -> None:
    world = world.suited(name)
    for role in {"forget", "retain"} & set(entry(name).reads):
        with pytest.raises(DataError, match=f"{name}: expected at least one {role} example"):
            run(name, world.with_task(**{role: np.zeros(0, dtype=np.int64)}))


@every_method
def test_a_resolved_method_is_the_same_method(name: str, world: Any) -> None:
    world = world.suited(name)
    method = create(name, METHODS[name].quick)
    resolved = method.resolve(world.model, world.task)
    assert all(resolved.settings()[key] is not None for key in method.by_size)
    assert {k: v for k, v in resolved.settings().items() if k in METHODS[name].quick} == METHODS[name].quick
    one = method(world.model, world.task).state_dict()
    assert equal(one, resolved(world.model, world.with_task().task).state_dict())


@every_method
def test_progress_is_reported_to_the_end(name: str, world: Any) -> None:
    world = world.suited(name)
    calls: list[tuple[int, int]] = []
    run(name, world.with_task(progress=lambda done, total: calls.append((done, total)), validation=None))
    if name != "no_op":
        assert calls
        total = calls[-1][1]
        assert calls == [(done, total) for done in range(1, total + 1)]
