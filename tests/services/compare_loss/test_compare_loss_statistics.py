"""Differences of pairs, their intervals and the verdict, against published numbers and by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from ffcli.services.compare_loss.results import ComparedNetwork, ComparedPair
from ffcli.services.compare_loss.statistics import (
    GOALS,
    LEAST_PAIRS,
    MEASURES,
    Difference,
    paired_difference,
    summarise,
    t_quantile,
    verdict,
)

# Extra hours of sleep of ten patients under two drugs: Student 1908, The probable error of a mean.
FIRST_DRUG = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SECOND_DRUG = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


def test_students_sleep_data():
    """The interval that R gives for its data set ``sleep``: t.test(extra ~ group, paired = TRUE)."""
    found = paired_difference(FIRST_DRUG, SECOND_DRUG)
    assert found is not None
    assert found.n == 10
    assert found.mean == pytest.approx(-1.58)
    assert found.low == pytest.approx(-2.4598858, abs=1e-7)
    assert found.high == pytest.approx(-0.7001142, abs=1e-7)
    assert found.significant


@pytest.mark.parametrize(
    ("p", "degrees", "t"),
    [
        (0.975, 1, 12.706),
        (0.975, 2, 4.303),
        (0.975, 5, 2.571),
        (0.975, 9, 2.262),
        (0.975, 24, 2.064),
        (0.975, 30, 2.042),
        (0.975, 100, 1.984),
        (0.95, 24, 1.711),
        (0.90, 3, 1.638),
        (0.999, 10, 4.144),
    ],
)
def test_quantiles_as_the_nist_handbook_tabulates_them(p, degrees, t):
    """https://www.itl.nist.gov/div898/handbook/eda/section3/eda3672.htm"""
    assert t_quantile(p, degrees) == pytest.approx(t, abs=5e-4)
    assert t_quantile(1 - p, degrees) == pytest.approx(-t, abs=5e-4)


def test_quantiles_with_a_closed_form():
    for p in (0.6, 0.975, 0.9999):
        assert t_quantile(p, 1) == pytest.approx(math.tan(math.pi * (p - 0.5)), rel=1e-9)
        assert t_quantile(p, 2) == pytest.approx((2 * p - 1) / math.sqrt(2 * p * (1 - p)), rel=1e-9)


def test_few_pairs_and_equal_ones():
    assert paired_difference([], []) is None
    one = paired_difference([0.75], [0.5])
    assert one == Difference(1, 0.25, None, None)
    assert one.significant is None
    same = paired_difference([0.5, 0.7], [0.5, 0.7])
    assert same == Difference(2, 0.0, 0.0, 0.0)
    assert same.significant is False
    assert paired_difference([1.5, 2.5], [1.0, 2.0]) == Difference(2, 0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            Difference(25, 0.0123, 0.004, 0.0206),
            ["Cross-entropy is significantly better", "1.23 percentage points higher", "0.40 to 2.06"],
        ),
        (
            Difference(25, -0.0123, -0.0206, -0.004),
            ["Squared error is significantly better", "1.23 percentage points higher", "0.40 to 2.06"],
        ),
        (
            Difference(25, 0.0012, -0.01, 0.0124),
            ["No significant difference", "25 pairs", "+0.12", "-1.00 to +1.24, includes zero"],
        ),
        (Difference(4, 0.5, 0.4, 0.6), ["No verdict", "4 pairs are too few", "compare 10 runs"]),
        (Difference(5, 0.5, 0.4, 0.6), ["Cross-entropy is significantly better"]),
        (Difference(1, 0.5, None, None), ["No verdict", "one pair"]),
        (None, ["No verdict", "no configuration"]),
    ],
)
def test_the_verdict_is_one_plain_sentence(found, words):
    said = verdict(found)
    assert all(word in said for word in words), said
    assert said.count(". ") == 0
    assert ("significantly better" in said) == bool(found and found.significant and found.n >= LEAST_PAIRS)


def half(test_acc: float, epochs_to_80: int | None = None, **values: Any) -> ComparedNetwork:
    known = {**dict.fromkeys((*MEASURES, *GOALS), 0.5), "epochs_to_85": None, **values}
    known |= {"test_acc": test_acc, "epochs_to_80": epochs_to_80}
    return ComparedNetwork("a run", "finished", 1, [test_acc], **known)


def pair(first: ComparedNetwork, second: ComparedNetwork, left_out: str | None = None) -> ComparedPair:
    return ComparedPair({}, 0, first, second, left_out)


def test_a_summary_by_hand():
    summary = summarise(
        [
            pair(half(0.80, 3, test_nll=0.6), half(0.76, 5, test_nll=0.9)),
            pair(half(0.70, 4), half(0.70, None)),
            pair(half(0.60, 2), half(0.62, 1)),
            pair(half(0.99, 1), half(0.10, None), "squared_error: the loss was not finite in epoch 2"),
        ]
    )
    assert (summary.pairs, summary.left_out) == (3, 1)
    accuracy = summary.measures["test_acc"]
    assert accuracy.better == "higher"
    assert accuracy.cross_entropy == pytest.approx(0.70)
    assert accuracy.squared_error == pytest.approx(2.08 / 3)
    assert accuracy.difference == pytest.approx(0.02 / 3)
    # d = 0.04, 0, -0.02: s² = 0.0028/3 = 0.00093333, and with 2 degrees of freedom t = 4.302653
    reach = 4.302653 * math.sqrt(0.0028 / 3 / 3)
    assert accuracy.low == pytest.approx(0.02 / 3 - reach, abs=1e-7)
    assert accuracy.high == pytest.approx(0.02 / 3 + reach, abs=1e-7)
    assert accuracy.significant is False
    assert accuracy.median_difference == pytest.approx(0)  # of 0.04, 0 and -0.02
    assert accuracy.wins == {"cross_entropy": 1, "squared_error": 1}
    assert summary.verdict.startswith("No verdict: 3 pairs are too few")
    assert summary.few is True
    assert summary.measures["test_nll"].wins == {
        "cross_entropy": 1,
        "squared_error": 0,
    }  # less is better
    epochs = summary.measures["epochs_to_80"]
    assert (epochs.pairs, epochs.difference) == (2, -0.5)  # of 3 - 5 and 2 - 1
    assert epochs.wins == {"cross_entropy": 1, "squared_error": 1}
    assert epochs.reached == {"cross_entropy": 3, "squared_error": 2}
    never = summary.measures["epochs_to_85"]
    assert (never.pairs, never.cross_entropy, never.difference, never.low) == (
        0,
        None,
        None,
        None,
    )


def test_a_summary_of_nothing():
    summary = summarise([])
    assert summary.pairs == 0
    assert summary.measures["test_acc"].difference is None
    assert summary.verdict.startswith("No verdict")


def test_five_pairs_are_enough_for_a_verdict():
    five = [pair(half(0.8 + 0.01 * turn), half(0.7)) for turn in range(5)]
    assert summarise(five).few is False
    assert summarise(five).verdict.startswith("Cross-entropy is significantly better")
    assert summarise(five[:4]).few is True
