"""How well scores tell members from others."""
