"""report.html: first line, escaping, self-containedness, wording, and that every hole in the evidence still prints."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources
from typing import Any

import pytest

from vestige.audit.report.html import render_html
from vestige.audit.results.json import from_json, to_json
from vestige.audit.results.report import Audit, Report
from vestige.audit.results.setting import Setting
from vestige.audit.results.wording import FORBIDDEN, LIMITS, NOTES, REASONS, assumptions

ReportMaker = Callable[[tuple[Audit, ...]], Report]
VOID = {"meta", "br", "img", "link", "input", "hr"}
DRAWN = {"line", "path", "rect", "circle"}


class Page(HTMLParser):
    """Tags, attributes, links, ids and visible text; fails on tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "title") and data.strip():
            self.text.append(" ".join(data.split()))

    def values(self, name: str) -> list[str]:
        return [value for _, key, value in self.attributes if key == name]


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    return render_html(report)


@pytest.fixture
def single(audit_maker: Callable[..., Audit], report_maker: ReportMaker) -> Report:
    return report_maker((audit_maker("finetune", "INCONCLUSIVE", ("EVIDENCE",), 0.1, tails=False),))


def test_first_line_of_one_candidate(single: Report) -> None:
    words = " ".join(Page(render_html(single)).text)
    assert words.startswith("? INCONCLUSIVE finetune margins: AUC ±0.05, TPR at FPR 0.01 +0.02, accuracy −0.02")
    assert words.index(single.audits[0].verdict.headline) < words.index("What this does not show.") < 500


def test_first_line_of_several_candidates(page: str) -> None:
    words = " ".join(Page(page).text)
    assert words.startswith("✓ 2 PASS ✕ 4 FAIL ? 2 INCONCLUSIVE of 8 candidates margins: AUC ±0.05")
    assert words.index("What this does not show.") < 500


def test_inconclusive_names_what_would_resolve_it(single: Report) -> None:
    words = " ".join(Page(render_html(single)).text)
    assert "What would change this More unseen examples: about 4,000 would do." in words


def test_same_report_same_page(report: Report, page: str) -> None:
    assert render_html(report) == page == render_html(from_json(to_json(report)))


def test_names_cannot_break_out(page: str) -> None:
    assert "<script" not in page.lower()
    assert "group &lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_hostile_text_in_every_string_stays_text(report: Report) -> None:
    attack = "\"'><img src=x onerror=alert(1)>"
    text = to_json(report)
    for plain in (
        "finetune",
        "standard",
        "parquet:data/cifar10",
        "vestige run audit.toml",
        "cpu, 2 cores",
        "retrain 1",
    ):
        text = text.replace(f'"{plain}"', '"' + plain + attack.replace('"', '\\"') + '"')
    parsed = Page(render_html(from_json(text)))
    assert parsed.tags["img"] == 0
    assert not [name for _, name, _ in parsed.attributes if name.startswith("on")]


def test_page_is_self_contained(page: str) -> None:
    parsed = Page(page)
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form"} & parsed.tags.keys()
    assert not parsed.values("src") and not parsed.values("srcset")
    assert all(value.startswith("#") for value in parsed.values("href"))
    assert "http:" not in page and "https:" not in page and "//" not in page.replace("</", "")
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style and "@import" not in style and "@font-face" not in style
    assert "default-src 'none'" in page


def test_links_resolve_and_ids_are_unique(page: str) -> None:
    parsed = Page(page)
    ids = Counter(parsed.values("id"))
    assert max(ids.values()) == 1
    assert {value[1:] for value in parsed.values("href")} <= ids.keys()


def test_readable_on_phone_paper_and_in_the_dark(page: str) -> None:
    assert 'name="viewport" content="width=device-width' in page
    assert "@media print" in page and "prefers-color-scheme: dark" in page
    tables = len(re.findall(r"<table", page))
    contained = len(re.findall(r'class="scroll"[^>]*>\s*<table', page))
    assert tables - contained == 8  # the cost table of each candidate has three narrow columns


def test_plots_have_names(page: str) -> None:
    parsed = Page(page)
    plots = re.findall(r'<svg class="(?:strip|spark|roc|histogram)"[^>]*role="img"[^>]*><title>[^<]+</title>', page)
    assert len(plots) > 8 * 10
    assert not parsed.values("style")


def test_size_with_eight_candidates(full_report: Report) -> None:
    assert len(render_html(full_report).encode()) < 3_000_000


def test_rp_11_forbidden_phrases_never_occur(page: str, single: Report) -> None:
    folder = resources.files("vestige.audit.report").joinpath("templates")
    texts = [page, render_html(single), *(file.read_text(encoding="utf-8") for file in folder.iterdir())]
    texts += [text for name in ("random", "chosen", "class") for text in assumptions(Setting(name, "default"))]
    texts += [*LIMITS, *REASONS.values(), *NOTES.values()]
    for phrase in FORBIDDEN:
        assert not any(phrase in " ".join(text.lower().split()) for text in texts), phrase
    assert {"data removed", "data deleted", "compliant", "certified unlearning"} <= set(FORBIDDEN)


def test_no_value_prints_as_python(page: str, single: Report) -> None:
    for text in (page, render_html(single)):
        words = " ".join(Page(text).text)
        assert not re.search(r"\b(nan|inf|None|True|False|e-\d\d)\b", words)
        assert "-0." not in words


def test_every_number_of_an_endpoint_is_printed(single: Report) -> None:
    words = " ".join(Page(render_html(single)).text)
    endpoint = single.audits[0].endpoints[0]
    assert endpoint.interval is not None and endpoint.gap is not None
    assert f"+{endpoint.gap:.3f}" in words
    assert f"+{endpoint.interval[0]:.3f} to +{endpoint.interval[1]:.3f}" in words
    assert "each retrain: " + " · ".join(f"{value:.3f}" for value in endpoint.retrains) in words


def test_not_estimable_says_why(single: Report) -> None:
    words = " ".join(Page(render_html(single)).text)
    assert "an FPR of 0.01 needs 1,000 unseen examples for evaluation, there are 638" in words
    assert "NOT_JUDGED" in words


def test_reference_is_not_a_candidate_row(page: str) -> None:
    overview = page[page.index('<section id="overview">') : page.index('id="candidate-1"')]
    fixed, candidates = overview.split("<tbody>")
    assert "Retrains <small>the reference" in fixed and "Original" in fixed
    assert candidates.count("<tr>") == 8


def test_references_are_printed_once_unless_they_differ(report: Report, page: str) -> None:
    dropped = replace(report.audits[0].reference, dropped=("retrain 3",), retrains=9)
    other = replace(report, audits=(replace(report.audits[0], reference=dropped), *report.audits[1:]))
    assert "For no_op</h3>" not in page
    changed = render_html(other)
    assert "For no_op</h3>" in changed
    assert "Left out because byte-equal to the candidate: retrain 3." in changed


def test_changed_policy_and_saturation_are_announced(report: Report, page: str) -> None:
    assert 'class="alert"' not in page
    other = replace(
        report,
        policy=replace(report.policy, changed=True, registered_hash="ee" * 32),
        data=replace(report.data, saturated=4321),
    )
    words = " ".join(Page(render_html(other)).text)
    assert "The policy was changed." in words and "ee" * 32 in words
    assert "Saturated probabilities." in words and "the label has probability exactly 1" in words


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"problem": "mixed up", "detecting": None}, "The attacks bite Not tested: the reference is invalid."),
        ({"original": False, "detecting": None}, "The attacks bite Not tested: no original was given."),
        ({"retrains": 0}, "Valid reference None: no retrain was given; the comparison is with chance."),
    ],
)
def test_what_was_not_tested_is_not_called_failed(single: Report, changes: dict[str, Any], sentence: str) -> None:
    audit = single.audits[0]
    reference = replace(audit.reference, firing=(), **changes)
    words = " ".join(Page(render_html(replace(single, audits=(replace(audit, reference=reference),)))).text)
    assert sentence in words and "No attack on memory catches" not in words


def test_endpoints_have_code_name_and_role_and_those_that_cannot_occur_are_absent(single: Report) -> None:
    words = " ".join(Page(render_html(single)).text)
    for text in (
        "M memory AUC of the memory score, forget against unseen",
        "L labels can only cause FAIL",
        "V other classes can only cause FAIL",
        "D shape can only cause FAIL",
    ):
        assert text in words
    assert "undecided PASS requires it" in words and "U-LiRA AUC" not in words


def test_an_endpoint_against_chance_says_so(single: Report) -> None:
    audit = single.audits[0]
    chance = replace(audit.endpoints[0], reference=0.5, chance=True)
    setting = Setting("random", "declared")
    other = replace(audit, setting=setting, endpoints=(chance, *audit.endpoints[1:]))
    words = " ".join(Page(render_html(replace(single, audits=(other,)))).text)
    assert "0.500 chance, ± " in words and "Setting: random (declared)." in words
    assert "chance, ± " not in " ".join(Page(render_html(single)).text)


def test_what_stands_beside_the_endpoints(single: Report) -> None:
    audit = single.audits[0]
    words = " ".join(Page(render_html(single)).text)
    assert "Forgotten 50 % [44, 56] of what the original knew." in words
    assert "Closer to retraining than to the original: p 0.500." in words
    assert (
        "No sign that the candidate knows them. Of 612 that" in words and "minus a retrain’s: +0.011 ± 0.010." in words
    )
    assert "Sharpness in units of a retrain's: candidate 1.40; the scores are free of it." in words
    assert "rank 0.31 (p 0.757), seeds 8.90 (p 0.447)" in words and "Switched off" not in words
    assert audit.unseen_check is not None
    other = replace(audit, masked=(3,), unseen_check=replace(audit.unseen_check, known=True), scale=audit.scale[:1])
    words = " ".join(Page(render_html(replace(single, audits=(other,)))).text)
    assert "The candidate knows them." in words and "The output of class 3 is constant on every row." in words
    assert "Sharpness" not in words


@pytest.mark.parametrize(
    ("estimate", "says"),
    [
        (-0.1, "Forgotten -10 %"),
        (1.4, "Forgotten 140 %"),
        (3.7, "the candidate is far from retrains and original alike."),
        (None, "the original itself is hardly caught."),
    ],
)
def test_a_share_that_is_none_is_not_printed(single: Report, estimate: float | None, says: str) -> None:
    audit = single.audits[0]
    assert audit.share_forgotten is not None
    other = replace(audit, share_forgotten=replace(audit.share_forgotten, estimate=estimate))
    words = " ".join(Page(render_html(replace(single, audits=(other,)))).text)
    assert says in words


def test_the_overview_leaves_out_what_no_candidate_could_be_measured_on(
    audit_maker: Callable[..., Audit], report_maker: ReportMaker
) -> None:
    audits = [audit_maker(name, "PASS", (), 0.0, tails=tails) for name, tails in (("a", True), ("b", False))]

    def head(*shown: Audit) -> str:
        page = render_html(report_maker(shown))
        return page[page.index('<table class="overview">') : page.index("</thead>")]

    assert "worst-exposed" in head(*audits) and "memory" in head(*audits)
    assert "worst-exposed" not in head(audits[1], audits[1]) and "memory" in head(audits[1], audits[1])


def test_page_of_the_least_evidence(single: Report) -> None:
    audit = single.audits[0]
    bare = replace(
        audit,
        verdict=replace(audit.verdict, explanations=(), notes=("no code here",), would_change=()),
        endpoints=tuple(endpoint for endpoint in audit.endpoints if endpoint.gap is None),
        utility=(),
        attacks=(),
        curves=(),
        histograms=(),
        reference=replace(audit.reference, original=False, detecting=None, problem="The retrains are identical"),
        scale=(),
        unseen_check=None,
        share_forgotten=None,
        method=None,
        weights=None,
        cost=None,
        self_test=None,
    )
    models = replace(single.models, recipe=None, seeds=None, weights=None, device=None)
    data = replace(single.data, fingerprint=None, split=None, class_names=None, label_noise=None)
    least = replace(single, audits=(bare,), models=models, data=data, reproduce=None)
    words = " ".join(Page(render_html(from_json(to_json(least)))).text)
    assert "No. The retrains are identical." in words
    assert REASONS["EVIDENCE"] in words
    assert "Not tested: no original was given." in words and "Not tested: the reference is invalid." in words
    assert "No code here." in words


def test_groups_and_those_who_stayed_are_shown(single: Report) -> None:
    page = render_html(single)
    assert "Memory (M) within each group of forget examples, margin 0.1" in page
    assert (
        "Not judged: group b (needs at least 100 forget and 100 unseen examples for evaluation, got 90 and 700)" in page
    )
    assert "Those who stayed" in page and "+0.031" in page
    whole = tuple(endpoint for endpoint in single.audits[0].endpoints if endpoint.name != "G")
    bare = replace(single, audits=(replace(single.audits[0], endpoints=whole, retained=None),))
    assert "<h3>Groups" not in render_html(bare) and "Those who stayed" not in render_html(bare)
