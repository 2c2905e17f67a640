"""Contrastive Unlearning of whole classes: the loss worked out by hand, the loop, the budgets."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from vestige.learners.errors import DataError
from vestige.unlearners import contrastive as module
from vestige.unlearners.contrastive import Contrastive
from vestige.unlearners.core.defaults import BySize
from vestige.unlearners.shared import contrastive_phase as phase
from vestige.unlearners.shared.contrastive_losses import contrastive_class_loss

ANCHOR = torch.tensor([[1.0, 0.0]])
RETAIN = torch.tensor([[0.6, 0.8], [0.8, -0.6], [0.0, 1.0], [-0.8, 0.6]])


def quick(**more: Any) -> Contrastive:
    return Contrastive(**{"batch_size": 4, "omega": 2, "rate": 1e-3, "passes": 1, **more})


def test_the_loss_of_the_worked_example() -> None:
    value = float(contrastive_class_loss(ANCHOR, RETAIN, temperature=0.5).loss)
    assert value == pytest.approx(-0.3 + math.log(4), abs=1e-6)
    assert value == pytest.approx(1.086294, abs=1e-6)
    assert value != pytest.approx(1.3, abs=1e-2), "the denominator is a number and not the largest similarity"


def test_no_anchor_is_skipped_and_anchors_are_averaged() -> None:
    other = torch.tensor([[0.0, 1.0]])
    one, two = (contrastive_class_loss(a, RETAIN, temperature=0.5) for a in (ANCHOR, other))
    both = contrastive_class_loss(torch.cat([ANCHOR, other]), RETAIN, temperature=0.5)
    assert both.skipped == 0
    assert float(both.loss) == pytest.approx((float(one.loss) + float(two.loss)) / 2, abs=1e-6)


def test_the_gradient_is_that_of_the_pull_alone() -> None:
    anchor, retain = (points.clone().requires_grad_() for points in (ANCHOR, RETAIN))
    contrastive_class_loss(anchor, retain, temperature=0.5, normalise=False).loss.backward()
    assert anchor.grad is not None and retain.grad is not None
    torch.testing.assert_close(anchor.grad, -RETAIN.mean(0, keepdim=True) / 0.5)
    torch.testing.assert_close(retain.grad, -ANCHOR.expand(4, 2) / 4 / 0.5)


def test_scaling_features_changes_nothing_when_normalised() -> None:
    scaled = contrastive_class_loss(5 * ANCHOR, RETAIN * torch.tensor([[2.0], [0.1], [7.0], [1.0]]), temperature=0.5)
    assert float(scaled.loss) == pytest.approx(1.086294, abs=1e-6)
    raw = contrastive_class_loss(5 * ANCHOR, RETAIN, temperature=0.5, normalise=False)
    assert float(raw.loss) == pytest.approx(-5 * 0.3 + math.log(4), abs=1e-5)


def test_the_setting_chooses_the_form(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []
    for name in ("contrastive_sample_loss", "contrastive_class_loss"):
        original = getattr(module, name)

        def recording(*a: Any, _name: str = name, _original: Any = original, **k: Any) -> Any:
            used.append(_name)
            return _original(*a, **k)

        monkeypatch.setattr(module, name, recording)
    for setting, form in (("sample", "sample"), ("subject", "sample"), ("class", "class")):
        used.clear()
        quick()(world.model, world.of(setting).task)
        assert set(used) == {f"contrastive_{form}_loss"}, setting


def test_the_whole_class_takes_part_the_last_image_included(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world = world.of("class").with_task(validation=None)
    anchors: list[int] = []
    original = module.contrastive_class_loss

    def recording(batch: Any, retain: Any, **more: Any) -> Any:
        anchors.append(len(batch))
        return original(batch, retain, **more)

    monkeypatch.setattr(module, "contrastive_class_loss", recording)
    quick(omega=1)(world.model, world.task)
    assert sum(anchors) == len(world.task.forget)


def test_forget_labels_enter_no_cross_entropy(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world = world.of("class")
    seen: set[int] = set()
    original = phase.retain_loss

    def recording(logits: Any, labels: Any, recipe: Any) -> Any:
        seen.update(labels.tolist())
        return original(logits, labels, recipe)

    monkeypatch.setattr(phase, "retain_loss", recording)
    quick()(world.model, world.task)
    assert seen == {1, 2}


def test_a_retain_set_that_holds_the_class_is_refused(perceptron_world: Any) -> None:
    with pytest.raises(DataError, match="no retain example of a class that is to be forgotten"):
        perceptron_world.with_task(setting="class")


def test_several_classes_are_forgotten_together(world: Any) -> None:
    labels = world.task.examples.labels
    trained = np.concatenate([world.task.forget, world.task.retain])
    lost = np.isin(labels[trained], (0, 2))
    world = world.with_task(setting="class", forget=trained[lost], retain=trained[~lost], validation=None)
    quick()(world.model, world.task)
    assert world.task.meter.cost().backward_examples_forget == 2 * int(lost.sum())


def test_the_class_is_forgotten_and_the_others_are_not(perceptron_world: Any) -> None:
    from vestige.learners.training.inference import predict_logits

    world = perceptron_world.of("class")
    task = world.task
    candidate = Contrastive()(world.model, task)

    def right(model: Any, indices: Any) -> float:
        logits = predict_logits(model, task.examples, indices, task.device)
        return float((logits.argmax(1) == task.examples.labels[indices]).mean())

    assert right(world.model, task.forget) > 0.8
    assert right(candidate, task.forget) <= 1 / 3
    assert right(candidate, task.retain) > right(world.model, task.retain) - 0.15
    assert task.meter.cost().stop.startswith("forget accuracy") or "of the class" in task.meter.cost().stop


def test_the_budget_depends_on_the_setting(world: Any) -> None:
    assert Contrastive().resolve(world.model, world.task).passes == 30
    assert Contrastive().resolve(world.model, world.of("subject").task).passes == 30
    assert Contrastive().resolve(world.model, world.of("class").task).passes == 5
    assert Contrastive(passes=9).resolve(world.model, world.of("class").task).passes == 9


def test_the_budget_of_a_class_shrinks_with_the_size() -> None:
    assert Contrastive.by_size_of_class["passes"] == BySize(xs=5, s=5, m=2, l=1)


def test_a_class_is_no_reason_to_warn_of_a_large_forget_set(world: Any) -> None:
    world = world.of("class")
    quick()(world.model, world.task)
    assert world.task.meter.cost().notes == ()
