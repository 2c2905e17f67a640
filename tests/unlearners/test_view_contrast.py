"""CoUn's contrastive module: its loss by hand, its views, and what it leaves alone in its hosts."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from vestige.learners.errors import ConfigError
from vestige.unlearners.core.registry import create, get, names
from vestige.unlearners.finetune import Finetune
from vestige.unlearners.neggrad_plus import NegGradPlus
from vestige.unlearners.shared.losses import retain_loss, view_contrastive_loss
from vestige.unlearners.shared.pool import Pool
from vestige.unlearners.shared.retain_phase import ContrastHost
from vestige.unlearners.shared.steps import one_pass
from vestige.unlearners.shared.view_contrast import ViewContrast, contrast_pass

FIRST, SECOND = torch.tensor([[2.0, 0.0], [0.0, 3.0]]), torch.tensor([[4.0, 3.0], [0.0, 5.0]])
HOSTS = [name for name in names() if issubclass(get(name), ContrastHost)]

every_host = pytest.mark.parametrize("name", HOSTS)


def same(one: Any, other: Any) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def some_views(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(6, 4, generator=generator), torch.randn(6, 4, generator=generator)


def test_the_loss_of_the_worked_example() -> None:
    assert float(view_contrastive_loss(FIRST, SECOND, 0.5)) == pytest.approx(0.597472, abs=1e-6)
    assert float(view_contrastive_loss(FIRST, SECOND, 0.1)) == pytest.approx(0.072729, abs=1e-6)


def test_the_loss_is_the_formula_term_by_term() -> None:
    one, other = (view.double().numpy() for view in some_views(1))
    cosine = (one @ other.T) / np.outer(np.linalg.norm(one, axis=1), np.linalg.norm(other, axis=1))
    power = np.exp(cosine / 0.3)
    rows = [-np.log(power[n, n] / power[n, :].sum()) for n in range(6)]
    columns = [-np.log(power[n, n] / power[:, n].sum()) for n in range(6)]
    expected = np.mean(rows) + np.mean(columns)
    assert float(view_contrastive_loss(*some_views(1), 0.3)) == pytest.approx(expected, rel=1e-5)


def test_lengths_and_the_order_of_the_batch_do_not_matter() -> None:
    one, other = some_views(2)
    usual = view_contrastive_loss(one, other, 0.2)
    lengths = torch.tensor([0.1, 1.0, 3.0, 7.0, 20.0, 0.5])[:, None]
    torch.testing.assert_close(view_contrastive_loss(one * lengths, other, 0.2), usual)
    torch.testing.assert_close(view_contrastive_loss(one, other * lengths, 0.2), usual)
    order = torch.tensor([3, 0, 5, 1, 2, 4])
    torch.testing.assert_close(view_contrastive_loss(one[order], other[order], 0.2), usual)
    torch.testing.assert_close(view_contrastive_loss(other, one, 0.2), usual)


def test_its_extremes() -> None:
    assert float(view_contrastive_loss(torch.eye(5), torch.eye(5), 0.05)) < 1e-6
    alike = torch.ones(5, 3)
    assert float(view_contrastive_loss(alike, alike, 0.1)) == pytest.approx(2 * np.log(5), rel=1e-6)
    assert float(view_contrastive_loss(FIRST[:1], SECOND[:1], 0.1)) == 0


def test_gradients_reach_both_views() -> None:
    one, other = (view.requires_grad_() for view in some_views(3))
    for gradient in torch.autograd.grad(view_contrastive_loss(one, other, 0.2), [one, other]):
        assert float(gradient.abs().sum(1).min()) > 0


@every_host
def test_a_weight_of_zero_leaves_the_host_as_it_is(name: str, world: Any) -> None:
    world = world.suited(name)
    settings: dict[str, Any] = {"share": 0.2, "rate": 0.1}
    without = create(name, settings)(world.model, world.task)
    other_task = world.with_task().task
    assert same(without, create(name, {**settings, "contrastive": {"weight": 0.0}})(world.model, other_task))
    assert other_task.meter.cost().image_passes == world.task.meter.cost().image_passes


@every_host
def test_the_module_costs_a_forward_and_a_backward_pass_for_each_retain_image(name: str, world: Any) -> None:
    world = world.suited(name)
    plain, carrying = world.task, world.with_task().task
    settings: dict[str, Any] = {"share": 0.2, "rate": 1e-6}
    one = create(name, settings)(world.model, plain)
    assert not same(one, create(name, {**settings, "contrastive": {}})(world.model, carrying))
    before, after = plain.meter.cost(), carrying.meter.cost()
    trained_on = before.backward_examples_retain  # in some hosts more than one pass an epoch
    assert trained_on >= 2 * len(plain.retain)
    assert after.forward_examples_retain == before.forward_examples_retain + trained_on
    assert after.backward_examples_retain == 2 * trained_on
    assert after.forward_examples_forget == before.forward_examples_forget


def test_the_step_goes_down_the_hosts_loss_plus_the_weighted_term(perceptron_world: Any, fresh_model: Any) -> None:
    world = perceptron_world.with_recipe(weight_decay=0.0, batch_size=64)
    task, model = world.task, fresh_model(world)
    contrast = ViewContrast(weight=0.7, temperature=0.4, noise=0.3)
    settings: dict[str, Any] = {"rate": 1.0, "share": 0.1, "schedule": "constant", "momentum": 0.0}
    candidate = Finetune(contrastive=contrast, **settings)(model, task)
    pool = Pool(task, "retain")
    ((x, other, y),) = pool.pairs(64)
    x, other = (one + 0.3 * torch.randn(one.shape, generator=pool.noise) for one in (x, other))
    term = view_contrastive_loss(model.represent(x), model.represent(other), 0.4)
    loss = retain_loss(model(x), y, task.recipe) + 0.7 * term
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    for before, after, gradient in zip(model.parameters(), candidate.parameters(), gradients, strict=True):
        torch.testing.assert_close(after, before - 0.05 * gradient, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("weight", [0.0, 1.0])
@pytest.mark.parametrize("bn, expected", [("train", 1), ("frozen_on_forget", 1), ("frozen", 0)])
def test_the_second_view_follows_the_policy_of_normalisation(
    bn: Any, expected: int, weight: float, convolutional_world: Any
) -> None:
    """Also where the host's loss runs the network itself, on forget images."""
    world = convolutional_world.with_task()
    contrast = ViewContrast(weight=weight)
    candidate = NegGradPlus(share=0.1, bn=bn, contrastive=contrast)(world.model, world.task)
    counted = candidate.body[1].num_batches_tracked - world.model.body[1].num_batches_tracked
    forget = 2 if bn == "train" else 0
    assert int(counted) == forget + expected * 2 * (2 if weight else 1)


def test_labels_do_not_enter_the_term(perceptron_world: Any, fresh_model: Any) -> None:
    def moved(task: Any) -> Any:
        model = fresh_model(perceptron_world)
        method = Finetune(rate=1.0, share=0.1, contrastive=ViewContrast())
        steps = method._steps(model, task, 3)
        flat = lambda network, seen: seen.logits.sum() * 0  # noqa: E731
        options: dict[str, Any] = {"batch_size": 16, "frozen": False, "loss": flat}
        contrast_pass(model, task, steps, Pool(task, "retain"), ViewContrast(), **options)
        return model

    task = perceptron_world.with_task().task
    labels = np.random.default_rng(1).permutation(task.examples.labels)
    other = replace(task, examples=replace(task.examples, labels=labels))
    one = moved(task)
    assert same(one, moved(other))
    assert not same(one, fresh_model(perceptron_world))


def test_a_batch_without_a_loss_is_left_without_a_step(perceptron_world: Any, fresh_model: Any) -> None:
    task, model = perceptron_world.with_task().task, fresh_model(perceptron_world)
    steps = Finetune(rate=1.0, share=0.1)._steps(model, task, 3)
    options: dict[str, Any] = {"batch_size": 16, "frozen": False, "loss": lambda network, seen: None}
    one_pass(model, task, steps, Pool(task, "retain"), **options)
    contrast_pass(model, task, steps, Pool(task, "retain"), ViewContrast(), **options)
    assert same(model, fresh_model(perceptron_world))
    cost = task.meter.cost()
    assert (cost.forward_examples_retain, cost.backward_examples_retain) == (3 * 33, 0)


def test_how_views_are_made(world: Any) -> None:
    augmenting = world.task.recipe.augmentation != "none"
    assert ViewContrast().noisy("coun", world.task) is not augmenting
    assert ViewContrast(views="noise").noisy("coun", world.task)
    if augmenting:
        assert not ViewContrast(views="recipe").noisy("coun", world.task)


def test_two_equal_views_are_refused(perceptron_world: Any) -> None:
    world = perceptron_world.with_task()
    with pytest.raises(ConfigError, match="^finetune: expected views = 'noise' for a recipe without .*, got 'recipe'"):
        Finetune(contrastive=ViewContrast(views="recipe"))(world.model, world.task)
    Finetune(contrastive=ViewContrast(views="recipe", weight=0.0))(world.model, world.task)


def test_a_number_in_place_of_the_table_is_refused_in_words_of_a_file() -> None:
    with pytest.raises(ConfigError, match=r"^finetune.contrastive: expected a table of keys and values, got 3"):
        create("finetune", {"contrastive": 3})


@every_host
def test_the_table_of_an_audit_file_stands_for_the_module(name: str) -> None:
    method = create(name, {"contrastive": {"weight": 0.5, "views": "noise"}})
    assert isinstance(method, ContrastHost)
    assert method.contrastive == ViewContrast(weight=0.5, views="noise")
    assert create(name, method.settings()) == method


def test_a_key_that_does_not_exist_is_refused_with_the_keys_of_its_table() -> None:
    with pytest.raises(ConfigError) as nested:
        create("finetune", {"contrastive": {"wieght": 1.0}})
    keys = "weight, temperature, views, noise"
    assert str(nested.value).startswith(
        f"finetune.contrastive.wieght: expected one of the keys {keys}, got an unknown key"
    )
    with pytest.raises(ConfigError, match="^finetune.lr: expected one of the keys rate, share, .*, contrastive, got"):
        create("finetune", {"lr": 1.0})


@pytest.mark.parametrize(
    "table, message",
    [
        ({"weight": -1.0}, "finetune.contrastive.weight: expected greater than or equal to 0, got -1.0"),
        ({"weight": "1"}, "finetune.contrastive.weight: expected a valid number, got '1'"),
        ({"temperature": 0.0}, "finetune.contrastive.temperature: expected greater than 0, got 0.0"),
        ({"views": "mirror"}, "finetune.contrastive.views: expected 'recipe' or 'noise', got 'mirror'"),
    ],
)
def test_a_value_out_of_range_is_refused_under_its_path(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        create("finetune", {"contrastive": table})
    assert message in str(refused.value)
