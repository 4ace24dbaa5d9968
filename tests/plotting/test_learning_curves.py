"""The figure of a comparison holds the numbers that it was given."""

from __future__ import annotations

import pytest
from pixels import shown_ticks

from ffcli.plotting.learning_curves import Band, comparison_figure
from ffcli.plotting.style import figure_bytes

UP = Band([0.5, 0.7, 0.8], [0.4, 0.6, 0.7], [0.6, 0.8, 0.9])
FLAT = Band([0.5, 0.5, 0.5], [0.4, 0.4, 0.4], [0.6, 0.6, 0.6])
DIFFERENCE = Band([0.0, 0.2, 0.3], [-0.1, 0.1, 0.2], [0.1, 0.3, 0.4])


def test_the_curves_are_the_given_ones_in_percent():
    figure = comparison_figure({"one": UP, "two": FLAT}, DIFFERENCE, [5, 5, 5], "left", "right")
    left, right = figure.axes
    one, two = left.lines
    assert (one.get_label(), two.get_label()) == ("one", "two")
    assert list(one.get_xdata()) == [1, 2, 3]
    assert list(one.get_ydata()) == pytest.approx([50, 70, 80])
    assert one.get_linestyle() != two.get_linestyle()
    assert one.get_marker() != two.get_marker()
    assert list(right.lines[0].get_ydata()) == pytest.approx([0, 20, 30])
    for axes, index, (low, high) in ((left, 0, (40, 90)), (right, 0, (-10, 40))):
        ys = axes.collections[index].get_paths()[0].vertices[:, 1]
        assert (ys.min(), ys.max()) == (pytest.approx(low), pytest.approx(high))
    assert "one minus two" in right.get_ylabel()
    assert (left.get_title("left"), right.get_title("left")) == ("left", "right")
    assert figure_bytes(figure).startswith(b"\x89PNG")


def test_curves_of_fewer_pairs_are_not_joined_to_those_of_all():
    figure = comparison_figure({"one": UP, "two": FLAT}, DIFFERENCE, [5, 5, 2], "left", "right")
    left = figure.axes[0]
    curves = [list(line.get_xdata()) for line in left.lines if line.get_marker() not in ("", "None")]
    assert curves == [[1, 2], [3], [1, 2], [3]]
    assert [text.get_text() for text in left.texts] == ["2 of 5 pairs"]
    assert len(left.get_legend().get_texts()) == 2


def test_a_single_epoch_is_drawn_too():
    one = Band([0.5], [0.4], [0.6])
    figure = comparison_figure({"one": one, "two": one}, one, [1], "left", "right")
    assert list(figure.axes[0].lines[0].get_ydata()) == pytest.approx([50])
    assert [shown_ticks(axes) for axes in figure.axes] == [[1], [1]]
    assert figure_bytes(figure).startswith(b"\x89PNG")


def limits(difference: Band) -> tuple[float, float, list[str]]:
    """Return the y limits of the difference, and what is written into its axes."""
    flat = Band([0.5] * len(difference.middle), [0.5], [0.5])
    band = Band(flat.middle, flat.middle, flat.middle)
    figure = comparison_figure({"a": band, "b": band}, difference, [3] * len(difference.middle), "", "")
    axes = figure.axes[1]
    return *axes.get_ylim(), [text.get_text() for text in axes.texts]


def test_the_wide_interval_of_few_pairs_does_not_set_the_scale():
    low, high, texts = limits(Band([0.01, 0.04], [-0.9, -1.0], [0.9, 1.0]))
    assert -15 < low < -4
    assert 8 < high < 20
    assert texts == ["the interval extends beyond the axes"]
    low, high, texts = limits(Band([0.01, 0.04], [0.0, 0.03], [0.02, 0.05]))
    assert low <= 0
    assert 5 < high < 6
    assert texts == []


def test_no_difference_at_all_has_a_scale():
    low, high, texts = limits(Band([0.0, 0.0], [0.0, 0.0], [0.0, 0.0]))
    assert low < 0 < high
    assert texts == []
