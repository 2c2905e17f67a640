"""Canaries: planting them, and bounds on epsilon from them."""
