"""Architectures, recipes, training, checkpoints and inference."""
