"""The two ways an audit can be refused; both carry one sentence for the person in front of it."""


class VestigeError(Exception):
    """Base of every refusal. The message says what was expected, what came, and what to do."""

    exit_code = 4


class DataError(VestigeError):
    """Bad, missing or inconsistent data or files (exit code 4)."""


class ConfigError(VestigeError):
    """A setting that cannot be used: unknown key, value out of range, impossible combination (exit code 2)."""

    exit_code = 2
