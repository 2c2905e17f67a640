"""The sentences of a verdict. No sentence claims that data is gone, or that a law is met: attacks were tried."""

from collections.abc import Iterable, Sequence

from vestige.audit.endpoints.endpoints import BY_NAME
from vestige.audit.endpoints.recognition import OWN
from vestige.audit.policy import Policy
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.evidence import Evidence, Outcome, ReasonAt, Utility
from vestige.audit.verdict.grades import LEAST_CHOSEN, LEAST_TO_PASS, grade_of

LEAST_SHARE, MOST_SHARE = -0.5, 1.5
"""Beyond these a share forgotten is no share: the candidate was moved by something else than memory."""
SHORT = {"A4": "U-LiRA", "T4": "U-LiRA's tail"}


def short(endpoint: Endpoint) -> str:
    """What an endpoint is about, in a word or two."""
    if endpoint.name == "B" and OWN in endpoint.where:
        return endpoint.where
    name = SHORT.get(endpoint.name) or BY_NAME[endpoint.name].words.partition(":")[0]
    return f"{name} ({endpoint.where})" if endpoint.where else name


def headline(evidence: Evidence, policy: Policy, outcome: Outcome, reasons: Sequence[ReasonAt]) -> str:
    """The first line of a report: outcome, reasons, and what was found."""
    codes = ", ".join(dict.fromkeys(reason.code for reason in reasons))
    label = f"{outcome}, {codes}" if codes else outcome
    if outcome == "PASS":
        sentence = _passed(evidence, policy, reasons)
    elif outcome == "FAIL":
        sentence = _failed(evidence, reasons)
    else:
        sentence = explanation(reasons[0], evidence, policy).rstrip(".")
        sentence = sentence if sentence[:2].isupper() else sentence[0].lower() + sentence[1:]
    return f"{label}: {sentence}.{_assuming(evidence)}"


def _passed(evidence: Evidence, policy: Policy, reasons: Sequence[ReasonAt]) -> str:
    judged = [short(endpoint) for endpoint in evidence.endpoints if endpoint.primary and endpoint.decision == "within"]
    k = evidence.reference.retrains
    compared = f"{k} retrain{'' if k == 1 else 's'}" if k else "chance"
    parts = [
        f"within the margins ({policy.margins}) of {compared} on {enumerate_words(judged)} (grade {grade_of(evidence)})"
    ]
    if detectable(evidence, policy.level):
        parts[0] += "; detectable but within margin"
    if any(reason.code == "NOTHING_TO_FORGET" for reason in reasons):
        parts.append("nothing detectable to forget: no attack finds the forget set on the original either")
    if forgotten := share_sentence(evidence):
        parts.append(forgotten)
    if unjudged := not_judged(evidence):
        parts.append(f"{enumerate_words(unjudged)} not judged at this size")
    parts += [
        f"{part.role} {what_of(part)} {part.gap:+.3f}, not shown within {part.margin:g}"
        for part in open_utility(evidence)
    ]
    return ". ".join(part[0].upper() + part[1:] if place else part for place, part in enumerate(parts))


def share_sentence(evidence: Evidence) -> str:
    """Empty, or the share forgotten with its interval."""
    share = evidence.share_forgotten
    if share is None:
        return ""
    if share.estimate is None or share.interval is None:
        return "what share is forgotten cannot be said: the original itself is hardly caught"
    if not LEAST_SHARE <= share.estimate <= MOST_SHARE:
        return "what share is forgotten cannot be said: the candidate is far from retrains and original alike"
    low, high = (100 * end for end in share.interval)
    return f"forgotten {100 * share.estimate:.0f} % [{low:.0f}, {high:.0f}] of what the original knew"


def _failed(evidence: Evidence, reasons: Sequence[ReasonAt]) -> str:
    codes = {reason.code for reason in reasons}
    if "NOOP" in codes:
        return "the candidate answers exactly as the original does"
    parts = []
    share = evidence.share_forgotten
    if "LEAK" in codes and share is not None and share.estimate is not None and share.interval is not None:
        low, high = (100 * (1 - end) for end in reversed(share.interval))
        if LEAST_SHARE <= share.estimate <= MOST_SHARE:
            parts.append(
                f"{100 * (1 - share.estimate):.0f} % [{low:.0f}, {high:.0f}] of what the original knew is left"
            )
    failing = outside(evidence.endpoints)
    whole = [endpoint for endpoint in failing if endpoint.name != "G"]
    parts += [f"{short(endpoint)} {endpoint.gap:+.3f}, tolerated {endpoint.margin:g}" for endpoint in whole or failing]
    if evidence.masked:
        parts.append(masked_sentence(evidence))
    if "UTILITY" in codes:
        parts.append(f"{lost(evidence)}: worse than retraining by more than the margin")
    return "; ".join(parts)


def _assuming(evidence: Evidence) -> str:
    setting = evidence.setting
    if setting.random:
        return f" Assuming that the forget set is a random draw ({setting.source})."
    return " Whole classes were forgotten." if setting.of_class else ""


def masked_sentence(evidence: Evidence) -> str:
    """What a switched-off output means."""
    classes = enumerate_words([str(label) for label in evidence.masked])
    return (
        f"the output of class {classes} is switched off: it is constant on every row; masking hides knowledge from "
        "this interface and removes none"
    )


def explanation(reason: ReasonAt, evidence: Evidence, policy: Policy) -> str:
    """One sentence for a reason."""
    where = enumerate_words(list(reason.where))
    at = gaps(endpoint for endpoint in outside(evidence.endpoints) if endpoint.label in reason.where)
    return {
        "NOOP": "The candidate's outputs are byte-equal to the original's: nothing was unlearned.",
        "LEAK": f"Leak: forget examples look more like training data than under retraining ({at}).",
        "OVER_FORGET": (
            f"Over-forgetting: forget examples look less like training data than under retraining ({at}), "
            "which gives them away just as well."
        ),
        "TRACE": f"Traces of the method: {_traces(evidence, at)}.",
        "UTILITY": _useless(evidence, policy, where),
        "REFERENCE": _no_reference(evidence),
        "UNSEEN": (
            "The candidate knows the unseen examples, so that comparing the forget set with them shows nothing; use "
            "unseen data that no model saw."
        ),
        "NO_SIGNAL": _no_signal(evidence),
        "EVIDENCE": _little(evidence, policy, where),
        "NEAR_MARGIN": f"The interval reaches over the margin on {where}: neither inside nor outside is shown.",
        "NOTHING_TO_FORGET": (
            "Nothing detectable to forget: the attacks find nothing on the original, and the policy accepts that."
        ),
    }[reason.code]


def _traces(evidence: Evidence, at: str) -> str:
    parts = [f"forget examples differ from unseen ones otherwise than under retraining ({at})"] if at else []
    return "; ".join([*parts, masked_sentence(evidence)] if evidence.masked else parts)


def _useless(evidence: Evidence, policy: Policy, where: str) -> str:
    if not evidence.utility:
        return "Usefulness was not measured: there is no model to compare the candidate with."
    if any(part.decision == "worse" for part in evidence.utility):
        return f"The candidate is worse than the retrains by more than the margin ({lost(evidence)})."
    return f"The candidate seems worse than the retrains on {where} by more than the margin, which is not settled."


def _no_reference(evidence: Evidence) -> str:
    if evidence.reference.problem:
        return f"The retrains cannot serve as a reference: {evidence.reference.problem}."
    return f"Null control failed: {also_fail(() if evidence.controls is None else evidence.controls.accused)}."


def also_fail(accused: Sequence[str]) -> str:
    """What the null control found."""
    return f"{', '.join(accused)}, judged against the other retrains, also FAIL{'s' if len(accused) == 1 else ''}"


def _no_signal(evidence: Evidence) -> str:
    if not evidence.reference.original:
        return "No original was given, so nothing shows that these attacks could have found the forget set at all."
    firing = evidence.reference.firing
    only = f", only {', '.join(firing)}" if firing else ""
    return (
        f"No attack on memory catches the original{only}: the forget set is not memorised, or the attacks are too "
        "weak, or the retrains were trained on it."
    )


def _little(evidence: Evidence, policy: Policy, where: str) -> str:
    k = evidence.reference.retrains
    if not evidence.setting.random and k < LEAST_CHOSEN:
        return (
            f"PASS needs at least {LEAST_TO_PASS} retrains, or a forget set that is a random draw (--random); "
            f"there {'is' if k == 1 else 'are'} {k}."
        )
    required = f"the policy requires grade {policy.min_evidence}"
    return f"The evidence is too weak for PASS ({required}); what is missing or too wide: {where}."


def outside(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """The endpoints that fail."""
    return [endpoint for endpoint in endpoints if endpoint.decision == "outside"]


def gaps(endpoints: Iterable[Endpoint]) -> str:
    """Names and gaps: ``M memory +0.123, T worst-exposed +0.234``."""
    return ", ".join(f"{endpoint.name} {short(endpoint)} {endpoint.gap:+.3f}" for endpoint in endpoints)


def lost(evidence: Evidence) -> str:
    """Roles on which usefulness was lost, with the gaps."""
    return ", ".join(
        f"{what_of(part)} on {part.role} examples {part.gap:+.3f}"
        for part in evidence.utility
        if part.decision == "worse"
    )


def what_of(part: Utility) -> str:
    """What was measured."""
    return "accuracy" if part.measure == "accuracy" else "log loss (sign turned)"


def open_utility(evidence: Evidence) -> list[Utility]:
    """Roles on which no loss beyond the margin is shown, and none excluded."""
    return [part for part in evidence.utility if part.decision == "open"]


def not_judged(evidence: Evidence) -> list[str]:
    """Spread and worst-exposed, where the sizes are too small for PASS to require them."""
    names = ("T",) if evidence.setting.of_class else ("S", "T")
    return [
        short(endpoint)
        for endpoint in evidence.endpoints
        if endpoint.name in names and not endpoint.where and not endpoint.primary
    ]


def detectable(evidence: Evidence, alpha: float) -> list[str]:
    """Primary endpoints that are within their margin and yet differ from zero, over the whole family."""
    return [
        endpoint.label
        for endpoint in evidence.endpoints
        if endpoint.primary and endpoint.p_zero_holm is not None and endpoint.p_zero_holm <= alpha
    ]


def enumerate_words(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(part for part in (", ".join(words[:-1]), "".join(words[-1:])) if part)
