"""Signals: one number per model and example, from logits."""
