"""Every attack that the evidence allows on one candidate, side by side: areas, operating points, paired differences."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.arrays import NotEstimable
from vestige.attacks.registry.attack import Attack
from vestige.attacks.registry.attacks import ATTACKS
from vestige.attacks.registry.entries import Scored
from vestige.attacks.registry.inputs import AttackInputs
from vestige.attacks.registry.numbers import NUMBERS, Answered
from vestige.attacks.shadows.bank import ShadowBank
from vestige.attacks.signals.signals import SIGNALS
from vestige.audit.results.attacks import AttackRow, AttackTable, NumberResult
from vestige.audit.studies.attacks.measure import Audited, People, measure
from vestige.learners.arrays import Labels, Logits, Mask
from vestige.learners.errors import ConfigError

BASELINE = ("threshold", "logit")
"""What every attack is compared with by default: a cut on phi, which needs nothing but the model."""


def attack_all(
    inputs: AttackInputs,
    forget: Mask,
    *,
    candidates: Sequence[str],
    signals: Sequence[str],
    unlearned: Mapping[str, ShadowBank] = MappingProxyType({}),
    people: People | None = None,
    against: tuple[str, str] = BASELINE,
    problems: Sequence[str] = (),
) -> list[AttackTable]:
    """Make every attack that the inputs allows, on each candidate; a table for each.

    inputs: whose ``others`` are the candidates in order and then, where there is one, the original. forget: bool
    ``[n]``, the members; all else is unseen. Judged are forget examples against unseen ones that calibrate nothing.
    signals: of the attacks that read any; attacks against shadows read the bank's. unlearned: what a candidate's method
    made of the shadows. people: to whom each example belongs, ``[n]``, or None. against: attack and signal that all
    others are compared with. An attack that cannot be estimated stands in ``absent`` with its sentence; ConfigError
    where that is the one to compare with."""
    results: dict[str, list[AttackRow]] = {name: [] for name in candidates}
    absent: dict[str, dict[str, str]] = {name: {} for name in candidates}
    audited = Audited(inputs, forget, candidates, people)
    baselines = _baselines(against, inputs, candidates, unlearned)
    for name, attack in ATTACKS.items():
        for signal in signals_of(attack, signals, against):
            for group, given in _groups(attack, inputs, candidates, unlearned):
                scored = _scored(attack, given, signal) if attack.possible(given) else NotEstimable(attack.needs)
                for candidate in group:
                    baseline = None if (name, signal) == against else baselines[candidate]
                    row = measure((name, signal), scored, baseline, audited, candidate)
                    if isinstance(row, str):
                        absent[candidate][name] = row
                    else:
                        results[candidate].append(row)
    return [AttackTable(name, against, tuple(results[name]), (), absent[name], tuple(problems)) for name in candidates]


def comparison(name: str, signal: str | None = None) -> tuple[str, str]:
    """The attack and signal that others are to be compared with; ConfigError for one that is none."""
    if name not in ATTACKS:
        raise ConfigError(f"against: expected one of {', '.join(ATTACKS)}, got {name!r}; see vestige attacks")
    reads = ATTACKS[name].signal
    if reads != "any":
        if signal is not None and signal != reads:
            raise ConfigError(f"against: {name} reads {reads}, got {signal!r}; leave it out")
        return name, reads
    if signal is not None and signal not in SIGNALS:
        raise ConfigError(f"against: expected one of {', '.join(SIGNALS)}, got {signal!r}")
    return name, signal or "logit"


def _baselines(
    against: tuple[str, str], inputs: AttackInputs, candidates: Sequence[str], unlearned: Mapping[str, ShadowBank]
) -> dict[str, Scored]:
    """The scores that each candidate's are compared with."""
    attack, found = ATTACKS[against[0]], {}
    for group, given in _groups(attack, inputs, candidates, unlearned):
        if not attack.possible(given):
            raise ConfigError(f"against: {attack.name} needs {attack.needs} ({', '.join(group)}); compare with another")
        scored = _scored(attack, given, against[1])
        if isinstance(scored, NotEstimable):
            raise ConfigError(f"against: {attack.name} cannot be made here: {scored}")
        found.update(dict.fromkeys(group, scored))
    return found


def _groups(
    attack: Attack, inputs: AttackInputs, candidates: Sequence[str], unlearned: Mapping[str, ShadowBank]
) -> list[tuple[list[str], AttackInputs]]:
    """Candidates that share their inputs: all of them, except where the attack reads their own unlearned shadows."""
    if attack.requires != "unlearned":
        return [(list(candidates), inputs)]
    return [([name], replace(inputs, unlearned=unlearned.get(name))) for name in candidates]


def _scored(attack: Attack, inputs: AttackInputs, signal: str) -> Scored | NotEstimable:
    try:
        return attack(inputs, signal)
    except NotEstimable as error:
        return error


def literature_numbers(
    models: Mapping[str, Sequence[Logits]],
    labels: Labels,
    role: NDArray[np.str_],
    *,
    seed: int,
) -> tuple[NumberResult, ...]:
    """The literature's numbers. models: logits ``[n, classes]`` under ``candidate`` (one), ``retrain`` and ``original``
    (any number). role: ``[n]``; there are no numbers with fewer than 10 examples of a role."""
    if not all((role == name).sum() >= 10 for name in ("forget", "retain", "unseen")):
        return ()
    found = []
    for name, number in NUMBERS.items():
        values: dict[str, float | None] = {}
        for kind, tables in models.items():
            each = []
            for logits in tables:
                rows = [role == part for part in ("retain", "unseen", "forget")]
                parts = [Answered(logits[part], labels[part]) for part in rows]
                each.append(number.function(parts[0], parts[1], parts[2], seed))
            values[kind] = float(np.mean(each)) if each else None
        candidate = values["candidate"]
        assert candidate is not None
        found.append(NumberResult(name, candidate, values.get("retrain"), values.get("original"), number.desired))
    return tuple(found)


def signals_of(attack: Attack, signals: Sequence[str], against: tuple[str, str]) -> list[str]:
    """The signals that an attack is made on: those of ``signals`` that it may read, in the registry's order, and the
    one on which all others are compared with it (``against``: an attack and its signal)."""
    if attack.signal != "any":
        return [attack.signal]
    return [name for name in SIGNALS if name in signals or (attack.name, name) == against]
