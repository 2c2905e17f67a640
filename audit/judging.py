"""One candidate judged, with all that the report says about it."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from attacks import SIGNALS, Outputs
from audit._exchangeable_nouns import Declared
from audit._making import MadeModel
from audit._nouns import Controls
from audit._plan_nouns import PlanRecord
from audit._records import cost_record, null_self_test
from audit._shadow_nouns import ShadowTables
from audit.controls import run_controls
from audit.evidence import gather
from audit.hygiene import outputs_hygiene
from audit.policy import Policy
from audit.preconditions import identify
from audit.report import Audit, Method
from audit.verdict import decide
from learners import Recipe


def judge(
    outputs: Outputs,
    policy: Policy,
    *,
    name: str,
    seed: int,
    made: MadeModel | None = None,
    retained: int = 0,
    signals: Collection[str] = tuple(SIGNALS),
    controls: Controls | None = None,
    plan: PlanRecord | None = None,
    declared: Declared | None = None,
    shadows: ShadowTables | None = None,
) -> Audit:
    """Evidence, verdict and controls of the candidate of ``outputs``.

    seed: of the self-test. made: the candidate's checkpoint, where there is one; retained: number of examples that a
    retrain is trained on, to which its cost is compared. signals: of the report-only attacks. controls: of all the
    retrains, where they are known already; they are run where not, or where the candidate is one of the retrains.
    declared, shadows: see ``gather``.
    """
    identity = identify(outputs)
    if controls is None or identity.dropped:
        controls = run_controls(outputs, policy, shadows)
    evidence = gather(outputs, policy, candidate_name=name, controls=controls, declared=declared, shadows=shadows)
    evidence = replace(evidence, plan=plan)
    shared = {field: getattr(evidence, field) for field in Audit.__dataclass_fields__ if hasattr(evidence, field)}
    audit = Audit(**shared, verdict=decide(evidence, policy), self_test=null_self_test(outputs, seed=seed))
    control = made is not None and made.header.method == "no_op"
    problem = evidence.reference.problem
    audit = replace(
        audit,
        attacks=tuple(result for result in evidence.attacks if result.signal in signals),
        hygiene=outputs_hygiene(outputs, identity, problem, seed=policy.calibration_seed, control=control),
    )
    if made is None:
        return audit
    header = made.header
    flops = retrain_flops(header.recipe, retained, made.forward_flops)
    return replace(
        audit,
        weights=made.weights,
        method=None if header.method is None else Method(header.method, dict(_flat(header.parameters or {}))),
        cost=None if header.cost is None else cost_record(header.cost, flops),
    )


def retrain_flops(recipe: Recipe, retained: int, forward_flops: int) -> int:
    """What one retrain on so many examples costs: a forward pass and a backward pass, twice as dear, each epoch."""
    return 3 * recipe.epochs * retained * forward_flops


def _flat(parameters: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Nested hyper-parameters by dotted names; a list as its JSON text, which a report can show."""
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", json.dumps(value) if isinstance(value, list | tuple) else value
