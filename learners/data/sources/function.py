"""Examples from a Python function of the user's own."""

from pathlib import Path

from vestige.learners.data.examples import Examples
from vestige.learners.data.sources.parts import as_images, as_labels, join
from vestige.learners.errors import DataError
from vestige.learners.files.user_code import also_from, call_function, find_function


def load(name: str, base: Path) -> Examples:
    """What the function ``name`` returns: Examples, or (images, labels) as in an ``npz`` source without a test part.

    Modules are looked for where Python does, and then in ``base``. Raises ConfigError where there is no such function,
    DataError where it fails or returns something else.
    """
    with also_from(base):
        result = call_function(find_function(name, "data.source", base=base), name, "examples")
    if isinstance(result, Examples):
        return result
    if isinstance(result, (tuple, list)) and len(result) == 2:
        images = as_images(name, result[0])
        return join(name, None, (images, as_labels(name, result[1], len(images))))
    raise DataError(f"{name}: expected it to return Examples or (images, labels), got {type(result).__name__}")
