"""Plan files: what they fix, what is done otherwise, and hostile ones."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from vestige.audit.endpoints.simulation import World
from vestige.audit.planning.plan_file import PlanFile, Sizes, make_plan, parse_plan, read_plan, write_plan
from vestige.audit.planning.preregistration import judged_under, record_of, sizes_of, subject_of
from vestige.audit.policy import Policy
from vestige.audit.results.setting import CHOSEN, Setting
from vestige.learners.errors import DataError
from vestige.learners.files.io import canonical_json, digest

WORLD = World(forget=30, unseen=60, retain=10, retrains=5)
OUTPUTS = WORLD.draw(1).outputs()
POLICY = Policy(margin_auc=0.03)
DECLARED = Setting("random", "declared")
WRITTEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PLAN = make_plan(POLICY, sizes_of(OUTPUTS), setting=CHOSEN, subject=subject_of(OUTPUTS), created=WRITTEN)
Edit = Callable[[dict[str, Any]], Any]


def edited(edit: Edit, *, rehash: bool = False) -> bytes:
    content = json.loads(PLAN.text())
    edit(content)
    if rehash:
        del content["hash"]
        content["hash"] = digest(canonical_json(content))
    return json.dumps(content).encode()


def test_a_plan_comes_back_from_its_file_and_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "plan.json"
    write_plan(PLAN, path)
    assert read_plan(path) == PLAN and read_plan(path).applies == POLICY
    assert PLAN.bound == ("policy", "sizes", "setting", "examples", "original", "retrains")
    before = path.read_bytes()
    with pytest.raises(DataError, match="expected no plan there, got one; choose another name or give --force"):
        write_plan(make_plan(Policy(), Sizes(30, 60, 5)), path)
    assert path.read_bytes() == before
    write_plan(make_plan(Policy(), Sizes(30, 60, 5)), path, force=True)
    assert read_plan(path).bound == ("policy", "sizes")
    assert [one.name for one in path.parent.iterdir()] == ["plan.json"]


def test_the_hash_covers_everything_the_time_included() -> None:
    content = json.loads(PLAN.text())
    stated = content.pop("hash")
    assert stated == digest(canonical_json(content)) == PLAN.hash
    hashes = {
        PLAN.hash,
        replace(PLAN, created="2026-01-02T03:04:06+00:00").hash,
        replace(PLAN, version="9").hash,
        replace(PLAN, sizes=replace(PLAN.sizes, retrains=6)).hash,
        replace(PLAN, subject=None).hash,
        replace(PLAN, setting=DECLARED).hash,
        make_plan(Policy(margin_auc=0.03, margin_tpr=0.03), PLAN.sizes, subject=PLAN.subject, created=WRITTEN).hash,
    }
    assert len(hashes) == 7


EDITS: dict[str, tuple[Edit, str]] = {
    "a margin": (lambda c: c["policy"].update(margin_auc=0.05), "it was edited after it was written"),
    "a margin and its policy's hash": (
        lambda c: c.update(policy={**c["policy"], "margin_auc": 0.05}, policy_hash=Policy(margin_auc=0.05).hash),
        "it was edited after it was written",
    ),
    "the time": (lambda c: c.update(created="2025-01-02T03:04:05+00:00"), "edited after it was written"),
    "the hash": (lambda c: c.update(hash="0" * 64), "edited after it was written"),
    "no hash": (lambda c: c.pop("hash"), "expected the plan's own hash, got none"),
    "a hash of another type": (lambda c: c.update(hash=[1]), "expected the plan's own hash"),
}
REHASHED: dict[str, tuple[Edit, str]] = {
    "the policy's hash": (lambda c: c.update(policy_hash="0" * 64), "policy_hash: expected"),
    "a policy that is none": (lambda c: c["policy"].update(margin_auc=7.0), "margin_auc"),
    "an unknown setting": (lambda c: c["policy"].update(margin="wide"), "margin"),
    "a missing setting": (lambda c: c["policy"].pop("alpha"), "policy: expected every setting"),
    "another version": (lambda c: c.update(schema_version="3.0"), "schema_version '2.0', got '3.0'"),
    "an older battery": (
        lambda c: c.update(schema_version="1.0", battery="2"),
        "expected a plan of battery 3, got one of battery '2', whose endpoints and rule are others; plan again",
    ),
    "a setting that is none": (lambda c: c["setting"].update(name="exchangeable"), "setting.name"),
    "an unknown key": (lambda c: c.update(note="mine"), "note: expected one of the keys"),
    "a missing key": (lambda c: c.pop("sizes"), "sizes: expected a value"),
    "a size as text": (lambda c: c["sizes"].update(forget="30"), "sizes.forget"),
    "a size that is true": (lambda c: c["sizes"].update(forget=True), "sizes.forget"),
    "a negative size": (lambda c: c["sizes"].update(unseen=-1), "sizes.unseen"),
    "a size beyond all bounds": (lambda c: c["sizes"].update(retrains=10**30), "sizes.retrains"),
    "a time without zone": (lambda c: c.update(created="2026-01-02T03:04:05"), "created: expected a time"),
    "no time": (lambda c: c.update(created="yesterday"), "created: expected a time"),
    "a digest that is none": (lambda c: c["subject"].update(original="../../etc"), "subject.original"),
    "a table in the place of a list": (lambda c: c.update(endpoints={}), "endpoints"),
    "nothing in the place of the policy": (lambda c: c.update(policy=None), "policy"),
}


@pytest.mark.parametrize("kind", EDITS)
def test_an_edited_plan_is_refused(kind: str) -> None:
    edit, words = EDITS[kind]
    with pytest.raises(DataError, match=words):
        parse_plan(edited(edit))


@pytest.mark.parametrize("kind", REHASHED)
def test_a_plan_that_says_what_cannot_be_is_refused_whatever_its_hash(kind: str) -> None:
    edit, words = REHASHED[kind]
    with pytest.raises(DataError, match=words):
        parse_plan(edited(edit, rehash=True))


HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "as JSON, got text that is not"),
    "not JSON": (b"plan", "as JSON"),
    "other bytes": (b"\xff\xfe{}", "as JSON"),
    "a list": (b"[]", "as a JSON object, got list"),
    "nested": (b"[" * 200_000, "nested too deeply"),
    "NaN": (PLAN.text().replace("0.05", "NaN", 1).encode(), "finite numbers, got NaN"),
    "Infinity": (PLAN.text().replace("0.05", "-Infinity", 1).encode(), "finite numbers, got -Infinity"),
    "infinite": (PLAN.text().replace("0.05", "1e999", 1).encode(), "finite numbers, got 1e999"),
    "a key twice": (PLAN.text().replace('"created"', '"version": "0",\n "created"', 1).encode(), "every key once"),
    "an empty object": (b"{}", "schema_version"),
    "a report": (b'{"schema_version": "2.0", "tool": {}, "hash": "x"}', "created: expected a value, got none"),
    "a huge integer": (b'{"schema_version": ' + b"9" * 6000 + b"}", "as JSON|schema_version"),
    "huge": (b" " * (2**20 + 1), "at most 1 MiB"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_are_refused_in_one_sentence(kind: str, tmp_path: Path) -> None:
    content, words = HOSTILE[kind]
    path = tmp_path / "plan.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as refused:
        read_plan(path)
    sentence = str(refused.value)
    assert sentence.startswith(f"{path}: ") and "\n" not in sentence and len(sentence) < 700


def test_no_file_a_folder_and_a_device_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path, Path("/dev/zero")):
        with pytest.raises(DataError, match="expected a readable plan file"):
            read_plan(path)


def changes(plan: PlanFile, policy: Policy, sizes: Sizes) -> list[str]:
    return [one.words for one in record_of(plan, policy, sizes, CHOSEN).differences]


def test_what_is_done_otherwise_is_recorded_in_words() -> None:
    assert record_of(PLAN, POLICY, PLAN.sizes, CHOSEN).kept and changes(PLAN, POLICY, PLAN.sizes) == []
    other = replace(PLAN.sizes, retrains=7, retain=11, original=False)
    policy = Policy(margin_auc=0.05, accept_vacuous=True)
    assert changes(PLAN, policy, other) == [
        "margin_auc: 0.03 planned, 0.05 applied",
        "accept_vacuous: no planned, yes applied",
        "retrains: 5 planned, 7 applied",
        "retain: 10 planned, 11 applied",
        "original: yes planned, no applied",
    ]
    record = record_of(PLAN, policy, other, CHOSEN)
    assert not record.kept and record.policy_hash == POLICY.hash
    assert record.sentence.startswith(f"not as planned ({PLAN.hash[:12]}, registered 2026-01-02T03:04:05+00:00): ")
    declared = record_of(PLAN, POLICY, PLAN.sizes, DECLARED)
    assert [one.words for one in declared.differences] == [
        "setting: chosen (default) planned, random (declared) applied"
    ]
    sizes_alone = make_plan(POLICY, Sizes(30, 60, 5), created=WRITTEN)
    assert record_of(sizes_alone, POLICY, PLAN.sizes, DECLARED).kept
    assert changes(sizes_alone, POLICY, replace(PLAN.sizes, forget=29)) == ["forget: 30 planned, 29 applied"]


def test_more_or_fewer_retrains_are_a_change_and_others_are_another_audit() -> None:
    more = World(forget=30, unseen=60, retain=10, retrains=7).draw(2).outputs()
    planned = make_plan(POLICY, sizes_of(more), subject=subject_of(more), created=WRITTEN)
    fewer = replace(more, retrain=more.retrain[[4, 0, 2]])
    record = judged_under(planned, POLICY, sizes_of(fewer), subject_of(fewer), CHOSEN)
    assert record is not None and [one.words for one in record.differences] == ["retrains: 7 planned, 3 applied"]
    small = make_plan(POLICY, sizes_of(fewer), subject=subject_of(fewer), created=WRITTEN)
    record = judged_under(small, POLICY, sizes_of(more), subject_of(more), CHOSEN)
    assert record is not None and [one.words for one in record.differences] == ["retrains: 3 planned, 7 applied"]
    shuffled = replace(more, retrain=more.retrain[::-1].copy())
    record = judged_under(planned, POLICY, sizes_of(shuffled), subject_of(shuffled), CHOSEN)
    assert record is not None and record.kept
    swapped = replace(more, retrain=more.retrain.copy())
    swapped.retrain[1] += 1
    with pytest.raises(DataError, match=r"\(7 retrains\), got 1 others in the place of 1 of them"):
        judged_under(planned, POLICY, sizes_of(swapped), subject_of(swapped), CHOSEN)


def test_other_examples_or_another_original_are_another_audit() -> None:
    assert OUTPUTS.original is not None
    others = {
        "examples": replace(OUTPUTS, labels=9 - OUTPUTS.labels),
        "original": replace(OUTPUTS, original=OUTPUTS.original + 1),
    }
    for part, outputs in others.items():
        with pytest.raises(DataError, match=rf"expected what it was made for \({part} [0-9a-f]{{12}}\), got"):
            judged_under(PLAN, POLICY, sizes_of(outputs), subject_of(outputs), CHOSEN)
    without = replace(OUTPUTS, original=None)
    record = judged_under(PLAN, POLICY, sizes_of(without), subject_of(without), CHOSEN)
    assert record is not None and [one.words for one in record.differences] == ["original: yes planned, no applied"]
    with pytest.raises(DataError, match=r"\(outputs\), got checkpoints"):
        judged_under(PLAN, POLICY, PLAN.sizes, replace(subject_of(OUTPUTS), kind="checkpoints"), CHOSEN)
    late = make_plan(POLICY, PLAN.sizes, subject=PLAN.subject, created=datetime(2999, 1, 1, tzinfo=UTC))
    with pytest.raises(DataError, match="expected one written before now"):
        judged_under(late, POLICY, PLAN.sizes, subject_of(OUTPUTS), CHOSEN)
    assert judged_under(None, POLICY, PLAN.sizes, subject_of(OUTPUTS), CHOSEN) is None
