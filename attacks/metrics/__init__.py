"""How well scores separate members from others."""
