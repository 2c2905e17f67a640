"""Scores, endpoints and their tests, preconditions, groups, persons and utility."""
