"""The one place through which torchvision is imported."""

import importlib
import sys
from dataclasses import dataclass
from functools import cache
from types import ModuleType

import torch

_OPERATORS = ("nms", "qnms")  # those that torchvision's own Python code looks up while it is imported


@dataclass(frozen=True)
class _Torchvision:
    module: ModuleType
    schemas: torch.library.Library | None  # torch forgets the operators as soon as this is collected


def load_torchvision() -> ModuleType:
    """The module torchvision, also where its compiled operators do not fit the installed torch.

    A torchvision built for CUDA cannot load its operators beside a CPU-only torch, and its import then stops for want
    of their names. Declaring just the names is enough for data sets, transforms and models; *calling* such an operator
    (as object detection does) still fails, as it should.
    """
    return _import().module


@cache
def _import() -> _Torchvision:
    try:
        return _Torchvision(importlib.import_module("torchvision"), None)
    except RuntimeError as error:
        if not any(f"torchvision::{operator}" in str(error) for operator in _OPERATORS):
            raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]  # what the failed import left behind
    schemas = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for operator in _OPERATORS:
        schemas.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    return _Torchvision(importlib.import_module("torchvision"), schemas)
