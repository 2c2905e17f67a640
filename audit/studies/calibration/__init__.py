"""How often the rule errs, on leaks of known size."""
