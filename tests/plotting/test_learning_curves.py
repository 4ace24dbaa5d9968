"""The figure of a comparison holds the numbers that it was given."""

from __future__ import annotations

import pytest
from pixels import shown_ticks

from ffcli.plotting.learning_curves import Band, comparison_figure
from ffcli.plotting.style import png

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
    assert png(figure).startswith(b"\x89PNG")


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
    assert png(figure).startswith(b"\x89PNG")
