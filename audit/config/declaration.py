"""Who says that the forget set is a random draw: the user, this project's own sampling, or nobody."""

from vestige.audit.config.config import AuditConfig
from vestige.audit.endpoints.setting import Declared
from vestige.learners.data.examples import Examples
from vestige.learners.errors import ConfigError


def declared_as(random_draw: bool | None, declared: Declared | None = None) -> Declared | None:
    """The declared setting; ``declared`` by an option of the command goes before ``random_draw`` of the audit file."""
    if declared is not None or random_draw is None:
        return declared
    return "random" if random_draw else "chosen"


def declaration(
    config: AuditConfig, examples: Examples, declared: Declared | None = None
) -> tuple[Declared | None, bool]:
    """What is declared of an audit's setting, and whether vestige is known to have drawn the forget set at random.

    Known is a random forget set where the source has no test part: unseen examples are then another part of the very
    permutation that forget is the first part of. A test part is somebody else's collection, which may differ from the
    training part, and classes, people and files are chosen, not drawn: there somebody has to declare it
    (``random_draw = true`` in ``[forget]``). ``random_draw = false`` says that it does not hold, however they were
    sampled.
    """
    found = declared_as(config.forget.random_draw, declared)
    drawn = config.forget.random is not None and not examples.test_part.any()
    known = drawn and found in (None, "random")
    return (None if known else found), known


def check_enough_retrains(config: AuditConfig, declared: Declared | None, *, known: bool) -> None:
    """ConfigError for an audit file without retrains whose forget set is no random draw; see ``declaration``."""
    if not config.retrains.count and not known and declared != "random":
        raise ConfigError(
            "retrains.count: expected at least 3, got 0: without retrains only a random draw can be judged "
            "(random_draw = true in [forget], where it is one); docs/verdict.md says what that claims"
        )


def need_retrains(config: AuditConfig, what: str) -> None:
    """ConfigError where ``what`` compares with retrains and the audit file has none."""
    if not config.retrains.count:
        raise ConfigError(
            f"retrains.count: expected at least 1, got 0: {what} compares with retrains; only vestige run and vestige "
            "audit can do without, where the forget set is a random draw"
        )
