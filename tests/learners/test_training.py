import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vestige.learners.arrays import Indices
from vestige.learners.data.examples import Examples
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.seeds import torch_generator
from vestige.learners.training.architectures import build_classifier
from vestige.learners.training.batches import to_input
from vestige.learners.training.checkpoints import weights_digest
from vestige.learners.training.inference import predict_logits
from vestige.learners.training.recipe import Recipe
from vestige.learners.training.stacked import train_stacked
from vestige.learners.training.train import schedule_factor, train
from vestige.learners.training.train_many import TrainJob, plan_groups, train_many

CPU = torch.device("cpu")


class Guarded(Examples):
    """Refuses to hand out the examples that ``forbidden`` names."""

    forbidden: frozenset[int] = frozenset()

    def read(self, indices: Indices):  # type: ignore[no-untyped-def]
        touched = self.forbidden.intersection(np.asarray(indices).tolist())
        if touched:
            raise AssertionError(f"read {sorted(touched)}")
        return super().read(indices)


def guarded(examples: Examples, forbidden: Indices) -> Guarded:
    view = Guarded(examples.images, examples.labels, examples.class_names, examples.name, examples.test_part)
    object.__setattr__(view, "forbidden", frozenset(forbidden.tolist()))
    return view


def test_training_equals_a_plain_loop(examples: Examples, mlp_recipe: Recipe) -> None:
    indices = np.arange(40)
    trained = train(mlp_recipe, examples, indices, 3, CPU)
    model = build_classifier(mlp_recipe, examples.shape, examples.classes, 3)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    order, step = torch_generator(3, "order"), 0
    for _ in range(3):
        permutation = torch.randperm(40, generator=order)
        for batch in permutation.split(16):
            optimiser.param_groups[0]["lr"] = 0.1 * 0.5 * (1 + math.cos(math.pi * step / 9))
            optimiser.zero_grad()
            x, y = to_input(torch.from_numpy(examples.images[batch])), torch.from_numpy(examples.labels[batch])
            F.cross_entropy(model(x), y).backward()
            optimiser.step()
            step += 1
    for ours, theirs in zip(trained.parameters(), model.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("augmentation", ["none", "crop_flip"])
def test_ln_07_same_seed_same_bytes_other_seed_other_weights(examples: Examples, augmentation: str) -> None:
    recipe = Recipe(architecture="cnn", width=4, epochs=2, batch_size=16, augmentation=augmentation, crop_padding=2)  # type: ignore[arg-type]
    digests = [weights_digest(train(recipe, examples, np.arange(40), seed, CPU)) for seed in (1, 1, 2)]
    assert digests[0] == digests[1] != digests[2]


def test_retrain_never_reads_a_forget_example(examples: Examples, cnn_recipe: Recipe) -> None:
    forget, retain = np.arange(10), np.arange(10, 60)
    clean = weights_digest(train(cnn_recipe, guarded(examples, forget), retain, 1, CPU))
    images, labels = examples.images.copy(), examples.labels.copy()
    images[forget], labels[forget] = 255 - images[forget], (labels[forget] + 1) % 3
    changed = replace(examples, images=images, labels=labels)
    assert clean == weights_digest(train(cnn_recipe, changed, retain, 1, CPU))


def test_ln_05_outside_pixels_leave_every_weight_alone(examples: Examples, cnn_recipe: Recipe) -> None:
    outside = examples.images.copy()
    outside[30:] = 0
    jobs = [TrainJob(cnn_recipe, np.arange(30), 7)]
    (a,), (b,) = (list(train_many(data, jobs, CPU)) for data in (examples, replace(examples, images=outside)))
    assert weights_digest(a[1]) == weights_digest(b[1])


@pytest.mark.parametrize("architecture", ["mlp", "cnn"])
def test_ln_04_stacked_equals_the_loop_after_three_steps(examples: Examples, architecture: str) -> None:
    recipe = Recipe(architecture=architecture, width=8, epochs=1, batch_size=16, learning_rate=0.1)
    sets = [np.arange(k, k + 48) for k in range(3)]
    stacked = train_stacked(recipe, examples, sets, [4, 5, 6], CPU)
    for position, model in enumerate(stacked):
        alone = train(recipe, examples, sets[position], 4 + position, CPU)
        for (name, ours), theirs in zip(model.state_dict().items(), alone.state_dict().values(), strict=True):
            if name.endswith("num_batches_tracked"):
                assert ours == theirs == 3
            assert torch.allclose(ours.float(), theirs.float(), atol=2e-5), name


def test_stacked_refuses_unequal_sizes(examples: Examples, mlp_recipe: Recipe) -> None:
    with pytest.raises(ConfigError, match=r"one size, got sizes \[10, 12\]"):
        train_stacked(mlp_recipe, examples, [np.arange(10), np.arange(12)], [0, 1], CPU)


@pytest.mark.slow
def test_processes_and_stack_give_a_model_the_same_weights(examples: Examples) -> None:
    recipe = Recipe(architecture="cnn", width=4, epochs=1, batch_size=16)
    jobs = [TrainJob(recipe, np.arange(k, k + 32), k) for k in range(2)]
    apart = dict(train_many(examples, jobs, CPU, strategy="processes", workers=2))
    alone = [train(recipe, examples, job.indices, job.seed, CPU) for job in jobs]
    together = dict(train_many(examples, jobs, CPU, strategy="stacked"))
    for position in (0, 1):
        assert weights_digest(apart[position]) == weights_digest(alone[position])
        for ours, theirs in zip(together[position].parameters(), alone[position].parameters(), strict=True):
            assert torch.allclose(ours, theirs, atol=2e-5)


def test_the_plan_depends_on_the_jobs_alone(mlp_recipe: Recipe, cnn_recipe: Recipe) -> None:
    jobs = [TrainJob(mlp_recipe, np.arange(n), seed) for seed, n in enumerate([30, 20, 20, 30])]
    assert plan_groups(jobs) == [[0, 3], [1, 2]]
    assert plan_groups(jobs, "processes") == [[0], [1], [2], [3]]
    assert plan_groups([replace(job, recipe=cnn_recipe) for job in jobs]) == [[0], [1], [2], [3]]


def test_schedule_rises_and_falls() -> None:
    factors = [schedule_factor("cosine", 0.2, step, 10) for step in range(10)]
    assert factors[:2] == pytest.approx([1 / 3, 2 / 3]) and factors[2] == 1
    assert all(a > b for a, b in zip(factors[2:], factors[3:], strict=False)) and factors[-1] < 0.05
    assert [schedule_factor("constant", 0.0, step, 4) for step in range(4)] == [1] * 4


def test_divergence_is_refused_with_advice(examples: Examples) -> None:
    recipe = Recipe(architecture="mlp", width=8, epochs=20, batch_size=16, learning_rate=100, weight_decay=1)
    with pytest.raises(DataError, match="training diverged.*lower recipe.learning_rate"):
        train(recipe, examples, np.arange(60), 0, CPU)


def test_sig_19_logits_do_not_depend_on_the_batch(pictures: Examples, cnn_recipe: Recipe) -> None:
    model = train(cnn_recipe, pictures, np.arange(40), 0, CPU)
    for module in (model, model.train()):
        together = predict_logits(module, pictures, np.arange(50), CPU)
        alone = np.concatenate([predict_logits(module, pictures, np.array([i]), CPU) for i in range(50)])
        assert np.allclose(together, alone, atol=1e-6)
    assert model.training  # P1: the caller's mode is restored, and scoring was in eval mode all the same


def test_bfloat16_trains_with_float32_weights(examples: Examples) -> None:
    recipe = Recipe(architecture="mlp", width=16, epochs=2, batch_size=16, precision="bfloat16")
    model = train(recipe, examples, np.arange(60), 0, CPU)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
