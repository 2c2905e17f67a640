"""vestige: does this checkpoint still remember the data it was asked to forget?

The public names, loaded when they are first used; ``__init__.pyi`` lists them."""

from typing import Any


def __getattr__(name: str) -> Any:
    import lazy_loader  # where it fails, the command must be running already: a traceback ends with 1, which is FAIL

    load, _, names = lazy_loader.attach_stub(__name__, __file__)
    return names if name == "__all__" else load(name)


def __dir__() -> list[str]:
    return list(__getattr__("__all__"))
