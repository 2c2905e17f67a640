"""Attacks: membership scores as functions of arrays, one file each."""
