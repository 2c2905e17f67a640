"""Who declares forget and unseen examples exchangeable: the user, this project's own sampling, or nobody."""

from typing import TYPE_CHECKING

from vestige.audit.config.config import AuditConfig
from vestige.audit.endpoints.scores import MIN_RETRAINS
from vestige.audit.results.exchangeable import Declaration
from vestige.learners.errors import ConfigError

if TYPE_CHECKING:  # the command imports this module before it knows whether there are models
    from vestige.audit.models.making import Plan


def declaration(plan: "Plan", *, declared: bool = False) -> Declaration | None:
    """The declaration of an audit; ``declared``: by an option of the command, in addition to the audit file.

    Known is a random forget set where the source has no test part: unseen examples are then another part of the very
    permutation that forget is the first part of. A test part is somebody else's collection, which may differ from the
    training part, and classes, people and files are chosen, not drawn: there somebody has to declare it.
    ``exchangeable = false`` says that it does not hold, however they were sampled.
    """
    said = plan.config.forget.exchangeable
    if said is False and not declared:
        return None
    drawn = plan.config.forget.random is not None and not plan.examples.test_part.any()
    if drawn and said is not False:
        return "known"
    return "declared" if said or declared else None


def check_enough_retrains(plan: "Plan", declared: Declaration | None) -> None:
    """ConfigError for an audit file without retrains and without a declaration."""
    if not plan.config.retrains.count and declared is None:
        raise ConfigError(
            "retrains.count: expected at least 1, got 0: an audit needs retrains, or a declaration of exchangeability "
            "(exchangeable = true in [forget]); docs/verdict.md says what that claims"
        )


def need_retrains(config: AuditConfig, what: str) -> None:
    """ConfigError where ``what`` compares with retrains and the audit file asks for none."""
    if not config.retrains.count:
        raise ConfigError(
            f"retrains.count: expected at least 1, got 0: {what} compares with retrains; only vestige run and vestige "
            "audit can do without, where forget and unseen examples are exchangeable"
        )


def unused(declared: bool, retrains: int) -> str:
    """Empty, or that a declaration changes nothing because there are retrains enough."""
    if not declared or retrains < MIN_RETRAINS:
        return ""
    return f"--exchangeable changes nothing here: with {retrains} retrains the verdict is over retrains"
