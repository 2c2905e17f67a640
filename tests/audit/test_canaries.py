"""Canaries of an audit: who is where, what is written down before training, what the report and the gate make of it."""

import json
import stat
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import make_examples
from vestige.audit.canaries.bounds import CanaryQuestion
from vestige.audit.canaries.planting import CanariesTable, canary_rows, plant_canaries, register_planting
from vestige.audit.cli.entry import main
from vestige.audit.config.config import AuditConfig, parse_config
from vestige.audit.models.making import plan_models
from vestige.audit.models.unlearning import unlearn_checkpoint
from vestige.audit.models.workspace import Workspace
from vestige.audit.report.html import write_report
from vestige.audit.results.canaries import CanaryAudit
from vestige.audit.results.json import read_report
from vestige.audit.statistics.one_run import plant
from vestige.audit.workflows.checkpoints import audit_checkpoints
from vestige.audit.workflows.request import ModelFiles, Terms
from vestige.audit.workflows.run import run_audit
from vestige.learners.data.split import Split, split_random
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.files.io import digest
from vestige.learners.training.checkpoints import load_checkpoint, weights_digest
from vestige.learners.training.device import pick_device

TOML = """
workers = 1
data = {source = "digits", label_noise = 0.1}
forget = {random = 100, unseen = 300, validation = 50}
model = {architecture = "mlp", width = 32}
recipe = {epochs = 40, batch_size = 64, learning_rate = 0.1}
retrains = {count = 4}
unlearners = {finetune = {}}
policy = {profile = "screening", min_evidence = "C"}
canaries = {count = 120}
"""


def config(**changed: Any) -> AuditConfig:
    return parse_config({**tomllib.loads(TOML), **changed})


def drawn(seed: int = 0) -> Split:
    return split_random(make_examples(90), forget=20, unseen=20, validation=5, seed=seed)


def test_canaries_are_in_no_other_role_and_only_they_get_wrong_labels() -> None:
    examples, split = make_examples(90), drawn()
    changed, planted = plant_canaries(CanariesTable(count=30), 7, examples, split)
    rows = canary_rows(planted)
    assert len(rows) == 30 and np.isin(rows, split.retain).all()
    for role in ("forget", "unseen", "validation"):
        assert (getattr(planted, role) == getattr(split, role)).all()
    assert np.array_equal(np.sort(np.concatenate([planted.retain, rows])), split.retain)
    assert np.array_equal(np.flatnonzero(changed.labels != examples.labels), rows)
    assert np.array_equal(rows[plant(30, 7).included], planted.canaries_in)
    assert np.array_equal(planted.forget_request, np.union1d(split.forget, planted.canaries_in))
    assert np.array_equal(planted.train, np.union1d(planted.forget_request, planted.retain))
    assert not np.isin(planted.canaries_out, planted.train).any()
    same, _ = plant_canaries(CanariesTable(count=30, labels="as they are"), 7, examples, split)
    assert same.fingerprint == examples.fingerprint


def test_a_split_without_canaries_has_the_fingerprint_that_it_always_had() -> None:
    split = drawn()
    roles = (split.forget, split.retain, split.unseen, split.validation)
    assert split.fingerprint == digest(*(role.astype("<i8").tobytes() for role in roles))
    _, planted = plant_canaries(CanariesTable(count=10), 0, make_examples(90), split)
    other = replace(planted, canaries_in=planted.canaries_out, canaries_out=planted.canaries_in)
    assert len({split.fingerprint, planted.fingerprint, other.fingerprint}) == 3


def test_the_table_does_not_change_an_audit_without_it() -> None:
    content = tomllib.loads(TOML)
    content.pop("canaries")
    plain, planted = plan_models(parse_config(content), Path()), plan_models(config(), Path())
    assert plain.config.canaries is None
    assert np.array_equal(plain.split.forget_request, plain.split.forget)
    assert plain.original.indices != planted.original.indices
    kept = planted.split
    assert np.array_equal(kept.forget, plain.split.forget) and np.array_equal(kept.unseen, plain.split.unseen)


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"canaries": {"count": 5}}, r"canaries\.count"),
        ({"canaries": {"count": 100, "labels": "right"}}, r"canaries\.labels"),
        ({"canaries": {"count": 100, "many": 1}}, r"canaries\.many"),
        ({"canaries": {}}, r"canaries\.count"),
        ({"canaries": {"count": 5000}}, "fewer than the"),
        ({"forget": {"classes": [3], "unseen": 30}}, "whole classes"),
    ],
)
def test_tables_that_do_not_fit_are_refused(changed: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        config(**changed).load_data(Path())


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("canaries")
    write_report(run_audit(config(), Workspace(folder)), folder / "report")
    return folder


def test_the_report_bounds_epsilon_where_canaries_are_remembered(audited: Path) -> None:
    found = {audit.candidate: audit.canaries for audit in read_report(audited / "report").audits}
    no_op, fresh = found["no_op"], found["fresh_retrain"]
    assert no_op is not None and fresh is not None
    assert [one.model for one in no_op.models] == ["candidate", "original", "retrain 1"]
    candidate, original, control = no_op.models
    assert replace(candidate, model="original") == original
    assert candidate.one_run > 0.3 and candidate.clopper_pearson > 0.3
    assert candidate.one_run <= no_op.ceiling_one_run
    assert control.one_run == 0 and fresh.models[0].one_run == 0
    assert "still separates" in no_op.sentence and "no epsilon above 0" in fresh.sentence


def test_the_page_shows_the_canaries_of_every_candidate(audited: Path) -> None:
    page = (audited / "report" / "report.html").read_text()
    for audit in read_report(audited / "report").audits:
        assert audit.canaries is not None and audit.canaries.sentence.split(":")[0].replace("'", "&#39;") in page
        assert f"{audit.canaries.models[0].one_run:.2f}" in page
    assert page.count("control: saw no canary") == 3 and "at delta 1e-05" in page


def test_the_planting_was_written_down_by_its_digest(audited: Path) -> None:
    (path,) = audited.glob("planting-*.json")
    content = json.loads(path.read_text())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    audits = read_report(audited / "report").audits
    assert {audit.canaries.digest for audit in audits if audit.canaries} == {content["digest"]}
    split = plan_models(config(), Path()).split
    rows = np.array(content["examples"])
    assert np.array_equal(rows[content["included"]], split.canaries_in)


def test_retrains_and_roles_know_no_canary(audited: Path) -> None:
    plan = plan_models(config(), Path())
    from vestige.audit.models.outputs import audited_rows

    rows, _ = audited_rows(plan)
    assert not np.isin(canary_rows(plan.split), rows).any()
    report = read_report(audited / "report")
    assert (report.data.forget, report.data.unseen) == (100, 300)
    assert report.data.retain == len(plan.split.retain) == 1797 - 100 - 300 - 50 - 120


def test_the_same_audit_again_trains_nothing_and_says_the_same(audited: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (audited / "models").iterdir()}
    again = run_audit(config(), Workspace(audited))
    assert before == {path: path.stat().st_mtime_ns for path in (audited / "models").iterdir()}
    first = read_report(audited / "report")
    assert [one.canaries for one in again.audits] == [one.canaries for one in first.audits]


def test_vestige_unlearn_makes_the_same_candidate(audited: Path, tmp_path: Path) -> None:
    (original,) = (audited / "models").glob("original-*")
    made = unlearn_checkpoint(config(), "finetune", original, tmp_path / "c.safetensors")
    weights = {audit.candidate: audit.weights for audit in read_report(audited / "report").audits}
    assert made.weights == weights["finetune"]
    model, _ = load_checkpoint(tmp_path / "c.safetensors", pick_device("cpu"))
    assert weights_digest(model) == made.weights


def test_checkpoints_alone_give_the_same_bounds(audited: Path, tmp_path: Path) -> None:
    plan = plan_models(config(), Path())
    place = Workspace(audited)
    keys = {spec.name: key for spec, key in plan.candidates}
    files = ModelFiles(
        candidate=place.model_path(keys["finetune"]),
        original=place.model_path(plan.original),
        retrains=tuple(place.model_path(key) for key in plan.retrains),
    )
    report = audit_checkpoints(config(), files, Terms(policy=config().policy, folder=tmp_path))
    found = {audit.candidate: audit.canaries for audit in read_report(audited / "report").audits}
    assert report.audits[0].canaries == found["finetune"]


def gate(folder: Path, *more: str) -> int:
    (folder / "policy.toml").write_text('profile = "screening"\nmin_evidence = "C"\n')
    with pytest.raises(SystemExit) as ended:
        main(["gate", str(folder / "report.json"), "--policy", str(folder / "policy.toml"), *more])
    return int(ended.value.code or 0)


def test_the_gate_takes_the_honest_report(audited: Path, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_bytes((audited / "report" / "report.json").read_bytes())
    assert gate(tmp_path) == 1  # no_op fails


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 1),
        ("digest", "0" * 64),
        ("included", 50),
        ("judged_in", 3),
        ("score", "phi"),
        ("level", 0.5),
        ("delta", 0.01),
        ("ceiling_one_run", 9.0),
        ("ceiling_clopper_pearson", 9.0),
        ("count", 121),
    ],
)
def test_the_gate_refuses_an_edited_planting(audited: Path, tmp_path: Path, key: str, value: Any) -> None:
    content = json.loads((audited / "report" / "report.json").read_text())
    content["audits"][0]["canaries"][key] = value
    (tmp_path / "report.json").write_text(json.dumps(content))
    assert gate(tmp_path) == 4


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("one_run", 0.0),
        ("clopper_pearson", 0.0),
        ("right", 60),
        ("right", 121),
        ("false_positives", 70),
        ("model", "retrain 2"),
    ],
)
def test_the_gate_refuses_edited_bounds(audited: Path, tmp_path: Path, key: str, value: Any) -> None:
    content = json.loads((audited / "report" / "report.json").read_text())
    content["audits"][0]["canaries"]["models"][0][key] = value
    (tmp_path / "report.json").write_text(json.dumps(content))
    assert gate(tmp_path) == 4


def test_another_planting_in_the_place_of_the_registered_one_is_refused(tmp_path: Path) -> None:
    rows, planting = np.arange(20), plant(20, 3)
    assert register_planting(tmp_path, planting, rows) == planting.digest
    (path,) = tmp_path.iterdir()
    other = register_planting(tmp_path / "other", plant(20, 4), rows)
    path.write_bytes(next((tmp_path / "other").iterdir()).read_bytes())
    with pytest.raises(DataError, match="expected the planting of this audit"):
        register_planting(tmp_path, planting, rows)
    assert other != planting.digest


def question(seed: int, m: int, unseen: int) -> CanaryQuestion:
    planting = plant(m, seed)
    table = CanariesTable(count=m)
    return CanaryQuestion(table, planting, planting.digest, np.arange(m), np.zeros(m + unseen, np.int64))


def answers(random: np.random.Generator, models: int, asked: CanaryQuestion, unseen: int, memory: float) -> list[Any]:
    """Two logits a row; the first minus the second is phi. The last two models remember who was in."""
    n = unseen + len(asked.rows)
    phi = random.normal(0, 1, n) + random.normal(0, 1, (models + 2, n))
    phi[-2:, unseen:] += memory * asked.planting.included
    return [np.stack([one, np.zeros(n)], axis=1) for one in phi]


@pytest.mark.parametrize("retrains", [1, 4])
def test_bounds_exceed_the_truth_as_seldom_as_they_say(retrains: int) -> None:
    """150 plantings without any memory: epsilon is 0. Monte Carlo error of .05: .018."""
    random, wrong = np.random.default_rng(5), np.zeros(2)
    for seed in range(150):
        asked = question(seed, 60, 40)
        found = asked.bounds(*split_models(answers(random, retrains, asked, 40, 0.0)))
        own = found.models[0]
        wrong += (own.one_run > 0, own.clopper_pearson > 0)
        assert found.score == ("residual" if retrains > 1 else "phi")
    assert (wrong / 150 <= 0.1).all()


def split_models(answered: list[Any]) -> tuple[list[Any], Any, Any]:
    return answered[:-2], answered[-2], answered[-1]


def test_perfect_memory_reaches_the_ceilings() -> None:
    asked = question(1, 100, 40)
    found: CanaryAudit = asked.bounds(*split_models(answers(np.random.default_rng(0), 4, asked, 40, 50.0)))
    own = found.models[0]
    assert own.one_run == pytest.approx(found.ceiling_one_run)
    # The threshold is the lowest member of the other half, below which a member of this one may lie.
    assert own.false_positives == 0 and own.false_negatives <= 4
    assert found.ceiling_clopper_pearson - 0.4 < own.clopper_pearson <= found.ceiling_clopper_pearson
