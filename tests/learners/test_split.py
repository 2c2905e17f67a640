"""Splits: disjoint by construction and checked, seeded, matched where promised."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vestige.learners.data.class_mix import allocate, largest_match, mix_distance
from vestige.learners.data.examples import Examples
from vestige.learners.data.selection import read_selection
from vestige.learners.data.split import Split, split_classes, split_random, split_subjects
from vestige.learners.data.split_selection import split_selection
from vestige.learners.errors import ConfigError, DataError


def split_listed(examples: Examples, path: Path, **settings: Any) -> Split:
    """A split whose forget examples a file lists."""
    return split_selection(examples, forget=read_selection(path, examples), **settings)


def make(n: int = 200, test: int = 60, classes: int = 4, people: int = 20, seed: int = 0) -> Examples:
    random = np.random.default_rng(seed)
    return Examples(
        images=np.zeros((n, 2, 2, 1), dtype=np.uint8),
        labels=random.integers(0, classes, n),
        class_names=("ant", "bee", "cat", "dog", "eel", "fox")[:classes],
        name="made",
        test_part=random.permutation(n) < test,
        subjects=np.array([f"p{i}" for i in random.integers(0, people, n)]),
    )


def check(split: Split, examples: Examples) -> None:
    roles = [split.forget, split.retain, split.unseen, split.validation]
    together = np.concatenate(roles)
    assert len(np.unique(together)) == len(together)
    assert together.min() >= 0 and together.max() < len(examples)
    for part in (split.forget, split.retain, split.validation):
        assert not examples.test_part[part].any()
    if examples.test_part.any():
        assert examples.test_part[split.unseen].all()


def array(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


# The dataclass


def test_fingerprint_depends_on_each_set_and_on_nothing_else() -> None:
    base = Split(array(0, 1), array(2, 3), array(4, 5), array(6), "sample", "one", 1)
    assert base.fingerprint == replace(base, description="another", seed=2).fingerprint
    others = [
        replace(base, forget=array(0), retain=array(1, 2, 3)),
        replace(base, unseen=array(4)),
        replace(base, validation=array()),
        replace(base, validation=array(7)),
        replace(base, forget=array(2, 3), retain=array(0, 1)),
    ]
    assert len({base.fingerprint, *(other.fingerprint for other in others)}) == 6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"retain": array(1, 3)}, r"forget and retain to share no example, got 1 in both \(1\)"),
        ({"unseen": array(0, 1, 9)}, r"forget and unseen to share no example, got 2 in both \(0, 1\)"),
        ({"validation": array(2, 3)}, r"retain and validation to share no example, got 2 in both \(2, 3\)"),
        ({"validation": array(5)}, "unseen and validation"),
        ({"forget": array()}, "forget: expected at least one example"),
        ({"retain": array()}, "retain: expected at least one example"),
        ({"unseen": array()}, "unseen: expected at least one example"),
        ({"forget": array(1, 0)}, "rising order"),
        ({"forget": array(1, 1)}, "rising order"),
        ({"forget": array(-1, 0)}, "from 0"),
        ({"forget": np.array([0.0, 1.0])}, "int64"),
        ({"forget": array(0, 1)[None]}, "int64"),
    ],
)
def test_bad_sets_are_refused(changes: dict[str, np.ndarray], message: str) -> None:
    base = Split(array(0, 1), array(2, 3), array(4, 5), array(6), "sample", "", 1)
    with pytest.raises(DataError, match=message):
        replace(base, **changes)


def test_overlap_names_how_many_and_the_first_few() -> None:
    many = np.arange(100)
    with pytest.raises(DataError, match=r"got 100 in both \(0, 1, 2, 3, 4, \.\.\.\)"):
        Split(many, many, array(200), array(), "sample", "", 0)


# Class mix


@settings(max_examples=200, deadline=None)
@given(
    counts=st.lists(st.integers(0, 30), min_size=1, max_size=6),
    available=st.lists(st.integers(0, 30), min_size=6, max_size=6),
    share=st.floats(0, 1),
)
def test_allocation_is_whole_within_bounds_and_exact_up_to_one(
    counts: list[int], available: list[int], share: float
) -> None:
    mix, there = np.array(counts, dtype=np.int64), np.array(available[: len(counts)], dtype=np.int64)
    open_ = (mix > 0) & (there > 0)
    size = round(share * int(there[open_].sum()))
    drawn = allocate(mix, there, size)
    assert drawn.sum() == size and np.all(drawn >= 0) and np.all(drawn <= there) and not drawn[mix == 0].any()
    match = largest_match(mix, there)
    assert match <= there[open_].sum()
    if 0 < size <= match:
        quota = size * np.where(open_, mix, 0) / mix[open_].sum()
        assert np.abs(drawn - quota).max() < 1
    if open_.any():
        next_quota = (match + 1) * mix[open_] / mix[open_].sum()
        assert np.any(next_quota > there[open_])


def test_largest_remainder_by_hand() -> None:
    plenty = np.full(3, 100)
    assert allocate(array(5, 3, 1), plenty, 10).tolist() == [6, 3, 1]  # quotas 5.56, 3.33, 1.11
    assert allocate(array(1, 1, 1), plenty, 2).tolist() == [1, 1, 0]  # ties: the lower class
    assert allocate(array(5, 3, 1), array(2, 100, 100), 10).tolist() == [2, 6, 2]
    assert largest_match(array(2, 1, 1), array(10, 3, 9)) == 12
    assert mix_distance(array(1, 1), array(5, 5)) == 0 and mix_distance(array(1, 0), array(0, 3)) == 1


# Random forgetting


@settings(max_examples=60, deadline=None)
@given(
    forget=st.integers(1, 60),
    unseen=st.one_of(st.integers(1, 40), st.floats(0.01, 0.5)),
    validation=st.one_of(st.integers(0, 30), st.floats(0.01, 0.2)),
    test=st.sampled_from([0, 60]),
    seed=st.integers(0, 1000),
)
def test_random_splits_are_disjoint_and_complete(
    forget: int, unseen: int | float, validation: int | float, test: int, seed: int
) -> None:
    examples = make(test=test)
    pool = test or 200
    try:
        split = split_random(examples, forget=forget, unseen=unseen, validation=validation, seed=seed)
    except ConfigError:
        assert test == 0 and forget + round(unseen * 200 if isinstance(unseen, float) else unseen) > 130
        return
    check(split, examples)
    assert split.setting == "sample" and split.seed == seed
    assert len(split.forget) == forget
    assert len(split.unseen) == (unseen if isinstance(unseen, int) else round(unseen * pool))
    train = 200 - test
    assert len(split.validation) == (validation if isinstance(validation, int) else round(validation * train))
    used = np.concatenate([split.forget, split.retain, split.validation] + ([] if test else [split.unseen]))
    assert sorted(used.tolist()) == np.flatnonzero(~examples.test_part).tolist()


def test_random_is_seeded_and_nested() -> None:
    examples = make()
    split = split_random(examples, forget=0.25, unseen=None, seed=5)
    assert len(split.forget) == 35
    assert np.array_equal(split.unseen, np.flatnonzero(examples.test_part))
    assert split.fingerprint == split_random(examples, forget=35, unseen=60, seed=5).fingerprint
    assert split.fingerprint != split_random(examples, forget=35, unseen=60, seed=6).fingerprint
    assert set(split_random(examples, forget=10, unseen=9, seed=5).forget) < set(split.forget)
    assert split.description == "35 training examples drawn at random; 60 unseen examples from the test part"


def test_forget_set_does_not_depend_on_the_other_sizes() -> None:
    examples = make(test=0)
    one = split_random(examples, forget=20, unseen=10, seed=1)
    two = split_random(examples, forget=20, unseen=50, validation=30, seed=1)
    assert np.array_equal(one.forget, two.forget)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"forget": 0}, r"forget: expected 1\.\.140 examples to draw from, got 0"),
        ({"forget": -3}, "forget: expected"),
        ({"forget": 141}, r"forget: expected 1\.\.140"),
        ({"forget": 140}, "left to retain"),
        ({"forget": 0.001}, r"got 0\.001 \(0 examples\)"),
        ({"forget": 1.0}, "fraction between 0 and 1"),
        ({"forget": 10.0}, "fraction between 0 and 1"),
        ({"forget": float("nan")}, "fraction between 0 and 1"),
        ({"forget": True}, "whole number"),
        ({"unseen": 61}, r"unseen: expected 1\.\.60"),
        ({"unseen": 0}, r"unseen: expected 1\.\.60"),
        ({"validation": 120}, "left to retain"),
        ({"validation": -1}, r"validation: expected 0\.\.140"),
        ({"validation": 1.5}, "validation: expected"),
    ],
)
def test_sizes_that_do_not_fit(sizes: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        split_random(make(), **{"forget": 20, "unseen": None, "seed": 0} | sizes)


def test_without_a_test_part_unseen_needs_a_number(tmp_path: Path) -> None:
    examples = make(test=0)
    (tmp_path / "forget.txt").write_text("3\n")
    builders = [
        lambda: split_random(examples, forget=3, unseen=None, seed=0),
        lambda: split_classes(examples, classes=["ant"], unseen=None, seed=0),
        lambda: split_subjects(examples, subjects=["p1"], unseen=None, seed=0),
        lambda: split_listed(examples, path=tmp_path / "forget.txt", unseen=None, seed=0),
    ]
    for build in builders:
        with pytest.raises(ConfigError, match="made has no test part"):
            build()


# Whole classes


def test_one_class_by_name_and_by_number() -> None:
    examples = make()
    split = split_classes(examples, classes=["bee"], unseen=None, validation=7, seed=0)
    check(split, examples)
    assert split.setting == "class" and len(split.validation) == 7
    assert np.array_equal(split.forget, np.flatnonzero((examples.labels == 1) & ~examples.test_part))
    assert np.array_equal(split.unseen, np.flatnonzero((examples.labels == 1) & examples.test_part))
    for spelled in ([1], ["1"], ["bee", 1]):
        same = split_classes(examples, classes=spelled, unseen=None, validation=7, seed=0)
        assert same.fingerprint == split.fingerprint
    assert "class bee" in split.description and "total variation 0.0000" in split.description


def test_names_win_over_numbers() -> None:
    examples = replace(make(), class_names=("3", "2", "1", "0"))
    split = split_classes(examples, classes=["3"], unseen=None, seed=0)
    assert set(examples.labels[split.forget]) == {0}


@settings(max_examples=40, deadline=None)
@given(
    classes=st.sets(st.integers(0, 3), min_size=1, max_size=3),
    test=st.sampled_from([0, 60]),
    unseen=st.one_of(st.none(), st.integers(1, 10), st.floats(0.1, 0.8)),
    seed=st.integers(0, 100),
)
def test_class_splits(classes: set[int], test: int, unseen: int | float | None, seed: int) -> None:
    examples = make(test=test)
    wanted = unseen if test or unseen is not None else 5
    split = split_classes(examples, classes=sorted(classes), unseen=wanted, validation=3, seed=seed)
    check(split, examples)
    of_classes = np.isin(examples.labels, sorted(classes))
    assert of_classes[split.forget].all() and of_classes[split.unseen].all()
    assert not of_classes[split.retain].any() and not of_classes[split.validation].any()
    if not test:
        assert sorted([*split.forget, *split.unseen]) == np.flatnonzero(of_classes).tolist()
    if isinstance(wanted, int):
        assert len(split.unseen) == wanted


def test_mix_of_unseen_is_matched() -> None:
    labels = np.repeat([0, 1, 2, 0, 1, 2], [60, 20, 50, 50, 50, 50])
    examples = replace(make(280, 0, 3, 5), labels=labels, test_part=np.arange(280) >= 130)
    split = split_classes(examples, classes=[0, 1], unseen=None, seed=0)
    assert np.bincount(examples.labels[split.unseen]).tolist() == [50, 16]  # 66 = the most that 3:1 allows
    fixed = split_classes(examples, classes=[0, 1], unseen=40, seed=0)
    assert np.bincount(examples.labels[fixed.unseen]).tolist() == [30, 10]
    more = split_classes(examples, classes=[0, 1], unseen=80, seed=0)
    assert np.bincount(examples.labels[more.unseen]).tolist() == [50, 30]
    assert "total variation 0.1250" in more.description


@pytest.mark.parametrize("given_class", ["wasp", "4", 4, -1, True, "", "99999999999999999999"])
def test_unknown_classes(given_class: int | str) -> None:
    with pytest.raises(ConfigError, match=r"expected classes of made \(0\.\.3: ant, bee, cat, dog\)"):
        split_classes(make(), classes=[given_class], unseen=None, seed=0)


def test_all_classes_or_none_or_an_absent_one() -> None:
    examples = make()
    with pytest.raises(ConfigError, match="left to retain"):
        split_classes(examples, classes=[0, 1, 2, 3], unseen=None, seed=0)
    with pytest.raises(ConfigError, match="expected at least one class"):
        split_classes(examples, classes=[], unseen=None, seed=0)
    labels = np.where((examples.labels == 2) & examples.test_part, 1, examples.labels)
    with pytest.raises(ConfigError, match="test part, got cat without any"):
        split_classes(replace(examples, labels=labels), classes=["ant", "cat"], unseen=None, seed=0)
    unused = replace(examples, class_names=("ant", "bee", "cat", "dog", "eel"))
    with pytest.raises(ConfigError, match="training part, got eel without any"):
        split_classes(unused, classes=["eel"], unseen=None, seed=0)


# Data subjects


def test_all_rows_of_the_people_leave_and_none_of_them_is_unseen() -> None:
    examples = make()
    assert examples.subjects is not None
    new = np.where(examples.test_part & (np.arange(len(examples)) % 2 == 0), "new", "")
    examples = replace(examples, subjects=np.strings.add(new, examples.subjects))
    split = split_subjects(examples, subjects=["p3", "p7", "p3"], unseen=None, validation=5, seed=0)
    check(split, examples)
    assert examples.subjects is not None
    trained = set(examples.subjects[~examples.test_part].tolist())
    assert trained.isdisjoint(examples.subjects[split.unseen].tolist())
    theirs = np.isin(examples.subjects, ["p3", "p7"])
    assert split.setting == "subject"
    assert np.array_equal(split.forget, np.flatnonzero(theirs & ~examples.test_part))
    for role in (split.retain, split.unseen, split.validation):
        assert not theirs[role].any()


@settings(max_examples=40, deadline=None)
@given(who=st.sets(st.integers(0, 9), min_size=1, max_size=3), unseen=st.integers(1, 25), seed=st.integers(0, 99))
def test_people_held_out_are_held_out_whole(who: set[int], unseen: int, seed: int) -> None:
    examples = make(400, 0, people=10)
    names = [f"p{i}" for i in sorted(who)]
    split = split_subjects(examples, subjects=names, unseen=unseen, validation=4, seed=seed)
    check(split, examples)
    assert len(split.unseen) == unseen
    unknown, known = (set(examples.subjects[role].tolist()) for role in (split.unseen, split.retain))
    assert unknown.isdisjoint(known) and unknown.isdisjoint(names) and known.isdisjoint(names)
    wanted = np.bincount(examples.labels[split.forget], minlength=4)
    drawn = np.bincount(examples.labels[split.unseen], minlength=4)
    assert np.abs(drawn - unseen * wanted / wanted.sum()).max() < 1


def test_subjects_that_cannot_be_forgotten() -> None:
    examples = make()
    with pytest.raises(ConfigError, match="expected people in the test part of made that no model is trained on"):
        split_subjects(examples, subjects=["p3"], unseen=None, seed=0)
    with pytest.raises(ConfigError, match="got 'nobody'"):
        split_subjects(examples, subjects=["p3", "nobody"], unseen=None, seed=0)
    with pytest.raises(ConfigError, match="got no one"):
        split_subjects(examples, subjects=[], unseen=None, seed=0)
    with pytest.raises(ConfigError, match="made has none"):
        split_subjects(replace(examples, subjects=None), subjects=["p3"], unseen=None, seed=0)
    alone = replace(examples, subjects=np.where(examples.test_part, "late", examples.subjects))
    with pytest.raises(ConfigError, match="training part of made, got 'late'"):
        split_subjects(alone, subjects=["late"], unseen=None, seed=0)
    with pytest.raises(ConfigError, match="leaves no one to retain"):
        split_subjects(make(test=0), subjects=["p3"], unseen=180, seed=0)


# A file of indices


def write(folder: Path, name: str, indices: np.ndarray) -> Path:
    path = folder / name
    if path.suffix == ".npy":
        np.save(path, indices)
    elif path.suffix == ".csv":
        path.write_text("why,index\n" + "".join(f"request,{i}\n" for i in indices))
    else:
        path.write_text("".join(f"{i}\n" for i in indices) + "\n")
    return path


@pytest.mark.parametrize("test", [0, 60])
@pytest.mark.parametrize("dtype", [np.int64, np.uint16])
def test_three_kinds_of_files_give_one_split(tmp_path: Path, test: int, dtype: type) -> None:
    examples = make(test=test)
    chosen = np.flatnonzero(~examples.test_part)[[30, 4, 17, 90]].astype(dtype)
    splits = [
        split_listed(examples, path=write(tmp_path, name, chosen), unseen=12, validation=3, seed=1)
        for name in ("f.txt", "f.npy", "f.csv")
    ]
    assert len({split.fingerprint for split in splits}) == 1
    check(splits[0], examples)
    assert splits[0].forget.tolist() == sorted(chosen.tolist()) and splits[0].setting == "sample"
    wanted = np.bincount(examples.labels[splits[0].forget], minlength=4)
    drawn = np.bincount(examples.labels[splits[0].unseen], minlength=4)
    assert np.array_equal(drawn, 3 * wanted)
    assert "4 training examples listed in f.txt" in splits[0].description


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected at least one index"),
        ("1\n-2\n", "line 2: expected an index such as 17, got '-2'"),
        ("1\n2.5\n", "line 2"),
        ("one\n", "line 1"),
        ("1_0\n", "line 1"),
        ("\u0663\n", "line 1"),
        ("9" * 5000, "line 1"),
        ("200\n", r"expected indices in 0\.\.199, got 1 others \(200\)"),
        ("5\n6\n5\n", r"each index once, got some more often \(5\)"),
        (b"\xff\xfe\x00", "expected text with one index a line"),
    ],
)
def test_bad_text_files(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = tmp_path / "forget.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=message):
        split_listed(make(test=0), path=path, unseen=5, seed=0)


def test_bad_index_files_of_other_kinds(tmp_path: Path) -> None:
    examples = make()

    def refused(path: Path, message: str) -> None:
        with pytest.raises(DataError, match=message):
            split_listed(examples, path=path, unseen=5, seed=0)

    tested = np.flatnonzero(examples.test_part)[:2]
    refused(write(tmp_path, "t.txt", tested), "got 2 of the test part")
    refused(write(tmp_path, "float.npy", np.array([1.0])), "one-dimensional whole numbers, got float64")
    refused(write(tmp_path, "flat.npy", np.array([[1]])), r"got int64 \[1, 1\]")
    refused(write(tmp_path, "minus.npy", np.array([-1])), r"got 1 others \(-1\)")
    refused(write(tmp_path, "huge.npy", np.array([2**64 - 1], dtype=np.uint64)), "expected indices")
    np.save(tmp_path / "object.npy", np.array([{}]), allow_pickle=True)
    refused(tmp_path / "object.npy", "could not be read")
    (tmp_path / "short.npy").write_bytes((tmp_path / "float.npy").read_bytes()[:-3])
    refused(tmp_path / "short.npy", "could not be read")
    (tmp_path / "column.csv").write_text("number\n1\n")
    refused(tmp_path / "column.csv", "a column named index, file, .* got 'number'")
    (tmp_path / "short.csv").write_text("why,index\nx,3\ny\n")
    refused(tmp_path / "short.csv", "line 3: expected 2 fields as in its first line, got 1")
    refused(tmp_path / "none.txt", "No such file")
    refused(tmp_path, "got a folder")


def test_forget_classes_without_unseen_examples(tmp_path: Path) -> None:
    examples = make()
    labels = np.where(examples.test_part & (examples.labels == 2), 0, examples.labels)
    examples = replace(examples, labels=labels)
    path = write(tmp_path, "f.txt", np.flatnonzero((labels == 2) & ~examples.test_part)[:3])
    with pytest.raises(ConfigError, match="expected examples of the forget set's classes"):
        split_listed(examples, path=path, unseen=None, seed=0)
