"""Registered attacks with every shadow of a bank in turn as the target, held against all but itself and its complement.

Each takes a bank, the calibration examples (bool ``[n]``; those that a target trained on do not count for it) and the
name of a signal (of the first view), and returns scores ``[N, n]``; higher = member.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.arrays import NotEstimable
from vestige.attacks.scores.gaussians import Variance
from vestige.attacks.scores.label_only import augmentation_vote
from vestige.attacks.scores.lira import Form
from vestige.attacks.scores.lira_bank import lira_leave_pair_out
from vestige.attacks.scores.population import population
from vestige.attacks.scores.references_bank import (
    attack_r_leave_pair_out,
    difficulty_leave_pair_out,
    sablayrolles_leave_pair_out,
)
from vestige.attacks.scores.rmia_shadows import RmiaForm, rmia_leave_pair_out
from vestige.attacks.scores.threshold import class_centred
from vestige.attacks.shadows.bank import ShadowBank
from vestige.attacks.signals.signals import SIGNALS
from vestige.learners.arrays import Floats, Mask

Scores = NDArray[np.floating[Any]]
BankFunction = Callable[[ShadowBank, Mask, str], Scores]


def _threshold(bank: ShadowBank, calibration: Mask, signal: str) -> Scores:
    return np.stack([_signal(bank, model, signal) for model in range(len(bank))])


def _threshold_classwise(bank: ShadowBank, calibration: Mask, signal: str) -> Scores:
    rows = [
        class_centred(_signal(bank, model, signal), bank.labels, _unknown(bank, model, calibration))
        for model in range(len(bank))
    ]
    return np.stack(rows)


def _population(bank: ShadowBank, calibration: Mask, signal: str) -> Scores:
    rows = [
        population(_signal(bank, model, signal), bank.labels, _unknown(bank, model, calibration), per_class=True)
        for model in range(len(bank))
    ]
    return np.stack(rows)


def losses(bank: ShadowBank) -> list[Scores]:
    """log p_y of every shadow, ``[views, m]``."""
    return [loss_of(table) for table in bank.phi]


def votes(bank: ShadowBank) -> list[Floats]:
    """Share of right decisions over the views, ``[m]``, of every shadow."""
    return [augmentation_vote(bank.logits_of(model).argmax(-1), bank.labels) for model in range(len(bank))]


def loss_of(phi: Scores) -> Scores:
    """log p_y from phi, in its precision."""
    log_p: Scores = -np.logaddexp(0.0, -np.asarray(phi, np.float64)).astype(phi.dtype)
    return log_p


def _signal(bank: ShadowBank, model: int, signal: str) -> Floats:
    if signal == "logit":
        return np.asarray(bank.phi[model][0], np.float64)
    return SIGNALS[signal].function(bank.logits_of(model, 0), bank.labels)


def _unknown(bank: ShadowBank, model: int, calibration: Mask) -> Mask:
    unknown: Mask = calibration & ~bank.member[model]
    if not unknown.any():
        raise NotEstimable("expected calibration examples that the target was not trained on, got none")
    return unknown


def _lira(bank: ShadowBank, calibration: Mask, signal: str, *, form: Form, variance: Variance) -> Scores:
    return lira_leave_pair_out(bank.phi, bank.member, form=form, variance=variance).scores


def _rmia(bank: ShadowBank, calibration: Mask, signal: str, *, form: RmiaForm) -> Scores:
    return rmia_leave_pair_out(bank.phi, bank.member, calibration, form=form)


def _difficulty(bank: ShadowBank, calibration: Mask, signal: str) -> Scores:
    return difficulty_leave_pair_out(losses(bank), bank.member)


def _sablayrolles(bank: ShadowBank, calibration: Mask, signal: str) -> Scores:
    return sablayrolles_leave_pair_out(losses(bank), bank.member)


def _attack_r(bank: ShadowBank, calibration: Mask, signal: str) -> Scores:
    return attack_r_leave_pair_out(bank.phi, bank.member)  # phi ranks as the loss does


def _label_only(bank: ShadowBank, calibration: Mask, signal: str) -> Scores:
    if len(bank.views) < 2:
        raise NotEstimable("label_only: expected a bank with several views, got one; add views to [shadows]")
    return difficulty_leave_pair_out(votes(bank), bank.member)


ON_SHADOWS: Mapping[str, BankFunction] = MappingProxyType(
    {
        "threshold": _threshold,
        "threshold_classwise": _threshold_classwise,
        "population": _population,
        "lira_online": partial(_lira, form="online", variance="auto"),
        "lira_online_fixed": partial(_lira, form="online", variance="fixed"),
        "lira_online_shrunken": partial(_lira, form="online", variance="shrunken"),
        "lira_offline": partial(_lira, form="offline", variance="auto"),
        "lira_offline_fixed": partial(_lira, form="offline", variance="fixed"),
        "lira_offline_shrunken": partial(_lira, form="offline", variance="shrunken"),
        "lira_offline_two_sided": partial(_lira, form="offline_two_sided", variance="auto"),
        "rmia_online": partial(_rmia, form="online"),
        "rmia_offline": partial(_rmia, form="offline"),
        "difficulty": _difficulty,
        "sablayrolles": _sablayrolles,
        "attack_r": _attack_r,
        "label_only": _label_only,
    }
)
"""Attacks of the registry that can be made on the shadows themselves. The others need retrains, a model before
unlearning, features, or a network for each target."""
