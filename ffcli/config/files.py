"""Configuration files: hyper-parameters in YAML or JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ffcli.config.loading import allowed, validate
from ffcli.config.recipes import ABOUT
from ffcli.config.train_config import NAMES
from ffcli.errors import RequestError
from ffcli.util.safe_read import mapping, parse_yaml, read_text, shown

_PATIENCE = 5.0  # seconds that a pipe is waited for


def read_config(path: Path, place: str) -> dict[str, Any]:
    """Return the settings of a configuration file by their fields.

    Raises RequestError, whose message begins with ``place``, for what is wrong in it.
    """
    return _settings(_content(path, place), place)


def read_configs(path: Path, place: str) -> list[dict[str, Any]]:
    """Return the settings of each configuration of a file, which holds one or a list; as `read_config`."""
    content = _content(path, place)
    if not isinstance(content, list):
        return [_settings(content, place)]
    return [_settings(each, f"{place}[{index}]: ") for index, each in enumerate(content)]


def _content(path: Path, place: str) -> Any:
    with _refused(place):
        return parse_yaml(read_text(path, "YAML file", pipe=_PATIENCE))


@contextmanager
def _refused(place: str) -> Iterator[None]:
    """Turn a reason that a file cannot be read into a RequestError."""
    try:
        yield
    except ValueError as error:
        raise RequestError(f"{place}{error}.") from None


def _settings(content: Any, place: str) -> dict[str, Any]:
    with _refused(place):
        values = {key: value for key, value in mapping(content, "epochs: 5").items() if key != ABOUT}
    if strange := [key for key in values if not isinstance(key, str)]:
        raise RequestError(f"{place}the key {shown(strange[0])} is not a word.")
    fields = NAMES.resolve(values)
    if strange := [key for key, field in fields.items() if field is None]:
        raise NAMES.unknown(strange, place)
    for key, value in values.items():
        if not _is_simple(value):
            raise RequestError(f"{place}{key} must be {allowed(str(fields[key]))}, got a nested value.")
    try:
        validate(values, lambda name: place + name)
        return NAMES.by_field(values)
    except RequestError as error:
        raise RequestError(place + str(error).removeprefix(place), hint=error.hint) from None


def _is_simple(value: object) -> bool:
    """Whether a value is one word or number, or a list of them."""
    items: Iterable[object] = value if isinstance(value, list) else [value]
    return not any(isinstance(item, (list, dict, set, tuple)) for item in items)
