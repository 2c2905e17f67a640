"""CoUn is fine-tuning with the contrastive module."""

from typing import Any

import pytest
import torch

from vestige.unlearners.core.cost import Cost
from vestige.unlearners.coun import CoUn
from vestige.unlearners.finetune import Finetune
from vestige.unlearners.shared.view_contrast import ViewContrast


def same(one: Any, other: Any) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize(
    "module",
    [
        {"weight": 0.5},
        {"weight": 2.0, "temperature": 0.3},
        {"weight": 1.0, "views": "noise", "noise": 0.5},
    ],
)
def test_it_equals_finetune_with_the_module(module: dict[str, Any], world: Any) -> None:
    settings: dict[str, Any] = {"rate": 0.5, "share": 0.4}
    one = CoUn(**module, **settings)(world.model, world.task)
    other_task = world.with_task().task
    assert same(one, Finetune(contrastive=ViewContrast(**module), **settings)(world.model, other_task))
    assert counts(world.task.meter.cost()) == counts(other_task.meter.cost())
    assert not same(one, Finetune(**settings)(world.model, world.with_task().task))


def counts(cost: Cost) -> tuple[int, int]:
    return cost.image_passes, cost.flops


def test_a_weight_of_zero_is_finetune_at_its_cost(world: Any) -> None:
    settings: dict[str, Any] = {"rate": 0.5, "share": 0.4}
    one = CoUn(weight=0.0, **settings)(world.model, world.task)
    assert same(one, Finetune(**settings)(world.model, world.with_task().task))
    assert world.task.meter.cost().image_passes == 4 * 33 * 3


def test_its_options_reach_the_module(world: Any) -> None:
    def candidate(**options: Any) -> Any:
        return CoUn(rate=0.5, share=0.2, **options)(world.model, world.with_task().task)

    usual = candidate(weight=1.0)
    for options in ({"weight": 2.0}, {"temperature": 0.2}, {"views": "noise", "noise": 0.3}):
        assert not same(usual, candidate(**{"weight": 1.0, **options}))


def test_both_views_enter_the_running_statistics(convolutional_world: Any) -> None:
    world = convolutional_world.with_task()
    candidate = CoUn(share=0.1)(world.model, world.task)
    assert int(candidate.body[1].num_batches_tracked - world.model.body[1].num_batches_tracked) == 2 * 2


def test_a_default_weight_fits_the_size(world: Any) -> None:
    expected = 0.1 if world.task.recipe.architecture == "mlp" else 0.5
    assert CoUn().resolve(world.model, world.task).weight == expected
