"""Conversion of a user's picture to the form of a dataset's images: gray, of their size and background."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ffcli.core.buffers import Array
from ffcli.datasets import Dataset
from ffcli.datasets.base import BrokenDataError
from ffcli.datasets.pictures import MOST_BYTES, border, decode, fit, size_of, to_gray
from ffcli.errors import RequestError
from ffcli.util.safe_read import read_file

_LIGHT = 127  # a median border above this is a light background
_CLEAN = 20  # gray levels by which a clean background may differ from black
_LEAST_CONTRAST = 20  # gray levels between the lightest and the darkest, without which nothing is drawn
_SAMPLE = 500  # images that tell the background of a dataset
_SIDE = 512  # pixels of a photograph whose background is evened; more show nothing more
_INK = 0.8  # of the paper's brightness: what is darker is ink


@dataclass(frozen=True)
class OwnPicture:
    """The pixels, uint8 (height, width), and what was done to the picture to get them."""

    pixels: Array
    notices: list[str]


def read_picture(path: Path, data: Dataset, invert: bool | None) -> OwnPicture:
    """Return a user's picture as the dataset has its own images.

    It is made gray, turned into the dataset's light and dark, padded to its shape and scaled to its size. A
    dark drawing on light paper that is gray or shaded is taken by its contrast to the paper around.

    Args:
        path: a PNG, JPEG, GIF, BMP, TIFF, WebP or PPM.
        data: its images must be gray.
        invert: whether light and dark change places; None finds out which of them is the background.

    Raises:
        RequestError: the dataset has no gray images, or the file cannot be read as a picture.
    """
    if data.image_shape is None or len(data.image_shape) != 2 or data.x_train.dtype != np.uint8:
        raise RequestError(
            f"expected a dataset of gray images of bytes; {data.name} has none", parameter="image"
        )
    pixels, notices = _decoded(path)
    height, width = data.image_shape
    tall, wide = pixels.shape
    if (tall, wide) != (height, width):
        padded = " padded and" if tall * width != wide * height else ""
        notices.append(f"it is {size_of(tall, wide)}:{padded} scaled to {size_of(height, width)}")
    background = np.median([border(image) for image in data.x_train[:_SAMPLE]])
    pixels = _oriented(pixels, invert, is_light=float(background) > _LIGHT, notices=notices)
    return OwnPicture(fit(pixels, height, width), [f"{path.name}: {notice}" for notice in notices])


def _decoded(path: Path) -> tuple[Array, list[str]]:
    try:
        pixels, notices = decode(read_file(path, MOST_BYTES), path.name)
    except FileNotFoundError:
        raise RequestError(f"there is no file {path}", parameter="image") from None
    except IsADirectoryError:
        raise RequestError(f"{path} is a folder, not an image", parameter="image") from None
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror}", parameter="image") from None
    except (BrokenDataError, ValueError) as error:
        raise RequestError(str(error), parameter="image") from None
    return (to_gray(pixels) if pixels.ndim == 3 else pixels), notices


def _oriented(pixels: Array, invert: bool | None, *, is_light: bool, notices: list[str]) -> Array:
    """Return a picture with light and dark as the dataset has them."""
    dark = is_dark_on_light(pixels)
    if dark is None:
        notices.append("it is blank: nothing stands out from its background")
    if invert is None:
        invert = dark is not None and dark != is_light
        if invert:
            drawn = "dark on a light background" if dark else "light on a dark background"
            notices.append(f"it is {drawn}, and the dataset's images are not: light and dark are exchanged")
    if not invert:
        return pixels
    inverted: Array = 255 - pixels
    if is_light or np.percentile(border(inverted), 90) <= _CLEAN:
        return inverted
    notices.append("its background is not white: the drawing is taken by its contrast to it")
    return _without_paper(pixels)


def is_dark_on_light(pixels: Array) -> bool | None:
    """Whether what stands out from the background is darker than it; None where nothing stands out.

    The background is a plane through the brightness of the picture's border, fitted by least absolute
    deviations, so that a gradual shadow belongs to it and what touches the border does not.
    """
    rest = pixels - _background(pixels)
    if rest.max() - rest.min() < _LEAST_CONTRAST:
        return None
    dark, light = np.maximum(-rest, 0), np.maximum(rest, 0)
    least = 0.5 * max(np.percentile(dark, 99.5), np.percentile(light, 99.5))
    return bool((dark > least).sum() > (light > least).sum())


def _background(pixels: Array) -> Array:
    """Return the plane a + b·y + c·x of the border's brightness, by iteratively reweighted least squares."""
    height, width = pixels.shape
    thick = max(1, round(min(height, width) * 0.08))
    ring = np.zeros(pixels.shape, bool)
    ring[:thick] = ring[-thick:] = ring[:, :thick] = ring[:, -thick:] = True
    y, x = np.mgrid[:height, :width]
    terms = np.stack([np.ones(pixels.shape), y / height - 0.5, x / width - 0.5], axis=-1)
    known, values = terms[ring], pixels[ring].astype(np.float64)
    root_weights = np.ones(len(values))
    for _ in range(10):
        plane = np.linalg.lstsq(known * root_weights[:, np.newaxis], values * root_weights, rcond=None)[0]
        root_weights = 1 / np.sqrt(np.maximum(np.abs(values - known @ plane), 2))
    return np.asarray(terms @ plane)


def _without_paper(pixels: Array) -> Array:
    """Return dark ink on paper as light ink on black: 1 - pixel / paper, stretched to 255.

    The paper's brightness at a pixel is the mean of what is no ink around it.
    """
    from PIL import Image

    picture = Image.fromarray(pixels)
    picture.thumbnail((_SIDE, _SIDE))
    values = np.asarray(picture, np.float64) + 1
    paper = np.maximum(_background(np.asarray(picture)) + 1, 1)
    radius = max(1, min(values.shape) // 8)
    for _ in range(3):
        blank = (values > _INK * paper).astype(np.float64)
        weight = _box(blank, radius)
        paper = np.where(weight > 0.02, _box(values * blank, radius) / np.maximum(weight, 0.02), paper)
    ink = np.clip(1 - values / paper, 0, None)
    noise = 3 * float(np.median(ink[ink > 0])) if (ink > 0).any() else 0.0
    ink = np.clip(ink - min(noise, 0.2), 0, None)
    full = float(np.percentile(ink[ink > 0], 95)) if (ink > 0).any() else 1.0
    return np.asarray(np.clip(np.rint(ink * (255 / full)), 0, 255), np.uint8)


def _box(values: Array, radius: int) -> Array:
    """Return the mean over the square of 2·radius + 1 pixels around each, or what there is of it."""
    for _ in range(2):  # along the columns, then along the rows
        size = len(values)
        sums = np.concatenate([np.zeros_like(values[:1]), values.cumsum(axis=0)])
        last = np.minimum(np.arange(size) + radius + 1, size)
        first = np.maximum(np.arange(size) - radius, 0)
        values = ((sums[last] - sums[first]) / (last - first)[:, np.newaxis]).T
    return values
