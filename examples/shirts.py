"""Fashion-MNIST with so many shirts held out that a class can be forgotten and judged: 2,000 shirts and 1,000 images of
each other class to train on; the other 4,000 shirts and 500 images of each other class were never trained on.

The source of fashion-mnist-class-calibration.toml.
"""

import numpy as np

from vestige.learners.data.examples import Examples
from vestige.learners.data.sources.load import load_examples

SHIRT = 6
TRAINED = 2000
OF_OTHERS = 1000
UNSEEN_OF_OTHERS = 500


def shirts() -> Examples:
    """Rows of the source's training part in their order: first those to train on, then those held out."""
    source = load_examples("fashion-mnist")
    train, held_out = [], []
    for label in range(source.classes):
        rows = np.flatnonzero(~source.test_part & (source.labels == label))
        cut = TRAINED if label == SHIRT else OF_OTHERS
        train.append(rows[:cut])
        held_out.append(rows[cut:] if label == SHIRT else rows[cut : cut + UNSEEN_OF_OTHERS])
    chosen = np.concatenate([*train, *held_out])
    test_part = np.arange(len(chosen)) >= sum(map(len, train))
    return Examples(
        images=source.images[chosen],
        labels=source.labels[chosen],
        class_names=source.class_names,
        name="shirts",
        test_part=test_part,
    )
