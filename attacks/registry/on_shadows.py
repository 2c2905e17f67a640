"""Registered attacks with every shadow of a bank in turn as the target, against all but itself and its complement.

Each takes a bank, the calibration examples (bool ``[n]``; those that a target trained on do not count for it) and the
name of a signal (of the first augmentation), and returns scores ``[N, n]``; higher = member.
"""

from collections.abc import Callable

import numpy as np

from vestige.attacks.arrays import NotEstimable
from vestige.attacks.scores.gaussians import Tables, Variance
from vestige.attacks.scores.label_only import augmentation_vote
from vestige.attacks.scores.lira import Form
from vestige.attacks.scores.lira_bank import lira_leave_pair_out
from vestige.attacks.scores.references_bank import attack_r_leave_pair_out, difficulty_leave_pair_out
from vestige.attacks.scores.rmia_shadows import RmiaForm, rmia_leave_pair_out
from vestige.attacks.shadows.bank import ShadowBank
from vestige.attacks.signals.signals import SIGNALS
from vestige.learners.arrays import Floats, Logits, Mask


def signals_of(bank: ShadowBank, calibration: Mask, signal: str) -> Logits:
    """The signal of every shadow."""
    return np.stack([_signal(bank, model, signal) for model in range(len(bank))])


def signals_among_unseen(bank: ShadowBank, calibration: Mask, signal: str, *, score: Callable[..., Floats]) -> Logits:
    """``score(signal, labels, calibration)`` of every shadow, calibrated on examples that it was not trained on."""
    return np.stack(
        [
            score(_signal(bank, model, signal), bank.labels, _unseen(bank, model, calibration))
            for model in range(len(bank))
        ]
    )


def shadow_lira(bank: ShadowBank, calibration: Mask, signal: str, *, form: Form, variance: Variance) -> Logits:
    """LiRA of every shadow."""
    return lira_leave_pair_out(bank.phi, bank.member, form=form, variance=variance).scores


def shadow_rmia(bank: ShadowBank, calibration: Mask, signal: str, *, form: RmiaForm) -> Logits:
    """RMIA of every shadow."""
    return rmia_leave_pair_out(bank.phi, bank.member, calibration, form=form)


def loss_against_shadows(
    bank: ShadowBank, calibration: Mask, signal: str, *, score: Callable[[Tables, Mask], Floats]
) -> Logits:
    """``difficulty`` or ``sablayrolles`` of every shadow's loss."""
    return score(losses(bank), bank.member)


def attack_reference(bank: ShadowBank, calibration: Mask, signal: str) -> Logits:
    """Attack R of every shadow; phi ranks as the loss does."""
    return attack_r_leave_pair_out(bank.phi, bank.member)


def label_only(bank: ShadowBank, calibration: Mask, signal: str) -> Logits:
    """Votes over the bank's augmentations, less the mean vote of OUT shadows."""
    if len(bank.augmentations) < 2:
        raise NotEstimable(
            "label_only: expected a bank with several augmentations, got one; add some to views of [shadows]"
        )
    return difficulty_leave_pair_out(votes(bank), bank.member)


def losses(bank: ShadowBank) -> list[Logits]:
    """log p_y of every shadow, ``[augmentations, m]``."""
    return [loss_of(table) for table in bank.phi]


def votes(bank: ShadowBank) -> list[Floats]:
    """Share of right decisions over the augmentations, ``[m]``, of every shadow."""
    return [augmentation_vote(bank.logits_of(model).argmax(-1), bank.labels) for model in range(len(bank))]


def loss_of(phi: Logits) -> Logits:
    """log p_y from phi, in its precision."""
    log_p: Logits = -np.logaddexp(0.0, -np.asarray(phi, np.float64)).astype(phi.dtype)
    return log_p


def _signal(bank: ShadowBank, model: int, signal: str) -> Floats:
    if signal == "logit":
        return np.asarray(bank.phi[model][0], np.float64)
    return SIGNALS[signal].function(bank.logits_of(model, 0), bank.labels)


def _unseen(bank: ShadowBank, model: int, calibration: Mask) -> Mask:
    unseen: Mask = calibration & ~bank.member[model]
    if not unseen.any():
        raise NotEstimable("expected calibration examples that the target was not trained on, got none")
    return unseen
