"""Figures: colours that everybody can tell apart, text that does nothing, files that are whole."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from pixels import colour_at

from ffcli.errors import FfnnError
from ffcli.plotting.style import (
    PALETTE,
    as_png,
    figure_bytes,
    label,
    new_figure,
    save_figure,
    save_file,
    styled,
)

# Full colour blindness of the three kinds, on linear RGB: Machado, Oliveira, Fernandes 2009,
# https://doi.org/10.1109/TVCG.2009.113
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def lab(colour: str, blindness: str) -> np.ndarray:
    """Return a colour as one sees it, in CIE L*a*b* (white point D65)."""
    part = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(BLINDNESS[blindness]) @ linear, 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(np.maximum(np.array(to_xyz) @ seen / [0.9505, 1, 1.089], 0.009))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_the_colours_differ_for_everybody(blindness: str) -> None:
    """A difference of 2.3 can just be seen (CIE76)."""
    for one, other in itertools.combinations([*PALETTE, "#FFFFFF"], 2):
        assert np.linalg.norm(lab(one, blindness) - lab(other, blindness)) > 12, (one, other)


def test_a_figure_is_saved_at_150_dpi_whole_and_alone(tmp_path: Path) -> None:
    path = tmp_path / "figure.png"
    path.write_text("an old one")
    with styled():
        figure = new_figure(2, 1)
        axes = figure.add_subplot()
        axes.imshow([[[255, 0, 0], [0, 0, 255]]])
    save_figure(figure, path)
    with Image.open(path) as picture:
        assert picture.size == (300, 150)
        assert [round(dpi) for dpi in picture.info["dpi"]] == [150, 150]
        seen = np.asarray(picture.convert("RGB"))
    assert colour_at(seen, axes, 0, 0) == (255, 0, 0)
    assert colour_at(seen, axes, 1, 0) == (0, 0, 255)
    assert list(tmp_path.iterdir()) == [path]


def test_a_figure_that_cannot_be_written_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(FfnnError, match=r"gone/x.png cannot be written: No such file or directory"):
        save_figure(new_figure(1, 1), tmp_path / "gone" / "x.png")


def text_extent(text: str) -> float:
    """Return how many pixels wide a text is drawn."""
    with styled():
        figure = new_figure(4, 1)
        drawn = figure.text(0, 0.5, text)
        figure.draw_without_rendering()
    return float(drawn.get_window_extent().width)


def test_dollar_signs_are_no_formula() -> None:
    assert text_extent("$x^2$") > text_extent("x^2") + 5


def test_a_character_that_the_font_lacks_is_no_warning(tmp_path: Path) -> None:
    with styled():
        figure = new_figure(2, 1)
        figure.text(0, 0.5, "漢字 \U0010fffd")
    save_figure(figure, tmp_path / "x.png")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("Shirt", "Shirt"), ("a\nb\x1b[31m\u202e", r"a\nb\x1b[31m\u202e"), ("x" * 61, "x" * 59 + "…")],
)
def test_a_label_is_one_line_that_does_nothing(text: str, shown: str) -> None:
    assert label(text) == shown


@pytest.mark.parametrize(("name", "start"), [("x.png", b"\x89PNG"), ("x.SVG", b"<?xml"), ("x.pdf", b"%PDF-")])
def test_the_ending_is_the_format(tmp_path: Path, name: str, start: bytes) -> None:
    save_figure(new_figure(1, 1), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_the_same_figure_is_the_same_file(ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def figure_at(seconds: str) -> bytes:
        monkeypatch.setattr("time.time", lambda: float(seconds))
        with styled():
            figure = new_figure(1, 1)
            figure.add_subplot().plot([1, 2], [3, 4])
        return figure_bytes(figure, ending)

    assert figure_at("1e9") == figure_at("1.5e9")


def test_dots_per_inch_are_the_users(tmp_path: Path) -> None:
    save_figure(new_figure(2, 1), tmp_path / "x.png", 300)
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.size == (600, 300)


def test_readers_of_pixels_get_a_png(tmp_path: Path) -> None:
    def draw() -> Figure:
        return new_figure(2, 1)

    with as_png(tmp_path / "x.png", draw) as path:
        assert path == tmp_path / "x.png"
    with as_png(tmp_path / "x.svg", draw) as path, Image.open(path) as picture:
        assert picture.format == "PNG"
    assert not path.exists()
    assert list(tmp_path.iterdir()) == []


CHILD = """
import sys
from pathlib import Path
from ffcli.plotting.style import new_figure, save_figure, styled
assert "matplotlib" not in sys.modules
with styled():
    figure = new_figure(1, 1)
    print(figure.add_subplot().get_facecolor(), figure.text(0, 0, "x").get_fontsize())
save_figure(figure, Path("x.png"))
print("matplotlib.pyplot" in sys.modules)
"""


def test_neither_the_users_settings_nor_a_home_without_rights_matter(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("axes.facecolor: black\nfont.size: 40\ntext.usetex: True\n")
    variables = {"HOME": "/proc/nowhere", "MPLCONFIGDIR": "/proc/nowhere", "XDG_CACHE_HOME": "/proc/nowhere"}
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CHILD],
        cwd=tmp_path,
        env={**os.environ, **variables, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "(1.0, 1.0, 1.0, 1.0) 9.0\nFalse\n"


def test_a_link_stays_a_link_and_what_is_behind_it_is_written(tmp_path: Path) -> None:
    """As /dev/stdout is one, with a file behind it when it is redirected."""
    (tmp_path / "behind").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "behind")
    save_file(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "behind").read_text() == "new"
