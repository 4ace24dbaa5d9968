"""What reads the files of others: bounded, and refused in one line."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffcli.util.safe_read import (
    YAML_BYTES,
    is_name,
    mapping,
    parse_json,
    parse_time,
    parse_yaml,
    read_file,
    read_text,
    shown,
)

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
MERGES = "a0: &a0 {k: v}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 12)
)


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"12345")
    assert read_file(path, 5) == b"12345"
    with pytest.raises(ValueError, match="f is larger than 4 bytes"):
        read_file(path, 4)
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "none")


def test_a_pipe_or_a_device_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(ValueError, match="is not an ordinary file"):
            read_file(path)


def test_a_text_is_read_or_refused_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes("\ufeffa: ä".encode())
    assert read_text(tmp_path / "a.yaml", "YAML file") == "a: ä"
    (tmp_path / "b.yaml").write_bytes(b"a: \xff")
    for path, word in ((tmp_path / "b.yaml", "UTF-8"), (tmp_path, "folder"), (tmp_path / "c", "no such")):
        with pytest.raises(ValueError, match=word) as caught:
            read_text(path, "YAML file")
        assert type(caught.value) is ValueError


def test_what_is_no_mapping_is_refused() -> None:
    assert mapping({"a": 1}, "a: 1") == {"a": 1}
    for value, word in ((None, "empty"), ([1], "list"), (1, "bare value")):
        with pytest.raises(ValueError, match=word):
            mapping(value, "a: 1")


def test_json() -> None:
    assert parse_json(b'{"a": [1]}') == {"a": [1]}
    for text in ("[" * 200_000, "{", "9" * 5000, b"\xff\xfe\xfa", ""):
        with pytest.raises(ValueError, match=r".+"):
            parse_json(text)


def test_times() -> None:
    assert parse_time("1970-01-01T00:00:01.500Z") == parse_time("1970-01-01T00:00:01.500") == 1.5
    for text in ("", "now", "9999-99-99T00:00:00Z", "0001-01-01T00:00:00+23:59"):
        try:
            assert math.isfinite(parse_time(text))
        except ValueError:
            continue


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOMB, "with its aliases it unfolds to more than 50000 values"),
        (MERGES, "with its aliases it unfolds to more than 50000 values"),
        ("a: &a [*a]", r"a\[0\]: it contains itself, by an alias"),
        ("a: 1\na: 2", "a: this key is given twice, again in line 2"),
        ("[" * 5000, "nested too deeply"),
        ("[" * 1500, "this is not YAML in line 1, column 51: it is nested too deeply"),
        ("{" * 51 + "}" * 51, "in line 1, column 51: it is nested too deeply"),
        ("- " * 100, "in line 1, column 101: it is nested too deeply"),
        ("a: " + "x" * YAML_BYTES, "larger than"),
        ("a: " + "9" * 5000, "this is not YAML"),
        ("a: !!int ''", "a value does not suit its tag"),
        ("a: !!float ''", "a value does not suit its tag"),
        ("a: !!bool x", "a value does not suit its tag"),
        ("a: !!timestamp x", "a value does not suit its tag"),
        ("a: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("a: !!python/name:os.system", "could not determine a constructor"),
        ("\0", "this is not YAML"),
    ],
    ids=lambda value: value[:24],
)
def test_yaml_that_is_refused(text: str, reason: str) -> None:
    started = time.monotonic()
    with pytest.raises(ValueError, match=reason) as caught:
        parse_yaml(text)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - started < 30, "a bomb of twelve levels would take for ever"


def test_yaml_that_is_read() -> None:
    assert parse_yaml("a: 1e-5\nb: &b [x]\nc: *b") == {"a": 1e-5, "b": ["x"], "c": ["x"]}
    assert parse_yaml("") is None
    deep = parse_yaml("[" * 50 + "]" * 50)
    for _ in range(49):
        (deep,) = deep
    assert deep == []
    assert parse_yaml("- '" + "[" * 99 + "'") == ["[" * 99]


@given(st.text() | st.text(alphabet="{}[]:,-&*!<>? \n'\"abx0x1e.|%@#\\", max_size=60))
def test_any_text_is_read_or_refused_in_a_line(text: str) -> None:
    for parse in (parse_yaml, parse_json):
        reasons = []
        try:
            parse(text)
        except ValueError as error:
            reasons.append(str(error))
        assert not any("\n" in reason.strip() for reason in reasons)


@pytest.mark.parametrize("name", ["20260131-120000-123-x7k2", "my run", "täxt", "a.b", "..a", "-x"])
def test_names(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "...", " ", "a/b", "/a", "../a", "a\\b", "C:", "C:x", "a\0", "a\nb", "\x1b[1m", "\x7f"],
)
def test_what_is_no_name_leads_elsewhere(name: str) -> None:
    assert not is_name(name)


def test_values_are_shown_on_one_short_line() -> None:
    assert shown("word") == "word"
    assert shown(["a"]) == "['a']"
    assert shown("a\nb") == "a b"
    assert shown("x" * 200) == "x" * 77 + "..."
    assert len(shown(1 << 40_000)) < 80, "Python refuses to write so many digits"
