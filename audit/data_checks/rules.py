"""From what a check measured to its severity and sentence: pure functions, so that a gate comes to the same."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from vestige.audit.results.data_checks import Finding, Severity
from vestige.audit.results.figures import Interval

TOLERATED = 0.01
"""Share of a role that may have copies in another before that is a warning; natural data sets contain a few."""
TOLERATED_NEAR = 0.05
"""The same for altered copies: Fashion-MNIST, of one product in several photographs, has 2 %."""
LEAST_ACCURACY = 0.02
LEAST_PHI = 0.1
"""Smaller differences between forget and unseen examples, in accuracy and in logits, are ignored."""
MUCH_MIX = 0.1
"""Total variation beyond chance from which on another mix of classes is a warning."""
LEVEL = "99.9 %"


@dataclass(frozen=True)
class Measurement:
    """What a check measured."""

    count: int
    of: int
    value: float | None = None
    interval: Interval | None = None
    detail: str = ""


Rule = Callable[[Measurement], tuple[Severity, str]]
CLEAR: tuple[Severity, str] = ("clear", "")


def conclude(check: str, measured: Measurement) -> Finding:
    """The finding that follows; ``check`` is a key of ``RULES``."""
    severity, sentence = RULES[check](measured)
    return Finding(check, severity, measured.count, measured.of, measured.value, measured.interval, sentence)


def _copies(what: str, consequence: str, tolerated: float = TOLERATED) -> Rule:
    def rule(measured: Measurement) -> tuple[Severity, str]:
        if not measured.count:
            return CLEAR
        severity: Severity = "warning" if measured.count > tolerated * measured.of else "note"
        return severity, f"{measured.count} of {measured.of} {what}: {consequence}."

    return rule


def _people(measured: Measurement) -> tuple[Severity, str]:
    if not measured.count:
        return CLEAR
    return "warning", (
        f"{measured.count} of {measured.of} people with forget examples have retain or unseen examples too: retrains "
        "were trained on them, or they are compared with themselves; forget a person's examples together."
    )


def _class_mix(measured: Measurement) -> tuple[Severity, str]:
    value, chance = measured.value or 0.0, measured.interval[1] if measured.interval else 1.0
    if value <= chance:
        return CLEAR
    missing = (
        f", and {measured.count} of the {measured.of} classes of forget have no unseen example"
        if measured.count
        else ""
    )
    return ("warning" if value - chance > MUCH_MIX else "note"), (
        f"Forget and unseen examples differ in their mix of classes: total variation {value:.3f}, where chance gives "
        f"at most {chance:.3f}{missing}; draw unseen examples in the mix of forget."
    )


def _unlike(what: str, unit: str, least: float) -> Rule:
    def rule(measured: Measurement) -> tuple[Severity, str]:
        if measured.value is None or measured.interval is None:
            return CLEAR
        low, high = measured.interval
        if low <= 0 <= high or abs(measured.value) < least:
            return CLEAR
        harder = "harder" if measured.value < 0 else "easier"
        return "warning", (
            f"Forget examples are {harder} than unseen ones, for models trained on neither: mean {what} of the "
            f"retrains differs by {measured.value:+.3f}{unit} (forget minus unseen, {LEVEL} interval {low:+.3f} to "
            f"{high:+.3f}); do not compare an AUC of a single model with one half, while gaps to the retrains stay "
            "comparable."
        )

    return rule


def _untrained(measured: Measurement) -> tuple[Severity, str]:
    if not measured.count or measured.value is None or measured.interval is None:
        return CLEAR
    low, high = measured.interval
    return "warning", (
        f"The original answers on forget examples as on unseen ones (phi differs by {measured.value:+.3f}, {LEVEL} "
        f"interval {low:+.3f} to {high:+.3f}) and unlike on retain ones, as if it had not been trained on the forget "
        "set; check the file and the rows."
    )


def _models(measured: Measurement) -> tuple[Severity, str]:
    return ("warning", measured.detail) if measured.count else CLEAR


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "copies_in_retain": _copies(
            "forget images are also in the retain set, pixel for pixel",
            "a model that is trained on them cannot forget them",
        ),
        "copies_in_unseen": _copies(
            "forget images are also in the unseen set, pixel for pixel", "an image that was trained on is not unseen"
        ),
        "unseen_in_retain": _copies(
            "unseen images are also in the retain set, pixel for pixel",
            "every model was trained on these, which blurs the comparison",
        ),
        "near_copies_in_retain": _copies(
            "forget images have an altered copy in the retain set",
            "every model learns them from the copy, retrains too",
            TOLERATED_NEAR,
        ),
        "near_copies_in_unseen": _copies(
            "forget images have an altered copy in the unseen set",
            "the original knows those unseen images too",
            TOLERATED_NEAR,
        ),
        "people": _people,
        "class_mix": _class_mix,
        "difficulty": _unlike("accuracy", "", LEAST_ACCURACY),
        "confidence": _unlike("phi", " logits", LEAST_PHI),
        "original_untrained": _untrained,
        "copied_models": _models,
        "plausibility": _models,
    }
)
OF_DATA = (
    "copies_in_retain",
    "copies_in_unseen",
    "unseen_in_retain",
    "near_copies_in_retain",
    "near_copies_in_unseen",
    "people",
)
"""Checks on pixels and on the whole split, in the order of the report."""
FREE = ("plausibility",)
"""Checks whose sentence names models and numbers that a report does not hold."""


def of_outputs(*, retrains: bool, original: bool) -> tuple[str, ...]:
    """Checks on outputs, in the order of the report. original: it was given, and retain examples with it."""
    unlike = ("difficulty", "confidence") if retrains else ()
    untrained = ("original_untrained",) if original else ()
    return ("people", "class_mix", *unlike, *untrained, "copied_models", "plausibility")


def copied_models(*, no_op: bool, dropped: tuple[str, ...], problem: str) -> Measurement:
    """Models that are one. no_op: the candidate is the original, and no control that is meant to be."""
    said = [
        "the candidate answers exactly as the original does" if no_op else "",
        f"the candidate answers exactly as {', '.join(dropped)} does, which was left out" if dropped else "",
        problem if "byte-equal" in problem or "same model" in problem else "",
    ]
    sentences = [sentence for sentence in said if sentence]
    sentence = "; ".join(sentences)
    sentence = f"{sentence[:1].upper()}{sentence[1:]}; check that no file was given twice."
    return Measurement(len(sentences), 3, detail=sentence)
