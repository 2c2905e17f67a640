"""SCRUB: two KLs, the tie at the start, what is read when, and going back to an epoch."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from vestige.learners.arrays import Indices
from vestige.learners.errors import DataError
from vestige.learners.training.architectures import Classifier
from vestige.learners.training.batches import Batches
from vestige.unlearners import scrub as module
from vestige.unlearners.finetune import Finetune
from vestige.unlearners.scrub import Scrub, same_function
from vestige.unlearners.shared import rewind as rewinding
from vestige.unlearners.shared.losses import distillation_loss
from vestige.unlearners.shared.optimisation import Optimisation
from vestige.unlearners.shared.pool import Pool
from vestige.unlearners.shared.rewind import Rewind, rewind_to
from vestige.unlearners.shared.steps import frozen_copy, one_pass, see

WARM_UP = "one min pass before the first max pass, whose gradient would have been zero"


def divergence(world: Any, model: Classifier, indices: Indices) -> torch.Tensor:
    """KL of the world's original from ``model``, both in eval mode."""
    task = world.task
    (x, _), *_ = Batches(task.examples, indices, task.recipe, task.device, augment=False).plain(100)
    with torch.no_grad():
        target = world.model.eval()(x)
    return distillation_loss(target, model.eval()(x), 4.0)


def test_the_divergence_has_no_slope_where_both_networks_are_the_same(world: Any) -> None:
    """Why a max pass cannot be the first."""
    loss = divergence(world, world.model, world.task.forget)
    gradients = torch.autograd.grad(loss, list(world.model.parameters()))
    assert abs(float(loss.detach())) < 1e-5
    assert max(float(gradient.abs().max()) for gradient in gradients) < 1e-5


def test_for_small_logits_the_divergence_hardly_depends_on_the_temperature() -> None:
    random = torch.Generator().manual_seed(1)
    teacher, student = (0.01 * torch.randn(50, 4, generator=random, dtype=torch.float32) for _ in range(2))
    values = [float(distillation_loss(teacher, student, temperature)) for temperature in (1.0, 2.0, 4.0)]
    assert values == pytest.approx([values[0]] * 3, rel=0.02)


def test_the_divergence_of_a_worked_example() -> None:
    teacher = torch.log(torch.tensor([[0.75, 0.25], [0.5, 0.5]]))
    expected = (0.75 * np.log(1.5) + 0.25 * np.log(0.5)) / 2  # from (1/2, 1/2); the second image agrees
    assert float(distillation_loss(teacher, torch.zeros(2, 2))) == pytest.approx(expected, abs=1e-6)


@pytest.fixture
def teachers(monkeypatch: pytest.MonkeyPatch) -> list[Classifier]:
    made: list[Classifier] = []

    def remember(model: Classifier) -> Classifier:
        made.append(frozen_copy(model))
        return made[-1]

    monkeypatch.setattr(module, "frozen_copy", remember)
    return made


def test_the_teacher_stays_the_original(world: Any, teachers: list[Classifier]) -> None:
    Scrub(share=0.3, rate=1.0, bn="train")(world.model, world.task)
    (teacher,) = teachers
    assert not teacher.training
    for key, tensor in world.model.state_dict().items():
        assert torch.equal(tensor, teacher.state_dict()[key]), key


def test_a_max_pass_raises_and_a_min_pass_lowers_the_divergence(perceptron_world: Any, fresh_model: Any) -> None:
    world = perceptron_world.with_recipe(weight_decay=0.0)
    task, student = world.task, fresh_model(world)
    student.load_state_dict(world.model.state_dict())
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)))
    method = Scrub(rate=0.1, share=0.1, gamma=0.0, momentum=0.0)
    for role, sign, index in (("forget", 1, 0), ("retain", -1, 1)):
        steps = method._steps(student, task, 1, clip=1.0)
        loss = method._losses(frozen_copy(world.model), task, steps)[index]
        before = float(divergence(world, student, getattr(task, role)).detach())
        one_pass(student, task, steps, Pool(task, role), batch_size=64, frozen=True, loss=loss)  # type: ignore[arg-type]
        assert sign * (float(divergence(world, student, getattr(task, role)).detach()) - before) > 1e-4


def test_the_loss_of_a_min_pass_weighs_both_terms(perceptron_world: Any, fresh_model: Any) -> None:
    task, student = perceptron_world.task, fresh_model(perceptron_world)
    (x, y), *_ = Batches(task.examples, task.retain, task.recipe, task.device).plain(100)

    def loss(alpha: float, gamma: float) -> torch.Tensor:
        method = Scrub(rate=1.0, share=0.1, alpha=alpha, gamma=gamma)
        near = method._losses(frozen_copy(perceptron_world.model), task, method._steps(student, task, 1))[1]
        value = near(student, see(student, x, y))
        assert value is not None
        return value.detach()

    torch.testing.assert_close(loss(0.0, 1.0), nn.functional.cross_entropy(student(x), y).detach())
    torch.testing.assert_close(loss(1.0, 0.0), divergence(perceptron_world, student, task.retain).detach())
    torch.testing.assert_close(loss(0.3, 2.0), 2 * loss(0.0, 1.0) + 0.3 * loss(1.0, 0.0))


@pytest.mark.parametrize("msteps, reads", [(0, [0] * 4), (2, [0, 20, 40, 40, 40]), (9, [0, 20, 40, 60, 80])])
def test_forget_images_pass_in_the_first_epochs_only(msteps: int, reads: list[int], world: Any) -> None:
    """Teacher and student see each of the ten forget images in each max pass."""
    counted: list[int] = []
    meter = world.task.meter
    task = replace(world.task, progress=lambda *_: counted.append(meter.cost().forward_examples_forget))
    Scrub(share=0.4, rate=0.1, msteps=msteps, bn="frozen_on_forget")(world.model, task)
    assert counted == reads


def test_without_weights_on_the_teacher_it_is_finetune(world: Any) -> None:
    settings: dict[str, Any] = {"rate": 1.0, "share": 0.3, "schedule": "constant"}
    one = Scrub(alpha=0.0, msteps=0, clip=None, **settings)(world.model, world.task)
    other = Finetune(**settings)(world.model, world.with_task().task)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


class _Dropping(nn.Module):
    """Like torchvision's layer of that kind: randomness under the name p."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p


@pytest.mark.parametrize(
    "layer, frozen, same",
    [
        (nn.ReLU(), False, True),
        (nn.BatchNorm2d(3), False, False),
        (nn.BatchNorm2d(3), True, True),
        (nn.Dropout(0.2), True, False),
        (nn.Dropout(0.0), True, True),
        (_Dropping(0.1), True, False),
        (nn.InstanceNorm2d(3, track_running_stats=True), False, False),
        (nn.MultiheadAttention(4, 2, dropout=0.1), False, False),
        (nn.MultiheadAttention(4, 2), False, True),
    ],
)
def test_what_tells_train_mode_from_eval_mode(layer: nn.Module, frozen: bool, same: bool) -> None:
    assert same_function(nn.Sequential(nn.Linear(2, 2), nn.Sequential(layer)), frozen=frozen) == same


def test_a_tie_is_broken_by_a_min_pass_that_is_recorded_and_counted(world: Any) -> None:
    Scrub(share=0.2, rate=0.1, msteps=1, bn="frozen_on_forget")(world.model, world.task)
    cost = world.task.meter.cost()
    assert cost.notes == (WARM_UP,)
    assert cost.backward_examples_retain == 3 * 33


def test_batch_statistics_break_the_tie_by_themselves(convolutional_world: Any) -> None:
    world = convolutional_world.with_task()
    Scrub(share=0.2, rate=0.1, msteps=1, bn="train")(world.model, world.task)
    cost = world.task.meter.cost()
    assert cost.notes == ()
    assert cost.backward_examples_retain == 2 * 33


def test_above_the_cap_no_forget_batch_makes_a_step(world: Any) -> None:
    Scrub(share=0.2, msteps=2, rate=1.0, cap=1e-12)(world.model, world.task)
    cost = world.task.meter.cost()
    assert cost.forward_examples_forget == 2 * 2 * 10
    assert cost.backward_examples_forget == 0


def test_the_cap_means_the_same_at_every_temperature(perceptron_world: Any, fresh_model: Any) -> None:
    task, student = perceptron_world.task, fresh_model(perceptron_world)
    (x, y), *_ = Batches(task.examples, task.forget, task.recipe, task.device).plain(100)
    seen, teacher = see(student, x, y), perceptron_world.model.eval()
    plain = float(distillation_loss(teacher(x), seen.logits, 4.0).detach()) / 16 / np.log(3)
    for cap, stepped in ((0.99 * plain, False), (1.01 * plain, True)):
        method = Scrub(rate=1.0, share=0.1, cap=cap, temperature=4.0)
        away = method._losses(frozen_copy(teacher), task, method._steps(student, task, 1))[0]
        assert (away(student, seen) is not None) == stepped


@pytest.mark.parametrize("recipe, own, expected", [(256, None, 64), (16, None, 16), (256, 128, 128)])
def test_the_forget_batch(recipe: int, own: int | None, expected: int, perceptron_world: Any) -> None:
    world = perceptron_world.with_recipe(batch_size=recipe)
    assert Scrub(forget_batch_size=own)._forget_batch_size(world.task) == expected


# SCRUB+R ------------------------------------------------------------------------------------------------------------


def test_the_closest_epoch_is_chosen_the_last_of_equals() -> None:
    assert rewind_to([0.01, 0.05, 0.09, 0.14], 0.08) == 3
    assert rewind_to([0.5], 0.0) == 1
    assert rewind_to([0.25, 0.75, 0.25], 0.5) == 3
    assert rewind_to([0.0, 0.0, 1.0], 0.1) == 2


@pytest.fixture
def forget_errors(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Errors to be reported on the forget set, epoch by epoch; on validation examples the error is 0.08."""
    errors: list[float] = []

    def accuracy(name: str, model: Any, batches: Any, task: Any, role: str) -> float:
        return 1 - (errors.pop(0) if role == "forget" else 0.08)

    monkeypatch.setattr(rewinding, "accuracy", accuracy)
    return errors


def test_rewind_returns_the_chosen_epoch_bit_for_bit(world: Any, forget_errors: list[float]) -> None:
    forget_errors += [0.01, 0.05, 0.09, 0.14]
    settings: dict[str, Any] = {"rate": 1.0, "msteps": 2}
    chosen = Scrub(share=0.4, rewind=True, **settings)(world.model, world.task).state_dict()
    cost = world.task.meter.cost()
    assert cost.stop == "rewind to epoch 3 of 4: forget error 0.0900, reference 0.0800"
    assert [check.after_pass for check in cost.checks] == [1, 2, 3, 4]
    assert [check.forget_accuracy for check in cost.checks] == pytest.approx([0.99, 0.95, 0.91, 0.86])
    assert [check.validation_accuracy for check in cost.checks] == [None, None, None, pytest.approx(0.92)]
    shorter = Scrub(share=0.3, **settings)(world.model, world.with_task().task).state_dict()
    for key in chosen:
        assert torch.equal(chosen[key], shorter[key]), key


def test_the_reference_has_the_forget_sets_classes(perceptron_world: Any) -> None:
    """By hand: the error on each class of the validation examples, weighted by the forget set's shares."""
    world = perceptron_world.with_task()
    task, labels = world.task, world.task.examples.labels
    rewind = Rewind("scrub", task)
    model = frozen_copy(world.model)
    rewind.keep(model)
    rewind.restore(model)
    (x, y), *_ = Batches(task.examples, task.held_out, task.recipe, task.device).plain(100)
    wrong = (model(x).argmax(1) != y).numpy()
    weights = np.array([(labels[task.forget] == c).mean() / (y.numpy() == c).sum() for c in y.tolist()])
    reference = float((weights * wrong).sum())
    assert weights.sum() == pytest.approx(1)
    assert task.meter.cost().checks[0].validation_accuracy == pytest.approx(1 - reference)
    assert f"reference {reference:.4f}" in task.meter.cost().stop


def test_rewind_reads_the_validation_examples_of_the_forget_sets_classes(world: Any, watch: Any) -> None:
    task, labels = world.task, world.task.examples.labels
    forget = task.forget[np.isin(labels[task.forget], (0, 1))]
    matching = task.validation[np.isin(labels[task.validation], (0, 1))]
    assert 0 < len(matching) < len(task.validation)
    expected = {*forget.tolist(), *task.retain.tolist(), *matching.tolist()}
    examples = watch(task.examples, set(range(70)) - expected)
    run = world.with_task(examples=examples, forget=forget)
    Scrub(share=0.2, rate=0.1, msteps=1, rewind=True)(run.model, run.task)
    assert examples.seen == expected
    cost = run.task.meter.cost()
    assert cost.forward_examples_validation == len(matching)
    assert cost.forward_examples_forget == (2 + 2) * len(forget)


def test_rewind_without_validation_examples_is_refused(world: Any) -> None:
    alone = world.with_task(validation=None)
    with pytest.raises(DataError, match="scrub: expected validation examples of the forget set's classes.*got none"):
        Scrub(share=0.2, rewind=True)(alone.model, alone.task)


def test_classes_without_validation_examples_are_recorded(perceptron_world: Any) -> None:
    task = perceptron_world.task
    kept = task.validation[task.examples.labels[task.validation] != 0]
    world = perceptron_world.with_task(validation=kept)
    assert 0 in task.examples.labels[task.forget]
    Scrub(share=0.1, rewind=True)(world.model, world.task)
    (note,) = [note for note in world.task.meter.cost().notes if note.startswith("rewind")]
    assert "no validation example of 1 of the 3 classes" in note


def test_a_cosine_falls_over_the_whole_run(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[float, int]] = []
    rate_at = Optimisation.rate_at

    def recording(self: Optimisation, step: int) -> float:
        asked.append((rate_at(self, step), self.total))
        return rate_at(self, step)

    monkeypatch.setattr(Optimisation, "rate_at", recording)
    Scrub(share=0.4, rate=0.1, msteps=2, schedule="cosine", cap=100.0)(world.model, world.task)
    rates = [rate for rate, _ in asked]
    assert rates == sorted(rates, reverse=True) and rates[0] > 20 * rates[-1]
    assert {total for _, total in asked} == {len(asked)}
