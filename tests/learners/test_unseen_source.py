"""learners.with_unseen: a second source takes the place of the test part."""

from dataclasses import replace

import numpy as np
import pytest

from tests.conftest import make_examples
from vestige.learners.data.examples import Examples
from vestige.learners.data.unseen_source import with_unseen
from vestige.learners.errors import DataError


def first() -> Examples:
    return replace(make_examples(10, test_share=0.3), files=np.array([f"{i}.png" for i in range(10)]))


def second(**changes: object) -> Examples:
    return replace(make_examples(6, seed=1), name="new", files=np.array([f"{i}.png" for i in range(6)]), **changes)


def test_all_of_the_second_becomes_the_test_part() -> None:
    joined = with_unseen(first(), second())
    assert joined.test_part.tolist() == [False] * 7 + [True] * 6 and joined.name == "made, unseen from new"
    assert np.array_equal(joined.images, np.concatenate([first().images[:7], second().images]))
    assert np.array_equal(joined.labels, np.concatenate([first().labels[:7], second().labels]))
    assert joined.files is not None and joined.files[6:9].tolist() == ["6.png", "unseen/0.png", "unseen/1.png"]
    assert with_unseen(first(), replace(second(), files=None)).files is None


def test_classes_in_another_order_are_matched_by_name() -> None:
    names = ("class 2", "class 0", "class 1")
    joined = with_unseen(first(), second(class_names=names))
    assert [joined.class_names[label] for label in joined.labels[7:]] == [names[label] for label in second().labels]


def test_numbered_classes_need_only_fit() -> None:
    numbered = replace(first(), class_names=("0", "1", "2"))
    few = second(class_names=("0", "1"), labels=np.zeros(6, np.int64))
    assert with_unseen(numbered, few).class_names == ("0", "1", "2")
    with pytest.raises(DataError, match="at most the 3 classes of made, got 4"):
        with_unseen(numbered, second(class_names=("0", "1", "2", "3")))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"class_names": ("class 0", "class 1", "x")},
            "new: expected the 3 classes of made.*in one of the two only: 'x'",
        ),
        ({"class_names": ("class 0", "class 1", "class 1")}, "in one of the two only: 'class 2'"),
        ({"class_names": ("0", "1", "2")}, "'0', '1', '2'"),
        ({"images": np.zeros((6, 9, 8, 1), np.uint8)}, r"shape \[8, 8, 1\] as in made, got \[9, 8, 1\]"),
        ({"subjects": np.array(list("abcdef"))}, "made: expected subjects as in new, got none"),
        ({"groups": np.array(list("abcdef"))}, "made: expected groups as in new, got none"),
    ],
)
def test_sources_that_do_not_fit(changes: dict[str, object], words: str) -> None:
    with pytest.raises(DataError, match=words):
        with_unseen(first(), second(**changes))


def test_people_are_kept_and_mixed_parts_refused() -> None:
    a, b = (replace(source, subjects=source.labels.astype(np.str_)) for source in (first(), second()))
    assert with_unseen(a, b).subjects is not None and len(with_unseen(a, b).subjects) == 13
    with pytest.raises(DataError, match="training part before its test part"):
        with_unseen(replace(first(), test_part=np.arange(10) < 3), second())
