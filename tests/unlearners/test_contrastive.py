"""Contrastive Unlearning of samples: the loss against values worked out by hand, and the loop around it."""

from typing import Any

import pytest
import torch

from vestige.unlearners.contrastive import Contrastive
from vestige.unlearners.shared.contrastive_losses import contrastive_sample_loss
from vestige.unlearners.shared.partners import Partners
from vestige.unlearners.shared.pool import Pool

U, P1, P2, N1, N2, V = (
    torch.tensor([point]) for point in ([1.0, 0.0], [0.6, 0.8], [0.8, -0.6], [0.0, 1.0], [-0.8, 0.6], [0.0, 1.0])
)
THREE, THREE_LABELS = torch.cat([P1, N1, N2]), torch.tensor([0, 1, 1])
FOUR, FOUR_LABELS = torch.cat([P1, P2, N1, N2]), torch.tensor([0, 0, 1, 1])
ZERO, ONE = torch.tensor([0]), torch.tensor([1])


def loss(*arguments: torch.Tensor, **more: Any) -> float:
    return float(contrastive_sample_loss(*arguments, temperature=0.5, **more).loss)


def test_one_positive() -> None:
    assert loss(U, ZERO, THREE, THREE_LABELS) == pytest.approx(2.0, abs=1e-6)


def test_two_positives() -> None:
    value = loss(U, ZERO, FOUR, FOUR_LABELS)
    assert value == pytest.approx(2.913015, abs=2e-6)
    assert value != pytest.approx(3.426031, abs=1e-2), "the denominator counts once, not once for each retain column"


def test_gradient_of_the_anchor() -> None:
    anchor = U.clone().requires_grad_()
    term = contrastive_sample_loss(anchor, ZERO, FOUR, FOUR_LABELS, temperature=0.5, normalise=False)
    term.loss.backward()
    assert anchor.grad is not None
    assert anchor.grad[0].tolist() == pytest.approx([2.239475, -1.676325], abs=2e-6)


def test_mean_over_anchors() -> None:
    assert loss(V, ONE, FOUR, FOUR_LABELS) == pytest.approx(2.171101, abs=2e-6)
    both = loss(torch.cat([U, V]), torch.tensor([0, 1]), FOUR, FOUR_LABELS)
    assert both == pytest.approx(2.542058, abs=2e-6)
    assert both != pytest.approx(5.084116, abs=1e-2), "a mean, not a sum"


def test_scaling_features_changes_nothing_when_normalised() -> None:
    scaled = loss(7.0 * U, ZERO, FOUR * torch.tensor([[3.0], [0.5], [2.0], [9.0]]), FOUR_LABELS)
    assert scaled == pytest.approx(2.913015, abs=2e-6)
    assert loss(7.0 * U, ZERO, FOUR, FOUR_LABELS, normalise=False) != pytest.approx(2.913015, abs=1e-2)


def test_another_forget_example_leaves_an_anchor_alone() -> None:
    """Forget-forget pairs never enter: the mean of two equal anchors is the value of one, whatever the third is."""
    alone = loss(U, ZERO, FOUR, FOUR_LABELS)
    assert loss(torch.cat([U, U]), torch.tensor([0, 0]), FOUR, FOUR_LABELS) == pytest.approx(alone, abs=1e-6)
    third = loss(torch.cat([U, V]), torch.tensor([0, 1]), FOUR, FOUR_LABELS) * 2 - loss(V, ONE, FOUR, FOUR_LABELS)
    assert third == pytest.approx(alone, abs=1e-5)


def test_anchors_without_a_partner_are_skipped_and_counted() -> None:
    anchors, labels = torch.cat([U, V, U]), torch.tensor([0, 2, 0])
    term = contrastive_sample_loss(anchors, labels, FOUR, FOUR_LABELS, temperature=0.5)
    assert term.skipped == 1
    assert float(term.loss) == pytest.approx(2.913015, abs=2e-6)
    retain = FOUR.clone().requires_grad_()
    none = contrastive_sample_loss(V, torch.tensor([2]), retain, FOUR_LABELS, temperature=0.5)
    none.loss.backward()
    assert (none.skipped, float(none.loss.detach())) == (1, 0.0)
    assert retain.grad is not None and not retain.grad.any()
    only_class = contrastive_sample_loss(U, ZERO, FOUR, torch.zeros(4, dtype=torch.int64), temperature=0.5)
    assert (only_class.skipped, float(only_class.loss)) == (1, 0.0)


def test_a_step_on_the_anchors_moves_them_away_from_their_class() -> None:
    random = torch.Generator().manual_seed(0)
    centres = torch.randn(3, 8, generator=random)
    labels, retain_labels = torch.arange(12) % 3, torch.arange(60) % 3
    anchors = centres[labels] + 0.5 * torch.randn(12, 8, generator=random)
    retain = centres[retain_labels] + 0.5 * torch.randn(60, 8, generator=random)
    moving = anchors.clone().requires_grad_()
    contrastive_sample_loss(moving, labels, retain, retain_labels, temperature=0.5).loss.backward()
    assert moving.grad is not None

    def similarity(points: torch.Tensor, same: bool) -> float:
        cosine = torch.nn.functional.cosine_similarity(points[:, None], retain[None], dim=2)
        return float(cosine[(labels[:, None] == retain_labels) == same].mean())

    moved = anchors - 0.5 * moving.grad
    assert similarity(moved, True) < similarity(anchors, True)
    assert similarity(moved, False) > similarity(anchors, False)


def test_gradients_reach_the_retain_side_too() -> None:
    retain = FOUR.clone().requires_grad_()
    contrastive_sample_loss(U, ZERO, retain, FOUR_LABELS, temperature=0.5).loss.backward()
    assert retain.grad is not None and bool((retain.grad.abs().sum(1) > 0).all())


# The loop.


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Replaces the stopping rule's evaluator: accuracies in per cent, one list a role."""

    def install(forget: list[float], validation: list[float]) -> None:
        values = {"forget": iter(forget), "validation": iter(validation)}
        monkeypatch.setattr(
            "vestige.unlearners.shared.stopping.accuracy",
            lambda name, model, batches, task, role: next(values[role]) / 100,
        )

    return install


def quick(**more: Any) -> Contrastive:
    return Contrastive(**{"batch_size": 4, "omega": 2, "rate": 1e-3, **more})


def test_the_stop_makes_exactly_three_passes(stubbed: Any, world: Any) -> None:
    stubbed([90, 85, 80], [82, 82, 82, 82])
    quick()(world.model, world.task)
    cost = world.task.meter.cost()
    assert cost.backward_examples_forget == 3 * 2 * 10
    assert [(check.after_pass, check.forget_accuracy) for check in cost.checks] == [(1, 0.9), (2, 0.85), (3, 0.8)]
    assert cost.stop == "forget accuracy 0.8000 <= validation accuracy 0.8200 after pass 3"


def test_equal_accuracies_stop(stubbed: Any, world: Any) -> None:
    stubbed([90, 82], [82, 82, 82])
    quick()(world.model, world.task)
    assert len(world.task.meter.cost().checks) == 2


def test_the_floor_restores_the_last_state_above_it(stubbed: Any, world: Any) -> None:
    """Pass 2 meets equation 9 by collapse: the floor comes first, and the state after pass 1 is returned."""
    stubbed([90, 50], [82, 77.1, 76.9])
    restored = quick(max_utility_loss=0.05)(world.model, world.task)
    assert world.task.meter.cost().stop.startswith("utility floor")
    one_pass = quick(passes=1)(world.model, world.with_task(validation=None).task)
    for key, tensor in one_pass.state_dict().items():
        assert torch.equal(tensor, restored.state_dict()[key]), key


def test_a_collapse_in_the_first_pass_gives_the_original_back(stubbed: Any, world: Any) -> None:
    stubbed([10], [82, 20])
    restored = quick()(world.model, world.task)
    for key, tensor in world.model.state_dict().items():
        assert torch.equal(tensor, restored.state_dict()[key]), key


def test_without_validation_the_budget_is_used_and_recorded(world: Any) -> None:
    task = world.with_task(validation=None).task
    quick(passes=3)(world.model, task)
    cost = task.meter.cost()
    assert cost.stop == "budget (no validation examples)"
    assert cost.checks == () and cost.forward_examples_validation == 0
    assert cost.backward_examples_forget == 3 * 2 * 10


def test_the_rule_measures_what_inference_measures(world: Any) -> None:
    from vestige.learners.training.inference import accuracy, predict_logits

    task = world.task
    candidate = quick(passes=1, max_utility_loss=1.0)(world.model, task)
    (check,) = task.meter.cost().checks
    for indices, value in ((task.forget, check.forget_accuracy), (task.validation, check.validation_accuracy)):
        logits = predict_logits(candidate, task.examples, indices, task.device)
        assert accuracy(logits, task.examples.labels[indices]) == pytest.approx(value)


def test_distinct_retain_batches_are_drawn(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    draw = Pool.draw

    def recording(self: Pool, size: int) -> Any:
        batch = draw(self, size)
        drawn.append(batch[0].flatten().tolist())
        return batch

    monkeypatch.setattr(Pool, "draw", recording)
    quick(passes=2)(world.model, world.with_task(validation=None).task)
    assert len(drawn) == 2 * 2 * 3  # 10 forget images in fours: 3 batches
    assert len({tuple(batch) for batch in drawn}) == len(drawn)


def test_forget_labels_enter_no_cross_entropy(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from vestige.unlearners.shared import contrastive_phase as module

    sizes = []
    original = module.retain_loss

    def recording(logits: Any, labels: Any, recipe: Any) -> Any:
        sizes.append(len(labels))
        return original(logits, labels, recipe)

    monkeypatch.setattr(module, "retain_loss", recording)
    quick(passes=1, batch_size=6)(world.model, world.with_task(validation=None).task)
    assert sizes == [6] * 4
    # And without the contrastive term, which forget examples there are makes no difference (no batch statistics here).
    if world.task.recipe.architecture == "mlp":
        alone = quick(weight=0.0, passes=1, batch_size=30)  # no class is missing from 30 of 33 retain images
        one = alone(world.model, world.with_task(validation=None).task).state_dict()
        swapped = world.with_task(validation=None, forget=world.task.forget + 60).task
        other = alone(world.model, swapped).state_dict()
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_the_record_warns_of_a_large_forget_set(world: Any) -> None:
    quick(passes=1)(world.model, world.task)
    assert any("%" in note for note in world.task.meter.cost().notes)


def test_anchors_that_were_skipped_are_in_the_record(world: Any) -> None:
    labels = world.task.examples.labels
    without = world.task.retain[labels[world.task.retain] != 0]
    task = world.with_task(retain=without, validation=None).task
    quick(passes=1)(world.model, task)
    expected = 2 * int((labels[task.forget] == 0).sum())
    sentence = f"{expected} times an anchor had no partner among the retain examples and was skipped"
    assert expected > 0
    assert sentence in task.meter.cost().notes


def test_without_weights_nothing_moves(world: Any) -> None:
    """Both terms are weighted, and no decay acts beside them."""
    candidate = quick(weight=0.0, retain_weight=0.0, passes=1)(world.model, world.with_task(validation=None).task)
    for one, other in zip(candidate.parameters(), world.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_batch_statistics_follow_the_setting(convolutional_world: Any) -> None:
    model = convolutional_world.model
    for bn, stays in (("train", False), ("frozen", True)):
        task = convolutional_world.with_task(validation=None).task
        candidate = quick(bn=bn, passes=1)(model, task)
        assert torch.equal(candidate.body[1].running_mean, model.body[1].running_mean) == stays, bn


# Partners.


def test_every_anchor_whose_class_is_retained_gets_a_partner(perceptron_world: Any) -> None:
    task = perceptron_world.task
    anchors = torch.tensor([2, 0, 1, 0])
    partners, plain = Partners(task, Pool(task, "retain")), Pool(task, "retain")
    completed = 0
    for _ in range(60):
        x, y = partners.draw(4, anchors)
        as_drawn, labels = plain.draw(4)
        assert len(x) == len(y) == 4
        assert set(y.tolist()) == {0, 1, 2}
        if set(labels.tolist()) == {0, 1, 2}:
            assert torch.equal(x, as_drawn) and torch.equal(y, labels), "a draw that lacks nothing is the plain one"
        else:
            completed += 1
    assert 0 < completed < 60


def test_what_completes_a_draw_are_retain_images_with_their_own_labels(perceptron_world: Any) -> None:
    task = perceptron_world.task
    images, labels = task.examples.read(task.retain)
    known = {
        ((image.astype("float32") - 127.5) / 63.75).tobytes(): int(y) for image, y in zip(images, labels, strict=True)
    }
    partners = Partners(task, Pool(task, "retain"))
    for _ in range(20):
        x, y = partners.draw(2, torch.tensor([0, 1]))
        pixels = [picture.permute(1, 2, 0).contiguous().numpy().tobytes() for picture in x]
        assert [known[one] for one in pixels] == y.tolist()
        assert sorted(y.tolist()) == [0, 1]


def test_no_partner_is_sought_for_a_class_without_retain_images(perceptron_world: Any) -> None:
    labels = perceptron_world.task.examples.labels
    kept = perceptron_world.task.retain[labels[perceptron_world.task.retain] != 1]
    task = perceptron_world.with_task(retain=kept).task
    _, y = Partners(task, Pool(task, "retain")).draw(3, torch.tensor([1, 1]))
    assert len(y) == 3 and 1 not in y.tolist()


def test_partners_come_from_the_seed(perceptron_world: Any) -> None:
    def drawn(seed: int) -> list[torch.Tensor]:
        task = perceptron_world.with_task(seed=seed).task
        partners = Partners(task, Pool(task, "retain"))
        return [partners.draw(2, torch.tensor([0, 1, 2]))[0] for _ in range(10)]

    assert all(torch.equal(a, b) for a, b in zip(drawn(1), drawn(1), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(drawn(1), drawn(2), strict=True))
