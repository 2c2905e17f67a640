"""The queue form of Contrastive Unlearning: loss, queue, momentum encoder, what the queue may hold."""

from typing import Any

import numpy as np
import pytest
import torch

from vestige.learners.training.architectures import Classifier
from vestige.unlearners import contrastive_moco as module
from vestige.unlearners.contrastive_moco import ContrastiveMoCo, balanced, move_towards
from vestige.unlearners.shared.contrastive_losses import queue_loss
from vestige.unlearners.shared.queue import Queue

ANCHOR, ZERO = torch.tensor([[1.0, 0.0]]), torch.tensor([0])
KEYS = torch.tensor([[0.6, 0.8], [0.8, -0.6], [0.0, 1.0], [-0.8, 0.6]])
KEY_LABELS = torch.tensor([0, 0, 1, 1])


def quick(**more: Any) -> ContrastiveMoCo:
    given = {"batch_size": 4, "omega": 2, "rate": 0.1, "passes": 1, "queue": 20, "max_utility_loss": 1.0, **more}
    return ContrastiveMoCo(**given)


# The loss.


def test_the_loss_of_the_worked_example() -> None:
    term = queue_loss(ANCHOR, ZERO, KEYS, KEY_LABELS, temperature=0.5)
    assert float(term.loss) == pytest.approx(0.8 + 2.248662, abs=2e-6)
    assert term.skipped == 0


def test_the_gradient_pushes_by_the_softmax_and_pulls_by_the_mean() -> None:
    anchor = ANCHOR.clone().requires_grad_()
    queue_loss(anchor, ZERO, KEYS, KEY_LABELS, temperature=0.5, normalise=False).loss.backward()
    softmax = (ANCHOR @ KEYS.T / 0.5).softmax(1)
    assert anchor.grad is not None
    torch.testing.assert_close(anchor.grad, (softmax @ KEYS - KEYS[2:].mean(0)) / 0.5)


def test_keys_carry_no_gradient() -> None:
    anchor, keys = ANCHOR.clone().requires_grad_(), KEYS.clone().requires_grad_()
    queue_loss(anchor, ZERO, keys, KEY_LABELS, temperature=0.5).loss.backward()
    assert keys.grad is None


def test_anchors_without_a_key_of_another_class_are_skipped_and_counted() -> None:
    anchors, labels = torch.cat([ANCHOR, ANCHOR]), torch.tensor([0, 1])
    term = queue_loss(anchors, labels, KEYS[:2], KEY_LABELS[:2], temperature=0.5)
    alone = queue_loss(ANCHOR, torch.tensor([1]), KEYS[:2], KEY_LABELS[:2], temperature=0.5)
    assert term.skipped == 1
    assert float(term.loss) == pytest.approx(float(alone.loss), abs=1e-6)
    none = queue_loss(ANCHOR.clone().requires_grad_(), ZERO, KEYS[:2], KEY_LABELS[:2], temperature=0.5)
    none.loss.backward()
    assert (none.skipped, float(none.loss.detach())) == (1, 0.0)


def test_the_loss_is_a_mean_over_anchors() -> None:
    other = torch.tensor([[0.0, 1.0]])
    values = [queue_loss(a, ZERO, KEYS, KEY_LABELS, temperature=0.5).loss for a in (ANCHOR, other)]
    both = queue_loss(torch.cat([ANCHOR, other]), ZERO.repeat(2), KEYS, KEY_LABELS, temperature=0.5)
    assert float(both.loss) == pytest.approx(float(sum(values)) / 2, abs=1e-6)


# The queue.


def test_the_oldest_leave_first_and_labels_stay_with_their_keys() -> None:
    queue = Queue(5)
    for start, stop in ((0, 3), (3, 6), (6, 8)):  # K + 3 keys
        numbers = torch.arange(start, stop)
        queue.enqueue(numbers[:, None].float() * torch.ones(1, 2), 10 * numbers)
    assert queue.keys[:, 0].tolist() == [3, 4, 5, 6, 7]
    assert queue.labels.tolist() == [30, 40, 50, 60, 70]
    assert len(queue) == 5


def test_more_keys_than_fit_leave_the_newest() -> None:
    queue = Queue(2)
    queue.enqueue(torch.arange(5.0)[:, None], torch.arange(5))
    assert queue.labels.tolist() == [3, 4]


def test_a_queue_keeps_no_gradient_and_refuses_what_does_not_match() -> None:
    queue = Queue(4)
    with pytest.raises(RuntimeError, match="empty"):
        queue.keys.sum()
    queue.enqueue(torch.ones(2, 3, requires_grad=True) * 2, torch.arange(2))
    assert not queue.keys.requires_grad
    with pytest.raises(ValueError, match="one label for each of 2 keys, got 3"):
        queue.enqueue(torch.ones(2, 3), torch.arange(3))


# The momentum encoder.


@pytest.fixture
def encoders(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Any], dict[str, Any], bool]]:
    """After each move: state of the encoder, state of the network, whether the encoder is in eval mode."""
    seen: list[tuple[dict[str, Any], dict[str, Any], bool]] = []

    def recording(encoder: Classifier, model: Classifier, momentum: float) -> None:
        move_towards(encoder, model, momentum)
        states = [{key: value.clone() for key, value in one.state_dict().items()} for one in (encoder, model)]
        seen.append((states[0], states[1], not any(part.training for part in encoder.modules())))

    monkeypatch.setattr(module, "move_towards", recording)
    return seen


def test_without_momentum_the_encoder_is_the_network_after_each_step(world: Any, encoders: Any) -> None:
    quick(key_momentum=0.0)(world.model, world.task)
    assert len(encoders) == 2 * 3
    for encoder, model, _ in encoders:
        assert all(torch.equal(encoder[key], model[key]) for key in model)
    assert not torch.equal(encoders[0][1]["head.weight"], encoders[-1][1]["head.weight"])


def test_with_momentum_one_the_encoder_stays_the_original(world: Any, encoders: Any) -> None:
    quick(key_momentum=1.0)(world.model, world.task)
    original = world.model.state_dict()
    for encoder, _, _ in encoders:
        assert all(torch.equal(encoder[key], original[key]) for key in original)


def test_between_the_encoder_is_the_running_mean_statistics_included(world: Any, encoders: Any) -> None:
    quick(key_momentum=0.75)(world.model, world.task)
    expected = {key: value.clone() for key, value in world.model.state_dict().items()}
    for encoder, model, eval_mode in encoders:
        assert eval_mode
        for key, value in model.items():
            mixed = 0.75 * expected[key] + 0.25 * value if value.is_floating_point() else value
            torch.testing.assert_close(encoder[key], mixed)
        expected = encoder


def test_the_key_momentum_changes_the_candidate(world: Any) -> None:
    states = []
    for momentum in (0.0, 1.0):
        states.append(quick(key_momentum=momentum, passes=3)(world.model, world.with_task().task).state_dict())
    assert not torch.equal(states[0]["head.weight"], states[1]["head.weight"])


# What goes into the queue.


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Every queue that was made, with a list of what was enqueued."""
    made: list[Any] = []

    class Recording(Queue):
        def __init__(self, size: int) -> None:
            super().__init__(size)
            self.size, self.batches = size, []
            made.append(self)

        def enqueue(self, keys: torch.Tensor, labels: torch.Tensor) -> None:
            super().enqueue(keys, labels)
            self.batches.append((keys, labels))

    monkeypatch.setattr(module, "Queue", Recording)
    return made


def test_the_queue_is_full_before_the_first_step(world: Any, queued: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []
    original = module.queue_loss

    def recording(anchors: Any, labels: Any, keys: Any, key_labels: Any, **more: Any) -> Any:
        lengths.append(len(keys))
        return original(anchors, labels, keys, key_labels, **more)

    monkeypatch.setattr(module, "queue_loss", recording)
    quick()(world.model, world.task)
    assert lengths == [33] * 6  # 20 keys for each of 3 classes, but there are 33 retain images
    (queue,) = queued
    assert len(queue) == 33 == queue.size


def test_the_queue_holds_unit_keys_of_retain_images_only(perceptron_world: Any, queued: Any) -> None:
    """Labels of no retain image are in the queue, and its keys are those of retain images under the original."""
    world = perceptron_world
    labels = world.task.examples.labels
    kept = world.task.retain[labels[world.task.retain] != 1]
    assert (labels[world.task.forget] == 1).any()
    task = world.with_task(retain=kept).task
    quick(key_momentum=1.0)(world.model, task)
    (queue,) = queued
    every = torch.cat([keys for keys, _ in queue.batches])
    assert {int(y) for _, batch in queue.batches for y in batch} == {0, 2}
    torch.testing.assert_close(every.norm(dim=1), torch.ones(len(every)))
    pixels = torch.from_numpy(task.examples.read(kept)[0]).float().permute(0, 3, 1, 2)
    with torch.no_grad():
        known = torch.nn.functional.normalize(world.model.eval().represent((pixels - 127.5) / 63.75), dim=1)
    distance = (every[:, None] - known[None]).abs().amax(2)
    assert float(distance.min(1).values.max()) < 1e-5


def test_newer_keys_replace_the_first_ones(world: Any, queued: Any) -> None:
    quick(key_momentum=0.0, passes=4, rate=1.0)(world.model, world.with_task(validation=None).task)
    (queue,) = queued
    newest = torch.cat([keys for keys, _ in queue.batches])[-33:]
    assert torch.equal(queue.keys, newest)
    assert len(torch.cat([labels for _, labels in queue.batches])) == 33 + 4 * 6 * 4


def test_the_first_keys_are_balanced_over_the_classes(perceptron_world: Any) -> None:
    task = perceptron_world.task
    labels = task.examples.labels
    available = np.bincount(labels[task.retain], minlength=3)
    chosen = balanced(task, 12)
    assert np.bincount(labels[chosen], minlength=3).tolist() == [4, 4, 4] and available.min() >= 4
    assert len(set(chosen.tolist())) == 12 and set(chosen.tolist()) <= set(task.retain.tolist())
    assert sorted(balanced(task, 33).tolist()) == sorted(task.retain.tolist())
    assert not np.array_equal(chosen, balanced(perceptron_world.with_task(seed=8).task, 12))
    few = task.retain[
        np.concatenate([np.flatnonzero(labels[task.retain] == c)[: 2 if c == 0 else 9] for c in range(3)])
    ]
    drawn = balanced(perceptron_world.with_task(retain=np.sort(few)).task, 10)
    assert np.bincount(labels[drawn], minlength=3).tolist() == [2, 4, 4]


@pytest.mark.parametrize("asked, noted", [(20, True), (33, False), (50, True)])
def test_a_queue_that_was_clipped_is_in_the_record(asked: int, noted: bool, perceptron_world: Any) -> None:
    task = perceptron_world.with_task().task
    quick(queue=asked)(perceptron_world.model, task)
    notes = [
        note for note in task.meter.cost().notes if note.startswith(f"the queue holds 33 keys in place of {asked}")
    ]
    assert bool(notes) == noted


def test_classes_are_pulled_to_the_queue(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world = world.of("class")
    monkeypatch.delattr(module, "queue_loss")  # not used
    counts: list[int] = []
    original = module.contrastive_class_loss

    def recording(anchors: Any, keys: Any, **more: Any) -> Any:
        counts.append(len(keys))
        return original(anchors, keys, **more)

    monkeypatch.setattr(module, "contrastive_class_loss", recording)
    quick()(world.model, world.task)
    assert set(counts) == {len(world.task.retain)}


def test_defaults_by_size_and_setting(world: Any) -> None:
    sample = ContrastiveMoCo().resolve(world.model, world.task)
    of_class = ContrastiveMoCo().resolve(world.model, world.of("class").task)
    assert (sample.passes, of_class.passes) == (30, 5)
    assert sample.queue == 500
    assert sample.key_momentum == (0.0 if world.task.recipe.architecture == "mlp" else 0.9)
