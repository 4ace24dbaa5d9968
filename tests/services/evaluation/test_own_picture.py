"""A user's picture becomes what a dataset's images are, whatever its depth, ground, shape and light."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ffcli.datasets import Dataset
from ffcli.errors import RequestError
from ffcli.services.evaluation.own_picture import OwnPicture, is_dark_on_light, read_picture

SIDE = 8


@pytest.fixture
def data(blobs: Callable[..., Dataset]) -> Dataset:
    dataset = blobs(shape=(SIDE, SIDE))
    dark = np.zeros_like(dataset.x_train)
    return Dataset("d", dark, dataset.y_train, dark[:5], dataset.y_test[:5], dataset.class_names, "0" * 64)


def drawing(side: int = SIDE) -> np.ndarray:
    """Return a light stroke of full strength on black."""
    pixels = np.zeros((side, side), np.uint8)
    pixels[side // 4 : -side // 4, side // 2 : side // 2 + max(1, side // 8)] = 255
    return pixels


def read(
    tmp_path: Path,
    data: Dataset,
    picture: Image.Image,
    ending: str = "png",
    invert: bool | None = None,
    **save: Any,
) -> OwnPicture:
    path = tmp_path / f"mine.{ending}"
    picture.save(path, **save)
    return read_picture(path, data, invert)


@pytest.mark.parametrize("ink", [(0, 0, 0), (255, 255, 255), (200, 0, 0), (250, 240, 90), (60, 60, 60)])
@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_ink_on_transparency(tmp_path: Path, data: Dataset, ink: tuple[int, int, int], mode: str) -> None:
    shape = drawing()
    rgba = np.dstack([*(np.full_like(shape, value) for value in ink), shape])
    got = read(tmp_path, data, Image.fromarray(rgba).convert(mode)).pixels
    red, green, blue = ink
    level = round(0.299 * red + 0.587 * green + 0.114 * blue)
    expected = level if level > 127 else 255 - level
    assert abs(int(got[shape > 0].min()) - expected) <= 1
    assert got[shape == 0].max() == 0


@pytest.mark.parametrize(
    ("high", "white"), [(255, 255), (1023, 1023), (4000, 4095), (16383, 16383), (65535, 65535)]
)
def test_sixteen_bits_are_scaled_by_their_range(tmp_path: Path, data: Dataset, high: int, white: int) -> None:
    values = (drawing() > 0) * np.uint16(high)
    got = read(tmp_path, data, Image.fromarray(values))
    assert got.pixels.max() == round(high * 255 / white)
    assert bool(got.notices) == (white not in (255, 65535))


def test_a_tiff_says_its_white(tmp_path: Path, data: Dataset) -> None:
    values = (drawing() > 0) * np.uint16(1000)
    got = read(tmp_path, data, Image.fromarray(values), "tif", tiffinfo={281: 4095})
    assert got.pixels.max() == round(1000 * 255 / 4095)


@pytest.mark.parametrize(("high", "white"), [(1.0, 1.0), (0.5, 1.0), (255.0, 255.0)])
def test_a_float_tiff(tmp_path: Path, data: Dataset, high: float, white: float) -> None:
    values = (drawing() > 0).astype(np.float32) * np.float32(high)
    got = read(tmp_path, data, Image.fromarray(values), "tif")
    assert got.pixels.max() == round(high / white * 255)
    assert got.pixels.min() == 0


def test_a_float_tiff_that_is_not_finite(tmp_path: Path, data: Dataset) -> None:
    with pytest.raises(RequestError, match="NaN"):
        read(tmp_path, data, Image.fromarray(np.full((8, 8), np.nan, np.float32)), "tif")


@pytest.mark.parametrize("tall", [True, False])
@pytest.mark.parametrize("light", [True, False])
def test_other_shapes_are_padded_with_their_ground(
    tmp_path: Path, data: Dataset, tall: bool, light: bool
) -> None:
    """A square of 16 pixels in the middle of 32×64 stays a square: 2 of 8 pixels each way."""
    pixels = np.zeros((64, 32), np.uint8)
    pixels[24:40, 8:24] = 255
    pixels = 255 - pixels if light else pixels
    got = read(tmp_path, data, Image.fromarray(pixels if tall else pixels.T.copy())).pixels
    assert (got[3:5, 3:5] > 200).all()
    rest = got.copy()
    rest[2:6, 2:6] = 0
    assert rest.max() <= 2


class TestInvert:
    def test_a_light_ground_is_recognised_and_said(self, tmp_path: Path, data: Dataset) -> None:
        got = read(tmp_path, data, Image.fromarray(255 - drawing()))
        np.testing.assert_array_equal(got.pixels, drawing())
        assert len(got.notices) == 1

    def test_a_dark_ground_stays(self, tmp_path: Path, data: Dataset) -> None:
        got = read(tmp_path, data, Image.fromarray(drawing()))
        np.testing.assert_array_equal(got.pixels, drawing())
        assert got.notices == []

    @pytest.mark.parametrize("invert", [True, False])
    def test_the_users_word_counts(self, tmp_path: Path, data: Dataset, invert: bool) -> None:
        for pixels in (drawing(), 255 - drawing()):
            got = read(tmp_path, data, Image.fromarray(pixels), invert=invert).pixels
            if pixels is not drawing() and not invert:
                np.testing.assert_array_equal(got, pixels)
        light = read(tmp_path, data, Image.fromarray(255 - drawing()), invert=invert).pixels
        np.testing.assert_array_equal(light, drawing() if invert else 255 - drawing())

    def test_a_dataset_on_white(self, tmp_path: Path, data: Dataset) -> None:
        white = 255 - data.x_train
        light = Dataset("d", white, data.y_train, white[:5], data.y_test, data.class_names, "0" * 64)
        for pixels in (drawing(), 255 - drawing()):
            got = read(tmp_path, light, Image.fromarray(pixels)).pixels
            np.testing.assert_array_equal(got, 255 - drawing())

    def test_nothing_stands_out(self, tmp_path: Path, data: Dataset) -> None:
        for level in (0, 40, 200, 255):
            got = read(tmp_path, data, Image.fromarray(np.full((8, 8), level, np.uint8)))
            assert np.unique(got.pixels).tolist() == [level]
            assert any("blank" in notice for notice in got.notices)

    def test_sizes_have_the_width_first(self, tmp_path: Path, data: Dataset) -> None:
        tall = np.zeros((40, 16), np.uint8)
        tall[10:30, 4:12] = 255
        (said,) = read(tmp_path, data, Image.fromarray(tall)).notices
        assert "16×40 (width × height)" in said

    @pytest.mark.parametrize("paper", [100, 150, 235])
    @pytest.mark.parametrize("corner", [0, 1, 2, 3])
    def test_shaded_paper(self, tmp_path: Path, data: Dataset, paper: int, corner: int) -> None:
        """A stroke on grayish paper whose light falls by half across it, with a shadow and noise."""
        rng = np.random.default_rng(corner)
        side = 240
        y, x = np.mgrid[:side, :side] / side
        light = 1 - 0.25 * (x + y)
        light = np.rot90(light * np.where(np.hypot(x, y - 1) < 0.4, 0.8, 1), corner)
        stroke = drawing(side) > 0
        photo = np.where(stroke, 0.25 * paper, paper) * light + rng.normal(0, 2, (side, side))
        photo = photo.clip(0, 255).astype(np.uint8)
        if paper < 120:
            assert np.median(photo) < 127
        got = read(tmp_path, data, Image.fromarray(photo))
        expected = np.asarray(Image.fromarray(drawing(side)).resize((SIDE, SIDE), Image.Resampling.LANCZOS))
        assert np.abs(got.pixels.astype(int) - expected).max() < 70
        assert np.median(got.pixels) <= 10
        assert len(got.notices) == 3

    def test_what_a_photograph_of_chalk_is(self) -> None:
        side = 60
        board = 60 + 60 * np.mgrid[:side, :side][1] / side
        assert is_dark_on_light((board + (drawing(side) > 0) * 100).astype(np.uint8)) is False


class TestRefused:
    @pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"avif"])
    def test_heic_says_what_to_do(self, tmp_path: Path, data: Dataset, brand: bytes) -> None:
        (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x18ftyp" + brand + bytes(100))
        with pytest.raises(RequestError, match="JPEG or PNG") as caught:
            read_picture(tmp_path / "a.jpg", data, None)
        assert (caught.value.exit_code, caught.value.parameter) == (2, "image")

    def test_pipes_and_loops_do_not_block(self, tmp_path: Path, data: Dataset) -> None:
        os.mkfifo(tmp_path / "pipe.png")
        (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
        for name in ("pipe.png", "loop.png", "none.png", "."):
            with pytest.raises(RequestError) as caught:
                read_picture(tmp_path / name, data, None)
            assert caught.value.parameter == "image"

    def test_another_kind_of_file(self, tmp_path: Path, data: Dataset) -> None:
        out = io.BytesIO()
        np.savez(out, x=np.zeros(3))
        (tmp_path / "a.png").write_bytes(out.getvalue())
        with pytest.raises(RequestError, match="zip"):
            read_picture(tmp_path / "a.png", data, None)
