"""What attacks do to models like the audited one: every shadow of a bank in turn as the target, its pair left out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from jaxtyping import Float
from scipy import stats

from vestige.attacks.arrays import NotEstimable
from vestige.attacks.metrics.influence import auc_influence, share_interval, two_way_variance
from vestige.attacks.metrics.roc import auc_rows, estimable, threshold_at_fpr
from vestige.attacks.registry.attacks import ATTACKS, ON_SHADOWS
from vestige.attacks.scores.ulira import ulira_leave_pair_out
from vestige.attacks.shadows.bank import ShadowBank
from vestige.audit.studies.attacks.table import BASELINE, FPRS, People, signals_of
from vestige.learners.arrays import Array, Floats, Mask
from vestige.learners.errors import ConfigError, DataError

Attack: TypeAlias = tuple[str, str]
"""Its name, and the signal that it reads."""
Scores: TypeAlias = Float[Array, "targets n"]
LEAST = 8
"""Fewest shadows of which a growth table starts."""


@dataclass(frozen=True)
class TargetMean:
    """mean: over the targets. interval: 95 %, with targets and examples both a sample (t, a pair of shadows as one
    model) and the references given: what other references would have changed is not in it."""

    mean: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class BankResult:
    """One attack. auc: mean over the targets; deviation: of the targets' areas. tpr: at 10, 1 and 0.1 % FPR on each
    target's own non-members, the cut taken as given; None where these are too few (10 false positives are expected at
    least on every target). lead: auc minus that of the attack it is compared with; None for that attack itself."""

    attack: str
    signal: str
    auc: TargetMean
    deviation: float
    tpr: tuple[TargetMean | None, ...]
    lead: TargetMean | None


@dataclass(frozen=True)
class BankTable:
    """All attacks on the shadows. shadows: so many make a bank, from which every target's pair is left out. targets:
    models that were judged. members, nonmembers: examples of each, on average. against: what leads are measured from.
    absent: attacks that so few shadows do not allow, with their sentence. unlearned: candidate whose method ran on the
    targets (members are what they had to forget), None where none ran (members are what they trained on)."""

    shadows: int
    targets: int
    members: float
    nonmembers: float
    against: tuple[str, str]
    results: tuple[BankResult, ...]
    absent: dict[str, str]
    unlearned: str | None = None


def attack_shadows(
    bank: ShadowBank,
    calibration: Mask,
    *,
    signals: Sequence[str],
    shadows: int | None = None,
    people: People | None = None,
    against: Attack = BASELINE,
) -> BankTable:
    """Make every attack that has such a form (``ON_SHADOWS``) on each shadow: which examples did it train on?

    calibration: bool ``[m]``, examples that no target is judged on. shadows: size of the banks that attack: the models
    are parted into as many whole banks of that size as there are, so that few shadows and many are tried on the same
    targets; None for all in one. people: to whom each example belongs, or None. Raises ConfigError for an attack to
    compare with that has no such form or that so few shadows do not allow, or an odd size, DataError for a size above
    the bank's.
    """
    size = len(bank) if shadows is None else shadows
    if size > len(bank):
        raise DataError(f"shadows: expected at most the bank's {len(bank)} models, got {size}; make more first")
    if size < 2 or size % 2:
        raise ConfigError(f"shadows: expected an even number of at least 2, got {size}; shadows come in pairs")
    if against[0] not in ON_SHADOWS:
        raise ConfigError(f"against: expected one of {', '.join(ON_SHADOWS)} on shadows, got {against[0]!r}")
    parts = [bank.part(slice(first, first + size)) for first in range(0, len(bank) - size + 1, size)]

    def scores_of(attack: Attack) -> Scores:
        name, signal = attack
        return np.concatenate([ON_SHADOWS[name](part, calibration, signal)[:, ~calibration] for part in parts])

    game = _Game(
        member=np.concatenate([part.member for part in parts])[:, ~calibration],
        people=None if people is None else people[~calibration],
        attacks=[(name, signal) for name in ON_SHADOWS for signal in signals_of(ATTACKS[name], signals, against)],
        scores_of=scores_of,
    )
    return game.table(size, against, None)


def attack_unlearned(bank: ShadowBank, name: str, *, people: People | None = None) -> BankTable:
    """U-LiRA on every shadow after the method of candidate ``name`` ran on it: which examples had it to forget?

    bank: what ``make_unlearned`` made. Forgotten examples are compared with those of the same requests that the target
    never saw; it is scored by the other pairs' unlearned shadows (the privacy game) and, to compare with, by phi.
    Source: Hayes et al. 2024 (arXiv 2403.01218), section 4, over all shadows in turn.
    """
    requested = np.asarray(bank.forgot.any(axis=0))
    member, phi = bank.forgot[:, requested], [table[:, requested] for table in bank.phi]
    if not np.array_equal(member, bank.member[:, requested]):
        raise DataError(
            "unlearned shadows: expected each to have forgotten what it knew of the requests, got another set"
        )

    def scores_of(attack: Attack) -> Scores:
        if attack == BASELINE:
            return np.stack([table[0] for table in phi])
        return ulira_leave_pair_out(phi, member, phi, ~member).scores

    owners = None if people is None else people[requested]
    game = _Game(member=member, people=owners, attacks=[BASELINE, ("ulira", "logit")], scores_of=scores_of)
    return game.table(len(bank), BASELINE, name)


def sizes_up_to(count: int) -> list[int]:
    """Those of 8, 16, 32 ... that part ``count`` without a rest, so that growth is seen on the same targets; and it."""
    sizes = [LEAST * 2**k for k in range(count.bit_length()) if LEAST * 2**k < count]
    return [*(size for size in sizes if not count % size), count]


@dataclass(frozen=True, eq=False)
class _Targets:
    """scores: ``[T, n]`` of judged examples. areas: ``[T]``. influence: ``[T, n]`` of each example on each area."""

    scores: Scores
    areas: Floats
    influence: Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class _Game:
    """member: bool ``[T, n]``, which examples each target trained on. people: to whom each belongs, ``[n]``, or None.
    attacks: to try. scores_of: what each gives, ``[T, n]``; NotEstimable where it cannot be made."""

    member: Mask
    people: People | None
    attacks: Sequence[Attack]
    scores_of: Callable[[Attack], Scores]

    def table(self, shadows: int, against: Attack, unlearned: str | None) -> BankTable:
        """All attacks; ConfigError where the one to compare with cannot be made."""
        try:
            base = self._targets(against)
        except NotEstimable as error:
            raise ConfigError(f"against: {against[0]} cannot be made here: {error}") from None
        results, absent = [], {}
        for attack in self.attacks:
            try:
                targets = base if attack == against else self._targets(attack)
            except NotEstimable as error:
                absent[attack[0]] = str(error)
                continue
            results.append(self._result(attack, targets, None if targets is base else base))
        inside = self.member.sum(1)
        return BankTable(
            shadows=shadows,
            targets=len(self.member),
            members=float(inside.mean()),
            nonmembers=float((self.member.shape[1] - inside).mean()),
            against=against,
            results=tuple(results),
            absent=absent,
            unlearned=unlearned,
        )

    def _targets(self, attack: Attack) -> _Targets:
        scores = self.scores_of(attack)
        pairs = list(zip(scores, self.member, strict=True))
        areas = np.concatenate([auc_rows(row[None, inside], row[None, ~inside]) for row, inside in pairs])
        return _Targets(scores, areas, np.stack([auc_influence(row, inside, self.people) for row, inside in pairs]))

    def _result(self, attack: Attack, targets: _Targets, base: _Targets | None) -> BankResult:
        lead = None
        if base is not None:
            lead = self._mean(targets.areas - base.areas, targets.influence - base.influence, (-1.0, 1.0))
        return BankResult(
            attack=attack[0],
            signal=attack[1],
            auc=self._mean(targets.areas, targets.influence, (0.0, 1.0), self._fewest),
            deviation=float(targets.areas.std(ddof=1)),
            tpr=tuple(self._tpr(targets.scores, fpr) for fpr in FPRS),
            lead=lead,
        )

    @cached_property
    def _fewest(self) -> int:
        """Members or non-members (people), whichever are fewer, of the target that has fewest."""
        owners = np.arange(self.member.shape[1]) if self.people is None else self.people
        return min(len(np.unique(owners[side])) for inside in self.member for side in (inside, ~inside))

    def _tpr(self, scores: Scores, fpr: float) -> TargetMean | None:
        if not estimable(fpr, int((~self.member).sum(1).min())):
            return None
        rates, influence = np.empty(len(scores)), np.zeros(scores.shape)
        for target, (row, inside) in enumerate(zip(scores, self.member, strict=True)):
            caught = row[inside] > threshold_at_fpr(row[~inside], fpr)
            rates[target] = caught.mean()
            influence[target, inside] = (caught - rates[target]) / inside.sum()
        return self._mean(rates, influence, (0.0, 1.0), self._fewest)

    def _mean(self, values: Floats, influence: Floats, limits: tuple[float, float], few: int = 0) -> TargetMean:
        """The mean of a value over targets ``[T]``; influence ``[T, n]`` sums to zero for each.

        few: number of examples, where a value of 0 or 1 on every target has no spread to be seen; the exact bound on a
        share of so many then stands in for one."""
        mean = float(values.mean())
        if len(values) < 4:
            return TargetMean(mean, limits)  # one pair of shadows says nothing about others
        if few and mean in limits:
            width = 1 - share_interval(np.ones(few, np.bool_))[0]
        else:
            moves = influence + ((values - mean) / influence.shape[1])[:, None]
            variance, degrees = two_way_variance(moves, np.arange(len(values)) // 2, self.people)
            width = float(stats.t.ppf(0.975, degrees) * np.sqrt(variance))
        return TargetMean(mean, (max(limits[0], mean - width), min(limits[1], mean + width)))
