"""``vestige attack --on-shadows``: the table against plain loops, intervals by simulation, and the command."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from tests.attacks.gaussian_bank import bank as gaussian
from tests.audit.test_attacking import TOML
from vestige.attacks.registry.attacks import ATTACKS, ON_SHADOWS
from vestige.attacks.scores.lira import lira
from vestige.attacks.scores.lira_bank import lira_leave_pair_out
from vestige.attacks.shadows.bank import ShadowBank
from vestige.attacks.signals.signals import SIGNALS
from vestige.audit.cli.entry import main
from vestige.audit.studies.attacks.bank_study import attack_shadows, attack_unlearned, sizes_up_to
from vestige.learners.errors import ConfigError, DataError


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(ended.value.code or 0)


def bank(shadows: int, n: int, seed: int, shift: float, views: int = 1) -> ShadowBank:
    """Two classes; phi is the difference of the logits, and training on an example raises it."""
    values, member, _ = gaussian(shadows, n, seed, shift=shift, spread_of_sigma=0.3)
    random = np.random.default_rng(seed)
    phi = values[:, None] + 0.3 * random.normal(size=(shadows, views, n))
    labels = random.integers(0, 2, n)
    sign = np.where(labels == 1, 1, -1)
    logits = np.stack([-sign * phi / 2, sign * phi / 2], axis=-1).astype(np.float32)
    return ShadowBank(
        member=member,
        forgot=np.zeros_like(member),
        labels=labels,
        rows=np.arange(n),
        augmentations=tuple(f"view {k}" for k in range(views)),
        phi=tuple(SIGNALS["logit"].function(logits, labels).astype(np.float32)),
        logits=tuple(logits),
        accuracy_in=np.ones(shadows),
        accuracy_out=np.ones(shadows),
        seconds=np.ones(shadows),
        flops=np.ones(shadows),
        folder=Path("."),
    )


def test_every_attack_with_such_a_form_against_plain_numbers() -> None:
    made, calibration = bank(8, 3000, 0, 1.0, views=2), np.arange(3000) % 6 == 0
    table = attack_shadows(made, calibration, signals=["logit", "entropy"])
    found = {(one.attack, one.signal): one for one in table.results}
    assert {name for name, _ in found} == set(ON_SHADOWS) <= set(ATTACKS)
    assert (table.shadows, table.targets, table.members + table.nonmembers) == (8, 8, 2500)
    judged, phi, member = ~calibration, np.stack(made.phi), made.member
    plain = [roc_auc_score(member[t, judged], phi[t, 0, judged]) for t in range(8)]
    one = found["threshold", "logit"]
    assert one.auc.mean == pytest.approx(np.mean(plain)) and one.deviation == pytest.approx(np.std(plain, ddof=1))
    assert one.lead is None
    refit, caught = [], []
    for t in range(8):
        rest = np.arange(8) // 2 != t // 2
        scores = lira(phi[t : t + 1], phi[rest], member[rest]).scores[0, judged]
        refit.append(roc_auc_score(member[t, judged], scores))
        others = np.sort(scores[~member[t, judged]])
        caught.append((scores[member[t, judged]] > others[-int(0.01 * len(others)) - 1]).mean())
    online = found["lira_online", "logit"]
    assert online.auc.mean == pytest.approx(np.mean(refit), abs=1e-5)
    ten, one_percent, tail = online.tpr
    assert one_percent is not None and one_percent.mean == pytest.approx(np.mean(caught), abs=2e-3)
    assert tail is None and ten is not None  # about 1,250 non-members a target
    assert online.lead is not None and online.lead.mean == pytest.approx(np.mean(refit) - np.mean(plain), abs=1e-5)
    assert online.lead.interval[0] > 0.03


@pytest.mark.parametrize("shadows", [8, 16])
def test_noise_is_at_chance_for_every_attack(shadows: int) -> None:
    made = bank(shadows, 4000, 1, 0.0, views=2)
    table = attack_shadows(made, np.arange(4000) % 5 == 0, signals=list(SIGNALS))
    assert not table.absent and len({one.attack for one in table.results}) == len(ON_SHADOWS)
    for one in table.results:
        assert one.auc.mean == pytest.approx(0.5, abs=0.015), one.attack
        assert one.auc.interval[0] < 0.503 and one.auc.interval[1] > 0.497


@pytest.mark.slow
@pytest.mark.parametrize("banks", [50, pytest.param(100, marks=pytest.mark.long)])
def test_coverage_simulation(banks: int) -> None:
    """The interval holds the expected AUC in about 95 of 100 banks (within 3.2 Monte Carlo errors), and is no wider
    than it has to be."""
    # A member's phi minus a non-member's: levels of variance 4, models of s^2, the view's 0.09; the shift is s.
    spread = np.exp(0.3 * np.random.default_rng(0).normal(size=(2, 200_000)))
    expected = norm.cdf(spread[0] / np.sqrt((4 + spread**2 + 0.09).sum(0))).mean()
    figures = []
    for seed in range(banks):
        made = bank(16, 300, 100 + seed, 1.0)
        figures.append(attack_shadows(made, np.arange(300) < 30, signals=["logit"]).results[0].auc)
    inside = [one.interval[0] <= expected <= one.interval[1] for one in figures]
    assert np.mean(inside) >= 0.95 - 3.2 * np.sqrt(0.95 * 0.05 / banks)
    widths = [(one.interval[1] - one.interval[0]) / 2 for one in figures]
    assert np.mean(widths) < 1.5 * 1.96 * np.std([one.mean for one in figures], ddof=1)


def test_p22_rows_of_one_person_count_once() -> None:
    made, people = bank(8, 400, 2, 0.5), np.repeat(np.arange(400), 2)
    rows = people
    twice = ShadowBank(
        **{
            **vars(made),
            "member": made.member[:, rows],
            "forgot": made.forgot[:, rows],
            "labels": made.labels[rows],
            "rows": np.arange(800),
            "phi": tuple(table[:, rows] for table in made.phi),
            "logits": tuple(table[:, rows] for table in made.logits),
        }
    )
    calibration = np.arange(400) < 40
    (once,) = [r for r in attack_shadows(made, calibration, signals=["logit"]).results if r.attack == "lira_online"]
    given = attack_shadows(twice, calibration[rows], signals=["logit"], people=people)
    (kept,) = [r for r in given.results if r.attack == "lira_online"]

    def width(one):  # type: ignore[no-untyped-def]
        return one.auc.interval[1] - one.auc.interval[0]

    assert kept.auc.mean == pytest.approx(once.auc.mean, abs=2e-3)
    assert width(kept) == pytest.approx(width(once), rel=0.05)


def test_small_banks_attack_the_same_targets_and_more_shadows_tell_more() -> None:
    made, calibration = bank(32, 3000, 3, 1.0), np.arange(3000) < 300
    tables = [attack_shadows(made, calibration, signals=["logit"], shadows=size) for size in (8, 16, 32)]
    assert [table.targets for table in tables] == [32, 32, 32]
    shrunken = [next(one.auc.mean for one in table.results if one.attack == "lira_online_shrunken") for table in tables]
    assert shrunken[0] < shrunken[1] < shrunken[2]
    flat = {next(one.auc.mean for one in table.results if one.attack == "threshold") for table in tables}
    assert len(flat) == 1
    assert (
        sizes_up_to(64) == [8, 16, 32, 64]
        and sizes_up_to(8) == [8]
        and sizes_up_to(48) == [8, 16, 48]
        and sizes_up_to(20) == [20]
    )


def test_refusals_and_absences_are_sentences() -> None:
    made, calibration = bank(4, 600, 4, 1.0), np.arange(600) < 60
    table = attack_shadows(made, calibration, signals=["logit"])
    assert "at least 6 shadows" in table.absent["lira_online"] and "several augmentations" in table.absent["label_only"]
    assert "difficulty" in {one.attack for one in table.results}
    for call, kind, sentence in (
        (lambda: attack_shadows(made, calibration, signals=[], shadows=6), DataError, "at most the bank's 4 models"),
        (lambda: attack_shadows(made, calibration, signals=[], shadows=3), ConfigError, "an even number"),
        (lambda: attack_shadows(made, calibration, signals=[], against=("quantile", "logit")), ConfigError, "quantile"),
        (lambda: made.part(slice(1, 3)), DataError, "whole pairs"),
    ):
        with pytest.raises(kind, match=sentence):
            call()


def test_u_lira_on_every_shadow_is_lira_where_the_method_does_nothing() -> None:
    made = bank(8, 800, 5, 1.0)
    asked = np.arange(800) < 300
    after = replace(made, forgot=made.member & asked)
    table = attack_unlearned(after, "no_op")
    assert table.unlearned == "no_op" and table.members + table.nonmembers == 300
    plain, game = table.results
    assert (plain.attack, game.attack) == ("threshold", "ulira") and game.lead is not None
    member, phi = made.member[:, asked], [table[:, asked] for table in made.phi]
    scores = lira_leave_pair_out(phi, member).scores
    areas = [roc_auc_score(inside, row) for inside, row in zip(member, scores, strict=True)]
    assert game.auc.mean == pytest.approx(np.mean(areas), abs=1e-6)
    before = [roc_auc_score(inside, table[0]) for inside, table in zip(member, phi, strict=True)]
    assert game.lead.mean == pytest.approx(np.mean(areas) - np.mean(before), abs=1e-6)
    for count in (2, 4):  # a run that was killed leaves a pair or two
        few = replace(made.part(slice(0, count)), forgot=(made.member & asked)[:count])
        assert "at least 6 UNLEARNED shadows" in attack_unlearned(few, "x").absent["ulira"]
    lacking = made.member & asked
    lacking[0, np.flatnonzero(lacking[0])[0]] = False
    with pytest.raises(DataError, match="forgotten what it knew"):
        attack_unlearned(replace(made, forgot=lacking), "x")


def test_no_interval_claims_to_know_what_was_not_seen() -> None:
    """Perfect separation has the exact bound of a share of as many examples, one pair of shadows none at all."""
    perfect, calibration = bank(8, 400, 1, 1e3), np.arange(400) < 40
    base = attack_shadows(perfect, calibration, signals=["logit"]).results[0]
    judged = perfect.member[:, 40:]
    few = int(min(judged.sum(1).min(), (~judged).sum(1).min()))
    assert base.auc.mean == 1.0 and base.auc.interval == pytest.approx((0.025 ** (1 / few), 1.0))
    assert base.tpr[0] is not None and base.tpr[0].interval == base.auc.interval
    pair = attack_shadows(bank(2, 400, 1, 0.5), calibration, signals=["logit"]).results[0]
    assert 0.5 < pair.auc.mean < 1 and pair.auc.interval == (0.0, 1.0)


def test_the_attack_to_compare_with_stands_in_the_table() -> None:
    table = attack_shadows(
        bank(8, 400, 1, 0.5), np.arange(400) < 40, signals=["logit"], against=("threshold", "entropy")
    )
    rows = [(one.attack, one.signal) for one in table.results if one.lead is None]
    assert rows == [("threshold", "entropy")]
    assert not any(one.signal == "entropy" for one in table.results if one.attack != "threshold")


@pytest.fixture(scope="module")
def shadowed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bank")
    (folder / "audit.toml").write_text(TOML)
    assert run("shadows", str(folder / "audit.toml"), "--workspace", str(folder / "ws"), "--count", "16") == 0
    return folder


def test_the_command_prints_writes_and_keeps_notes(shadowed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = shadowed / "page.md"
    words = ["attack", str(shadowed / "audit.toml"), "--workspace", str(shadowed / "ws"), "--on-shadows"]
    assert run(*words, "--page", str(page), "--title", "Digits under attack") == 0
    said = capsys.readouterr()
    assert "16 shadows in turn, each without its pair" in said.out and "lira_online" in said.out
    text = page.read_text()
    assert text.startswith("# Digits under attack") and "What more shadows buy" in text
    assert "vestige attack audit.toml --workspace ws --on-shadows --page page.md" in text and str(shadowed) not in text
    page.write_text(text.replace("<!-- notes -->\n", "<!-- notes -->\nmine\n"))
    assert run(*words, "--page", str(page), "--json", "--against", "lira_online") == 0
    study = json.loads(capsys.readouterr().out)
    assert "mine" in page.read_text() and "--against lira_online:logit" in page.read_text()
    small, whole = study["tables"]
    assert (small["shadows"], whole["shadows"], whole["targets"]) == (8, 16, 16)
    found = {one["attack"]: one for one in whole["results"] if one["signal"] in ("logit", "loss")}
    assert found["lira_online"]["lead"] is None and found["lira_online"]["auc"]["mean"] > 0.6
    assert found["lira_online_shrunken"]["lead"] is not None and whole["against"] == ["lira_online", "logit"]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--page", "p.md"], 2, "--page and --title go with --on-shadows"),
        (["--on-shadows", "--candidate", "no_op"], 2, "neither --candidate nor"),
        (["--on-shadows", "--against", "nobody"], 2, "against: expected one of threshold"),
        (["--on-shadows", "--against", "threshold:sound"], 2, "got 'sound'"),
        (["--on-shadows", "--against", "lira_online:loss"], 2, "lira_online reads logit"),
        (["--on-shadows", "--against", "quantile"], 2, "on shadows, got 'quantile'"),
        (["--on-shadows", "--shadows", "64"], 4, "expected 64 finished models"),
        (["--on-shadows", "--seed", "5"], 4, "make them with vestige shadows"),
        (["--on-shadows", "--page", "mine.md"], 4, "in a page of results"),
        (["--on-shadows", "--title", "x"], 2, "--title goes with --page"),
        (["--on-shadows", "--probabilities"], 2, "nor --probabilities"),
        (["--on-shadows", "--shadows", "4", "--against", "lira_online"], 2, "against: lira_online cannot be made here"),
        (["--candidate", "no_op", "--against", "ulira"], 2, "against: ulira needs unlearned shadows"),
    ],
)
def test_usage_errors_are_sentences(
    shadowed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words, code, sentence
) -> None:
    monkeypatch.chdir(shadowed)
    (shadowed / "mine.md").write_text("my own notes")
    assert run("attack", "audit.toml", "--workspace", "ws", *words) == code
    said = capsys.readouterr().err
    assert sentence in said and "Traceback" not in said
    assert (shadowed / "mine.md").read_text() == "my own notes"
