"""Plots: marks stand where the numbers say, and odd numbers do not break them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from vestige.audit.report import format
from vestige.audit.report.html import environment
from vestige.audit.report.paper_figures import gap_figure
from vestige.audit.report.plots import Axis, gap_axis, gap_plots, gap_row, histogram_plots, roc_plots
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.figures import Curve, Histogram
from vestige.audit.results.report import Audit, Report


@pytest.fixture
def endpoints(audit_maker: Callable[..., Audit]) -> tuple[Endpoint, ...]:
    return whole(audit_maker("finetune", "INCONCLUSIVE", (), 0.16))


def whole(audit: Audit) -> tuple[Endpoint, ...]:
    """The endpoints, groups aside."""
    return tuple(endpoint for endpoint in audit.endpoints if endpoint.name != "G")


def svg(macro: str, *values: object) -> str:
    """What the page draws."""
    return str(getattr(environment().get_template("_plots.html.jinja").module, macro)(*values))


def strips(endpoints: Sequence[Endpoint]) -> list[str]:
    plot = gap_plots(endpoints)[0]
    return [svg("strip", row, plot.axis) for row in plot.rows]


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
    moved = replace(endpoints[0], gap=gap, interval=(gap - 0.005, gap + 0.005))
    drawing = strips([moved])[0]
    left, right = band(drawing)
    assert (left < diamond(drawing) < right) is inside


def test_band_of_an_upper_endpoint_is_open_to_the_left(endpoints: tuple[Endpoint, ...]) -> None:
    tail = next(endpoint for endpoint in endpoints if endpoint.name == "T")
    drawing = strips([tail])[0]
    assert band(drawing)[0] == 0
    assert drawing.count('class="edge"') == 1


def test_band_is_the_effective_margin_and_the_declared_one_is_dashed(endpoints: tuple[Endpoint, ...]) -> None:
    halved = replace(endpoints[0], margin_effective=0.025)
    drawings = strips([halved, endpoints[3]])
    narrow, wide = map(band, drawings)
    assert narrow[1] - narrow[0] == pytest.approx((wide[1] - wide[0]) / 2, abs=0.05)
    assert drawings[0].count('class="declared"') == 2
    assert drawings[1].count('class="declared"') == 0


def test_every_retrain_is_a_dot_around_zero(endpoints: tuple[Endpoint, ...]) -> None:
    drawing = strips(endpoints)[0]
    dots = [float(x) for x in re.findall(r'class="retrain" cx="([\d.]+)%"', drawing)]
    zero = re.search(r'class="zero" x1="([\d.]+)%"', drawing)
    assert len(dots) == 10 and zero
    assert sum(dots) / 10 == pytest.approx(float(zero[1]), abs=0.02)


def test_a_distant_original_becomes_an_arrow(endpoints: tuple[Endpoint, ...]) -> None:
    near = strips([endpoints[0]])[0]
    far = strips([replace(endpoints[0], original_gap=0.9)])[0]
    assert "beyond" not in near and "original +0.900" in far
    assert 'class="original"' in near and 'class="original"' in far


def test_auc_and_tpr_have_their_own_axes(endpoints: tuple[Endpoint, ...]) -> None:
    plots = gap_plots(endpoints)
    assert [[row.endpoint.name for row in plot.rows] for plot in plots] == [
        ["M", "S", "L", "V"],
        ["T", "D"],
    ]


def test_intervals_survive_odd_numbers(endpoints: tuple[Endpoint, ...]) -> None:
    odd = [
        replace(endpoints[0], retrains=(), interval=None, original_gap=None),
        replace(endpoints[1], margin=0.0, margin_effective=0.0, gap=0.0, interval=(0.0, 0.0), retrains=(0.5,)),
        replace(endpoints[2], interval=(-40.0, 40.0)),
    ]
    for drawing in (drawing for group in (odd, odd[1:2]) for drawing in strips(group)):
        numbers = [float(x) for x in re.findall(r'[ "](-?[\d.]+)%', drawing)]
        assert numbers and all(0 <= x <= 100 for x in numbers)


def test_roc_lies_inside_its_frame_and_starts_at_the_smallest_rate() -> None:
    curve = Curve("candidate", "memory", (0.0, 0.0, 0.001, 1.0), (0.0, 0.1, 0.2, 1.0))
    plot = roc_plots([curve], forget=1000, unseen=8000)[0]
    path = re.search(r'class="curve candidate" d="M([^"]+)"', svg("roc", plot, 0.01))
    assert path and plot.score == "memory"
    points = [tuple(float(x) for x in pair.split()) for pair in path[1].split("L")]
    assert points[0] == (52.0, 282.0) and points[-1] == (350.0, 8.0)
    assert points[2][0] == pytest.approx(52 + 298 / 4, abs=0.1)  # 10^-3 on an axis from 10^-4 to 1
    assert points[1][1] == pytest.approx(282 - 274 * 2 / 3, abs=0.1)  # 0.1 on an axis from 10^-3 to 1


def test_candidate_is_drawn_over_the_original_over_the_retrains() -> None:
    curves = [Curve(model, "residual", (0.0, 1.0), (0.0, 1.0)) for model in ("candidate", "original", "retrain 1")]
    drawing = svg("roc", roc_plots(curves, 3, 0)[0], 0.01)
    assert re.findall(r"curve (\w+)", drawing) == ["retrain", "original", "candidate"]


def test_histograms_share_one_scale_and_show_shares() -> None:
    few = Histogram("candidate", "residual", (-1.0, 0.0, 1.0), (1, 3), (2, 2))
    many = Histogram("retrains", "residual", (-1.0, 0.0, 1.0), (1000, 3000), (0, 0))
    plots = histogram_plots([many, few])[0]
    assert [plot.histogram.model for plot in plots] == ["candidate", "retrains"]
    outlines = [re.search(r'class="forget" d="([^"]+)"', svg("histogram", plot)) for plot in plots]
    assert outlines[0] and outlines[1] and outlines[0][1] == outlines[1][1]


def test_axes_and_ticks() -> None:
    assert Axis(-1, 1, 0, 100)(0.5) == 75
    assert Axis(-1, 1, 0, 100)(7) == 100
    assert Axis(0.001, 1, 0, 300, log=True)(0.01) == pytest.approx(100)
    assert Axis(0.001, 1, 0, 300, log=True)(0) == 0
    assert Axis(0.001, 1, 0, 300, log=True).ticks == pytest.approx([0.001, 0.01, 0.1, 1])
    assert Axis(-0.12, 0.21, 0, 100).ticks == [-0.1, 0.0, 0.1, 0.2]
    assert Axis(-4, 4, 0, 100).ticks == [-4, -2, 0, 2, 4]


def test_texts_in_plots_are_escaped(endpoints: tuple[Endpoint, ...]) -> None:
    row = gap_row(replace(endpoints[0], where='<&>"'))
    drawing = svg("spark", row, gap_axis([row]))
    assert 'aria-label="M: &lt;&amp;&gt;&#34;: gap' in drawing and "<title>M: &lt;&amp;&gt;&#34;: gap" in drawing


def test_the_page_and_the_figure_of_a_paper_show_the_same_marks(
    report_maker: Callable[[tuple[Audit, ...]], Report], audit_maker: Callable[..., Audit]
) -> None:
    audit = audit_maker("finetune", "INCONCLUSIVE", (), 0.16)
    rows = [gap_row(endpoint) for endpoint in whole(audit) if endpoint.primary]
    panels = [panel for panel in gap_figure(report_maker((audit,))).axes if panel.get_visible()]
    assert len(panels) == len(rows)
    for panel, row in zip(panels, rows, strict=True):
        axis = gap_axis([row])
        assert panel.get_xlim() == (axis.low, axis.high) and panel.get_title() == f"{row.endpoint.name}: {row.title}"
        dots = next(line for line in panel.lines if line.get_marker() == "o")
        assert tuple(dots.get_xdata()) == row.retrains
        bar = panel.patches[0].get_bbox()
        assert (bar.x0, bar.x1) == pytest.approx((axis.low if row.band[0] is None else row.band[0], row.band[1]))


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (format.signed(0.1234), "+0.123"),
        (format.signed(-0.1234), "−0.123"),
        (format.signed(-0.0001), "0.000"),
        (format.signed(None), "–"),
        (format.fraction(0.010), "0.01"),
        (format.fraction(0.001), "0.001"),
        (format.power_of_ten(0.01), "0.01"),
        (format.power_of_ten(1e-4), "10⁻⁴"),
        (format.number(-0.001), "0"),
        (format.number(12.50), "12.5"),
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
