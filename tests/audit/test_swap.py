"""The SWAP test: arithmetic, its exact null, the bounds, and the command on a small audit."""

import json
import tomllib
from math import atanh, log, tanh
from pathlib import Path

import numpy as np
import pytest

from vestige.audit.cli.entry import main
from vestige.audit.config.config import AuditConfig, parse_config
from vestige.audit.models.workspace import Workspace
from vestige.audit.progress import ignore
from vestige.audit.studies.methods.swap import swap_test
from vestige.audit.studies.methods.swap_scores import (
    Advantage,
    SwapScores,
    advantage,
    folds_of,
    implied_epsilon,
    largest_advantage,
    published_advantage,
    quality,
)
from vestige.learners.errors import ConfigError, DataError

TOML = """
workers = 1
data = {source = "digits", label_noise = 0.1}
forget = {random = 100, unseen = 300, validation = 50}
model = {architecture = "mlp", width = 16}
recipe = {epochs = 4, batch_size = 64, learning_rate = 0.1}
retrains = {count = 3}
unlearners = {finetune = {}, amnesiac = {}}
policy = {profile = "screening", min_evidence = "C"}
"""


def config(**changed: object) -> AuditConfig:
    return parse_config({**tomllib.loads(TOML), **changed})


def halves(random: np.random.Generator, pairs: int, n: int) -> np.ndarray:
    return np.stack([random.permutation(n) < n // 2 for _ in range(pairs)])


def test_scores_that_depend_on_the_example_alone_have_advantage_exactly_zero() -> None:
    """UL-07, with examples that differ as much as examples can: an attack on one split alone would get 1."""
    random = np.random.default_rng(0)
    forgotten = halves(random, 1, 40)
    difficulty = np.where(forgotten[0], 5.0, -5.0)
    scores = SwapScores(np.tile(difficulty, (1, 2, 1)), forgotten)
    called = scores.values >= 0
    alone = called[0, 0, forgotten[0]].mean() - called[0, 0, ~forgotten[0]].mean()
    assert alone == 1.0
    assert advantage("any", scores.gains(called), 0.95).value == 0.0
    tuned = scores.tuned(folds_of(40, 0))
    assert advantage("tuned", scores.gains(scores.values >= tuned[:, None]), 0.95).value == 0.0


def test_a_worked_pair_of_four_examples() -> None:
    """F = {0, 1}, T = {2, 3}. Called by the first model: 0, 1, 2; by the second: 1, 2."""
    forgotten = np.array([[True, True, False, False]])
    called = np.array([[[True, True, True, False], [False, True, True, False]]])
    scores = SwapScores(called.astype(float), forgotten)
    gains = scores.gains(called)
    assert gains.tolist() == [[1.0, 0.0, 0.0, 0.0]]
    # Split: 2/2 - 1/2; swap: 1/2 (T forgotten: 2) - 1/2 (F unseen: 1). Their mean is 1/4.
    assert advantage("worked", gains, 0.95).signed == 0.25
    # The same the other way round: less familiar is an advantage too.
    assert advantage("worked", -gains, 0.95).value == 0.25


def test_thresholds_are_tuned_on_the_other_fold() -> None:
    random = np.random.default_rng(1)
    forgotten, folds = halves(random, 3, 60), folds_of(60, 4)
    scores = SwapScores(random.normal(size=(3, 2, 60)), forgotten)
    before = scores.tuned(folds)
    changed = scores.values.copy()
    changed[..., folds == 0] = random.normal(size=changed[..., folds == 0].shape)
    after = SwapScores(changed, forgotten).tuned(folds)
    assert (before[:, folds == 0] == after[:, folds == 0]).all()
    assert (before[:, folds == 1] != after[:, folds == 1]).any()
    level = SwapScores(np.zeros((1, 2, 4)), np.array([[True, True, False, False]]))
    assert np.isinf(level.tuned(folds_of(4, 0))).all()  # nothing to gain: nobody is called


@pytest.mark.parametrize("pairs", [1, 6])
def test_intervals_cover_the_expected_advantage(pairs: int) -> None:
    """A leak of known size: members are called with probability .5 + d, others with .5, given each model's own level.

    1000 runs: the Monte Carlo error of .95 is .007. One pair: no seed effect, the examples are all there is. Six pairs:
    each model moves all its scores, and each pair leaks differently, which examples alone would not cover."""
    random, runs, n, d = np.random.default_rng(2), 1000, 200, 0.25
    covered = 0
    for _ in range(runs):
        forgotten = halves(random, pairs, n)
        leak = d + (0 if pairs == 1 else 0.05 * random.standard_normal((pairs, 1, 1)))
        member = np.stack([forgotten, ~forgotten], axis=1)
        called = random.random((pairs, 2, n)) < 0.5 + leak * member
        found = advantage("drawn", SwapScores(called.astype(float), forgotten).gains(called), 0.95)
        covered += found.interval[0] <= d <= found.interval[1]
    assert 0.93 <= covered / runs <= 0.975


def test_fresh_models_exceed_zero_as_seldom_as_the_level_says() -> None:
    """No leak, and a seed effect that an interval from examples alone would miss in more than a third of runs."""
    random, runs, pairs, n = np.random.default_rng(3), 1000, 6, 200
    wrong = 0
    for _ in range(runs):
        forgotten = halves(random, pairs, n)
        own = random.normal(0, 0.5, (pairs, 2, 2))  # each model likes one half of the pool more by chance
        shift = np.where(forgotten[:, None], own[..., :1], own[..., 1:])
        values = random.standard_normal((pairs, 2, n)) + shift
        gains = SwapScores(values, forgotten).gains(values > 0)
        wrong += advantage("null", gains, 0.95).interval[0] > 0
    assert wrong / runs <= 0.075


def test_quality_is_one_minus_the_largest_advantage() -> None:
    found = quality([Advantage("a", 0.1, (0.02, 0.2)), Advantage("b", -0.3, (0.0, 0.5))])
    assert found.value == pytest.approx(0.7) and found.best == "b"
    assert found.interval == pytest.approx((0.5, 0.98))


def test_published_values_of_the_bound() -> None:
    """UL-08."""
    assert published_advantage(1.0) == pytest.approx(0.9242343145, abs=1e-10)
    assert published_advantage(1.0, 1e-5) == pytest.approx(0.9242450722, abs=1e-10)
    assert published_advantage(0.5, 1e-5) == pytest.approx(0.4898524264, abs=1e-10)


def test_the_published_bound_says_nothing_from_ln_3_on_and_ours_does() -> None:
    assert published_advantage(log(3)) == pytest.approx(1.0)
    assert largest_advantage(log(3)) == pytest.approx(0.8) == pytest.approx(tanh(log(3)))
    assert largest_advantage(3.0) == pytest.approx(tanh(3.0))
    assert largest_advantage(1000.0, 1e-5) == 1.0


@pytest.mark.parametrize("delta", [0.0, 1e-5, 0.05])
@pytest.mark.parametrize("epsilon", [0.1, 0.7, 2.0])
def test_no_pair_of_close_models_beats_the_bound(epsilon: float, delta: float) -> None:
    """Retrain answers 0 to 3 with probabilities r; the two unlearned models are any (epsilon, delta)-close ones. The
    largest total variation between them, by linear programming, bounds every adversary's advantage."""
    from scipy.optimize import linprog

    random, worst, k = np.random.default_rng(4), 0.0, 4
    up = np.exp(epsilon)
    for _ in range(20):
        r = random.dirichlet(np.ones(k) * 0.5)
        # p and q; slacks of p - up r and of r - up p, whose positive parts sum to at most delta; the same for q.
        size = 2 * k + 4 * k
        cost = np.zeros(size)
        for subset in range(1, 2 ** (k - 1)):
            chosen = [(subset >> i) & 1 for i in range(k)]
            cost[:k], cost[k : 2 * k] = [-c for c in chosen], chosen
            rows, limits = [], []
            for side in (0, 1):
                for i in range(k):
                    over, under = np.zeros(size), np.zeros(size)
                    over[side * k + i], over[2 * k + 2 * side * k + i] = 1, -1  # p - up r <= u
                    under[side * k + i], under[2 * k + 2 * side * k + k + i] = -up, -1  # r - up p <= v
                    rows += [over, under]
                    limits += [up * r[i], -r[i]]
                for part in (0, 1):
                    total = np.zeros(size)
                    start = 2 * k + 2 * side * k + part * k
                    total[start : start + k] = 1
                    rows.append(total)
                    limits.append(delta)
            equal = np.zeros((2, size))
            equal[0, :k] = equal[1, k : 2 * k] = 1
            found = linprog(cost, np.array(rows), np.array(limits), equal, [1, 1], bounds=(0, None))
            worst = max(worst, -found.fun)
    assert worst <= largest_advantage(epsilon, delta) + 1e-9
    if delta == 0:
        assert worst > 0.5 * largest_advantage(epsilon)


def test_the_implied_epsilon_inverts_the_bound() -> None:
    assert implied_epsilon(0.5) == pytest.approx(atanh(0.5))
    for epsilon in (0.05, 0.4, 2.0):
        assert implied_epsilon(largest_advantage(epsilon, 1e-5), 1e-5) == pytest.approx(epsilon)
    assert implied_epsilon(0.0) == 0.0 and implied_epsilon(1e-6, 1e-5) == 0.0
    assert implied_epsilon(1.0) is None
    with pytest.raises(DataError, match=r"in \[0, 1\]"):
        implied_epsilon(1.5)
    with pytest.raises(ConfigError, match="delta"):
        implied_epsilon(0.5, 1.0)


@pytest.mark.parametrize(
    ("values", "forgotten", "match"),
    [
        (np.zeros((1, 2, 4)), np.array([[True, False, False, False]]), "half of the examples"),
        (np.zeros((1, 3, 4)), np.array([[True, True, False, False]]), r"\[pairs, 2, n\]"),
        (np.full((1, 2, 4), np.nan), np.array([[True, True, False, False]]), "NaN"),
        (np.zeros((0, 2, 4)), np.zeros((0, 4), bool), r"\[pairs, 2, n\]"),
        (np.zeros((1, 2, 4)), np.array([[1, 1, 0, 0]]), "half of the examples"),
    ],
)
def test_scores_that_do_not_fit_are_refused(values: np.ndarray, forgotten: np.ndarray, match: str) -> None:
    with pytest.raises(DataError, match=match):
        SwapScores(values, forgotten)


def test_swap_on_an_audit_resumes_and_retrain_is_at_zero(tmp_path: Path) -> None:
    first = swap_test(config(), Workspace(tmp_path), candidate="finetune", pairs=1, watch=ignore)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "models").iterdir()}
    assert len(before) == 6  # two originals, two retrains, two candidates
    assert swap_test(config(), Workspace(tmp_path), candidate="finetune", pairs=1, watch=ignore) == first
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "models").iterdir()}
    names = [one.model for one in first.models]
    assert names == ["candidate", "retrain", "original"] and first.forget == 100
    retrain = first.models[1]
    assert all(one.interval[0] == 0 for one in retrain.advantages)
    no_op = swap_test(config(), Workspace(tmp_path), candidate="no_op", pairs=1, watch=ignore)
    assert no_op.models[0].advantages == no_op.models[2].advantages  # the original, under the same adversaries
    assert no_op.models[2] == first.models[2]


def test_the_other_side_comes_from_the_training_part(tmp_path: Path) -> None:
    """Too few unseen examples are held out, so retain examples change places, and no model of the pair keeps them."""
    few = config(forget={"random": 100, "unseen": 60, "validation": 50})
    found = swap_test(few, Workspace(tmp_path), candidate="fresh_retrain", pairs=1, watch=ignore)
    assert "retain" in found.origin and found.retain == 1797 - 100 - 60 - 50 - 100


@pytest.mark.parametrize(
    ("changed", "candidate", "match"),
    [
        ({"forget": {"classes": [3], "unseen": 30}, "unlearners": {"finetune": {}}}, "finetune", "drawn at random"),
        ({}, "nobody", "name one of the audit file"),
        ({}, "amnesiac", "needs the model and data alone"),
    ],
)
def test_what_cannot_be_swapped_is_refused(
    changed: dict[str, object], candidate: str, match: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=match):
        swap_test(config(**changed), Workspace(tmp_path), candidate=candidate, pairs=1, watch=ignore)
    assert not (tmp_path / "models").exists()


def test_the_command_prints_a_table_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.toml").write_text(TOML)
    words = ["swap", str(tmp_path / "a.toml"), "--candidate", "finetune", "--workspace", str(tmp_path / "w")]
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "tuned on the original" in text and "does not affect the verdict" in text
    with pytest.raises(SystemExit) as ended:
        main([*words, "--json"])
    assert ended.value.code == 0
    record = json.loads(capsys.readouterr().out)
    assert record["pairs"] == 1 and [one["model"] for one in record["models"]] == ["candidate", "retrain", "original"]
