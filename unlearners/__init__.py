"""Floor 2: methods that make a model forget, one file each, and the meter of what they cost."""

from unlearners._base import Entry, Unlearner
from unlearners._cost import Check, Cost, CostMeter
from unlearners._losses import ContrastiveTerm, contrastive_sample_loss
from unlearners._registry import create, entry, get, names, register
from unlearners._stopping import NO_VALIDATION, StoppingRule
from unlearners._task import Task
from unlearners.contrastive import Contrastive
from unlearners.finetune import Finetune
from unlearners.fresh_retrain import FreshRetrain
from unlearners.gradient_ascent import GradientAscent
from unlearners.neggrad_plus import NegGradPlus, neggrad_loss
from unlearners.no_op import NoOp
from unlearners.retrain import Retrain

__all__ = [
    "NO_VALIDATION",
    "Check",
    "Contrastive",
    "ContrastiveTerm",
    "Cost",
    "CostMeter",
    "Entry",
    "Finetune",
    "FreshRetrain",
    "GradientAscent",
    "NegGradPlus",
    "NoOp",
    "Retrain",
    "StoppingRule",
    "Task",
    "Unlearner",
    "contrastive_sample_loss",
    "create",
    "entry",
    "get",
    "names",
    "neggrad_loss",
    "register",
]
