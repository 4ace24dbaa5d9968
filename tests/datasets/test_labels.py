"""Labels of every form become codes without loss."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffcli.datasets.base import BrokenDataError
from ffcli.datasets.user_data.labels import as_codes

INTEGERS = st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=30)
TEXTS = st.lists(st.text("abcä\x85 09.-", max_size=6), min_size=1, max_size=30)


def names_of(codes: np.ndarray, names: tuple[str, ...]) -> list[str]:
    return [names[code] for code in codes]


@given(INTEGERS)
def test_any_integers_keep_their_names(labels: list[int]) -> None:
    (codes,), names = as_codes([("y", np.array(labels, np.int64))])
    assert names_of(codes, names) == list(map(str, labels))
    assert [int(name) for name in names] == sorted(set(labels))


@given(TEXTS)
def test_text_keeps_its_names_up_to_blanks(labels: list[str]) -> None:
    try:
        (codes,), names = as_codes([("y", np.array([f"k{label}" for label in labels]))])
    except BrokenDataError:
        raise AssertionError("text was refused") from None
    assert names_of(codes, names) == [f"k{label}".strip() for label in labels]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (np.array([3.0, 1.0, 3.0]), ["3", "1", "3"]),
        (np.array([3.0, 1.0, 3.0], np.float16), ["3", "1", "3"]),
        (np.array([[2], [0], [2]]), ["2", "0", "2"]),
        (np.array([True, False, True]), ["True", "False", "True"]),
        (np.array([b"cat", "Käfer".encode(), b"cat"]), ["cat", "Käfer", "cat"]),
        (np.array(["10", "9", "10"]), ["10", "9", "10"]),
        (np.array(["1.0", "2.0", "1.0"]), ["1", "2", "1"]),
        (np.array(["01", "1", "1"]), ["01", "1", "1"]),
        (np.array([2**64 - 1, 5, 5], np.uint64), [str(2**64 - 1), "5", "5"]),
        (np.eye(3)[[2, 0, 2]], ["2", "0", "2"]),
        (np.eye(3, dtype=int)[[2, 0, 2]], ["2", "0", "2"]),
        (np.eye(3, dtype=bool)[[2, 0, 2]], ["2", "0", "2"]),
    ],
)
def test_forms(labels: np.ndarray, names: list[str]) -> None:
    (codes,), known = as_codes([("y", labels)])
    assert names_of(codes, known) == names


def test_numbers_in_text_are_in_the_order_of_numbers() -> None:
    _, names = as_codes([("y", np.array(["10", "9", "2", "2"]))])
    assert names == ("2", "9", "10")


def test_parts_share_their_classes() -> None:
    (train, test), names = as_codes([("y", np.array([7, 5, 7])), ("z", np.array([9.0, 5.0]))])
    assert (names, train.tolist(), test.tolist()) == (("5", "7", "9"), [1, 0, 1], [2, 0])


@pytest.mark.parametrize(
    ("labels", "known"),
    [
        (np.array([0.5, 1.0]), None),
        (np.array(["0.5", "1.0"]), None),
        (np.array([np.nan, 1.0]), None),
        (np.array([[1, 1, 0], [0, 0, 1]]), None),
        (np.array([[0.9, 0.1], [0.0, 1.0]]), None),
        (np.array([b"\xff\xfe"]), None),
        (np.array(["a" * 201, "b"]), None),
        (np.array([0, 3]), ("a", "b", "c")),
        (np.array([0, -1]), ("a", "b", "c")),
        (np.array([0, 1]), ("a", "a", "c")),
    ],
)
def test_what_is_no_label(labels: np.ndarray, known: tuple[str, ...] | None) -> None:
    with pytest.raises(BrokenDataError):
        as_codes([("y", labels)], known)
