"""Floor 2: methods that make a model forget, one file each, and the meter of what they cost."""

from unlearners._base import Entry, Unlearner
from unlearners._contrastive_losses import ContrastiveTerm, contrastive_class_loss, contrastive_sample_loss, queue_loss
from unlearners._cost import Check, Cost, CostMeter
from unlearners._registry import create, entry, get, names, register
from unlearners._stopping import NO_VALIDATION, StoppingRule
from unlearners._task import Task
from unlearners.amnesiac import Amnesiac
from unlearners.bad_teacher import BadTeacher, zero_retrain_forgetting
from unlearners.boundary_expansion import BoundaryExpansion
from unlearners.boundary_shrink import BoundaryShrink
from unlearners.cf_k import CFk
from unlearners.contrastive import Contrastive
from unlearners.contrastive_moco import ContrastiveMoCo
from unlearners.coun import CoUn
from unlearners.delete import Delete
from unlearners.eu_k import EUk
from unlearners.finetune import Finetune
from unlearners.fisher import Fisher
from unlearners.fresh_retrain import FreshRetrain
from unlearners.gradient_ascent import GradientAscent
from unlearners.influence import Influence
from unlearners.l1_sparse import L1Sparse
from unlearners.lcodec import LCodec
from unlearners.neggrad_plus import NegGradPlus, neggrad_loss
from unlearners.no_op import NoOp
from unlearners.random_label import RandomLabel
from unlearners.retrain import Retrain
from unlearners.salun import SalUn
from unlearners.scrub import Scrub
from unlearners.ssd import SSD
from unlearners.unsir import Unsir
from unlearners.weight_negation import WeightNegation

__all__ = [
    "NO_VALIDATION",
    "SSD",
    "Amnesiac",
    "BadTeacher",
    "BoundaryExpansion",
    "BoundaryShrink",
    "CFk",
    "Check",
    "CoUn",
    "Contrastive",
    "ContrastiveMoCo",
    "ContrastiveTerm",
    "Cost",
    "CostMeter",
    "Delete",
    "EUk",
    "Entry",
    "Finetune",
    "Fisher",
    "FreshRetrain",
    "GradientAscent",
    "Influence",
    "L1Sparse",
    "LCodec",
    "NegGradPlus",
    "NoOp",
    "RandomLabel",
    "Retrain",
    "SalUn",
    "Scrub",
    "StoppingRule",
    "Task",
    "Unlearner",
    "Unsir",
    "WeightNegation",
    "contrastive_class_loss",
    "contrastive_sample_loss",
    "create",
    "entry",
    "get",
    "names",
    "neggrad_loss",
    "queue_loss",
    "register",
    "zero_retrain_forgetting",
]
