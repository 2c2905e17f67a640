"""Examples from a Python function of the user's own."""

from pathlib import Path

from vestige.learners.data.examples import Examples
from vestige.learners.data.sources.parts import as_images, as_labels, join
from vestige.learners.errors import DataError, VestigeError
from vestige.learners.files.user_code import also_from, find_function


def load(module: str, function: str, name: str, base: Path) -> Examples:
    """What ``module.function()`` returns: Examples, or (images, labels) as in an ``npz`` source without a test part.

    Modules are looked for where Python does, and then in ``base``. Raises ConfigError where there is no such function,
    DataError where it fails or returns something else.
    """
    with also_from(base):
        call = find_function(module, function, name, "data.source")
        try:
            result = call()
        except VestigeError:
            raise
        except (Exception, SystemExit) as error:  # the user's own code may raise anything
            raise DataError(
                f"{name}: expected it to return examples, it raised {type(error).__name__}: {error}"
            ) from error
    if isinstance(result, Examples):
        return result
    if isinstance(result, (tuple, list)) and len(result) == 2:
        images = as_images(name, result[0])
        return join(name, None, (images, as_labels(name, result[1], len(images))))
    raise DataError(f"{name}: expected it to return Examples or (images, labels), got {type(result).__name__}")
