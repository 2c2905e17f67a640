"""Scalars and arrays in, numbers out: intervals, bounds on epsilon, canary scores."""
