"""What models cost, in floating-point operations."""

from collections.abc import Mapping
from typing import Any

from vestige.audit.results.report import Cost
from vestige.learners.training.recipe import Recipe


def retrain_flops(recipe: Recipe, retained: int, forward_flops: int) -> int:
    """What one retrain on so many examples costs: a forward pass and a backward pass, twice as dear, each epoch."""
    return 3 * recipe.epochs * retained * forward_flops


def cost_record(cost: Mapping[str, Any], retrain_flops: int) -> Cost:
    """The cost of an unlearning run, as a share of one retrain's FLOPs."""
    share = cost["flops"] / retrain_flops if retrain_flops else None
    known = {name: cost[name] for name in Cost.__dataclass_fields__ if name in cost}
    return Cost(**known, share_of_retrain=share)
