"""Drawings: marks stand where the numbers say, and odd numbers do not break them."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from vestige.audit.report import format
from vestige.audit.report.curves import roc_figures
from vestige.audit.report.histograms import histogram_rows
from vestige.audit.report.intervals import interval_panels
from vestige.audit.report.svg import LogScale, Scale, element, ticks
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.figures import Curve, Histogram
from vestige.audit.results.report import Audit


@pytest.fixture
def endpoints(audit_maker: Callable[..., Audit]) -> tuple[Endpoint, ...]:
    return audit_maker("finetune", "INCONCLUSIVE", (), 0.16).endpoints


def band(drawing: str) -> tuple[float, float]:
    found = re.search(r'class="band" x="([\d.]+)%" y="0" width="([\d.]+)%"', drawing)
    assert found
    left, width = float(found[1]), float(found[2])
    return left, left + width


def diamond(drawing: str) -> float:
    found = re.search(r'<svg x="([\d.]+)%"[^>]*><path class="candidate', drawing)
    assert found
    return float(found[1])


@pytest.mark.parametrize(("gap", "inside"), [(0.0, True), (0.049, True), (-0.049, True), (0.052, False), (-0.3, False)])
def test_candidate_lies_in_the_band_exactly_when_the_gap_is_within_the_margin(
    endpoints: tuple[Endpoint, ...], gap: float, inside: bool
) -> None:
    moved = replace(endpoints[0], gap=gap, interval=(gap - 0.005, gap + 0.005), simultaneous=None)
    drawing = str(interval_panels([moved])[0].rows[0].drawing)
    left, right = band(drawing)
    assert (left < diamond(drawing) < right) is inside


def test_band_of_an_upper_endpoint_is_open_to_the_left(endpoints: tuple[Endpoint, ...]) -> None:
    tail = next(one for one in endpoints if one.name == "T1")
    drawing = str(interval_panels([tail])[0].rows[0].drawing)
    assert band(drawing)[0] == 0
    assert drawing.count('class="edge"') == 1


def test_band_is_the_effective_margin_and_the_declared_one_is_dashed(endpoints: tuple[Endpoint, ...]) -> None:
    halved = replace(endpoints[0], margin_effective=0.025)
    panel = interval_panels([halved, endpoints[1]])[0]
    narrow, wide = (band(str(row.drawing)) for row in panel.rows)
    assert narrow[1] - narrow[0] == pytest.approx((wide[1] - wide[0]) / 2, abs=0.05)
    assert str(panel.rows[0].drawing).count('class="declared"') == 2
    assert str(panel.rows[1].drawing).count('class="declared"') == 0


def test_every_retrain_is_a_dot_around_zero(endpoints: tuple[Endpoint, ...]) -> None:
    drawing = str(interval_panels(endpoints)[0].rows[0].drawing)
    dots = [float(x) for x in re.findall(r'class="retrain" cx="([\d.]+)%"', drawing)]
    zero = re.search(r'class="zero" x1="([\d.]+)%"', drawing)
    assert len(dots) == 10 and zero
    assert sum(dots) / 10 == pytest.approx(float(zero[1]), abs=0.02)


def test_a_distant_original_becomes_an_arrow(endpoints: tuple[Endpoint, ...]) -> None:
    near = str(interval_panels([endpoints[0]])[0].rows[0].drawing)
    far = str(interval_panels([replace(endpoints[0], original_gap=0.9)])[0].rows[0].drawing)
    assert "beyond" not in near and "original +0.900" in far
    assert 'class="original"' in near and 'class="original"' in far


def test_auc_and_tpr_have_their_own_axes(endpoints: tuple[Endpoint, ...]) -> None:
    panels = interval_panels(endpoints)
    assert [[row.endpoint.name for row in panel.rows] for panel in panels] == [
        ["A1", "A2", "A3", "F1", "F2", "F3"],
        ["T1", "T2"],
    ]


def test_intervals_survive_odd_numbers(endpoints: tuple[Endpoint, ...]) -> None:
    odd = [
        replace(endpoints[0], retrains=(), interval=None, simultaneous=None, original_gap=None),
        replace(endpoints[1], margin=0.0, margin_effective=0.0, gap=0.0, interval=(0.0, 0.0), retrains=(0.5,)),
        replace(endpoints[2], interval=(-40.0, 40.0), simultaneous=(-1e6, 1e6)),
    ]
    for drawing in (str(row.drawing) for group in (odd, odd[1:2]) for row in interval_panels(group)[0].rows):
        numbers = [float(x) for x in re.findall(r'[ "](-?[\d.]+)%', drawing)]
        assert numbers and all(0 <= x <= 100 for x in numbers)


def test_roc_lies_inside_its_frame_and_starts_at_the_smallest_rate() -> None:
    curve = Curve("candidate", "phi", (0.0, 0.0, 0.001, 1.0), (0.0, 0.1, 0.2, 1.0))
    figure = roc_figures([curve], forget=1000, unseen=8000, fprs=(0.01,))[0]
    path = re.search(r'class="curve candidate" d="M([^"]+)"', str(figure.drawing))
    assert path and figure.score == "φ"
    points = [tuple(float(x) for x in pair.split()) for pair in path[1].split("L")]
    assert points[0] == (52.0, 282.0) and points[-1] == (350.0, 8.0)
    assert points[2][0] == pytest.approx(52 + 298 / 4, abs=0.1)  # 10^-3 on an axis from 10^-4 to 1
    assert points[1][1] == pytest.approx(282 - 274 * 2 / 3, abs=0.1)  # 0.1 on an axis from 10^-3 to 1


def test_candidate_is_drawn_over_the_original_over_the_retrains() -> None:
    curves = [Curve(model, "z", (0.0, 1.0), (0.0, 1.0)) for model in ("candidate", "original", "retrain 1")]
    drawing = str(roc_figures(curves, 3, 0, (0.01,))[0].drawing)
    assert re.findall(r"curve (\w+)", drawing) == ["retrain", "original", "candidate"]


def test_histograms_share_one_scale_and_show_shares() -> None:
    few = Histogram("candidate", "z", (-1.0, 0.0, 1.0), (1, 3), (2, 2))
    many = Histogram("retrains", "z", (-1.0, 0.0, 1.0), (1000, 3000), (0, 0))
    row = histogram_rows([many, few])[0]
    assert [panel.model for panel in row.panels] == ["candidate", "retrains"]
    outlines = [re.search(r'class="forget" d="([^"]+)"', str(panel.drawing)) for panel in row.panels]
    assert outlines[0] and outlines[1] and outlines[0][1] == outlines[1][1]


def test_scales_and_ticks() -> None:
    assert Scale(-1, 1, 0, 100)(0.5) == 75
    assert Scale(-1, 1, 0, 100)(7) == 100
    assert LogScale(0.001, 1, 0, 300)(0.01) == pytest.approx(100)
    assert LogScale(0.001, 1, 0, 300)(0) == 0
    assert ticks(-0.12, 0.21, 5) == [-0.1, 0.0, 0.1, 0.2]
    assert ticks(-4, 4, 5) == [-4, -2, 0, 2, 4]


def test_elements_escape() -> None:
    assert str(element("text", "<&>", class_='a"b', text_anchor="end", x=1.0)) == (
        '<text class="a&#34;b" text-anchor="end" x="1">&lt;&amp;&gt;</text>'
    )


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (format.signed(0.1234), "+0.123"),
        (format.signed(-0.1234), "−0.123"),
        (format.signed(-0.0001), "0.000"),
        (format.signed(None), "–"),
        (format.fraction(0.010), "0.01"),
        (format.fraction(0.001), "0.001"),
        (format.interval((-0.01, 0.02)), "−0.010 to +0.020"),
        (format.probability(0.0001), "< 0.001"),
        (format.magnitude(1.234e12), "1.23 × 10¹²"),
        (format.magnitude(12.0), "12"),
        (format.epsilon(0.05), "0.20"),
        (format.epsilon(0.10), "0.41"),
        (format.epsilon(0.03), "0.12"),
        (format.advantage(0.05), "0.1"),
        (format.seconds(600), "10.0 min"),
        (format.share(0.001), "< 0.01 ×"),
    ],
)
def test_numbers_as_printed(made: str, expected: str) -> None:
    assert made == expected
