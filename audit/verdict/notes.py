"""What a reader of a verdict must know besides, and what would change it."""

from collections.abc import Sequence

from vestige.audit.endpoints.preconditions import NO_DIFFERENCE, REVERSED
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Evidence, Grade, Outcome, Reference
from vestige.audit.verdict.shadow_notes import missing_for_grade_a, notes_on_shadows
from vestige.audit.verdict.wording import GROUP, detectable, explanation, fail_only_open, missing_for_grade_b, screened

MOST_NAMED = 6
GROUP_STANDINGS = ("within", "uncertain", "outside", "not assessed")


def notes(evidence: Evidence, policy: Policy, outcome: Outcome, still_open: Sequence[str] = ()) -> tuple[str, ...]:
    """What a reader must know besides, as ``CODE: sentence``.

    still_open: codes of questions that a FAIL leaves open and that are no reason for it.
    """
    found = {
        **_of_verdict(evidence, policy, outcome, still_open),
        **notes_on_shadows(evidence),
        **_of_data(evidence.reference),
    }
    return tuple(f"{code}: {sentence}" for code, (applies, sentence) in found.items() if applies)


Notes = dict[str, tuple[object, str]]
"""By code: whether the note applies, and its sentence."""


def _of_verdict(evidence: Evidence, policy: Policy, outcome: Outcome, still_open: Sequence[str]) -> Notes:
    reference, endpoints = evidence.reference, evidence.endpoints
    tail = next(one for one in endpoints if one.name == "T1")
    wider = [one.name for one in endpoints if one.half_width and (one.example_half_width or 0) > one.half_width]
    narrowed = [f"{one.name} {one.margin_effective:.3f}" for one in endpoints if one.margin_effective < one.margin]
    uncertain = [one.role for one in evidence.utility if one.decision == "uncertain"]
    undecided = fail_only_open(evidence)
    retained = () if evidence.retained is None else evidence.retained.comparisons
    more_exposed = [f"{one.name} {one.gap:+.3f}" for one in retained if one.interval[0] > 0]
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
            f"retain examples are more exposed than under retraining on {', '.join(more_exposed)}; it is reported and "
            "decides nothing.",
        ),
        "NULL_CONTROL_ACCUSES": (
            evidence.controls is not None and evidence.controls.accused and outcome == "FAIL",
            "held against the others, a retrain fails as well "
            f"({', '.join(evidence.controls.accused if evidence.controls else ())}): the retrains differ more than "
            "their spread lets expect.",
        ),
        "SHORT_OF_POWER": (
            outcome == "INCONCLUSIVE" and (reference.short_of_power or reference.underpowered),
            _short_of_power(reference),
        ),
        **{code: (True, f"beside the FAIL: {explanation(code, evidence, policy)}") for code in still_open},
        "UTILITY_UNCERTAIN": (
            uncertain and outcome == "FAIL",
            f"besides, it is not settled whether accuracy on {', '.join(uncertain)} is as good as the retrains'.",
        ),
        "POLICY_OVERRIDES": (
            policy.overrides,
            f"settings that differ from profile {policy.profile}: {', '.join(policy.overrides)}.",
        ),
        **_of_plan(evidence),
    }


def _groups(evidence: Evidence) -> str:
    by = {standing: [one.name for one in evidence.groups if one.standing == standing] for standing in GROUP_STANDINGS}
    counted = [f"{standing}: {_few(names)}" for standing, names in by.items() if names]
    return f"groups, each by itself: {'; '.join(counted)}."


def _few(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= MOST_NAMED else f"{len(names)} groups"


def _of_plan(evidence: Evidence) -> Notes:
    plan = evidence.plan
    return {} if plan is None else {"AS_PLANNED" if plan.kept else "NOT_AS_PLANNED": (True, f"{plan.sentence}.")}


def data_notes(reference: Reference, *, compared: bool) -> tuple[str, ...]:
    """What must be known about the examples alone; compared: whether accuracy was."""
    found = _of_data(reference)
    if not compared:
        del found["RETAIN_NOT_ASSESSED"]
    return tuple(f"{code}: {sentence}" for code, (applies, sentence) in found.items() if applies)


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
