"""What else a reader of a verdict must know, and what would change it."""

from collections.abc import Mapping, Sequence

from vestige.audit.endpoints.endpoints import SHADOWED
from vestige.audit.endpoints.preconditions import REVERSED, SEEDS, UNLIKE
from vestige.audit.policy import Policy
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.evidence import Evidence, Outcome, ReasonAt, Reference
from vestige.audit.results.shadows import FEWEST, GRADE_A_FROM, ULIRA, ShadowEvidence, why_absent
from vestige.audit.verdict.grades import LEAST_CHOSEN, enough_shadows, missing
from vestige.audit.verdict.wording import enumerate_words, not_judged

MOST_NAMED = 6
DECISIONS = ("within", "uncertain", "outside", "not estimable")
Notes = Mapping[str, tuple[object, str]]
"""By code: whether the note applies, and its sentence."""


def notes(evidence: Evidence, policy: Policy, outcome: Outcome) -> tuple[str, ...]:
    """What else a reader must know, as ``CODE: sentence``; none of it decides anything."""
    of_verdict = _of_verdict(evidence, policy, outcome)
    return applying({**of_verdict, **_of_shadows(evidence), **_of_data(evidence.reference), **_of_plan(evidence)})


def applying(notes_by_code: Notes) -> tuple[str, ...]:
    """The notes that apply, as ``CODE: sentence``."""
    return tuple(f"{code}: {sentence}" for code, (applies, sentence) in notes_by_code.items() if applies)


def _of_verdict(evidence: Evidence, policy: Policy, outcome: Outcome) -> Notes:
    reference, endpoints = evidence.reference, evidence.endpoints
    narrowed = [
        f"{endpoint.label} {endpoint.margin_effective:.3f}"
        for endpoint in endpoints
        if endpoint.primary and endpoint.margin_effective < endpoint.margin
    ]
    undecided = [
        endpoint.label
        for endpoint in endpoints
        if not endpoint.primary and endpoint.decision == "uncertain" and endpoint.name != "G"
    ]
    retained = () if evidence.retained is None else evidence.retained.comparisons
    more_exposed = [f"{statistic.name} {statistic.gap:+.3f}" for statistic in retained if statistic.interval[0] > 0]
    unlike = [check.name for check in reference.checks if check.rejects and check.name != "seeds"]
    unfollowed = [scale.model for scale in evidence.scale if not scale.followed]
    unjudged = not_judged(evidence)
    groups = [endpoint for endpoint in endpoints if endpoint.name == "G"]
    return {
        "FAIL_ONLY_OPEN": (
            outcome == "PASS" and undecided,
            f"{', '.join(undecided)} can only cause FAIL and did not, but is not shown to be within its margin.",
        ),
        "NOT_JUDGED": (
            unjudged,
            f"{enumerate_words(unjudged)}: too few examples for PASS to require it; it can still cause FAIL.",
        ),
        "RETRAIN_DROPPED": (
            reference.dropped,
            f"{', '.join(reference.dropped)} left out: byte-equal to the candidate.",
        ),
        "UNLIKE_UNSEEN": (
            unlike and not evidence.setting.random,
            f"the retrains treat forget and unseen examples differently ({', '.join(unlike)}): they were trained on "
            "part of the forget set, or it is easier or harder by nature. Outputs cannot tell these apart; check what "
            "the retrains were trained on.",
        ),
        "UNLIKE_RETRAINS": (
            unfollowed,
            f"{', '.join(unfollowed)}: confidence hardly follows that of the retrains; only its median was aligned.",
        ),
        "CLASS_OUTPUTS": (
            evidence.setting.of_class and outcome == "PASS",
            "outputs cannot tell forgetting from a wrapper that answers the forgotten class as a retrain does.",
        ),
        "MARGIN_NARROWED": (
            narrowed,
            f"the margin of the PASS test is half of the original's own gap on {', '.join(narrowed)}.",
        ),
        "GROUPS": (groups, _groups(groups)),
        "RETAIN_EXPOSED": (
            more_exposed,
            f"retain examples are more exposed than under retraining on {', '.join(more_exposed)}; this does not "
            "affect the verdict.",
        ),
        "SHORT_OF_POWER": (
            outcome == "INCONCLUSIVE" and (reference.short_of_power or reference.wide),
            _short_of_power(reference),
        ),
        "POLICY_OVERRIDES": (
            policy.overrides,
            f"settings that differ from profile {policy.profile}: {', '.join(policy.overrides)}.",
        ),
    }


def _of_shadows(evidence: Evidence) -> Notes:
    shadows = evidence.shadows
    if shadows is None:
        return {}
    used = any(endpoint.candidate is not None and endpoint.name in SHADOWED for endpoint in evidence.endpoints)
    method = f", U-LiRA on {shadows.unlearned} unlearned ones" if shadows.unlearned >= FEWEST else ""
    unused = _why_unused(shadows)
    return {
        "FEW_SHADOWS": (
            used and not enough_shadows(evidence),
            f"LiRA rests on {shadows.shadows} shadows{method}: evidence is of grade A from {GRADE_A_FROM} on, where "
            "each example has a variance of its own.",
        ),
        "SHADOWS_REFUSED": (unused, f"attacks with shadow models were not made: {unused}."),
        "SHADOW_LEVELS": (used and shadows.remarks, f"{'; '.join(shadows.remarks)}."),
    }


def _why_unused(shadows: ShadowEvidence) -> str:
    why = why_absent("lira_online", shadows)
    return why if why or not shadows.unlearned else why_absent(ULIRA, shadows)


def _groups(groups: Sequence[Endpoint]) -> str:
    counted = []
    for decision in DECISIONS:
        names = [group.where for group in groups if group.decision == decision]
        if names:
            counted.append(f"{decision}: {', '.join(names) if len(names) <= MOST_NAMED else f'{len(names)} groups'}")
    return f"groups, each by itself: {'; '.join(counted)}."


def _of_plan(evidence: Evidence) -> Notes:
    plan = evidence.plan
    return {} if plan is None else {"AS_PLANNED" if plan.kept else "NOT_AS_PLANNED": (True, f"{plan.sentence}.")}


def _of_data(reference: Reference) -> Notes:
    return {
        "RETAIN_NOT_ASSESSED": (reference.retain == 0, "no retain rows were given: accuracy on them was not compared."),
        "PEOPLE": (
            reference.unit == "person",
            "somebody has several rows: rows of one person are averaged and a person counts once, in every number of "
            "forget and unseen examples too.",
        ),
        "CLASS_MIX": (
            reference.classes_without_unseen,
            f"{reference.classes_without_unseen} of the forget examples' classes have no unseen examples: these forget "
            "examples are compared with unseen examples of other classes.",
        ),
        "SATURATED": (
            reference.saturated,
            f"{reference.saturated} label probabilities are exactly 1, where confidence can no longer be ranked; "
            "give logits if you can.",
        ),
    }


def _short_of_power(reference: Reference) -> str:
    parts = []
    if reference.wide:
        parts.append(f"no candidate can pass {', '.join(reference.wide)}")
    if reference.short_of_power:
        short = ", ".join(reference.short_of_power)
        parts.append(f"even a perfect candidate passes {short} with less than 80 % probability")
    return f"{'; '.join(parts)}. {reference.remedy}"


def would_change(evidence: Evidence, policy: Policy, reasons: Sequence[ReasonAt]) -> tuple[str, ...]:
    """What would resolve or change the verdict: for each reason that has a remedy, one sentence."""
    reference = evidence.reference
    canaries = "plant canaries (mislabelled or duplicated examples) in the next training"
    narrower = reference.remedy or "More retrains or more unseen examples would narrow the interval."
    remedies = {
        "NOOP": "Run the unlearning method, and check that its result was the checkpoint that was audited.",
        "LEAK": "Unlearn more strongly, or retrain without the forget set.",
        "OVER_FORGET": "Unlearn less strongly: aim at what retraining gives, not at the lowest score.",
        "TRACE": "Unlearn by changing what the model knows, to the level of retraining, not its outputs.",
        "UTILITY": "Repair usefulness on retain data after unlearning, or give retrains to compare with.",
        "REFERENCE": _sound_reference(evidence),
        "UNSEEN": "Give unseen examples that neither the candidate nor any other model was trained on.",
        "NO_SIGNAL": (
            "Give the original."
            if not reference.original
            else f"Check that no retrain saw the forget set, use a larger forget or unseen set, or {canaries}."
        ),
        "EVIDENCE": _more_evidence(evidence, policy),
        "NEAR_MARGIN": narrower,
    }
    return tuple(dict.fromkeys(remedies[reason.code] for reason in reasons if reason.code in remedies))


def _sound_reference(evidence: Evidence) -> str:
    problem = evidence.reference.problem
    if not problem:
        return "Train that retrain again, check what it was trained on, and use more retrains."
    if REVERSED in problem:
        return "Check which file is the original and which are the retrains, and that no retrain saw the forget set."
    if evidence.setting.random and (UNLIKE in problem or SEEDS in problem):
        return "Check what the retrains were trained on; if the forget set was chosen, do not call it a random draw."
    return "Train the retrains again without the forget set, each with its own seed."


def _more_evidence(evidence: Evidence, policy: Policy) -> str:
    reference = evidence.reference
    if not evidence.setting.random and reference.retrains < LEAST_CHOSEN:
        return (
            "Give retrains (five are advisable; vestige retrain makes them from your own training function), or "
            "declare (--random) that the forget set is a random draw, where it is."
        )
    lacking = missing(evidence, policy)
    return f"Provide: {'; '.join(lacking)}." if lacking else reference.remedy or "Use more unseen examples or retrains."
