"""Ideal shadow banks: values are normal, and training on an example shifts them."""

import numpy as np


def bank(shadows: int, examples: int, seed: int, shift: float = 0.0, spread_of_sigma: float = 0.0, level: float = 2.0):
    """Values and membership of an ideal Gaussian bank in complementary pairs, as in LIRA-17."""
    random = np.random.default_rng(seed)
    half = random.random((shadows // 2, examples)) < 0.5
    member = np.stack([half, ~half], axis=1).reshape(shadows, examples)
    sigma = np.exp(random.normal(0, spread_of_sigma, examples))
    values = random.normal(0, level, examples) + sigma * (random.normal(size=(shadows, examples)) + shift * member)
    return values, member, sigma
