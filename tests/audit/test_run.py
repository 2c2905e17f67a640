import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.command import say
from tests.conftest import make_examples
from vestige.audit.config.config import AuditConfig, parse_config
from vestige.audit.models.workspace import Workspace
from vestige.audit.policy import Policy
from vestige.audit.results.json import comparable, to_json
from vestige.audit.workflows.checkpoints import audit_checkpoints
from vestige.audit.workflows.request import ModelFiles, Terms
from vestige.audit.workflows.run import run_audit
from vestige.learners.errors import DataError
from vestige.learners.training.checkpoints import load_checkpoint, weights_digest

TOML = """
workers = 1
data = {source = "digits", label_noise = 0.1}
forget = {random = 100, unseen = 300, validation = 50}
model = {architecture = "mlp", width = 16}
recipe = {epochs = 4, batch_size = 64, learning_rate = 0.1}
retrains = {count = 3}
unlearners = {finetune = {}, gradient_ascent = {passes = 2}}
policy = {profile = "screening", min_evidence = "C"}
"""


@pytest.fixture
def config() -> AuditConfig:
    import tomllib

    return parse_config(tomllib.loads(TOML))


def report_of(config: AuditConfig, folder: Path) -> str:
    return comparable(to_json(run_audit(config, Workspace(folder))))


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_same_seed_same_report_and_nothing_is_made_twice(config: AuditConfig, tmp_path: Path) -> None:
    first = report_of(config, tmp_path / "a")
    assert report_of(config, tmp_path / "b") == first
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "a" / "models").iterdir()}
    stages: list[str] = []
    again = run_audit(config, Workspace(tmp_path / "a"), watch=lambda stage, done, total: stages.append(stage))
    assert comparable(to_json(again)) == first
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "a" / "models").iterdir()}
    assert not any(stage.startswith(("training", "making")) for stage in stages)
    assert report_of(replace(config, seed=1), tmp_path / "a") != first


def test_an_interruption_anywhere_leaves_whole_files_and_the_same_report(config: AuditConfig, tmp_path: Path) -> None:
    stages: list[str] = []
    report = run_audit(config, Workspace(tmp_path / "whole"), watch=lambda stage, done, total: stages.append(stage))
    undisturbed = comparable(to_json(report))
    places = {stage: [call for call, other in enumerate(stages, 1) if other == stage] for stage in stages}
    assert len(places) >= 5
    for stop in sorted({call for calls in places.values() for call in (calls[0], calls[len(calls) // 2], calls[-1])}):
        folder = tmp_path / f"stopped-{stop}"
        left = stop

        def interrupt(stage: str, done: int, total: int) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run_audit(config, Workspace(folder), watch=interrupt)
        assert not list(folder.rglob("*.part"))
        for path in (folder / "models").glob("*"):
            load_checkpoint(path, torch.device("cpu"))
        assert report_of(config, folder) == undisturbed, f"stopped at call {stop} of {len(stages)}"


def test_a_stack_of_which_one_model_is_missing_is_made_as_it_was(config: AuditConfig, tmp_path: Path) -> None:
    undisturbed = report_of(config, tmp_path)
    models = files(tmp_path / "models")
    retrain = next((tmp_path / "models").glob("retrain-*"))
    retrain.unlink()
    assert report_of(config, tmp_path) == undisturbed
    assert files(tmp_path / "models") == models


def test_every_candidate_starts_from_the_original(config: AuditConfig, tmp_path: Path) -> None:
    together = json.loads(report_of(config, tmp_path / "together"))
    weights = {audit["candidate"]: audit["weights"] for audit in together["audits"]}
    assert weights["no_op"] == together["models"]["weights"]["original"]
    assert len(set(weights.values())) == len(weights)
    for spec in config.candidates:
        alone = json.loads(report_of(replace(config, candidates=(spec,)), tmp_path / spec.name))
        assert alone["audits"][0]["weights"] == weights[spec.name]


@pytest.mark.slow
def test_killing_the_process_and_starting_again_ends_with_the_same_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audit_file = tmp_path / "audit.toml"
    audit_file.write_text(TOML.replace("epochs = 4", "epochs = 30"))

    def start(folder: str) -> subprocess.Popen[bytes]:
        code = "from vestige.audit.cli.entry import main; main()"
        command = [sys.executable, "-c", code, "run", str(audit_file), "--workspace", str(tmp_path / folder)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    assert say(capsys, "run", audit_file, "--workspace", tmp_path / "whole").code in (0, 1, 3)
    models = tmp_path / "killed" / "models"
    for awaited in (1, 4, 6):  # after the original, after the retrains, among the candidates
        process = start("killed")
        while process.poll() is None and len(list(models.glob("*.safetensors"))) < awaited:
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert say(capsys, "run", audit_file, "--workspace", tmp_path / "killed").code in (0, 1, 3)
    texts = [(tmp_path / folder / "report" / "report.json").read_text() for folder in ("whole", "killed")]
    assert comparable(texts[0]) == comparable(texts[1])


def test_a_damaged_artefact_is_refused_not_replaced(config: AuditConfig, tmp_path: Path) -> None:
    report_of(config, tmp_path)
    victim = next((tmp_path / "models").glob("retrain-*"))
    whole = victim.read_bytes()
    victim.write_bytes(whole[:1000])
    before = files(tmp_path)
    with pytest.raises(DataError, match="not a whole safetensors file.*delete .* to have it made again"):
        report_of(config, tmp_path)
    assert files(tmp_path) == before
    victim.write_bytes(whole)
    logits = next((tmp_path / "outputs").iterdir())
    logits.write_bytes(logits.read_bytes()[:-7])
    with pytest.raises(DataError, match="not a whole array"):
        report_of(config, tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"recipe": {"epochs": 5}},
        {"recipe": {"weight_decay": 0.1}},
        {"data": {"label_noise": 0.2}},
        {"forget": {"random": 101}},
    ],
)
def test_other_settings_never_reuse_a_model(config: AuditConfig, tmp_path: Path, change: dict[str, object]) -> None:
    from vestige.audit.models.making import plan_models

    changed = {
        key: replace(getattr(config, key), **value) if isinstance(value, dict) else value
        for key, value in change.items()
    }
    one, other = (plan_models(each, tmp_path) for each in (config, replace(config, **changed)))
    keys = [{key.name for key in (plan.original, *plan.retrains, plan.candidates[0][1])} for plan in (one, other)]
    assert keys[0] & keys[1] == set()


def test_more_retrains_keep_those_that_exist(config: AuditConfig, tmp_path: Path) -> None:
    from vestige.audit.models.making import plan_models

    few = plan_models(config, tmp_path)
    more = plan_models(replace(config, retrains=replace(config.retrains, count=5)), tmp_path)
    assert more.retrains[:3] == few.retrains and more.candidates == few.candidates


def test_outputs_follow_the_pixels_that_no_model_was_trained_on(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 300)
    images = (60 * labels[:, None, None] + random.integers(0, 60, (300, 6, 6))).astype(np.uint8)[..., None]
    names = np.array(["a", "b", "c"])
    content = {
        "data": {"source": f"npz:{tmp_path / 'data.npz'}"},
        "forget": {"random": 40},
        "model": {"architecture": "mlp", "width": 8},
        "recipe": {"epochs": 3, "learning_rate": 0.05},
        "retrains": {"count": 3},
        "unlearners": {"finetune": {}},
        "workers": 1,
    }

    def audit(test_images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], folder: str) -> str:
        test_labels = labels[200:]
        arrays = {
            "images": images[:200],
            "labels": labels[:200],
            "test_images": test_images,
            "test_labels": test_labels,
        }
        np.savez(tmp_path / "data.npz", class_names=names, **arrays)
        return report_of(parse_config(content), tmp_path / folder)

    plain = audit(images[200:], "one")
    assert '"source": "npz:data.npz"' in plain and str(tmp_path) not in plain  # whose folder it is stays there
    changed = audit(255 - images[200:], "one")
    assert changed != plain and changed == audit(255 - images[200:], "fresh")
    assert audit(images[200:], "one") == plain


def test_a_file_with_another_model_under_a_models_name_is_refused(config: AuditConfig, tmp_path: Path) -> None:
    report_of(config, tmp_path / "a")
    report_of(replace(config, recipe=replace(config.recipe, epochs=5)), tmp_path / "b")
    ours, theirs = (next((tmp_path / folder / "models").glob("original-*")) for folder in "ab")
    ours.write_bytes(theirs.read_bytes())
    with pytest.raises(DataError, match="holds another model than its name says"):
        report_of(config, tmp_path / "a")


def test_remains_of_a_killed_run_are_removed(config: AuditConfig, tmp_path: Path) -> None:
    Workspace(tmp_path).mark()
    (tmp_path / "models").mkdir()
    remains = tmp_path / "models" / ".original-0.safetensors.abc.part"
    remains.write_bytes(b"half")
    report_of(config, tmp_path)
    assert not remains.exists()


@pytest.mark.slow
def test_processes_give_the_report_of_one_process(config: AuditConfig, tmp_path: Path) -> None:
    recipe = replace(config.recipe, architecture="cnn", width=4, epochs=2)
    alone = replace(config, recipe=recipe)
    assert report_of(replace(alone, workers=2), tmp_path / "two") == report_of(alone, tmp_path / "one")


def test_images_in_two_roles_are_counted_and_too_many_refused(config: AuditConfig, tmp_path: Path) -> None:
    from vestige.learners.data.duplicates import count_duplicates

    examples, split = config.load_data(tmp_path)
    images = examples.images.copy()
    images[split.retain[0]] = images[split.forget[0]]
    counted = count_duplicates(replace(examples, images=images), split)
    assert (counted.in_retain, counted.in_unseen) == (1, 0)
    images[split.unseen[:2]] = images[split.forget[:2]]
    with pytest.raises(DataError, match="got 2 of 100 forget images that stand in unseen too"):
        count_duplicates(replace(examples, images=images), split)


def test_one_unseen_example_is_refused_before_anything_is_trained(config: AuditConfig, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="forget.unseen: expected at least 2 unseen examples, got 1"):
        run_audit(replace(config, forget=replace(config.forget, unseen=1)), Workspace(tmp_path))
    assert not list(tmp_path.rglob("*.safetensors"))


def test_rp_12_the_null_self_test_finds_nothing_where_the_candidate_leaks() -> None:
    from vestige.audit.endpoints.simulation import World, memorised
    from vestige.audit.results.setting import CHOSEN
    from vestige.audit.workflows.records import null_self_test

    outside = 0
    for seed in range(40):
        outputs = World(forget=300, unseen=600, retrains=3, candidate=memorised(3.0)).draw(seed).outputs()
        test = null_self_test(outputs, CHOSEN, seed=seed)
        low, high = test.interval
        assert low < test.auc < high
        outside += not low <= 0.5 <= high
    assert outside <= 6  # 95 % intervals: 2 of 40 expected, more than 6 with a probability below 0.5 %


def test_a_policy_changed_after_the_first_verdict_is_recorded(config: AuditConfig, tmp_path: Path) -> None:
    first = run_audit(config, Workspace(tmp_path))
    assert not first.policy.changed and first.policy.hash == first.policy.registered_hash
    laxer = replace(config, policy=Policy(profile="screening", min_evidence="C", margin_auc=0.2))
    second = run_audit(laxer, Workspace(tmp_path))
    assert second.policy.changed and second.policy.registered_hash == first.policy.hash


def test_checkpoints_of_a_run_can_be_judged_one_by_one(config: AuditConfig, tmp_path: Path) -> None:
    whole = run_audit(config, Workspace(tmp_path))
    models = tmp_path / "models"
    by_weights = {weights_digest(load_checkpoint(p, torch.device("cpu"))[0]): p for p in models.iterdir()}
    recorded = whole.models.weights
    assert recorded is not None and recorded.original is not None
    retrains = [by_weights[digest] for digest in recorded.retrains]
    original = next(models.glob("original-*"))
    terms = Terms(policy=config.policy, folder=tmp_path)
    files = ModelFiles(candidate=original, original=original, retrains=tuple(retrains))
    for audit in whole.audits[1:]:
        candidate = replace(files, candidate=by_weights[audit.weights or ""])
        report = audit_checkpoints(config, candidate, replace(terms, name=audit.candidate))
        assert report.audits[0].endpoints == audit.endpoints and report.audits[0].verdict == audit.verdict
    with pytest.raises(DataError, match="not the retrain of this split"):
        audit_checkpoints(config, replace(files, retrains=(original,)), terms)
    with pytest.raises(DataError, match="trained on other data"):
        noisier = replace(config, data=replace(config.data, label_noise=0.3))
        audit_checkpoints(noisier, files, terms)


def test_large_retain_sets_are_sampled_for_the_comparison(config: AuditConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    from vestige.audit.models import outputs
    from vestige.audit.models.making import plan_models

    monkeypatch.setattr(outputs, "RETAIN_ROWS", 40)
    plan = plan_models(config, Path("."))
    rows, roles = outputs.audited_rows(plan)
    retain = rows[roles == "retain"]
    assert len(retain) == 40 and set(retain) <= set(plan.split.retain)
    assert np.array_equal(rows[roles == "forget"], plan.split.forget)


def test_unseen_rows_of_the_other_classes_come_along_where_classes_were_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Usefulness then has the role unseen too; the class is compared with its own unseen examples alone."""
    from vestige.audit.models import outputs
    from vestige.audit.models.making import plan_models
    from vestige.audit.shadows.bank import design_of

    made, test = (make_examples(n, size=4, classes=4, seed=n) for n in (900, 500))
    np.savez(
        tmp_path / "data.npz",
        images=made.images,
        labels=made.labels,
        test_images=test.images,
        test_labels=test.labels,
    )
    content = {
        "data": {"source": f"npz:{tmp_path / 'data.npz'}"},
        "forget": {"classes": [1], "unseen": 40},
        "model": {"architecture": "mlp", "width": 16},
        "recipe": {"epochs": 4, "learning_rate": 0.1},
        "retrains": {"count": 2},
        "unlearners": {"finetune": {}},
        "workers": 1,
    }
    config = parse_config(content)
    plan = plan_models(config, tmp_path)
    labels, split = plan.examples.labels, plan.split
    rows, roles = outputs.audited_rows(plan)
    others = rows[(roles == "unseen") & (labels[rows] != 1)]
    assert np.array_equal(np.sort(others), np.flatnonzero(plan.examples.test_part & (labels != 1)))
    assert np.array_equal(rows[(roles == "unseen") & (labels[rows] == 1)], split.unseen)
    assert len(np.unique(rows)) == len(rows) and not np.isin(others, split.train).any()
    assert np.array_equal(design_of(plan).rows, np.sort(np.concatenate([split.forget, split.unseen, split.retain])))
    report = run_audit(config, Workspace(tmp_path / "ws"))
    assert (report.data.forget, report.data.unseen) == (len(split.forget), 40 + len(others))
    for audit in report.audits:
        assert audit.setting.of_class and audit.setting.source == "detected"
        memory = next(endpoint for endpoint in audit.endpoints if endpoint.name == "M")
        assert memory.unseen + audit.reference.unseen_calibration == 40
        assert {part.role: part.examples for part in audit.utility}["unseen"] == len(others)
    monkeypatch.setattr(outputs, "RETAIN_ROWS", 30)
    assert (outputs.audited_rows(plan)[1] == "unseen").sum() == 40 + 30
    sampled = plan_models(parse_config({**content, "forget": {"random": 100, "unseen": 40}}), tmp_path)
    assert (outputs.audited_rows(sampled)[1] == "unseen").sum() == 40
