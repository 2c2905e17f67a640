"""Logits of models on the audited examples: the type, its files and its checks."""
