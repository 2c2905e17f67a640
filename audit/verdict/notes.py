"""What else a reader of a verdict must know, and what would change it."""

from collections.abc import Mapping, Sequence

from vestige.audit.endpoints.endpoints import DEFINITIONS
from vestige.audit.endpoints.preconditions import NO_DIFFERENCE, REVERSED
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Evidence, Grade, Outcome, Reference
from vestige.audit.results.shadows import FEWEST, GRADE_A_FROM, SHADOWED, ULIRA, ShadowEvidence, why_absent
from vestige.audit.verdict.grades import enough_shadows, missing_for_grade_a, missing_for_grade_b
from vestige.audit.verdict.wording import GROUP, also_fail, detectable, explanation, fail_only_open, screened

MOST_NAMED = 6
GROUP_STANDINGS = ("within", "uncertain", "outside", "not assessed")
Notes = Mapping[str, tuple[object, str]]
"""By code: whether the note applies, and its sentence."""


def notes(evidence: Evidence, policy: Policy, outcome: Outcome, still_open: Sequence[str] = ()) -> tuple[str, ...]:
    """What else a reader must know, as ``CODE: sentence``.

    still_open: codes of questions that a FAIL leaves open and that are no reason for it.
    """
    return applying(
        {
            **_of_verdict(evidence, policy, outcome, still_open),
            **_of_shadows(evidence),
            **_of_data(evidence.reference),
        }
    )


def applying(notes_by_code: Notes) -> tuple[str, ...]:
    """The notes that apply, as ``CODE: sentence``."""
    return tuple(f"{code}: {sentence}" for code, (applies, sentence) in notes_by_code.items() if applies)


def _of_verdict(evidence: Evidence, policy: Policy, outcome: Outcome, still_open: Sequence[str]) -> Notes:
    reference, endpoints = evidence.reference, evidence.endpoints
    tail = next(endpoint for endpoint in endpoints if endpoint.name == "T1")
    widths = [(endpoint.name, endpoint.half_width, endpoint.example_half_width or 0.0) for endpoint in endpoints]
    wider = [name for name, half_width, examples in widths if half_width and examples > half_width]
    margins = [(endpoint.name, endpoint.margin_effective, endpoint.margin) for endpoint in endpoints]
    narrowed = [f"{name} {effective:.3f}" for name, effective, margin in margins if effective < margin]
    uncertain = [utility.role for utility in evidence.utility if utility.decision == "uncertain"]
    undecided = fail_only_open(evidence)
    retained = () if evidence.retained is None else evidence.retained.comparisons
    more_exposed = [f"{statistic.name} {statistic.gap:+.3f}" for statistic in retained if statistic.interval[0] > 0]
    accused = () if evidence.controls is None else evidence.controls.accused
    return {
        "DETECTABLE_WITHIN_MARGIN": (
            outcome == "PASS" and detectable(evidence),
            f"the difference from retraining is detectable but within margin on {', '.join(detectable(evidence))}.",
        ),
        "FAIL_ONLY_OPEN": (
            outcome == "PASS" and undecided,
            f"{', '.join(undecided)} can only cause FAIL and did not, but is not shown to be within its margin.",
        ),
        "TAIL_NOT_ASSESSED": (
            tail.candidate is None,
            f"leaks of a few examples were not tested: the TPR endpoints are not estimable ({tail.reason}).",
        ),
        "RETRAIN_DROPPED": (
            reference.dropped,
            f"{', '.join(reference.dropped)} left out: byte-equal to the candidate.",
        ),
        "SCREENING": (
            evidence.exchangeable is None and not reference.retrains,
            "without a retrain this is a screening: phi tells forget from unseen examples with AUC "
            f"{screened(evidence)} on the candidate (0.5: not at all). A model that never saw the forget set may do "
            "the same where the two differ by nature, so neither a leak nor forgetting is shown; only a candidate that "
            "answers as the original does fails.",
        ),
        "NOT_EXCHANGEABLE": (
            reference.retrains > 0 and not evidence.baseline.exchangeable,
            "the retrains are not shown to rank forget and unseen data alike within the margin, so the comparison with "
            "unseen data is switched off; the comparison with retraining stands.",
        ),
        "WIDER_EXAMPLE_INTERVAL": (
            wider and not policy.conservative,
            f"the interval from the examples alone is wider than the one from the retrains on {', '.join(wider)}; "
            "conservative = true in the policy takes the wider one.",
        ),
        "MARGIN_NARROWED": (
            narrowed,
            f"the margin of the PASS test is half of the original's own gap on {', '.join(narrowed)}.",
        ),
        "GROUPS": (evidence.groups, _groups(evidence)),
        "RETAIN_EXPOSED": (
            more_exposed,
            f"retain examples are more exposed than under retraining on {', '.join(more_exposed)}; this does not "
            "affect the verdict.",
        ),
        "NULL_CONTROL_ACCUSES": (
            accused and outcome == "FAIL",
            f"null control failed: {also_fail(accused)}; the retrains differ by more than their spread explains.",
        ),
        "SHORT_OF_POWER": (
            outcome == "INCONCLUSIVE" and (reference.short_of_power or reference.underpowered),
            _short_of_power(reference),
        ),
        **{code: (True, f"apart from the FAIL: {explanation(code, evidence, policy)}") for code in still_open},
        "UTILITY_UNCERTAIN": (
            uncertain and outcome == "FAIL",
            f"it is also not settled whether accuracy on {', '.join(uncertain)} is as good as the retrains'.",
        ),
        "POLICY_OVERRIDES": (
            policy.overrides,
            f"settings that differ from profile {policy.profile}: {', '.join(policy.overrides)}.",
        ),
        **_of_plan(evidence),
    }


def _of_shadows(evidence: Evidence) -> Notes:
    shadows = evidence.shadows
    if shadows is None:
        return {}
    shadowed = {definition.name for definition in DEFINITIONS if definition.score in SHADOWED}
    used = any(endpoint.candidate is not None and endpoint.name in shadowed for endpoint in evidence.endpoints)
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


def _groups(evidence: Evidence) -> str:
    counted = []
    for standing in GROUP_STANDINGS:
        names = [group.name for group in evidence.groups if group.standing == standing]
        if names:
            counted.append(f"{standing}: {', '.join(names) if len(names) <= MOST_NAMED else f'{len(names)} groups'}")
    return f"groups, each by itself: {'; '.join(counted)}."


def _of_plan(evidence: Evidence) -> Notes:
    plan = evidence.plan
    return {} if plan is None else {"AS_PLANNED" if plan.kept else "NOT_AS_PLANNED": (True, f"{plan.sentence}.")}


def data_notes(reference: Reference, *, compared: bool) -> tuple[str, ...]:
    """What must be known about the examples alone; compared: whether accuracy was."""
    of_data = _of_data(reference)
    return applying({code: note for code, note in of_data.items() if compared or code != "RETAIN_NOT_ASSESSED"})


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
    if reference.underpowered:
        parts.append(f"no candidate can pass {', '.join(reference.underpowered)}")
    if reference.short_of_power:
        short = ", ".join(reference.short_of_power)
        parts.append(f"even a perfect candidate passes {short} with less than 80 % probability")
    return f"{'; '.join(parts)}. {reference.remedy}"


def would_change(evidence: Evidence, policy: Policy, reasons: Sequence[str], grade: Grade) -> tuple[str, ...]:
    """What would resolve or change the verdict: for each reason that has a remedy, one sentence."""
    reference = evidence.reference
    canaries = "plant canaries (mislabelled or duplicated examples) in the next training"
    remedies = {
        "NOOP": "Run the unlearning method, and check that its result was the checkpoint that was audited.",
        "LEAK": "Unlearn more strongly, or retrain without the forget set.",
        "OVER_FORGET": "Unlearn less strongly: aim at what retraining gives, not at the lowest score.",
        "SCATTER": "Unlearn example by example to the level of retraining; the mean alone is not enough.",
        "TRACE": "Look at A1, A2 and T1 for the direction: more of the method, less of it, or another one.",
        "TAIL": "Find the exposed examples in the scores and unlearn those further.",
        "UTILITY": "Repair accuracy on retain data after unlearning.",
        "REFERENCE_INVALID": _sound_reference(reference),
        "NO_ASSAY_SENSITIVITY": (
            "Give the original."
            if not reference.original
            else f"Check that no retrain saw the forget set, use a larger forget or unseen set, or {canaries}."
        ),
        "EVIDENCE_GRADE": _more_evidence(evidence, policy, grade),
        "NULL_CONTROL": "Train that retrain again, check what it was trained on, and use more retrains.",
        "BASELINE_DISAGREEMENT": (
            "Check that the retrains were trained without the forget set, and that unseen data is like it."
        ),
        "GROUP_OPEN": (
            "Give more forget and unseen examples of these groups, more retrains, or do not enforce groups."
        ),
        "UNDERPOWERED": reference.remedy or "Use more unseen examples or a wider margin.",
        "NEAR_MARGIN": reference.remedy or "More retrains or more unseen examples would narrow the interval.",
        "UTILITY_UNCERTAIN": "More retrains would narrow the interval of accuracy.",
    }
    group = "Unlearn the group further, to the level of retraining, and look for what sets it apart."
    remedies |= {reason: group for reason in reasons if reason.startswith(GROUP)}
    return tuple(dict.fromkeys(remedies[reason] for reason in reasons if reason in remedies))


def _sound_reference(reference: Reference) -> str:
    if NO_DIFFERENCE in reference.problem:
        return "Give more forget or unseen examples: with so few of them an attack cannot tell one model from another."
    if REVERSED in reference.problem:
        return "Check which file is the original and which are the retrains, and that no retrain saw the forget set."
    return "Train the retrains again without the forget set, each with its own seed."


def _more_evidence(evidence: Evidence, policy: Policy, grade: Grade) -> str:
    if not evidence.reference.retrains:
        return (
            "Give retrains (five are advisable; vestige retrain makes them from your own training function), or "
            "declare (--exchangeable) that forget and unseen examples were drawn alike, where they were."
        )
    missing = missing_for_grade_b(evidence)
    if policy.min_evidence == "A" and not missing:
        return f"For grade A provide: {missing_for_grade_a(evidence)}."
    return f"The evidence is of grade {grade}; for grade B provide: {'; '.join(missing)}."
