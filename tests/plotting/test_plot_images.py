from __future__ import annotations

import numpy as np
import pytest
from pixels import colour_at, pixels

from ffcli.plotting.images import columns_for, grid_figure, prediction_figure
from ffcli.plotting.style import BLUE, GRID

NAMES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Boot"]


def rgb(text: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(text[1:]))


def test_ten_images_stand_in_two_rows_of_five_pixel_for_pixel() -> None:
    images = [np.full((4, 6), 20 * place, np.uint8) for place in range(10)]
    images[7] = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
    figure = grid_figure(images, NAMES, ["image 1"] * 10)
    picture = pixels(figure)
    assert picture.shape[1] == 5 * 1.5 * 150
    assert [axes.get_title() for axes in figure.axes] == NAMES
    for axes, image in zip(figure.axes, images):
        for row in range(4):
            for column in range(6):
                assert colour_at(picture, axes, column, row) == (image[row, column],) * 3
    places = [axes.get_position().get_points().mean(axis=0) for axes in figure.axes]
    assert len({round(y, 3) for _, y in places[:5]}) == 1
    assert places[0][0] < places[4][0]
    assert places[0][1] > places[5][1]


def test_colours_and_single_images_are_drawn_too() -> None:
    image = np.zeros((2, 2, 3), np.uint8)
    image[0, 1] = 10, 200, 30
    figure = grid_figure([image], ["one"], [""])
    (axes,) = figure.axes
    picture = pixels(figure)
    assert colour_at(picture, axes, 1, 0) == (10, 200, 30)
    assert colour_at(picture, axes, 0, 1) == (0, 0, 0)


def test_nothing_of_a_grid_overlaps() -> None:
    figure = grid_figure(
        [np.zeros((28, 28), np.uint8)] * 10, ["T-shirt/top\n→ Ankle boot 99.9%"] * 10, ["image 60000"] * 10
    )
    pixels(figure)
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    for place, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[place + 1 :])
        assert figure.bbox.containsx(box.x0)
        assert figure.bbox.containsx(box.x1)


@pytest.mark.parametrize(("n", "columns"), [(1, 1), (3, 3), (10, 5), (25, 5), (26, 10), (100, 10)])
def test_the_rows_grow_with_the_images(n: int, columns: int) -> None:
    assert columns_for(n) == columns


def test_the_bars_are_as_long_as_the_probabilities_and_the_first_stands_out() -> None:
    probabilities = dict(zip("abcd", (0.25, 0.5, 0.05, 0.2)))
    figure = prediction_figure(np.zeros((2, 2), np.uint8), "title", probabilities, "d")
    picture = pixels(figure)
    _, axes = figure.axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["b", "a", "d", "c"]
    assert [text.get_text() for text in axes.texts] == ["50.0%", "25.0%", "20.0% · true class", "5.0%"]
    white = (255, 255, 255)
    for place, (value, colour) in enumerate(zip((0.5, 0.25, 0.2, 0.05), (BLUE, GRID, GRID, GRID))):
        assert colour_at(picture, axes, value - 0.01, place) == rgb(colour)
        assert colour_at(picture, axes, value + 0.005, place) == white
    right = max(text.get_window_extent().x1 for text in axes.texts)
    assert right < picture.shape[1]


def test_features_without_an_image_have_the_chart_alone() -> None:
    figure = prediction_figure(None, "title", {str(label): 0.01 for label in range(100)}, "99")
    (axes,) = figure.axes
    assert len(axes.patches) == 20
