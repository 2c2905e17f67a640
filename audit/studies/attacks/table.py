"""Every attack that the evidence allows on one candidate, side by side: areas, operating points, paired differences."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.arrays import NotEstimable
from vestige.attacks.registry.attack import Attack, Scored
from vestige.attacks.registry.attacks import ATTACKS
from vestige.attacks.registry.inputs import AttackInputs
from vestige.attacks.registry.numbers import NUMBERS, RoleLogits
from vestige.attacks.shadows.bank import ShadowBank
from vestige.attacks.signals.signals import SIGNALS
from vestige.audit.results.attacks import AttackResult, AttackTable, NumberResult
from vestige.audit.studies.attacks.measure import Mask, People, measure
from vestige.learners.errors import ConfigError

BASELINE = ("threshold", "logit")
"""What every attack is compared with by default: a cut on phi, which needs nothing but the model."""


def attack_all(
    material: AttackInputs,
    forget: Mask,
    *,
    candidates: Sequence[str],
    signals: Sequence[str],
    unlearned: Mapping[str, ShadowBank] = MappingProxyType({}),
    people: People | None = None,
    against: tuple[str, str] = BASELINE,
    problems: Sequence[str] = (),
) -> list[AttackTable]:
    """Make every attack that the material allows, on each candidate; a table for each.

    material: whose ``others`` are the candidates in order and then, where there is one, the original. forget: bool
    ``[n]``, the members; all else is unseen. Judged are forget examples against unseen ones that calibrate nothing.
    signals: of the attacks that read any; attacks against shadows read the bank's. unlearned: what a candidate's method
    made of the shadows. people: to whom each example belongs, ``[n]``, or None. against: attack and signal that all
    others are compared with. An attack that cannot be estimated stands in ``absent`` with its sentence; ConfigError
    where that is the one to compare with."""
    results: dict[str, list[AttackResult]] = {name: [] for name in candidates}
    absent: dict[str, dict[str, str]] = {name: {} for name in candidates}
    baselines = _baselines(against, material, candidates, unlearned)
    for name, attack in ATTACKS.items():
        for signal in signals_of(attack, signals, against):
            for group, given in _groups(attack, material, candidates, unlearned):
                if not attack.possible(given):
                    for one in group:
                        absent[one][name] = attack.needs
                    continue
                scored: Scored | NotEstimable = _scored(attack, given, signal)
                for one in group:
                    plain = None if (name, signal) == against else baselines[one]
                    place = list(candidates).index(one)
                    found = measure(name, signal, scored, plain, forget, given, place, len(candidates), people)
                    if isinstance(found, str):
                        absent[one][name] = found
                    else:
                        results[one].append(found)
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
    against: tuple[str, str], material: AttackInputs, candidates: Sequence[str], unlearned: Mapping[str, ShadowBank]
) -> dict[str, Scored]:
    """The scores that each candidate's are compared with."""
    attack, found = ATTACKS[against[0]], {}
    for group, given in _groups(attack, material, candidates, unlearned):
        if not attack.possible(given):
            raise ConfigError(f"against: {attack.name} needs {attack.needs} ({', '.join(group)}); compare with another")
        scored = _scored(attack, given, against[1])
        if isinstance(scored, NotEstimable):
            raise ConfigError(f"against: {attack.name} cannot be made here: {scored}")
        found.update(dict.fromkeys(group, scored))
    return found


def _groups(
    attack: Attack, material: AttackInputs, candidates: Sequence[str], unlearned: Mapping[str, ShadowBank]
) -> list[tuple[list[str], AttackInputs]]:
    """Candidates that share their material: all of them, except where the attack reads their own unlearned shadows."""
    if attack.requires != "unlearned":
        return [(list(candidates), material)]
    return [([name], replace(material, unlearned=unlearned.get(name))) for name in candidates]


def _scored(attack: Attack, material: AttackInputs, signal: str) -> Scored | NotEstimable:
    try:
        return attack(material, signal)
    except NotEstimable as error:
        return error


def literature_numbers(
    models: Mapping[str, Sequence[NDArray[np.floating]]],
    labels: NDArray[np.int64],
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
                parts = [RoleLogits(logits[role == one], labels[role == one]) for one in ("retain", "unseen", "forget")]
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
