"""``vestige shadows`` and ``vestige attack``: the table against independent numbers, and both commands as a user meets
them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from vestige.attacks.outputs.outputs import Outputs
from vestige.attacks.registry.attacks import ATTACKS
from vestige.attacks.registry.inputs import AttackInputs
from vestige.attacks.shadows.bank import ShadowBank
from vestige.attacks.shadows.checks import bank_problems
from vestige.attacks.signals.signals import SIGNALS
from vestige.audit.cli.entry import main
from vestige.audit.config.config import parse_config
from vestige.audit.models.making import plan_models
from vestige.audit.shadows.bank import design_of, requests_of
from vestige.audit.studies.attacks.table import attack_all, literature_numbers
from vestige.learners.errors import ConfigError
from vestige.learners.training.augmentations import Augmentation

TOML = """
workers = 1
[data]
source = "digits"
label_noise = 0.2
[forget]
random = 150
unseen = 500
validation = 50
[model]
architecture = "mlp"
width = 32
[recipe]
epochs = 20
batch_size = 32
learning_rate = 0.1
weight_decay = 0.0
[retrains]
count = 3
[shadows]
count = 8
views = ["identity", "shift:1,0"]
[unlearners.finetune]
share = 0.2
[policy]
profile = "screening"
min_evidence = "C"
"""


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(ended.value.code or 0)


def material(n: int = 3000, leak: float = 1.0, retrains: int = 3) -> tuple[AttackInputs, Any]:
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, n)
    forget = np.arange(n) < n // 3
    logits = random.normal(size=(retrains + 2, n, 4))
    logits[:, np.arange(n), labels] += 2 * random.normal(size=n)  # an example's own difficulty
    for model, share in ((retrains, leak), (retrains + 1, 2 * leak)):
        logits[model, np.arange(n), labels] += share * forget
    calibration = ~forget & (np.arange(n) % 5 == 0)
    given = AttackInputs(
        labels=labels,
        calibration=calibration,
        retrains=logits[:retrains],
        others=logits[retrains:],
        original=logits[-1],
    )
    return given, forget


def test_areas_and_points_are_those_of_scikit_learn_and_of_a_sort() -> None:
    given, forget = material()
    (table,) = attack_all(given, forget, candidates=["c"], signals=["logit", "entropy"])
    judged = forget | ~given.calibration
    for one in table.results:
        scores = ATTACKS[one.attack](given, one.signal).scores
        area = roc_auc_score(forget[judged], scores[3, judged])
        assert one.auc == pytest.approx(area, abs=1e-12) and one.interval[0] < one.auc < one.interval[1]
        assert one.original == pytest.approx(roc_auc_score(forget[judged], scores[4, judged]), abs=1e-12)
        assert one.retrains is not None and one.gap == pytest.approx(one.auc - one.retrains)
        assert (one.members, one.nonmembers) == (1000, 1600)
        game = np.repeat([1, 0, 0, 0], 1000), np.concatenate([scores[k, forget] for k in (3, 0, 1, 2)])
        assert one.efficacy == pytest.approx(roc_auc_score(*game), abs=1e-12)
        ten, one_percent, tail = one.points
        others = np.sort(scores[3, judged & ~forget])
        assert ten.tpr == (scores[3, forget] > others[-161]).mean()
        assert one_percent.tpr is not None and one_percent.interval is not None
        assert one_percent.interval[0] <= one_percent.tpr <= one_percent.interval[1]
        cut = np.sort(scores[3, given.calibration])[-41]
        assert ten.calibrated == ((scores[3, forget] > cut).mean(), (others > cut).mean()) and tail.calibrated is None
        assert tail.tpr is None  # 1,600 unseen examples say nothing about one in a thousand
    assert {one.signal for one in table.results if one.attack == "threshold"} == {"logit", "entropy"}
    assert "lira_online" in table.absent and "shadow bank" in table.absent["lira_online"]


def test_attacks_are_compared_on_the_same_examples() -> None:
    given, forget = material()
    table = {
        (one.attack, one.signal): one
        for one in attack_all(given, forget, candidates=["c"], signals=["logit"])[0].results
    }
    assert table["threshold", "logit"].lead is None
    lead = table["rlira", "logit"].lead
    assert lead is not None and lead[0] == pytest.approx(table["rlira", "logit"].auc - table["threshold", "logit"].auc)
    assert lead[1] > 0.05  # taking the difficulty out shows the leak, beyond doubt
    # Bootstrap over examples: the paired interval is neither of the two alone.
    random, judged = np.random.default_rng(1), forget | ~given.calibration
    scores = [ATTACKS[name](given, "logit").scores[3] for name in ("threshold", "rlira")]
    members, others = np.flatnonzero(judged & forget), np.flatnonzero(judged & ~forget)
    drawn = []
    for _ in range(200):
        rows = np.r_[random.choice(members, len(members)), random.choice(others, len(others))]
        areas = [roc_auc_score(forget[rows], one[rows]) for one in scores]
        drawn.append(areas[1] - areas[0])
    assert (lead[2] - lead[1]) / 3.92 == pytest.approx(np.std(drawn), rel=0.2)


def noise(shadows: int, n: int = 2400) -> tuple[AttackInputs, Any]:
    """Models that know no example better than another, with a bank of so many shadows, and everything else."""
    random = np.random.default_rng(shadows)
    labels = random.integers(0, 3, n)
    own = np.eye(3)[labels] * (1 + random.normal(size=n))[:, None]  # an example's own difficulty
    half = random.random((shadows // 2, n)) < 0.5
    member = np.stack([half, ~half], axis=1).reshape(shadows, n)

    def asked(models: int) -> Any:
        return (own + random.normal(size=(models, 2, n, 3))).astype(np.float32)

    def made(forgot: Any) -> ShadowBank:
        logits = asked(shadows)
        return bank(
            member=member, forgot=forgot, labels=labels, rows=np.arange(n), augmentations=("identity", "mirror"),
            phi=tuple(SIGNALS["logit"].function(logits, labels).astype(np.float32)), logits=tuple(logits),
        )  # fmt: skip

    forget = np.arange(n) < n // 3
    models = asked(5)
    given = AttackInputs(
        labels=labels,
        calibration=~forget & (np.arange(n) % 5 == 0),
        retrains=models[:3, 0],
        others=models[3:, 0],
        original=models[4, 0],
        shadows=made(np.zeros_like(member)),
        retrain_augmentations=models[:3],
        other_augmentations=models[3:],
        unlearned=None,
        features=random.normal(size=(n, 2)),
    )
    return replace(given, unlearned=made(member)), forget


@pytest.mark.parametrize("shadows", [6, 8, 16, 64])
def test_noise_is_at_chance_for_every_attack_and_every_number_of_shadows(shadows: int) -> None:
    given, forget = noise(shadows)
    (table,) = attack_all(given, forget, candidates=["c"], signals=list(SIGNALS), unlearned={"c": given.unlearned})
    assert {one.attack for one in table.results} == set(ATTACKS) and not table.absent
    for one in table.results:
        assert abs(one.auc - 0.5) < 0.065, one.attack  # four standard errors of a mid-sized sample
        assert one.interval[0] < 0.53 and one.interval[1] > 0.47


def test_candidates_in_one_table_are_those_of_tables_apart() -> None:
    given, forget = noise(8, 600)
    more = replace(
        given,
        others=np.concatenate([given.retrains[:1] + 1, given.others]),
        other_augmentations=np.concatenate([given.retrain_augmentations[:1] + 1, given.other_augmentations]),
    )
    both = attack_all(more, forget, candidates=["a", "c"], signals=["logit"], unlearned={"c": given.unlearned})
    (alone,) = attack_all(given, forget, candidates=["c"], signals=["logit"], unlearned={"c": given.unlearned})
    assert [one.candidate for one in both] == ["a", "c"]
    assert set(both[0].absent) == {"ulira", "ulira_efficacy"} and both[1].absent == {}
    assert both[1].results == alone.results


def test_what_cannot_be_estimated_has_a_sentence_and_stops_nothing() -> None:
    given, forget = noise(8, 600)
    few = replace(given.unlearned, forgot=given.unlearned.forgot & forget)  # asked for forget examples only
    (table,) = attack_all(given, forget, candidates=["c"], signals=["logit"], unlearned={"c": few})
    assert "at least 2 forget and 2 unseen examples to judge, got 200 and 0" in table.absent["ulira"]
    lonely = replace(given, calibration=~forget & (np.arange(600) > 590))
    (table,) = attack_all(lonely, forget, candidates=["c"], signals=["logit"], unlearned={"c": given.unlearned})
    assert "at least 50 calibration examples" in table.absent["quantile"]


def test_votes_that_agree_with_a_shadow_are_no_shadow() -> None:
    """Two models that are right everywhere cast the same votes; that is no reason to refuse one of them."""
    given, forget = noise(8, 600)
    right = 20 * np.eye(3)[given.labels]
    sure = [table + right for table in given.shadows.logits]
    perfect = replace(given.shadows, logits=tuple(sure))
    asked = replace(given, shadows=perfect, other_augmentations=given.other_augmentations + right, unlearned=None)
    assert np.ptp(ATTACKS["label_only"](asked).scores[3]) == 0


def test_numbers_of_the_literature_need_retain_examples() -> None:
    given, forget = material(900)
    role = np.where(forget, "forget", np.where(np.arange(900) % 2 == 0, "unseen", "retain"))
    models = {"candidate": [given.others[0]], "retrain": list(given.retrains), "original": []}
    numbers = {one.name: one for one in literature_numbers(models, given.labels, role, seed=0)}
    assert set(numbers) == {"svc_efficacy", "logistic_loss", "logistic_entropy"}
    assert numbers["logistic_loss"].candidate > (numbers["logistic_loss"].retrains or 0)
    assert numbers["svc_efficacy"].original is None
    assert literature_numbers(models, given.labels, np.where(forget, "forget", "unseen"), seed=0) == ()


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audit")
    (folder / "audit.toml").write_text(TOML)
    return folder


def test_the_design_suits_the_audit(audited: Path) -> None:
    config = parse_config(__import__("tomllib").loads(TOML))
    plan = plan_models(config, audited)
    design, split = design_of(plan), plan.split
    assert np.array_equal(design.pool, np.sort(np.concatenate([split.forget, split.retain, split.unseen])))
    assert not np.isin(split.validation, design.pool).any()
    assert [view.name for view in design.augmentations] == ["identity", "shift:1,0"]
    labels = plan.examples.labels
    twins = np.setdiff1d(design.requests, split.forget)
    assert np.isin(twins, split.unseen).all()
    assert np.array_equal(np.bincount(labels[twins]), np.bincount(labels[split.forget]))
    forgets = design.forgets(2)
    assert np.abs(forgets.sum(1) - len(split.forget)).max() <= 10  # each class to within one
    mirrored = replace(config, recipe=replace(config.recipe, augmentation="flip"), shadows=parse_shadows())
    assert design_of(replace(plan, config=mirrored)).augmentations == (Augmentation(), Augmentation(mirror=True))


def parse_shadows() -> Any:
    from vestige.audit.config.tables import ShadowsTable

    return ShadowsTable()


def test_whole_classes_are_asked_for_whole() -> None:
    import tomllib

    content = tomllib.loads(TOML)
    content["forget"] = {"classes": [3], "unseen": 100, "validation": 50}
    plan = plan_models(parse_config(content), Path("."))
    labels, split = plan.examples.labels, plan.split
    requests = requests_of(plan)
    assert (labels[requests] == 3).all() and np.isin(split.forget, requests).all()
    pool = design_of(plan).pool
    assert np.array_equal(requests, pool[labels[pool] == 3])


def test_vestige_shadows_makes_grows_and_repeats_nothing(audited: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["shadows", str(audited / "audit.toml"), "--workspace", str(audited / "ws"), "--json"]
    assert run(*words, "--count", "4") == 0
    first = json.loads(capsys.readouterr().out)[0]
    assert first["number"] == 4 and first["accuracy_in"]["mean"] > first["accuracy_out"]["mean"] > 0.5
    assert any("4 shadows: weaker than" in one for one in first["problems"])
    assert run(*words, "--unlearn", "finetune") == 0
    trained, unlearned = json.loads(capsys.readouterr().out)
    assert trained["number"] == unlearned["number"] == 8 and trained["folder"] == first["folder"]
    assert unlearned["shadows"] == "unlearned by finetune" and unlearned["flops"] < trained["flops"]
    before = {path: path.stat().st_mtime_ns for path in Path(trained["folder"]).rglob("*.npy")}
    assert run(*words[:-1], "--unlearn", "finetune") == 0
    said = capsys.readouterr()
    assert "unlearned by finetune" in said.out and "Note: 8 shadows: weaker" in said.err
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_vestige_attack_makes_every_attack_that_the_workspace_allows(
    audited: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["attack", str(audited / "audit.toml"), "--workspace", str(audited / "ws"), "--candidate", "finetune"]
    assert run(*words, "--json") == 0
    (table,) = json.loads(capsys.readouterr().out)
    assert {one["attack"] for one in table["results"]} == set(ATTACKS) and table["absent"] == {}
    found = {(one["attack"], one["signal"]): one for one in table["results"]}
    assert found["lira_online", "logit"]["original"] > 0.55  # the shadows know the original's members
    assert found["ulira", "logit"]["members"] == 150
    assert [one["name"] for one in table["numbers"]] == ["svc_efficacy", "logistic_loss", "logistic_entropy"]
    assert run(*words) == 0
    said = capsys.readouterr()
    assert "finetune: 150 forget against" in said.out and "TPR at 0.1 %: not estimable" in said.out.replace(
        "1 % and ", ""
    )
    assert "Not made" not in said.out
    assert run(*words, "--shadows", "6", "--json") == 0
    (fewer,) = json.loads(capsys.readouterr().out)
    weaker = {(one["attack"], one["signal"]): one for one in fewer["results"]}
    assert (
        weaker["rlira", "logit"] == found["rlira", "logit"] and weaker["attack_r", "loss"] != found["attack_r", "loss"]
    )
    assert run(*words, "--shadows", "64") == 4
    assert "expected 64 finished models" in capsys.readouterr().err
    assert run(*words[:-1], "no_op", "--json") == 0
    (other,) = json.loads(capsys.readouterr().out)
    assert set(other["absent"]) == {"ulira", "ulira_efficacy"} and "--unlearn" in other["absent"]["ulira"]


def test_an_outputs_file_is_attacked_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given, forget = material(900)
    role = np.where(forget, "forget", np.where(np.arange(900) % 3 == 0, "retain", "unseen"))
    outputs = Outputs(
        labels=given.labels.astype(np.int64), role=role, candidate=given.others[0], retrain=given.retrains[:2]
    )
    outputs.write(tmp_path / "o.npz")
    assert run("attack", "--outputs", str(tmp_path / "o.npz"), "--json") == 0
    (table,) = json.loads(capsys.readouterr().out)
    assert table["candidate"] == "o" and {"rlira", "before_after", "lira_online", "quantile"} <= set(table["absent"])
    assert {one["attack"] for one in table["results"]} == {"threshold", "threshold_classwise", "population", "rmia"}
    assert all(one["original"] is None for one in table["results"])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["attack"], "give either an audit file or --outputs"),
        (
            ["attack", "audit.toml", "--candidate", "nobody"],
            "candidate: expected one of no_op, fresh_retrain, finetune",
        ),
        (["attack", "--outputs", "o.npz", "--candidate", "a"], "go with an audit file"),
        (["attack", "--outputs", "o.npz", "--shadows", "4"], "go with an audit file"),
        (["attack", "audit.toml", "--probabilities"], "--probabilities goes with --outputs"),
        (["shadows", "audit.toml", "--count", "7"], "an even number of at least 2, got 7"),
        (
            ["shadows", "audit.toml", "--unlearn", "nobody"],
            "expected one of no_op, fresh_retrain, finetune, got 'nobody'",
        ),
        (["shadows", "audit.toml", "--engine", "ray", "--workers", "2"], "--workers and --gpu go with processes"),
        (["shadows", "audit.toml", "--job-gpus", "0.25"], "--job-cpus and --job-gpus go with --engine ray"),
        (["shadows", "audit.toml", "--gpu", "0", "--gpu", "1", "--workers", "1"], "at least one for each of 2 GPUs"),
        (["shadows", "audit.toml", "--gpu", "0"], "--gpu: expected an audit on CUDA, got device cpu"),
        (["shadows", "audit.toml", "--engine", "ray", "--job-gpus", "1"], "--job-gpus: expected an audit on CUDA"),
    ],
)
def test_usage_errors_are_sentences(
    audited: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str], sentence: str
) -> None:
    monkeypatch.chdir(audited)
    assert run(*words) == 2
    said = capsys.readouterr().err
    assert sentence in said and "Traceback" not in said


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"count": 7}, "shadows.count: expected a multiple of 2"),
        ({"views": ["rotate"]}, "shadows: expected identity, mirror, shift:RIGHT,DOWN"),
        ({"number": 4}, "shadows.number: expected one of the keys count, views"),
    ],
)
def test_the_table_of_an_audit_file_is_checked(table: dict[str, Any], sentence: str) -> None:
    import tomllib

    with pytest.raises(ConfigError, match=sentence):
        parse_config({**tomllib.loads(TOML), "shadows": table})


def bank(**change: Any) -> ShadowBank:
    random = np.random.default_rng(0)
    half = random.random((8, 40)) < 0.5
    logits = random.normal(size=(16, 1, 40, 3)).astype(np.float32)
    given = {
        "member": np.stack([half, ~half], axis=1).reshape(16, 40),
        "forgot": np.zeros((16, 40), bool),
        "labels": np.zeros(40, np.int64),
        "rows": np.arange(40),
        "augmentations": ("identity",),
        "phi": tuple(logits[..., 0]),
        "logits": tuple(logits),
        "accuracy_in": random.normal(0.95, 0.01, 16),
        "accuracy_out": random.normal(0.7, 0.01, 16),
        "seconds": np.ones(16),
        "flops": np.ones(16),
        "folder": Path("."),
    }
    return ShadowBank(**(given | change))


def test_bank_11_a_sound_bank_says_nothing_and_every_fault_has_its_sentence() -> None:
    assert bank_problems(bank(), accuracy_in=0.96, accuracy_out=0.7) == ()
    logits = np.array(bank().logits)
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    broken = np.where(np.arange(40) == 3, np.nan, np.array(bank().phi))
    faults = {
        "on examples that it was trained on is 0.600": bank_problems(bank(), accuracy_in=0.6),  # P10: one epoch
        "on examples that it was not trained on is 0.900": bank_problems(bank(), accuracy_out=0.9),
        "40 of 40 examples are not in for half": bank_problems(bank(member=np.ones((16, 40), bool))),
        "1 of 16 shadows say exactly what another says": bank_problems(bank(phi=(bank().phi[1], *bank().phi[1:]))),
        "outputs look like probabilities": bank_problems(bank(logits=tuple(shares))),
        "outputs hold NaN": bank_problems(bank(phi=tuple(broken))),
    }
    for sentence, found in faults.items():
        assert len(found) == 1 and sentence in found[0]
