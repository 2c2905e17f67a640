"""Golden numbers and properties of the verdict's statistics (ground-truth.md, sections 8 and 9)."""

import numpy as np
import pytest
from scipy import stats

from vestige.attacks.metrics.roc import auc_rows
from vestige.audit.statistics import intervals as st
from vestige.learners.seeds import numpy_generator

RETRAINS = np.array([0.49, 0.50, 0.51, 0.50, 0.50])
SPREAD = float(np.std(RETRAINS, ddof=1))
GAP = 0.52 - float(RETRAINS.mean())
EXACT = 1e-9


def of_seeds(spread: float, retrains: int) -> st.GapError:
    """The error of a gap where seeds alone move it: d0 = 0 leaves Student's t of a new value and a mean."""
    return st.gap_error(0.0, spread, 1 + 1 / retrains, retrains, 0.0)


def tost_p(gap: float, margin: float, error: float, retrains: int, sides: str = "two") -> float:
    """Two one-sided tests (Schuirmann 1987); one for an upper-sided endpoint."""
    above = stats.t.sf((margin - gap) / error, retrains - 1)
    below = stats.t.sf((margin + gap) / error, retrains - 1) if sides == "two" else 0.0
    return float(max(above, below))


def test_st_01_02_clopper_pearson_one_sided() -> None:
    assert st.clopper_pearson(0, 10, 0.90)[1] == pytest.approx(0.2588655509, abs=EXACT)
    assert st.clopper_pearson(5, 100, 0.90) == pytest.approx((0.0199055636, 0.1022533776), abs=EXACT)
    assert st.clopper_pearson(0, 512, 0.95)[1] == pytest.approx(0.0071789500, abs=EXACT)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (10, 1000, 0.0048055107, 0.0183132431),
        (20, 1000, 0.0122582680, 0.0307200327),
        (30, 1000, 0.0203304857, 0.0425514025),
        (0, 100, 0.0, 0.0362166926),
        (1, 100, 0.0002531460, 0.0544593854),
    ],
)
def test_st_03_clopper_pearson_two_sided(successes: int, trials: int, low: float, high: float) -> None:
    assert st.clopper_pearson(successes, trials) == pytest.approx((low, high), abs=EXACT)


def test_st_04_05_06_seed_t() -> None:
    assert pytest.approx(0.0070710678, abs=EXACT) == SPREAD
    error = of_seeds(SPREAD, 5)
    assert (error.error, error.df) == (pytest.approx(0.0077459667, abs=EXACT), 4)
    assert pytest.approx(0.02, abs=EXACT) == GAP
    assert error.half_width(0.05) == pytest.approx(0.0165132142, abs=EXACT)
    assert error.half_width(0.05 / 10) == pytest.approx(0.0356631655, abs=EXACT)
    assert error.plan_width(0.05) == pytest.approx(0.0283893789, abs=EXACT)


def test_st_07_tost() -> None:
    """The p-value is where the interval of level 1 - 2 alpha touches the margin."""
    error = of_seeds(SPREAD, 5)
    p = tost_p(GAP, 0.05, error.error, 5)
    assert p == pytest.approx(0.0089739566, abs=EXACT)
    assert GAP + error.half_width(p) == pytest.approx(0.05, abs=EXACT)


def test_st_08_fail_p_and_st_09_against_zero() -> None:
    error, gap = of_seeds(SPREAD, 5), 0.60 - float(RETRAINS.mean())
    assert error.p_value(gap, 0.05, "upper") == pytest.approx(0.0014827420, abs=EXACT)
    assert error.p_value(gap, 0.05, "two") == pytest.approx(0.0029654841, abs=EXACT)
    assert error.p_value(-gap, 0.05, "two") == pytest.approx(0.0029654841, abs=EXACT)
    assert error.p_value(-gap, 0.05, "upper") > 0.99
    assert error.p_value(GAP, 0.0, "two") == pytest.approx(0.0611988196, abs=EXACT)
    by_examples = st.gap_error(0.02, None, 1.0, 1, float("inf"))
    assert by_examples.p_value(0.10, 0.05, "two") == pytest.approx(2 * 0.0062096653, abs=EXACT)
    assert st.gap_error(0.0, None, 1.0, 1, float("inf")).p_value(0.05, 0.05, "two") == 1.0


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        ((0.01, 0.04, 0.03), (0.03, 0.06, 0.06)),
        ((0.02, 0.01, 0.25), (0.04, 0.03, 0.25)),
        ((0.5, 0.6, 0.7), (1, 1, 1)),
        ((), ()),
    ],
)
def test_st_10_holm(p_values: tuple[float, ...], adjusted: tuple[float, ...]) -> None:
    assert st.holm(p_values) == pytest.approx(adjusted, abs=EXACT)


@pytest.mark.parametrize(
    ("k", "t95", "t90", "t995", "half", "plan", "bonferroni"),
    [
        (3, 2.919986, 1.885618, 9.924843, 3.371709, 5.549033, 11.460222),
        (4, 2.353363, 1.637744, 5.840909, 2.631140, 4.462194, 6.530335),
        (5, 2.131847, 1.533206, 4.604095, 2.335321, 4.014864, 5.043533),
        (10, 1.833113, 1.383029, 3.249836, 1.922585, 3.373118, 3.408456),
        (20, 1.729133, 1.327728, 2.860935, 1.771834, 3.132350, 2.931586),
    ],
)
def test_st_13_multipliers(
    k: int, t95: float, t90: float, t995: float, half: float, plan: float, bonferroni: float
) -> None:
    assert [st.quantile(p, k - 1) for p in (0.95, 0.90, 0.995)] == pytest.approx([t95, t90, t995], abs=1e-6)
    error = of_seeds(1.0, k)
    widths = (error.half_width(0.05), error.plan_width(0.05), error.half_width(0.05 / 10))
    assert widths == pytest.approx((half, plan, bonferroni), abs=1e-6)


def test_st_17_tost_and_interval_agree_and_holm_rejects_what_bonferroni_rejects() -> None:
    random = numpy_generator(0, "st-17")
    seen = set()
    for _ in range(2000):
        k, gap, spread = int(random.integers(3, 21)), random.normal(0, 0.04), random.exponential(0.01)
        of_gap = of_seeds(spread, k)
        half, error = of_gap.half_width(0.05), of_gap.error
        two = abs(gap) + half < 0.05
        assert two == (tost_p(gap, 0.05, error, k) < 0.05)
        assert (gap + half < 0.05) == (tost_p(gap, 0.05, error, k, "upper") < 0.05)
        seen.add(two)
        p = random.uniform(0, 0.1, 6)
        adjusted = np.array(st.holm(list(p)))
        assert (adjusted >= p).all() and (adjusted[p * 6 <= 0.05] <= 0.05).all()
    assert seen == {True, False}


def test_st_22_holm_guards_against_the_strongest_of_twenty_null_attacks() -> None:
    random, runs, n, family = numpy_generator(1, "st-22"), 600, 100, 20
    best = {1: [], 5: [], 10: [], 20: []}  # type: dict[int, list[float]]
    raw, held = 0, 0
    for _ in range(runs):
        common = random.normal(size=2 * n)
        scores = np.sqrt(0.5) * common + np.sqrt(0.5) * random.normal(size=(family, 2 * n))
        aucs = auc_rows(scores[:, :n], scores[:, n:])
        error = np.sqrt((2 * n + 1) / (12 * n * n))
        p_values = 2 * stats.norm.sf(np.abs(aucs - 0.5) / error)
        raw += int(p_values.min() <= 0.05)
        held += int(min(st.holm(list(p_values))) <= 0.05)
        for count in best:
            best[count].append(float(aucs[:count].max()))
    # 600 runs: three standard errors are .059 at .36 and .027 at .05.
    assert raw / runs == pytest.approx(0.36, abs=0.059)
    assert held / runs <= 0.05 + 0.027
    expected = {1: 0.50, 5: 0.534, 10: 0.545, 20: 0.556}
    assert {count: float(np.mean(values)) for count, values in best.items()} == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("auc", [0.0, 1.0])
def test_st_25_an_auc_at_its_bound_has_an_interval(auc: float) -> None:
    low, high = st.auc_interval(auc, 0.0, 30, 500, 0.05)
    assert high - low == pytest.approx(1 - 0.05 ** (1 / 30), abs=EXACT)
    assert low <= auc <= high and 0 <= low and high <= 1
    assert st.auc_interval(auc, 0.0, 1, 500, 0.05) == (0.0, 1.0)


def test_an_ordinary_auc_interval_is_walds_and_stays_inside_the_unit_interval() -> None:
    assert st.auc_interval(0.7, 0.01, 20, 20, 0.05) == pytest.approx((0.7 - 0.1644853627, 0.7 + 0.1644853627))
    assert st.auc_interval(0.95, 0.01, 20, 20, 0.05)[1] == 1.0


def test_equal_shares_keep_one_example_of_spread() -> None:
    assert st.spread_of(np.full(5, 0.9), 1 / 200) == 1 / 200
    assert st.spread_of(RETRAINS, 1 / 200) == pytest.approx(SPREAD)
    assert st.spread_of(RETRAINS[:1]) is None
