"""The coefficient of Azadkia and Chatterjee and the selection built on it."""

import numpy as np
import pytest

from vestige.unlearners.shared.codec import codec, conditional_codec, foci

Y = np.arange(1, 7) / 10


@pytest.mark.parametrize(
    "z, value",
    [((1, 2.1, 3.3, 4.6, 6, 7.5), 1 / 7), ((1, 4.6, 2.1, 6, 3.3, 7.5), -0.371429)],
)
def test_t_by_hand(z: tuple[float, ...], value: float) -> None:
    assert codec(Y, np.array(z)) == pytest.approx(value, abs=1e-6)


def test_conditional_t_by_hand() -> None:
    # Neighbours in x, counted from 0: (1, 0, 3, 2, 5, 4), so min(R, R_N) = (1, 1, 3, 3, 5, 5).
    x = np.array([0, 1, 10, 11, 21, 22.0])
    # z moves the second of each pair away: neighbours in (x, z) are (2, 3, 0, 1, 2, 3), so min = (1, 2, 1, 2, 3, 4).
    z = np.array([0, 100, 0, 100, 0, 100.0])
    assert conditional_codec(Y, z, x) == pytest.approx((13 - 18) / (21 - 18))
    assert conditional_codec(Y, np.zeros(6), x) == 0.0


def test_t_takes_several_variables_and_does_not_depend_on_scale() -> None:
    random = np.random.default_rng(0)
    z = random.random((500, 2))
    y = z[:, 0] + z[:, 1]
    assert codec(y, z) > 0.8 > codec(y, z[:, 0])
    assert codec(7 * y - 3, z) == codec(y, z) == codec(np.exp(y), 2 * z)


def test_t_of_a_variable_with_itself_goes_to_one() -> None:
    y = np.random.default_rng(1).random(2000)
    assert codec(y, y) == pytest.approx(0.9985, abs=5e-4)


def test_a_sum_modulo_one_is_seen_only_with_both_parts() -> None:
    random = np.random.default_rng(2)
    x, z = random.random((2, 2000))
    y = (x + z) % 1
    assert abs(codec(y, x)) < 0.06 and abs(codec(y, z)) < 0.06
    assert conditional_codec(y, z, x) == pytest.approx(0.94, abs=0.02)


def test_neighbours_are_the_nearest_others_in_any_dimension() -> None:
    from vestige.unlearners.shared.codec import _neighbours

    for shape in ((50,), (50, 1), (50, 3)):
        points = np.random.default_rng(8).random(shape)
        table = points.reshape(50, -1)
        distance = np.linalg.norm(table[:, None] - table[None], axis=2) + np.diag(np.full(50, np.inf))
        assert np.array_equal(_neighbours(points), distance.argmin(axis=1))


def test_foci_goes_on_with_the_units_that_are_offered() -> None:
    random = np.random.default_rng(9)
    units = random.random((1000, 3))
    y = (units[:, 0] + units[:, 1]) % 1 + 0.5 * units[:, 2]
    chosen = foci(y, units, random, most=3, offered=3)
    assert sorted(chosen) == [0, 1, 2] and chosen[0] == 2
    assert foci(y, units, random, most=3, offered=1) == [2]


def test_equal_points_are_neighbours_of_each_other_and_never_of_themselves() -> None:
    y = np.array([3.0, 1.0, 2.0])
    # All coincide: whichever others are the neighbours, with y_i itself T would be 1.
    assert codec(y, np.zeros(3)) < 1


def test_foci_finds_the_one_informative_unit() -> None:
    random = np.random.default_rng(3)
    units = random.standard_normal((300, 20))
    chosen = foci(np.sin(units[:, 7]), units, random, most=10, offered=100)
    assert chosen[0] == 7 and len(chosen) <= 3


def test_foci_finds_both_of_two_informative_units() -> None:
    random = np.random.default_rng(4)
    units = random.standard_normal((600, 8))
    chosen = foci(units[:, 2] + 0.7 * units[:, 5], units, random, most=10, offered=100)
    assert chosen[:2] == [2, 5]


def test_foci_passes_over_constant_units_and_is_empty_without_others() -> None:
    random = np.random.default_rng(5)
    units = np.full((100, 4), 3.7)
    assert foci(random.random(100), units, random, most=10, offered=100) == []
    units[:, 1] = random.random(100)
    assert foci(units[:, 1], units, random, most=10, offered=100) == [1]


def test_foci_keeps_to_its_limit_and_copes_with_equal_losses() -> None:
    random = np.random.default_rng(6)
    units = random.standard_normal((100, 5))
    assert len(foci(units.sum(axis=1), units, random, most=2, offered=100)) <= 2
    assert len(foci(np.zeros(100), units, random, most=1, offered=100)) == 1


def test_foci_does_not_depend_on_the_units_scales() -> None:
    units = np.random.default_rng(7).standard_normal((300, 6))
    y = units[:, 0] + units[:, 3]
    one = foci(y, units, np.random.default_rng(0), most=4, offered=100)
    scaled = units * np.array([1e-4, 1, 1e5, 1e3, 1, 1])
    assert foci(y, scaled, np.random.default_rng(0), most=4, offered=100) == one
