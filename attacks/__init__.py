"""Floor 3: what an attacker can tell from outputs. Plain arrays in, scores out, higher = more member-like."""

from attacks._arrays import NotEstimable
from attacks._checks import ROLES
from attacks._outputs import Outputs
from attacks._registry import ATTACKS, Attack
from attacks.lira import Lira, lira
from attacks.lira_bank import lira_leave_pair_out
from attacks.literature import accuracy_percent, average_gap, mia_efficacy_svc_confidence, unlearn_accuracy
from attacks.rlira import RLira, rlira
from attacks.rmia import Rmia, rmia
from attacks.roc import (
    auc,
    auc_rows,
    delong_variance,
    estimable,
    placements,
    roc_curve,
    thin,
    threshold_at_fpr,
    tpr_at_fpr,
)
from attacks.signals import SIGNALS, Signal
from attacks.threshold import class_centred

__all__ = [
    "ATTACKS",
    "ROLES",
    "SIGNALS",
    "Attack",
    "Lira",
    "NotEstimable",
    "Outputs",
    "RLira",
    "Rmia",
    "Signal",
    "accuracy_percent",
    "auc",
    "auc_rows",
    "average_gap",
    "class_centred",
    "delong_variance",
    "estimable",
    "lira",
    "lira_leave_pair_out",
    "mia_efficacy_svc_confidence",
    "placements",
    "rlira",
    "rmia",
    "roc_curve",
    "thin",
    "threshold_at_fpr",
    "tpr_at_fpr",
    "unlearn_accuracy",
]
