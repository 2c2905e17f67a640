"""The policy file: profiles, overrides, refusals, and the hash that shows later edits."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.simulation import World
from vestige.audit.planning.registration import register
from vestige.audit.policy import Policy, profile
from vestige.audit.results.setting import CHOSEN
from vestige.learners.errors import ConfigError, DataError


def _write(folder: Path, text: str) -> Path:
    path = folder / "policy.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(("name", "margin"), [("strict", 0.03), ("standard", 0.05), ("screening", 0.10)])
def test_profiles_differ_in_the_auc_margin_only(name: str, margin: float) -> None:
    chosen = profile(name)
    assert chosen == Policy(profile=name)  # type: ignore[arg-type]
    assert (chosen.margin_auc, chosen.margin_tpr, chosen.margin_utility) == (margin, 0.02, 0.02)
    assert (chosen.margin_labels, chosen.margin_shape, chosen.margin_group, chosen.margin_loss) == (
        0.05,
        0.1,
        0.1,
        0.05,
    )
    assert (chosen.alpha, chosen.fpr, chosen.min_evidence) == (0.05, 0.01, "B")
    assert chosen.overrides == ()


def test_a_file_names_a_profile_and_overrides_it(tmp_path: Path) -> None:
    text = 'profile = "strict"\nmin_evidence = "C"\n'
    for content in (text, "[policy]\n" + text):
        policy = Policy.read(_write(tmp_path, content))
        assert (policy.profile, policy.margin_auc, policy.min_evidence) == ("strict", 0.03, "C")
        assert policy.overrides == ("min_evidence = C",)
    assert Policy.read(_write(tmp_path, 'profile = "strict"\nmargin_auc = 0.04\n')).margin_auc == 0.04
    assert Policy.read(_write(tmp_path, "")) == Policy()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("margin_acu = 0.1", r"policy\.toml\.margin_acu: expected one of the keys profile, margin_auc, .*unknown key"),
        ("[policy]\nalpha = 0.5", r"policy\.toml: policy\.alpha: expected less than or equal to 0\.2, got 0\.5"),
        ("margin_auc = 0.0", r"margin_auc: expected greater than 0, got 0\.0"),
        ("margin_auc = nan", r"margin_auc: expected a finite number, got nan"),
        ("conservative = true", r"conservative: expected no such setting since battery 3"),
        ("accept_vacuous = 1", r"accept_vacuous: expected a valid boolean, got 1"),
        ("calibration_seed = 1", r"calibration_seed: expected no such setting since battery 3"),
        ("margin_shape = 0.5", r"margin_shape: expected less than 0\.5, got 0\.5"),
        ("margin_labels = true", r"margin_labels: expected a valid number, got True"),
        ("margin_loss = 0.0", r"margin_loss: expected greater than 0, got 0\.0"),
        ("alpha = true", r"alpha: expected a valid number, got True"),
        ("alpha = '0.05'", r"alpha: expected a valid number, got '0.05'"),
        ("fpr = 'low'", r"fpr: expected a valid number.*got 'low'"),
        ("profile = 'lax'", r"profile: expected 'strict', 'standard' or 'screening', got 'lax'"),
        ("calibration_share = 0.9", r"calibration_share: expected less than or equal to 0\.5, got 0\.9"),
        ("min_evidence = 'D'", r"min_evidence: expected 'A', 'B' or 'C', got 'D'"),
        ("inconclusive = 'pass'", r"inconclusive: expected 'fail' or 'warn', got 'pass'"),
        ("[policy]\n[other]\n", r"expected only the table \[policy\], got the key 'other'"),
        ("policy = 3", r"expected a table \[policy\], got 3"),
        ("margin_auc = = 1", r"expected TOML, got .*; correct the file"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected) as refusal:
        Policy.read(_write(tmp_path, text))
    assert "\n" not in str(refusal.value)


def test_a_missing_file_and_an_unknown_profile_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a readable TOML policy file, got No such file"):
        Policy.read(tmp_path / "absent.toml")
    with pytest.raises(ConfigError, match="profile: expected 'strict'"):
        profile("lenient")


def test_the_hash_knows_every_setting() -> None:
    changed = {
        "profile": "strict",
        "margin_auc": 0.04,
        "margin_tpr": 0.03,
        "margin_group": 0.2,
        "margin_labels": 0.1,
        "margin_shape": 0.2,
        "margin_loss": 0.1,
        "worst_group": "enforce",
        "margin_utility": 0.03,
        "alpha": 0.1,
        "fpr": 0.02,
        "min_evidence": "C",
        "accept_vacuous": True,
        "inconclusive": "warn",
        "calibration_share": 0.3,
        "sequential": True,
    }
    assert set(changed) == set(Policy.__dataclass_fields__)
    hashes = {Policy.of({key: value}).hash for key, value in changed.items()}
    assert len(hashes | {Policy().hash}) == len(changed) + 1
    assert Policy().hash == profile("standard").hash


def _small() -> Outputs:
    return World(forget=50, unseen=100, retrains=3).draw(0).outputs()


def test_vd_40_a_policy_edited_after_registration_differs(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    assert register(folder, Policy(), _small(), CHOSEN) == Policy().hash
    (path,) = folder.iterdir()
    before = path.read_bytes()
    edited = Policy(margin_auc=0.2)
    assert register(folder, edited, _small(), CHOSEN) == Policy().hash != edited.hash
    assert path.read_bytes() == before
    assert json.loads(before)["preconditions"]["forget"] == 50


def test_a_registration_holds_for_any_candidate_and_for_one_reference(tmp_path: Path) -> None:
    outputs = _small()
    register(tmp_path, Policy(), outputs, CHOSEN)
    assert (
        register(tmp_path, profile("strict"), replace(outputs, candidate=outputs.candidate + 1), CHOSEN)
        == Policy().hash
    )
    assert (
        register(tmp_path, profile("strict"), replace(outputs, retrain=outputs.retrain + 1), CHOSEN)
        == profile("strict").hash
    )
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("content", ["", "[]", '{"policy_hash": 3, "preconditions": {}}'])
def test_a_broken_registration_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    register(tmp_path, Policy(), _small(), CHOSEN)
    (path,) = tmp_path.iterdir()
    path.write_text(content)
    with pytest.raises(DataError, match="expected a registered policy"):
        register(tmp_path, Policy(), _small(), CHOSEN)
    assert path.read_text() == content
