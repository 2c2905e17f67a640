"""Handwritten digits that scikit-learn carries: 1,797 real images of 8 x 8 pixels, no download."""

import numpy as np
from sklearn.datasets import load_digits

from vestige.learners.data.examples import Examples
from vestige.learners.data.sources.parts import join

_INK = 16  # the darkest pixel of the original counts


def load() -> Examples:
    """Images uint8 ``[1797, 8, 8, 1]``, the counts 0..16 scaled to 0..255; no test part."""
    digits = load_digits()
    images = np.rint(digits.images * (255 / _INK)).astype(np.uint8)[..., None]
    names = tuple(str(name) for name in digits.target_names)
    return join("digits", names, (images, digits.target.astype(np.int64)))
