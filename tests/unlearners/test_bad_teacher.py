"""Bad teaching: who teaches whom, the drawn part of the retain set, and ZRF."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from vestige.learners.seeds import derive_seed
from vestige.learners.training.architectures import build_classifier
from vestige.learners.training.batches import Batches
from vestige.unlearners import bad_teacher as module
from vestige.unlearners.bad_teacher import BadTeacher, Teachers, retain_subset, zero_retrain_forgetting
from vestige.unlearners.shared.losses import distillation_loss
from vestige.unlearners.shared.steps import frozen_copy


def images(world: Any, indices: Any) -> torch.Tensor:
    task = world.task
    (x, _), *_ = Batches(task.examples, indices, task.recipe, task.device, augment=False).plain(100)
    return x


@pytest.fixture
def teachers(monkeypatch: pytest.MonkeyPatch) -> list[Teachers]:
    """The teachers of every run."""
    made: list[Teachers] = []

    class Remembered(Teachers):
        def __new__(cls, good: Any, bad: Any) -> Any:
            made.append(super().__new__(cls, good, bad))
            return made[-1]

    monkeypatch.setattr(module, "Teachers", Remembered)
    return made


def test_each_image_is_taught_by_one_teacher(world: Any, fresh_model: Any) -> None:
    both = Teachers(good=frozen_copy(world.model), bad=frozen_copy(fresh_model(world)))
    x, forget = images(world, world.task.retain[:5]), torch.tensor([True, False, False, True, False])
    taught = both.logits(x, forget)
    torch.testing.assert_close(taught[forget], both.bad(x)[forget])
    torch.testing.assert_close(taught[~forget], both.good(x)[~forget])
    for whole in (torch.zeros(5, dtype=torch.bool), torch.ones(5, dtype=torch.bool)):
        assert torch.isfinite(both.logits(x, whole)).all()


def test_without_forget_examples_there_is_nothing_to_learn_at_the_start(world: Any, fresh_model: Any) -> None:
    both = Teachers(good=frozen_copy(world.model), bad=frozen_copy(fresh_model(world)))
    x, model = images(world, world.task.retain), world.model.eval()

    def learn(forget: torch.Tensor) -> tuple[float, float]:
        loss = distillation_loss(both.logits(x, forget), model(x))
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        return float(loss.detach()), max(float(gradient.abs().max()) for gradient in gradients)

    loss, gradient = learn(torch.zeros(len(x), dtype=torch.bool))
    assert abs(loss) < 1e-6 and gradient < 1e-6
    loss, gradient = learn(torch.ones(len(x), dtype=torch.bool))
    assert loss > 0.01 and gradient > 1e-3


def test_the_teachers_stay_as_they_are(world: Any, teachers: list[Teachers]) -> None:
    BadTeacher(share=0.3, learning_rate=1e-2)(world.model, world.task)
    recipe, shape = world.task.recipe, world.task.examples.shape
    untrained = build_classifier(recipe, shape, 3, derive_seed(world.task.seed, "incompetent teacher"))
    (run,) = teachers
    for teacher, expected in ((run.good, world.model), (run.bad, untrained)):
        assert not teacher.training
        for key, tensor in expected.state_dict().items():
            assert torch.equal(tensor, teacher.state_dict()[key]), key


def test_the_retain_subset_is_a_floor_and_depends_on_the_seed(perceptron_world: Any) -> None:
    task = perceptron_world.task
    chosen = retain_subset(task, 0.3)
    assert len(chosen) == math.floor(0.3 * 33) == 9
    assert len(np.unique(chosen)) == 9 and np.isin(chosen, task.retain).all()
    assert np.array_equal(chosen, retain_subset(task, 0.3))
    assert not np.array_equal(chosen, retain_subset(perceptron_world.with_task(seed=8).task, 0.3))
    assert np.array_equal(retain_subset(task, 1.0), task.retain)
    assert len(retain_subset(task, 0.0)) == 0


def test_the_same_retain_images_are_read_in_every_epoch(world: Any, watch: Any) -> None:
    chosen = retain_subset(world.task, 0.3)
    expected = set(chosen.tolist()) | set(world.task.forget.tolist())
    examples = watch(world.task.examples, set(range(70)) - expected)
    run = world.with_task(examples=examples)
    BadTeacher(share=0.3, retain_share=0.3)(run.model, run.task)
    assert examples.seen == expected
    cost = run.task.meter.cost()
    assert cost.forward_examples_retain == 3 * 9 * 2 and cost.backward_examples_retain == 3 * 9
    assert cost.image_passes == 3 * (10 + 9) * 4


def test_a_small_network_uses_the_whole_retain_set_and_a_large_one_the_published_part(perceptron_world: Any) -> None:
    resolved = BadTeacher().resolve(perceptron_world.model, perceptron_world.task)
    assert resolved.retain_share == 1.0
    assert BadTeacher.by_size["retain_share"].at("l", 50_000) == 0.3


def test_the_student_approaches_the_bad_teacher_on_the_forget_set(
    perceptron_world: Any, teachers: list[Teachers]
) -> None:
    world = perceptron_world.with_task()
    candidate = BadTeacher(share=5.0, learning_rate=1e-2, retain_share=0.0)(world.model, world.task)
    x = images(world, world.task.forget)
    with torch.no_grad():
        before, after, bad = (model(x).numpy() for model in (world.model, candidate, teachers[0].bad))
    assert zero_retrain_forgetting(after, bad) > 0.99 > zero_retrain_forgetting(before, bad)


def test_zrf_is_one_for_a_model_against_itself() -> None:
    logits = np.random.default_rng(1).normal(0, 5, (20, 4))
    assert zero_retrain_forgetting(logits, logits) == pytest.approx(1, abs=1e-12)
    assert zero_retrain_forgetting(logits, logits + 7) == pytest.approx(1, abs=1e-12)


def test_zrf_of_worked_examples() -> None:
    sure = np.array([[500.0, 0.0], [500.0, 0.0]])
    assert zero_retrain_forgetting(sure, sure[:, ::-1]) == pytest.approx(0, abs=1e-12)
    one, half = np.array([[500.0, 0.0]]), np.zeros((1, 2))
    # against a coin, a certainty is 3/4 log2(4/3) + ... = 1.5 - 0.75 log2(3) bits away
    assert zero_retrain_forgetting(one, half) == pytest.approx(1 - (1.5 - 0.75 * math.log2(3)), abs=1e-12)
    assert zero_retrain_forgetting(half, one) == pytest.approx(zero_retrain_forgetting(one, half), abs=1e-12)
    mixed = zero_retrain_forgetting(np.vstack([one, one]), np.vstack([half, one]))
    assert mixed == pytest.approx((zero_retrain_forgetting(one, half) + 1) / 2, abs=1e-12)


def test_a_share_that_draws_no_retain_image_is_recorded(world: Any) -> None:
    few = world.with_task(retain=world.task.retain[:3])
    BadTeacher(share=0.1, retain_share=0.3)(few.model, few.task)
    cost = few.task.meter.cost()
    assert cost.forward_examples_retain == 0
    assert any(note.startswith("no retain image was drawn") for note in cost.notes)
