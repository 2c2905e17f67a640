"""Floor 3: what an attacker can tell from outputs. Plain arrays in, scores out, higher = more member-like."""

from attacks._arrays import NotEstimable
from attacks._attack import Attack
from attacks._bank_entries import ON_SHADOWS
from attacks._blocks import mean_logits, signal_tables
from attacks._checks import ROLES
from attacks._entries import Scored
from attacks._material import Material
from attacks._npz import npz_bytes, npz_comment
from attacks._numbers import NUMBERS, Answered, Number
from attacks._outputs import Outputs
from attacks._registry import ATTACKS
from attacks._shrinkage import inverse_trigamma
from attacks.before_after import before_after
from attacks.collecting import collect_outputs, stack_answers
from attacks.influence import auc_influence, clustered_variance, share_interval, two_way_variance
from attacks.label_only import augmentation_vote
from attacks.lira import Lira, lira
from attacks.lira_bank import lira_leave_pair_out
from attacks.literature import (
    accuracy_percent,
    average_gap,
    mia_accuracy_logistic_loss,
    mia_efficacy_logistic_entropy,
    mia_efficacy_svc_confidence,
    unlearn_accuracy,
)
from attacks.population import population
from attacks.quantile import quantile
from attacks.references import attack_r, difficulty, sablayrolles
from attacks.references_bank import attack_r_leave_pair_out, difficulty_leave_pair_out, sablayrolles_leave_pair_out
from attacks.rlira import RLira, rlira
from attacks.rmia import Rmia, rmia
from attacks.rmia_shadows import rmia_leave_pair_out, rmia_shadows
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
from attacks.shadow_bank import ShadowBank
from attacks.shadow_classifier import shadow_classifier
from attacks.shadow_design import ShadowDesign
from attacks.shadow_making import make_shadows, make_unlearned, read_shadows, read_unlearned
from attacks.signals import SIGNALS, Signal
from attacks.tables import Columns, RoleNames, TableFiles, file_kind, read_tables
from attacks.threshold import class_centred
from attacks.ulira import ulira, ulira_leave_pair_out

__all__ = [
    "ATTACKS",
    "NUMBERS",
    "ON_SHADOWS",
    "ROLES",
    "SIGNALS",
    "Answered",
    "Attack",
    "Columns",
    "Lira",
    "Material",
    "NotEstimable",
    "Number",
    "Outputs",
    "RLira",
    "Rmia",
    "RoleNames",
    "Scored",
    "ShadowBank",
    "ShadowDesign",
    "Signal",
    "TableFiles",
    "accuracy_percent",
    "attack_r",
    "attack_r_leave_pair_out",
    "auc",
    "auc_influence",
    "auc_rows",
    "augmentation_vote",
    "average_gap",
    "before_after",
    "class_centred",
    "collect_outputs",
    "clustered_variance",
    "delong_variance",
    "difficulty",
    "difficulty_leave_pair_out",
    "estimable",
    "file_kind",
    "lira",
    "lira_leave_pair_out",
    "make_shadows",
    "make_unlearned",
    "mean_logits",
    "mia_accuracy_logistic_loss",
    "mia_efficacy_logistic_entropy",
    "mia_efficacy_svc_confidence",
    "npz_bytes",
    "npz_comment",
    "placements",
    "population",
    "quantile",
    "read_shadows",
    "read_tables",
    "read_unlearned",
    "rlira",
    "rmia",
    "rmia_leave_pair_out",
    "rmia_shadows",
    "roc_curve",
    "sablayrolles",
    "sablayrolles_leave_pair_out",
    "shadow_classifier",
    "inverse_trigamma",
    "share_interval",
    "stack_answers",
    "signal_tables",
    "thin",
    "threshold_at_fpr",
    "tpr_at_fpr",
    "two_way_variance",
    "ulira",
    "ulira_leave_pair_out",
    "unlearn_accuracy",
]
