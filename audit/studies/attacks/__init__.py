"""Every attack on one candidate, and every attack on every shadow of a bank."""
