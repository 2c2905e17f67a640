"""Amnesiac unlearning: which updates are taken back, and what is refused."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from vestige.learners.errors import DataError
from vestige.learners.training.architectures import build_classifier
from vestige.learners.training.ledger import Ledger, LedgerWriter
from vestige.learners.training.train import train
from vestige.unlearners.amnesiac import Amnesiac
from vestige.unlearners.core.registry import entry
from vestige.unlearners.core.task import Task

ONLY = {"share": 0.0, "statistics": False}


def parameters(model: nn.Module) -> torch.Tensor:
    return torch.cat([one.detach().double().flatten() for one in model.parameters()])


def test_the_registry_says_that_it_needs_a_ledger() -> None:
    assert entry("amnesiac").needs == ("ledger",)
    assert entry("finetune").needs == ()


def test_all_updates_taken_back_leave_the_initial_model(world: Any) -> None:
    # One example of each batch would do; all of them are in every one.
    forget = np.concatenate([world.task.forget, world.task.retain[:-1]])
    task = world.with_task(forget=forget, retain=world.task.retain[-1:]).task
    candidate = Amnesiac(**ONLY)(world.model, task)
    initial = build_classifier(task.recipe, task.examples.shape, 3, 1)
    assert torch.allclose(parameters(candidate), parameters(initial), atol=1e-6)
    assert not torch.allclose(parameters(world.model), parameters(initial), atol=1e-2)
    assert any("undoes the training" in note for note in task.meter.cost().notes)
    assert any("30 of 30 batches taken back (100.0 %)" in note for note in task.meter.cost().notes)


def test_the_update_is_the_sum_of_the_batches_with_forget_examples(world: Any) -> None:
    task = world.with_task(forget=world.task.forget[:1]).task
    candidate = Amnesiac(**ONLY)(world.model, task)
    rows = [row for row, own in enumerate(task.ledger.members) if task.forget[0] in own]
    assert len(rows) == task.recipe.epochs  # one batch in three: the training is not undone
    expected = parameters(world.model) - torch.from_numpy(task.ledger.updates[rows].astype(np.float64).sum(0))
    assert torch.allclose(parameters(candidate), expected, atol=1e-7)
    assert not any("undoes" in note for note in task.meter.cost().notes)
    assert task.meter.cost().stop == "single shot"


def test_taking_none_back_is_the_identity(world: Any) -> None:
    ledger = replace(world.task.ledger, members=tuple(own[own >= 10] for own in world.task.ledger.members))
    task = world.with_task(ledger=ledger).task
    candidate = Amnesiac()(world.model, task)
    state = world.state()
    assert all(torch.equal(state[key], tensor) for key, tensor in candidate.state_dict().items())
    assert task.meter.cost().image_passes == 0 and task.meter.cost().stop == "no batch held a forget example"


def test_without_a_ledger_it_refuses(world: Any) -> None:
    with pytest.raises(DataError, match="expected the ledger of the original's training, got none; let vestige"):
        Amnesiac()(world.model, world.with_task(ledger=None).task)


def test_the_ledger_of_another_model_is_refused(world: Any, fresh_model: Any) -> None:
    with pytest.raises(DataError, match="expected the ledger of the given model, got .* belongs to other weights"):
        Amnesiac()(fresh_model(world), world.task)
    nudged = copy.deepcopy(world.model)
    with torch.no_grad():
        nudged.head.bias[0] += 1e-4
    with pytest.raises(DataError, match="belongs to other weights"):
        Amnesiac()(nudged, world.task)


def test_a_ledger_that_did_not_watch_every_forget_example_is_refused(perceptron_world: Any, tmp_path: Path) -> None:
    task: Task = perceptron_world.with_task().task
    trained = np.concatenate([task.forget, task.retain])
    writer = LedgerWriter(tmp_path / "ledger", task.forget[:7])
    model = train(task.recipe, task.examples, trained, 1, task.device, ledger=writer)
    few = replace(task, ledger=Ledger.read(tmp_path / "ledger"))
    with pytest.raises(DataError, match="watched all 10 forget examples, got .* did not watch 3 of them"):
        Amnesiac()(model, few)
    enough = replace(few, forget=task.forget[:7])
    whole = Amnesiac()(model, perceptron_world.with_task(forget=task.forget[:7]).task)
    part = Amnesiac()(model, enough)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), part.parameters(), strict=True))


def test_normalisation_takes_its_statistics_from_the_retain_set_alone(convolutional_world: Any) -> None:
    """Without augmentation and with one batch: the mean and the variance of that batch."""
    world = convolutional_world.with_recipe(augmentation="none", batch_size=64)
    candidate = Amnesiac(share=0.0)(world.model, world.task)
    images, _ = world.task.examples.read(world.task.retain)
    x = ((torch.from_numpy(images).float() - 127.5) / 63.75).permute(0, 3, 1, 2)
    with torch.no_grad():
        first = candidate.body[0](x)
    norm, original = candidate.body[1], world.model.body[1]
    assert torch.allclose(norm.running_mean, first.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(norm.running_var, first.var((0, 2, 3)), atol=1e-4)
    assert norm.momentum == original.momentum
    kept = Amnesiac(**ONLY)(world.model, world.with_task().task).body[1]
    assert torch.equal(kept.running_mean, original.running_mean)


def test_the_repair_trains_on_what_the_subtraction_left(world: Any) -> None:
    task = world.task
    bare = Amnesiac(**ONLY)(world.model, task)
    repaired = Amnesiac(share=0.3)(world.model, world.with_task().task)
    images, labels = task.examples.read(task.retain)
    x = ((torch.from_numpy(images).float() - 127.5) / 63.75).permute(0, 3, 1, 2)
    with torch.no_grad():
        losses = [float(nn.functional.cross_entropy(m(x), torch.from_numpy(labels))) for m in (bare, repaired)]
    assert losses[1] < losses[0]
    fresh = world.with_task()
    Amnesiac(share=0.3)(world.model, fresh.task)
    assert fresh.task.meter.cost().stop == "single shot, then a repair of 3 epochs"
    assert fresh.task.meter.cost().backward_examples_forget == 0


def test_without_statistics_and_repair_the_retain_set_is_not_prepared(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vestige.unlearners import amnesiac as module

    built = []
    pool = module.Pool
    monkeypatch.setattr(module, "Pool", lambda *arguments: built.append(arguments) or pool(*arguments))
    Amnesiac(**ONLY)(world.model, world.task)
    assert not built
    Amnesiac(share=0.2, statistics=False)(world.model, world.with_task().task)
    assert len(built) == 1
