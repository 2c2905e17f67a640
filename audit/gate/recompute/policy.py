"""The policy that a report says it was judged under."""

from dataclasses import asdict

from vestige.audit.files.text import one_line
from vestige.audit.policy import Policy
from vestige.audit.results.report import PolicyRecord
from vestige.learners.errors import ConfigError, DataError

AGAIN = "take the report as vestige wrote it, or audit again"


def policy_of(record: PolicyRecord) -> Policy:
    """The policy of a record; DataError where its parts contradict each other."""
    settings = {key: value for key, value in asdict(record).items() if key in Policy.__dataclass_fields__}
    try:
        policy = Policy.of(settings, "the report's policy")
    except ConfigError as error:
        raise DataError(one_line(str(error), 300)) from None
    if policy.hash != record.hash:
        raise DataError(
            f"expected the policy's hash to be {policy.hash[:16]} (recomputed from its settings), got "
            f"{one_line(record.hash[:16])} as stated; {AGAIN}"
        )
    changed = record.registered_hash is not None and record.registered_hash != record.hash
    if changed != record.changed:
        raise DataError(
            f"expected the policy's changed to be {str(changed).lower()} (from the two hashes), got the opposite; "
            f"{AGAIN}"
        )
    return policy
