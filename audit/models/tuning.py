"""A small, seeded search of hyper-parameters that is blind: it reads neither a retrain nor an example that is audited
as unseen. What it aims at, and why, stands in ``tuning_objective``."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

from pydantic_core import to_jsonable_python

from vestige.audit.models.tuning_objective import Objective, TrialScore, best
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.seeds import derive_seed, numpy_generator
from vestige.learners.training.architectures import Classifier
from vestige.unlearners.core import registry
from vestige.unlearners.core.cost import Cost, CostMeter
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import Unlearner

TRIALS = 8
OBJECTIVE = {
    "sample": (
        "max(|AUC(phi, forget against validation) - 1/2|, |forget accuracy - validation accuracy| / 2)"
        " + max(0, loss of validation accuracy - tolerance)"
    ),
    "class": "accuracy on the forget set + max(0, loss of validation accuracy - tolerance)",
}


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One combination: what was tried for the searched hyper-parameters, all that were used, the cost; refused: the
    sentence that stands in the place of a measurement when the method could not run so."""

    tried: Mapping[str, Any]
    parameters: Mapping[str, Any] | None = None
    measured: TrialScore | None = None
    cost: Cost | None = None
    refused: str | None = None


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """A finished search.

    objective: of which the smallest is wanted. seed: of all trials. tolerance: loss of accuracy that is free.
    validation_rule, validation_score: sizes of the two halves. original_accuracy: on the second. given: the
    hyper-parameters that were fixed. space: what was drawn from. chosen: place of the trial that won.
    """

    method: str
    objective: str
    seed: int
    tolerance: float
    validation_rule: int
    validation_score: int
    original_accuracy: float
    given: Mapping[str, Any]
    space: Mapping[str, tuple[Any, ...]]
    chosen: int
    trials: tuple[Trial, ...]

    @property
    def parameters(self) -> dict[str, Any]:
        """The hyper-parameters to run with: those given and those that won."""
        return {**self.given, **self.trials[self.chosen].tried}

    @property
    def flops(self) -> int:
        """Of all trials that ran."""
        return sum(trial.cost.flops for trial in self.trials if trial.cost is not None)

    def record(self) -> dict[str, Any]:
        """The whole search as values that JSON can hold."""
        plain: dict[str, Any] = to_jsonable_python(asdict(self))
        return plain


def tune(
    name: str,
    given: Mapping[str, Any],
    model: Classifier,
    task: Task,
    *,
    trials: int = TRIALS,
    tolerance: float,
    progress: Callable[[int, int], None] | None = None,
) -> Tuning:
    """Search the hyper-parameters of method ``name`` that are not ``given``, to forget ``task`` from ``model``.

    trials: runs: the defaults first, then distinct samples from the method's ``search``, or all of it where it holds no
    more. tolerance: loss of validation accuracy, a fraction. Everything follows from ``task.seed``; the trials share a
    seed derived from it, which no run that is reported has. Raises ConfigError for a method with nothing to search,
    DataError without validation examples and when every trial was refused.
    """
    method = registry.create(name, given).resolve(model, task)
    space = search_space(method, given)
    draws = _draws(method, space, trials, task.seed)
    scale = Objective.of(model, task, tolerance)
    seed, total = derive_seed(task.seed, "tuning"), 100 * len(draws)
    done: list[Trial] = []

    def within(part: int, whole: int) -> None:
        if progress is not None:
            progress(100 * len(done) + 100 * part // max(1, whole), total)

    for tried in draws:
        trial_task = replace(task, validation=scale.rule, seed=seed, meter=CostMeter(), progress=within)
        done.append(_run(name, given, tried, model, trial_task, scale))
        within(0, 1)
    if all(trial.measured is None for trial in done):
        raise DataError(f"tuning: expected a trial that runs, got {len(done)} that were refused ({done[0].refused})")
    return Tuning(
        method=name,
        objective=OBJECTIVE["class" if task.setting == "class" else "sample"],
        seed=seed,
        tolerance=tolerance,
        validation_rule=len(scale.rule),
        validation_score=len(scale.judged),
        original_accuracy=scale.original_accuracy,
        given=given,
        space=space,
        chosen=best([(trial.measured, trial.cost.flops) if trial.measured and trial.cost else None for trial in done]),
        trials=tuple(done),
    )


def search_space(method: Unlearner, given: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """What a search of this method, resolved, draws from, by hyper-parameter: those given are left alone, values out of
    range left out. Raises ConfigError when nothing is left."""
    name = method.entry.name
    if not method.search:
        raise ConfigError(f"{name}: expected a method with hyper-parameters to search, got none; run without --tune")
    space: dict[str, tuple[Any, ...]] = {}
    for key, grid in method.search.items():
        values = [] if key in given else grid.around(getattr(method, key))
        allowed = tuple(value for value in values if _allowed(name, {**given, key: value}))
        if allowed:
            space[key] = allowed
    if not space:
        raise ConfigError(
            f"{name}: expected one of {', '.join(method.search)} to be left to search, got a value for each; "
            "give fewer of them, or run without --tune"
        )
    return space


def _allowed(name: str, parameters: Mapping[str, Any]) -> bool:
    try:
        registry.create(name, parameters)
    except ConfigError:
        return False
    return True


def _draws(method: Unlearner, space: Mapping[str, tuple[Any, ...]], trials: int, seed: int) -> list[dict[str, Any]]:
    """The defaults, then other combinations in an order drawn from the seed."""
    default = {key: getattr(method, key) for key in space}
    others = [dict(zip(space, values, strict=True)) for values in product(*space.values())]
    others = [other for other in others if other != default]
    order = numpy_generator(seed, "tuning", "draws").permutation(len(others))
    return [default, *(others[place] for place in order[: trials - 1])]


def _run(
    name: str, given: Mapping[str, Any], tried: Mapping[str, Any], model: Classifier, task: Task, scale: Objective
) -> Trial:
    try:
        method = registry.create(name, {**given, **tried})
        measured = scale.measure(method(model, task), task)
    except (ConfigError, DataError) as error:
        return Trial(tried=tried, refused=str(error))
    return Trial(
        tried=tried, parameters=method.resolve(model, task).settings(), measured=measured, cost=task.meter.cost()
    )
