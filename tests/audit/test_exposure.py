"""Single examples against retrains: exact numbers, slow references, error rates by simulation, and their ids."""

import csv
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats
from scipy.special import digamma, polygamma

from vestige.attacks.arrays import NotEstimable
from vestige.audit.exposure.examples import Exposure, Prior, exposure, moderated_t, moderated_variance, prior_of
from vestige.audit.exposure.exposed_ids import COLUMNS, safe_cell, write_exposed_ids
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.seeds import numpy_generator

Floats = NDArray[np.float64]
FORGET, EVALUATION, CALIBRATION = 300, 2000, 300
ROWS = FORGET + EVALUATION + CALIBRATION
PLACE = np.arange(ROWS)
MASKS = (PLACE < FORGET, (PLACE >= FORGET) & (PLACE < FORGET + EVALUATION), PLACE >= FORGET + EVALUATION)
RATE = 0.10


def judge(phi: Floats, rate: float = RATE) -> Exposure:
    """``phi [K + 1, ROWS]``: the model first."""
    return exposure(phi[0], phi[1:], *MASKS, rate=rate)


def noise(random: np.random.Generator, retrains: int, tails: float = np.inf) -> Floats:
    """Difficulty of the example plus noise of unit variance for each model, normal or Student's."""
    shape = (retrains + 1, ROWS)
    drawn = random.normal(size=shape) if np.isinf(tails) else random.standard_t(tails, shape) / np.sqrt(5 / 3)
    return random.normal(0.0, 1.5, ROWS) + drawn


# ------------------------------------------------------------------------------------------------ numbers


def test_st_12_moderated_t() -> None:
    variance = moderated_variance(np.array([2.25]), 4, Prior(4.0, 1.0))
    assert variance == pytest.approx([1.625], abs=1e-12)
    t = 3 / np.sqrt(variance[0] * (1 + 1 / 5))
    assert t == pytest.approx(2.1483446221, abs=1e-9)
    assert 2 * stats.t.sf(t, 8) == pytest.approx(0.0639399502, abs=1e-9)


@pytest.mark.parametrize("prior", [3.0, 8.0, 40.0])
@pytest.mark.parametrize("degrees", [2, 4, 9])
def test_prior_solves_the_moment_equations_of_smyth_section_6_2(prior: float, degrees: int) -> None:
    random = numpy_generator(int(prior), "prior", degrees)
    variance = 1.7 * prior / random.chisquare(prior, 20_000) * random.chisquare(degrees, 20_000) / degrees
    found = prior_of(variance, degrees)
    z = np.log(variance)
    e = [float(z[i] - digamma(degrees / 2) + np.log(degrees / 2)) for i in range(len(z))]
    mean = sum(e) / len(e)
    right = sum((value - mean) ** 2 for value in e) / (len(e) - 1) - float(polygamma(1, degrees / 2))
    half = optimize.brentq(lambda x: float(polygamma(1, x)) - right, 1e-3, 1e9, xtol=1e-12)
    assert found.degrees == pytest.approx(2 * half, rel=1e-8)
    assert found.scale == pytest.approx(np.exp(mean + digamma(half) - np.log(half)), rel=1e-8)


def test_prior_agrees_with_maximum_likelihood() -> None:
    prior, degrees = 6.0, 4
    random = numpy_generator(11, "likelihood")
    variance = 0.8 * prior / random.chisquare(prior, 20_000) * random.chisquare(degrees, 20_000) / degrees

    def unlikely(at: Floats) -> float:
        scale, free = np.exp(at)
        return -float((stats.f.logpdf(variance / scale, degrees, free) - np.log(scale)).mean())

    best = np.exp(optimize.minimize(unlikely, np.log([1.0, 10.0]), method="Nelder-Mead").x)
    found = prior_of(variance, degrees)
    # Two estimators of the same numbers on 20,000 variances: each has a standard error of about 2 % in degrees.
    assert (found.scale, found.degrees) == pytest.approx(tuple(best), rel=0.08)
    assert (found.scale, found.degrees) == pytest.approx((0.8, prior), rel=0.08)


def test_variances_that_differ_by_chance_alone_are_pooled() -> None:
    assert prior_of(np.full(50, 2.5), 4) == Prior(np.inf, 2.5)
    assert moderated_variance(np.array([0.0, 9.0]), 4, Prior(np.inf, 2.0)).tolist() == [2.0, 2.0]
    random = numpy_generator(3, "chance")
    degrees = [prior_of(random.chisquare(4, 3000) / 4, 4).degrees for _ in range(40)]
    assert np.median(degrees) > 200  # infinite in about half of the draws


def test_zero_variances_take_the_prior_and_identical_retrains_are_refused() -> None:
    random = numpy_generator(5, "zeros")
    phi = noise(random, 5)
    phi[1:, ::10] = 4.0
    t, prior = moderated_t(phi[0], phi[1:])
    assert np.isfinite(t).all() and prior.scale > 0
    phi[1:] = 0.1 * np.arange(ROWS)
    with pytest.raises(NotEstimable, match="identical"):
        judge(phi)


def test_every_number_against_loops() -> None:
    random = numpy_generator(7, "loops")
    phi = noise(random, 4) * np.sqrt(6 / random.chisquare(6, ROWS))
    phi[0, :6] += 6
    found = judge(phi)
    forget, evaluation, calibration = (np.flatnonzero(mask) for mask in MASKS)
    for judged, own, others in (
        (found.model, phi[0], phi[1:]),
        *((found.retrains[k], phi[1 + k], np.delete(phi[1:], k, axis=0)) for k in (0, 3)),
    ):
        count = len(others)
        prior = prior_of(np.array([float(np.var(others[:, x], ddof=1)) for x in range(ROWS)]), count - 1)
        assert judged.degrees == pytest.approx(prior.degrees + count - 1)
        t = np.empty(ROWS)
        for x in range(ROWS):
            s2 = float(np.var(others[:, x], ddof=1))
            sigma2 = (prior.degrees * prior.scale + (count - 1) * s2) / (prior.degrees + count - 1)
            t[x] = (own[x] - float(np.mean(others[:, x]))) / np.sqrt(sigma2 * (1 + 1 / count))
        t -= np.median(t[calibration])
        assert judged.t == pytest.approx(t[forget], abs=1e-9)
        for sign, by_t, by_rank in (
            (1, judged.exposed, judged.exposed_ranked),
            (-1, judged.over_forgotten, judged.over_forgotten_ranked),
        ):
            for place, x in enumerate(forget[:40]):
                assert by_t.p[place] == pytest.approx(stats.t.sf(sign * t[x], judged.degrees), abs=1e-9)
                beyond = sum(sign * t[u] >= sign * t[x] for u in evaluation)
                assert by_rank.p[place] == pytest.approx((1 + beyond) / (1 + len(evaluation)))
            for family in (by_t, by_rank):
                assert family.flagged.tolist() == step_up(family.p, RATE)
                assert family.count == sum(step_up(family.p, RATE))
    assert found.model.exposed.count >= 3
    assert found.rows.tolist() == forget.tolist()


def step_up(p: Floats, rate: float) -> list[bool]:
    """Benjamini and Hochberg as written: the largest k whose k-th smallest p is at most k rate / m."""
    m, ranked = len(p), sorted(p)
    cuts = [ranked[k] for k in range(m) if ranked[k] <= (k + 1) * rate / m]
    return [bool(cuts) and value <= max(cuts) for value in p]


def test_a_shift_of_the_whole_model_is_not_exposure() -> None:
    phi = noise(numpy_generator(8, "shift"), 5)
    plain = judge(phi)
    phi[0] += 5
    assert judge(phi).model.exposed.count == plain.model.exposed.count
    uncentred = exposure(phi[0], phi[1:], *MASKS[:2])
    assert uncentred.model.exposed.count > 0.8 * FORGET
    # A shift of one class needs the labels; ranks among all the unseen are misled by it too.
    labels = PLACE % 2
    phi[0, labels == 1] += 5
    assert exposure(phi[0], phi[1:], *MASKS).model.exposed.count > 0
    assert exposure(phi[0], phi[1:], *MASKS, labels).model.exposed.count == 0


def test_both_directions_mirror_each_other() -> None:
    phi = noise(numpy_generator(9, "mirror"), 5)
    phi[0, :20] += 5
    up, down = judge(phi).model, judge(-phi).model
    assert up.exposed.p == pytest.approx(down.over_forgotten.p)
    assert up.exposed_ranked.p == pytest.approx(down.over_forgotten_ranked.p)
    assert up.exposed.count >= 15 and up.over_forgotten.count <= 2


def test_an_unseen_row_with_an_equal_t_counts_against_exposure() -> None:
    phi = np.repeat(np.arange(6.0)[:, None], ROWS, axis=1)
    phi[0, 0] += 1
    judged = judge(phi).model
    assert judged.exposed_ranked.p.tolist() == [1 / (1 + EVALUATION)] + [1.0] * (FORGET - 1)
    assert judged.over_forgotten_ranked.p.tolist() == [1.0] * FORGET


def test_few_unseen_rows_limit_the_ranked_count_and_the_result_says_so() -> None:
    phi = noise(numpy_generator(10, "few"), 5)
    few = MASKS[1] & (PLACE < FORGET + 99)
    for exposed in (29, 30):
        phi[0, :FORGET] = phi[1:, :FORGET].mean(0)
        phi[0, :exposed] += 100
        found = exposure(phi[0], phi[1:], MASKS[0], few, MASKS[2])
        assert found.fewest_ranked == 30  # 300 / (0.10 * 100)
        assert found.model.exposed_ranked.count == (30 if exposed == 30 else 0)
        assert found.model.exposed.count == exposed


# ------------------------------------------------------------------------------------------------ error rates


def rates(exposed: int, tails: float, runs: int, seed: int) -> dict[str, float]:
    """Over simulated audits, K = 5: false discovery rate, power and counts of the t and the ranked family."""
    random = numpy_generator(seed, "rates", exposed)
    table = []
    for _ in range(runs):
        phi = noise(random, 5, tails)
        phi[0, :exposed] += 4
        found = judge(phi)
        row = []
        for family in (found.model.exposed, found.model.exposed_ranked):
            wrong, all_of_them = int(family.flagged[exposed:].sum()), family.count
            row += [wrong / max(all_of_them, 1), (all_of_them - wrong) / max(exposed, 1)]
        row += [float(found.model.over_forgotten.count > 0), float(found.model.over_forgotten_ranked.count > 0)]
        row.append(float(np.mean([retrain.exposed.count for retrain in found.retrains])))
        row.append(float(np.mean([retrain.exposed_ranked.count for retrain in found.retrains])))
        table.append(row)
    names = ("t", "t_power", "ranked", "ranked_power", "t_over", "ranked_over", "t_left_out", "ranked_left_out")
    return dict(zip(names, np.mean(table, axis=0).tolist(), strict=True))


RUNS = 200
SLACK = 3 * np.sqrt(RATE * (1 - RATE) / (2 * RUNS))
"""Three standard errors of a rate of 0.10 over both directions; with exposed examples the share of false flags varies
less."""


@pytest.mark.slow
def test_under_normal_noise_both_families_keep_the_rate_and_find_what_is_exposed() -> None:
    null = rates(0, np.inf, RUNS, 21)
    assert (null["t"] + null["t_over"]) / 2 <= RATE + SLACK
    assert (null["ranked"] + null["ranked_over"]) / 2 <= RATE + SLACK
    assert max(null["t_left_out"], null["ranked_left_out"]) < 0.3  # of 300 examples
    some = rates(FORGET // 20, np.inf, RUNS, 22)
    assert max(some["t"], some["ranked"]) <= RATE + 0.03
    assert some["t_power"] > 0.8 and some["ranked_power"] > 0.75


@pytest.mark.slow
def test_under_heavy_tails_t_flags_too_many_and_ranks_do_not() -> None:
    null = rates(0, 5.0, RUNS, 23)
    assert null["t"] > 0.25, "t_5 noise no longer breaks the t family: the docstring says it does"
    assert null["t_left_out"] > 0.25, "the leave-one-out retrains should show it"
    assert (null["ranked"] + null["ranked_over"]) / 2 <= RATE + SLACK and null["ranked_left_out"] < 0.2
    some = rates(FORGET // 20, 5.0, RUNS, 24)
    assert 0.11 < some["t"] < 0.25
    assert some["ranked"] <= RATE + 0.03
    assert some["t_power"] > some["ranked_power"] > 0.35


# ------------------------------------------------------------------------------------------------ refusals


def test_refusals() -> None:
    phi = noise(numpy_generator(1, "refusals"), 3)
    with pytest.raises(NotEstimable, match="at least 3 retrains, got 2"):
        judge(phi[:3])
    with pytest.raises(ConfigError, match="rate"):
        judge(phi, rate=1.0)
    with pytest.raises(DataError, match="disjoint"):
        exposure(phi[0], phi[1:], MASKS[0], MASKS[1], MASKS[0])
    with pytest.raises(DataError, match="evaluation: expected at least one"):
        exposure(phi[0], phi[1:], MASKS[0], np.zeros(ROWS, np.bool_))
    with pytest.raises(DataError, match="boolean mask"):
        exposure(phi[0], phi[1:], MASKS[0].astype(int), MASKS[1])
    with pytest.raises(DataError, match=r"phi \[n\]"):
        exposure(phi[0, 1:], phi[1:], *MASKS)
    phi[2, 5] = np.nan
    with pytest.raises(DataError, match="1 that are NaN"):
        judge(phi)


# ------------------------------------------------------------------------------------------------ exposed_ids


@pytest.fixture
def found() -> Exposure:
    phi = noise(numpy_generator(2, "exposed_ids"), 5)
    phi[0, :4] += 20
    phi[0, 4] -= 20
    return judge(phi)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


IDS = ["=HYPERLINK(A1)", "@cmd", 'quoted", and\nbroken', "'tis", "-1", *(f"image-{x}" for x in range(5, FORGET))]


def test_the_file_of_exposed_ids_holds_the_flagged_examples_and_nothing_that_runs(
    tmp_path: Path, found: Exposure
) -> None:
    write_exposed_ids(tmp_path / "exposed_ids.csv", found, IDS)
    rows = read(tmp_path / "exposed_ids.csv")
    assert tuple(rows[0]) == COLUMNS
    exposed = {row["id"] for row in rows if row["direction"] == "exposed"}
    assert {"'=HYPERLINK(A1)", "'@cmd", 'quoted", and\nbroken', "''tis"} <= exposed
    assert [row["id"] for row in rows if row["direction"] == "over-forgotten"][:1] == ["'-1"]
    assert len(exposed) == int((found.model.exposed.flagged | found.model.exposed_ranked.flagged).sum())
    assert rows[0]["flagged_by"] == "t and ranked" and float(rows[0]["p_adjusted"]) < RATE
    assert [path.name for path in tmp_path.iterdir()] == ["exposed_ids.csv"]


@pytest.mark.parametrize("start", list("=+-@\t\r\n") + ["\uff1d", "\uff0b", "\uff0d", "\uff20", "'"])
def test_every_start_of_a_formula_is_escaped_and_can_be_taken_back(start: str) -> None:
    assert safe_cell(start + "1") == "'" + start + "1"
    assert safe_cell("a" + start) == "a" + start
    assert safe_cell("") == ""


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_the_file_of_exposed_ids_is_private_from_its_first_byte(
    tmp_path: Path, found: Exposure, umask: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    write = os.fsync

    def watched(handle: int) -> None:
        seen.append(stat.S_IMODE(os.fstat(handle).st_mode))
        write(handle)

    monkeypatch.setattr(os, "fsync", watched)
    path = tmp_path / "exposed_ids.csv"
    path.write_text("of yesterday")
    path.chmod(0o644)
    before = os.umask(umask)
    try:
        write_exposed_ids(path, found, IDS)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert seen and all(mode & 0o077 == 0 for mode in seen), "readable by others while it was written"
    assert len(read(path)) >= 5


def test_the_file_of_exposed_ids_refuses_links_folders_and_other_peoples_files(
    tmp_path: Path, found: Exposure, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.txt"
    other.write_text("untouched")
    for target in (other, tmp_path / "nowhere"):
        link = tmp_path / f"to-{target.name}"
        link.symlink_to(target)
        with pytest.raises(DataError, match="symbolic link"):
            write_exposed_ids(link, found, IDS)
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="folder or device"):
        write_exposed_ids(tmp_path / "folder", found, IDS)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(DataError, match="another name"):
        write_exposed_ids(other, found, IDS)
    assert other.read_text() == "untouched" and not (tmp_path / "nowhere").exists()
    with pytest.raises(DataError, match="300 forget rows, got 3"):
        write_exposed_ids(tmp_path / "exposed_ids.csv", found, IDS[:3])
