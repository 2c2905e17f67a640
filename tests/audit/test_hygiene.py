"""Each check on a planted case and on an honest one; false alarms by simulation, seeds given."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.audit.worlds import ClassWorld
from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.cli.entry import main
from vestige.audit.data_checks.checks import data_hygiene, outputs_hygiene
from vestige.audit.data_checks.near_duplicates import write_pairs
from vestige.audit.endpoints.preconditions import identify
from vestige.audit.endpoints.simulation import World, constant
from vestige.audit.results.data_checks import Finding
from vestige.audit.results.setting import CHOSEN, Setting
from vestige.learners.data.duplicates import Duplicates
from vestige.learners.data.examples import Examples
from vestige.learners.data.near_duplicates import NearDuplicates, find_near_duplicates
from vestige.learners.data.split import Split
from vestige.learners.errors import DataError

SMALL = World(forget=200, unseen=600, retain=300, retrains=4, classes=4)


def findings(outputs: Outputs, problem: str = "") -> dict[str, Finding]:
    found = outputs_hygiene(outputs, CHOSEN, identify(outputs), problem)
    return {one.check: one for one in found.findings}


def warned(outputs: Outputs) -> set[str]:
    return {name for name, one in findings(outputs).items() if one.severity == "warning"}


def test_an_honest_audit_finds_nothing() -> None:
    """25 worlds, five checks that involve chance at one in a thousand each: expected .13 alarms, two would be rare."""
    alarms = sum(len(warned(SMALL.draw(seed).outputs())) for seed in range(25))
    assert alarms <= 1


def test_every_check_is_listed_and_clear_ones_say_nothing() -> None:
    found = outputs_hygiene(SMALL.draw(1).outputs(), CHOSEN, identify(SMALL.draw(1).outputs()), "")
    names = [one.check for one in found.findings]
    assert names == [
        *("people", "class_mix", "difficulty", "confidence", "original_untrained", "copied_models", "plausibility")
    ]
    assert found.shown == () and all(one.sentence == "" for one in found.findings)


def test_harder_forget_examples_are_told_with_an_interval() -> None:
    outputs = replace(SMALL, forget_difficulty=-2.0).draw(2).outputs()
    one = findings(outputs)["confidence"]
    assert one.severity == "warning" and one.value is not None and one.interval is not None
    assert one.interval[0] < -2.0 < one.interval[1] < 0 and (one.count, one.of) == (200, 800)
    assert "harder" in one.sentence and "gaps to the retrains stay comparable" in one.sentence


def test_the_interval_of_difficulty_covers() -> None:
    """Of 400 honest worlds at most 4 are outside the 99.9 % interval (expected .4; four or fewer: above .9999)."""
    world = replace(SMALL, original=None, retain=0, retrains=1, forget=60, unseen=100)
    missed = 0
    for seed in range(400):
        one = findings(world.draw(seed).outputs())["confidence"]
        assert one.interval is not None
        missed += not one.interval[0] <= 0 <= one.interval[1]
    assert missed <= 4


def test_an_original_that_never_saw_the_forget_set() -> None:
    assert warned(replace(SMALL, original=constant(0.0)).draw(3).outputs()) == {"original_untrained"}
    assert "original_untrained" not in findings(replace(SMALL, original=None).draw(3).outputs())


def test_another_mix_of_classes() -> None:
    outputs = SMALL.draw(4).outputs()
    assert findings(outputs)["class_mix"].severity == "clear"
    labels = np.where(outputs.where("forget"), 3, outputs.labels)
    # phi is not looked at by this check, so that the models may stay what they are
    one = findings(replace(outputs, labels=labels))["class_mix"]
    assert one.severity == "warning" and one.value == pytest.approx(0.75, abs=0.01) and (one.count, one.of) == (0, 1)


def test_total_variation_exceeds_chance_once_in_a_thousand() -> None:
    """Random parts of a thousand classes, where the total variation is large by chance: 0 to 3 alarms in 300."""
    random = np.random.default_rng(5)
    outputs = replace(SMALL, retain=0, retrains=1, original=None, classes=1).draw(5).outputs()
    wide = np.zeros((len(outputs), 2))
    alarms = 0
    for _ in range(300):
        labels = (random.random(len(outputs)) < 0.3).astype(np.int64)
        same = replace(outputs, labels=labels, candidate=wide + 1, retrain=wide[None])
        alarms += findings(same)["class_mix"].severity != "clear"
    assert alarms <= 3


def test_a_forgotten_class_is_compared_with_its_own_unseen_examples() -> None:
    """Unseen examples of the other classes, which every model knows, are no mix and no difficulty of the class."""
    outputs = ClassWorld(forget=200, unseen=400, others=60, retain=300, retrains=3).draw(1)
    found = outputs_hygiene(outputs, Setting("class", "detected"), identify(outputs), "")
    assert {
        one.check: (one.severity, one.of) for one in found.findings if one.check in ("class_mix", "confidence")
    } == {
        "class_mix": ("clear", 1),
        "confidence": ("clear", 600),
    }
    assert findings(outputs)["confidence"].severity == "warning"  # in any other setting it would be one


def test_copies_among_models() -> None:
    outputs = SMALL.draw(6).outputs()
    assert outputs.original is not None
    copy = replace(outputs, candidate=outputs.original)
    assert "exactly as the original does" in findings(copy)["copied_models"].sentence
    control = outputs_hygiene(copy, CHOSEN, identify(copy), "", control=True)
    assert next(one for one in control.findings if one.check == "copied_models").severity == "clear"
    taken = replace(outputs, candidate=outputs.retrain[1])
    assert "exactly as retrain 2 does" in findings(taken)["copied_models"].sentence
    problem = "retrain 1 and retrain 2 are byte-equal"
    assert "Retrain 1 and retrain 2" in findings(outputs, problem)["copied_models"].sentence


def test_people_in_two_roles_are_counted_once() -> None:
    outputs = SMALL.draw(7).outputs()
    subject = np.array([f"p{k}" for k in range(len(outputs))])
    assert findings(replace(outputs, subject=subject))["people"].severity == "clear"
    retain = np.flatnonzero(outputs.where("retain"))
    subject[retain[:3]] = "p0"
    one = findings(replace(outputs, subject=subject))["people"]
    assert one.severity == "warning" and (one.count, one.of) == (1, 200)


def examples_of(images: np.ndarray, subjects: np.ndarray | None = None) -> Examples:
    n = len(images)
    return Examples(images, np.zeros(n, np.int64), ("a", "b"), "made", np.zeros(n, np.bool_), subjects)


def split_of(n: int) -> Split:
    f, r, u = np.split(np.arange(n), [n // 4, 3 * n // 4])
    return Split(f, r, u, np.zeros(0, np.int64), "sample", "made", 0)


def test_checks_on_data_know_notes_from_warnings() -> None:
    images = np.zeros((400, 8, 8, 1), np.uint8)
    subjects = np.array([f"p{k}" for k in range(400)])
    subjects[399] = "p0"
    none = np.zeros(0, np.int64)
    near = NearDuplicates(np.arange(6), np.arange(100, 106), np.full(6, "retain"), np.ones(6))
    nothing = NearDuplicates(none, none, np.zeros(0, np.str_), np.zeros(0))
    found = data_hygiene(examples_of(images, subjects), split_of(400), Duplicates(1, 0, 2), near)
    severity = {one.check: one.severity for one in found.findings}
    assert severity == {
        "copies_in_retain": "note",
        "copies_in_unseen": "clear",
        "unseen_in_retain": "warning",
        "near_copies_in_retain": "warning",
        "near_copies_in_unseen": "clear",
        "people": "warning",
    }
    assert data_hygiene(examples_of(images), split_of(400), Duplicates(0, 0, 0), nothing).shown == ()


def test_the_pairs_go_to_a_folder_for_its_owner_alone(tmp_path: Path) -> None:
    random = np.random.default_rng(8)
    images = random.integers(0, 256, (40, 32, 32, 1), np.uint8)
    images[15] = images[3, :, ::-1]
    examples = examples_of(images)
    found = find_near_duplicates(examples, split_of(40))
    path = write_pairs(tmp_path / "exposed_ids", found, examples)
    assert path.name == "near-duplicates.csv" and path.stat().st_mode & 0o777 == 0o600
    (row,) = csv.DictReader(path.read_text().splitlines())
    assert (row["forget"], row["other"], row["role"]) == ("3", "15", "retain")
    assert (row["forget_index"], row["other_index"]) == ("3", "15")
    named = replace(examples, files=np.array([f"={k}.png" for k in range(40)]))
    (row,) = csv.DictReader(write_pairs(tmp_path / "exposed_ids", found, named).read_text().splitlines())
    assert (row["forget"], row["other"]) == ("'=3.png", "'=15.png")  # no spreadsheet runs a name
    assert (row["forget_index"], row["other_index"]) == ("3", "15")
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="symbolic link"):
        write_pairs(tmp_path / "exposed_ids", found, examples)


def command(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_an_outputs_file_with_swapped_classes_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(9)
    labels = random.integers(0, 5, 600)
    outputs = replace(SMALL, forget=150, unseen=150, retain=300).draw(9).outputs()
    logits = random.normal(0, 1, (6, 600, 5))
    logits[:, np.arange(600), labels] += 5
    logits[3] = logits[3][:, [0, 2, 1, 3, 4]]
    made = replace(outputs, labels=labels, retrain=logits[:4], candidate=logits[4], original=logits[5])
    made.write(tmp_path / "o.npz")
    assert command("audit", "--outputs", str(tmp_path / "o.npz"), "--report", str(tmp_path / "report")) == 4
    said = capsys.readouterr().err
    assert "retrain 4: expected its classes in the order of the labels" in said and "2 for 1, 1 for 2" in said
    assert not (tmp_path / "report").exists()


def test_warnings_are_on_the_screen_and_on_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = replace(SMALL, forget_difficulty=-2.0).draw(10).outputs()
    outputs.write(tmp_path / "o.npz")
    command("audit", "--outputs", str(tmp_path / "o.npz"), "--report", str(tmp_path / "report"))
    assert "WARNING, data and models: Forget examples are harder" in capsys.readouterr().out
    page = (tmp_path / "report" / "report.html").read_text()
    assert '<section id="hygiene">' in page and "Forget examples are harder than unseen ones" in page
    (audit,) = json.loads((tmp_path / "report" / "report.json").read_text())["audits"]
    assert "difficulty" in [one["check"] for one in audit["hygiene"]["findings"]]
    SMALL.draw(11).outputs().write(tmp_path / "clean.npz")
    command("audit", "--outputs", str(tmp_path / "clean.npz"), "--report", str(tmp_path / "clean"))
    assert "WARNING" not in capsys.readouterr().out
    assert 'id="hygiene"' not in (tmp_path / "clean" / "report.html").read_text()
