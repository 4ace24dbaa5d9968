"""What is drawn with characters, on consoles of all kinds."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from cli_helpers import bare
from rich.console import Console

from ffcli.cli.views.confusion import Matrix
from ffcli.cli.views.drawing import Gallery, Picture, bar

NAMES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag"]
NAMES += ["Ankle boot"]


def drawn(shown: Any, width: int = 80, **settings: Any) -> str:
    """Return what a terminal of so many columns gets to see."""
    defaults: dict[str, Any] = {"force_terminal": True, "color_system": "truecolor", "no_color": False}
    console = Console(
        file=io.StringIO(),
        width=width,
        legacy_windows=False,
        markup=False,
        highlight=False,
        emoji=False,
        _environ={"TERM": settings.pop("term", "xterm")},
        **{**defaults, **settings},
    )
    console.print(shown)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


def cells(line: str) -> list[tuple[list[int], list[int], str]]:
    """Return the foreground, the background and the text of each coloured piece of a line."""
    pieces = re.findall(r"\x1b\[(?:1;)?38;2;(\d+;\d+;\d+);48;2;(\d+;\d+;\d+)m([^\x1b]*)\x1b\[0m", line)
    return [(numbers(ink), numbers(ground), text) for ink, ground, text in pieces]


def numbers(text: str) -> list[int]:
    return list(map(int, text.split(";")))


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in bare(text).splitlines()]


def widest(shown: Iterable[str]) -> int:
    return max(map(len, shown))


def test_a_character_shows_two_pixels() -> None:
    image = np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)
    shown = drawn(Picture(image)).splitlines()
    assert len(shown) == 14
    for row, line in enumerate(shown):
        expected = [[upper, lower] for upper, lower in zip(image[2 * row], image[2 * row + 1])]
        found = [[ink[0], ground[0]] for ink, ground, text in cells(line) for _ in text if len(set(ink)) == 1]
        assert found == expected
        assert set(bare(line)) == {"▀"}


def test_a_picture_of_colours_and_of_odd_height_ends_in_black() -> None:
    image = np.zeros((25, 24, 3), np.uint8)
    image[24, 5] = 1, 2, 3
    last = drawn(Picture(image)).splitlines()[-1]
    assert cells(last)[1] == ([1, 2, 3], [0, 0, 0], "▀")


@pytest.mark.parametrize(
    ("shape", "width", "size"),
    [
        ((28, 28), 14, (14, 14)),
        ((28, 28), 80, (28, 28)),
        ((8, 8), 80, (24, 24)),
        ((8, 8), 14, (8, 8)),
        ((1, 1), 80, (24, 24)),
        ((200, 100), 80, (28, 56)),
        ((3, 3000), 80, (56, 1)),
    ],
)
def test_the_size_suits_the_terminal(shape: tuple[int, int], width: int, size: tuple[int, int]) -> None:
    shown = lines(drawn(Picture(np.zeros(shape, np.uint8), width)))
    assert (len(shown[0]), len(shown)) == (size[0], (size[1] + 1) // 2)


def test_shrinking_takes_the_mean() -> None:
    image = np.tile(np.array([[0, 100], [200, 100]], np.uint8), (14, 14))
    first = cells(drawn(Picture(image, 14)).splitlines()[0])
    assert first == [([100] * 3, [100] * 3, "▀" * 14)]


@pytest.mark.parametrize("settings", [{"no_color": True}, {"color_system": None}])
def test_without_colours_it_is_drawn_in_letters(settings: dict[str, Any]) -> None:
    image = np.zeros((28, 28), np.uint8)
    image[:2, 14:] = 255
    image[2:4] = 128
    shown = drawn(Picture(image), **settings)
    assert "\x1b" not in shown
    assert shown.splitlines()[:2] == [" " * 14 + "@" * 14, "+" * 28]


@pytest.mark.parametrize(("width", "rows"), [(80, 2), (160, 2), (40, 4), (14, 10)])
def test_ten_images_fit_every_terminal(width: int, rows: int) -> None:
    images = [np.full((28, 28), 40 + place, np.uint8) for place in range(10)]
    gallery = Gallery(images, [[name, "→ a class of a very long name"] for name in NAMES], 5)
    shown = lines(drawn(gallery, width))
    assert widest(shown) <= width
    named = [line for line in shown if any(name in line for name in NAMES)]
    assert len(named) == rows
    assert all(name in "\n".join(named) for name in NAMES)
    assert ("…" in "\n".join(shown)) is (width < 160)


def test_names_do_nothing_in_a_gallery_and_in_a_matrix() -> None:
    evil = "[red]x\x1b[5mé\n"
    gallery = drawn(Gallery([np.zeros((28, 28), np.uint8)], [[evil]], 1))
    assert r"[red]x\x1b[5mé\n" in gallery
    matrix = drawn(Matrix([[1, 0], [0, 1]], [evil, "b"], fractions=False))
    assert r"[red]x\x1b[5mé\n" in matrix
    assert "\x1b[5m" not in gallery + matrix


@pytest.mark.parametrize(
    ("share", "shown"), [(0, ""), (0.001, "▏"), (0.5, "█████"), (0.55, "█████▌"), (1, "█" * 10)]
)
def test_a_bar_is_as_long_as_its_share(share: float, shown: str) -> None:
    assert bar(share, 10) == shown


FASHION = [[0] * 10 for _ in range(10)]
for _label in range(10):
    FASHION[_label][_label] = 850
    FASHION[_label][(_label + 3) % 10] = 145
    FASHION[_label][(_label + 4) % 10] = 5


class TestMatrix:
    def test_it_fits_80_columns_with_whole_names(self) -> None:
        shown = lines(drawn(Matrix(FASHION, NAMES, fractions=False)))
        assert widest(shown) <= 80
        assert all(name in "".join(shown[1:3]) for name in NAMES)
        assert [line.split("  ")[0].strip() for line in shown[3:]] == NAMES
        assert shown[3].split() == ["T-shirt/top", "850", "·", "·", "145", "5", "·", "·", "·", "·", "·"]

    def test_each_head_ends_where_its_column_ends(self) -> None:
        shown = lines(drawn(Matrix(FASHION, NAMES, fractions=False)))
        for label, name in enumerate(NAMES):
            end = shown[1 + label % 2].index(name) + len(name)
            assert shown[3 + label][:end].endswith("850"), name

    def test_right_is_blue_and_wrong_is_orange_and_little_has_no_colour(self) -> None:
        line = drawn(Matrix(FASHION, NAMES, fractions=False)).splitlines()[3]
        coloured = [(ground, text.strip()) for _, ground, text in cells(line)]
        assert [text for _, text in coloured] == ["850", "145"]
        (red, _, blue), (wrong_red, _, wrong_blue) = (ground for ground, _ in coloured)
        assert blue > red
        assert wrong_red > wrong_blue

    def test_shares_are_shown_as_percentages(self) -> None:
        shares = [[0.85, 0.15], [0.003, 0.997]]
        shown = lines(drawn(Matrix(shares, ["0", "1"], fractions=True)))
        assert [line.split() for line in shown[1:]] == [["0", "1"], ["0", "85%", "15%"], ["1", "<1%", ">99%"]]

    def test_short_names_take_one_line(self) -> None:
        shown = lines(drawn(Matrix([[1000, 0], [0, 1]], ["0", "1"], fractions=False)))
        assert len(shown) == 4
        assert shown[1].index("0") == shown[2].index("1000") + 3

    def test_without_colours_the_numbers_remain(self) -> None:
        shown = drawn(Matrix(FASHION, NAMES, fractions=False), no_color=True)
        assert cells(shown) == []
        assert lines(shown) == lines(drawn(Matrix(FASHION, NAMES, fractions=False)))

    @pytest.mark.parametrize("width", [79, 72, 66, 60])
    def test_names_give_way_on_a_narrower_terminal(self, width: int) -> None:
        shown = lines(drawn(Matrix(FASHION, NAMES, fractions=False), width))
        assert widest(shown) <= width
        assert [line.split().count("850") for line in shown[3:]] == [1] * 10

    def test_too_many_classes_are_left_to_the_picture(self) -> None:
        eye = np.eye(40, dtype=int).tolist()
        (shown,) = lines(drawn(Matrix(eye, list(map(str, range(40))), fractions=False)))
        assert "40 classes is too wide" in shown

    def test_away_from_a_terminal_it_is_a_plain_table_of_all(self) -> None:
        eye = np.eye(40, dtype=int).tolist()
        shown = drawn(
            Matrix(eye, list(map(str, range(40))), fractions=False),
            10_000,
            force_terminal=False,
            color_system=None,
        )
        assert "\x1b" not in shown
        rows = [line.split() for line in shown.splitlines()[1:]]
        assert rows == [[str(label), *map(str, row)] for label, row in enumerate(eye)]
