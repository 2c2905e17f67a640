"""The type checker of the test run, for the modules that pyproject.toml names (``--jaxtyping-packages``).

Only arrays are checked: their type, their number of dimensions, and that a name is one size throughout a call. Other
arguments are not: the code refuses wrong ones itself, and the tests of that pass wrong ones on purpose.
"""

from collections.abc import Callable
from typing import Any, TypeVar, get_args

from beartype import beartype
from jaxtyping import AbstractArray

Function = TypeVar("Function", bound=Callable[..., object])


def check_types(function: Function) -> Function:
    """``function``, which raises where an array among its arguments or in its result is not of the annotated type."""
    hints = function.__annotations__
    function.__annotations__ = {name: hint if _has_array(hint) else Any for name, hint in hints.items()}
    return beartype(function)


def _has_array(hint: object) -> bool:
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        return True
    return any(_has_array(argument) for argument in get_args(hint))
