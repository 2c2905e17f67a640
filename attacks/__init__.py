"""Floor 3: what an attacker can learn from outputs. Plain arrays in, scores out, higher = more member-like.

The public names, loaded when they are first used; ``__init__.pyi`` lists them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
