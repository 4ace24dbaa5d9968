from __future__ import annotations

from itertools import pairwise

import pytest
from pixels import colour_at, pixels

from ffcli.plotting.confusion import RGB, confusion_figure, percent, row_fractions, shade, text_on

WHITE = (255, 255, 255)
MATRIX = [[75, 25, 0], [0, 100, 0], [0, 0, 0]]
NAMES = ["Shirt", "Coat", "$Bag$"]


@pytest.mark.parametrize(
    ("share", "right", "colour"),
    [
        (0, True, WHITE),
        (0, False, WHITE),
        (1, True, (0, 90, 142)),
        (1, False, (240, 120, 0)),
        (0.25, True, (128, 172, 198)),  # half way, rounded to even
        (0.25, False, (248, 188, 128)),
    ],
)
def test_the_colour_goes_by_the_root_of_the_share(share: float, right: bool, colour: RGB) -> None:
    assert shade(share, right) == colour


def luminance(colour: RGB) -> float:
    """Return the relative luminance by ITU-R BT.709 with its gamma taken as 2.2."""
    red, green, blue = ((part / 255) ** 2.2 for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("least", [0, 0.35])
def test_every_number_can_be_read_and_deeper_is_darker(right: bool, least: float) -> None:
    colours = [shade(share / 100, right, least) for share in range(0, 101, 2)]
    for colour in colours:
        one, other = sorted((luminance(colour), luminance(text_on(colour))))
        assert (other + 0.05) / (one + 0.05) > 3.8
    assert all(luminance(one) > luminance(other) for one, other in pairwise(colours))


@pytest.mark.parametrize(
    ("share", "text"),
    [
        *(
            (0, "0%"),
            (0.0001, "<1%"),
            (0.0099, "<1%"),
            (0.01, "1%"),
            (0.143, "14%"),
            (0.125, "13%"),
            (0.145, "15%"),
            (0.99, "99%"),
        ),
        *((0.9999, ">99%"), (1, "100%")),
    ],
)
def test_a_percentage_hides_no_error(share: float, text: str) -> None:
    assert percent(share) == text


def test_shares_are_of_the_row_and_an_empty_row_has_none() -> None:
    assert row_fractions(MATRIX) == [[0.75, 0.25, 0], [0, 1, 0], [0, 0, 0]]


def test_the_picture_shows_the_matrix() -> None:
    figure = confusion_figure(MATRIX, NAMES, "Run x", normalize=False)
    picture = pixels(figure)
    (axes,) = figure.axes
    for i, row in enumerate(row_fractions(MATRIX)):
        for j, share in enumerate(row):
            assert colour_at(picture, axes, j - 0.4, i - 0.4) == shade(share, i == j), (i, j)
    texts = {tuple(round(place) for place in text.get_position()): [] for text in axes.texts}
    for text in axes.texts:
        texts[tuple(round(place) for place in text.get_position())].append(text.get_text())
    assert texts == {(0, 0): ["75", "75%"], (1, 0): ["25", "25%"], (1, 1): ["100", "100%"]}
    assert [tick.get_text() for tick in axes.get_yticklabels()] == NAMES
    assert axes.get_ylabel() == "true class"
    with_ink = [
        colour_at(picture, axes, 1 + step / 200, 1 + rise / 200)
        for step in range(-30, 31)
        for rise in range(-40, 1)
    ]
    assert WHITE in with_ink  # the 100 stands white on blue


def test_normalized_it_shows_shares_alone() -> None:
    figure = confusion_figure(MATRIX, NAMES, "", normalize=True)
    assert sorted(text.get_text() for text in figure.axes[0].texts) == ["100%", "25%", "75%"]


@pytest.mark.parametrize(("n", "numbers", "names"), [(25, True, True), (60, False, True), (61, False, False)])
def test_many_classes_still_make_a_picture(n: int, numbers: bool, names: bool) -> None:
    matrix = [[int(i == j) for j in range(n)] for i in range(n)]
    figure = confusion_figure(matrix, [f"class {label}" for label in range(n)], "", normalize=False)
    picture = pixels(figure)
    (axes,) = figure.axes
    assert bool(axes.texts) is numbers
    shown = [tick.get_text() for tick in axes.get_yticklabels()]
    assert (f"class {n - 1}" in shown) is names
    assert colour_at(picture, axes, 0.4, 0.4) == shade(1, True)
    assert colour_at(picture, axes, n - 0.6, n - 0.6) == shade(1, True)
    assert colour_at(picture, axes, 0.6, n - 0.6) == WHITE


@pytest.mark.parametrize(("names", "tilted"), [("012", False), (NAMES, True)])
def test_only_long_names_are_tilted(names: list[str], tilted: bool) -> None:
    figure = confusion_figure(MATRIX, list(names), "", normalize=False)
    pixels(figure)
    (axes,) = figure.axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == list(names)
    assert {bool(tick.get_rotation()) for tick in axes.get_xticklabels()} == {tilted}
