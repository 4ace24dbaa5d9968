"""The views of test-time averaging, against pictures drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ffcli.core.augmentation import count_views, views

PICTURE = [[1, 2, 3], [4, 5, 6]]
MOVED = [
    [[1, 2, 3], [4, 5, 6]],
    [[4, 5, 6], [0, 0, 0]],  # up
    [[0, 0, 0], [1, 2, 3]],  # down
    [[2, 3, 0], [5, 6, 0]],  # left
    [[0, 1, 2], [0, 4, 5]],  # right
]
MIRRORED = [
    [[3, 2, 1], [6, 5, 4]],
    [[6, 5, 4], [0, 0, 0]],
    [[0, 0, 0], [3, 2, 1]],
    [[2, 1, 0], [5, 4, 0]],
    [[0, 3, 2], [0, 6, 5]],
]


@pytest.mark.parametrize(
    ("flip", "shift", "expected"),
    [
        (False, 0, MOVED[:1]),
        (True, 0, [MOVED[0], MIRRORED[0]]),
        (False, 1, MOVED),
        (True, 1, MOVED + MIRRORED),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_views_of_a_picture(flip, shift, expected, dtype):
    images = np.array([PICTURE, np.zeros((2, 3))], dtype)
    found = list(views(images, flip=flip, shift=shift))
    assert [view[0].tolist() for view in found] == expected
    assert all(view.dtype == dtype and not view[1].any() for view in found)
    assert count_views(flip=flip, shift=shift) == len(expected)
    assert images[0].tolist() == PICTURE


def test_a_move_by_two_pixels():
    images = np.array([[[1, 2, 3]] * 3], np.uint8)
    _, up, down, left, right = views(images, flip=False, shift=2)
    assert up[0].tolist() == [[1, 2, 3], [0, 0, 0], [0, 0, 0]]
    assert down[0].tolist() == [[0, 0, 0], [0, 0, 0], [1, 2, 3]]
    assert left[0].tolist() == [[3, 0, 0]] * 3
    assert right[0].tolist() == [[0, 0, 1]] * 3


def test_features_that_are_no_images_are_their_own_view():
    flat = np.ones((4, 7), np.float32)
    (view,) = views(flat, flip=False, shift=0)
    assert view is flat
