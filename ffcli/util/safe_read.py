"""Reading untrusted files: bounded in size, refused in one line where they are unsound.

Every file and answer that is parsed goes through here or through the readers in ``datasets``. All raise
ValueError with a reason that fits into one line.
"""

from __future__ import annotations

import errno
import json
import os
import re
import select
import stat
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # it takes its time to load, and is used here only
    import yaml

YAML_BYTES = 1 << 18  # for which the parser takes a few seconds at most
RECORD_BYTES = 1 << 24  # far above the record of any run
HISTORY_BYTES = 1 << 28  # of a million epochs, each of at most 200 bytes
_MAX_NODES = 50_000  # of a YAML text, after aliases are followed: far above any real file
_MAX_DEPTH = 50  # of a YAML text, whose parser takes the square of the depth, and worse, in time
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")
_OCTAL = re.compile(r"[-+]?0[0-7_]+")
_SEXAGESIMAL = re.compile(r"[-+]?\d[\d_]*(:[0-5]?\d)+(\.[\d_]*)?")


def read_file(path: str | Path, most: int = RECORD_BYTES, *, pipe: float | None = None) -> bytes:
    """Return the content of an ordinary file. Raises OSError, or ValueError where it has too many bytes.

    A device, which may never end, is refused, and so is a pipe; with ``pipe`` one is read as long as somebody
    writes to it at least every so many seconds.
    """
    # Without a file object, which takes as long as the reading: there may be thousands of records.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        about = os.fstat(descriptor)
        if stat.S_ISDIR(about.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        is_pipe = pipe is not None and stat.S_ISFIFO(about.st_mode)
        if not (is_pipe or stat.S_ISREG(about.st_mode)):
            raise ValueError(f"{Path(path).name} is not an ordinary file")
        content = b"" if is_pipe else os.read(descriptor, min(about.st_size, most) + 1)
        while len(content) <= most:
            if is_pipe and not select.select([descriptor], [], [], pipe)[0]:
                raise ValueError(f"nothing was written to {Path(path).name} for {pipe:g} seconds")
            if not (more := os.read(descriptor, most + 1 - len(content))):
                break
            content += more
    finally:
        os.close(descriptor)
    if len(content) > most:
        raise ValueError(f"{Path(path).name} is larger than {most:,} bytes")
    return content


def read_text(path: Path, what: str, most: int = YAML_BYTES, *, pipe: float | None = None) -> str:
    """Return the text of a file in UTF-8, as `read_file`. Raises ValueError; ``what`` is expected there."""
    try:
        return read_file(path.expanduser(), most, pipe=pipe).decode("utf-8-sig")
    except FileNotFoundError:
        raise ValueError(f"there is no such {what}") from None
    except IsADirectoryError:
        raise ValueError(f"expected a {what}, got a folder") from None
    except UnicodeDecodeError:
        raise ValueError("this is not a text file in UTF-8") from None
    except (OSError, ValueError, RuntimeError) as error:
        raise ValueError(f"it cannot be read: {getattr(error, 'strerror', None) or error}") from None


def mapping(values: Any, example: str) -> dict[Any, Any]:
    """Return what a file holds. Raises ValueError where it is no mapping; ``example`` is a line of one."""
    if isinstance(values, dict):
        return values
    got = "an empty file" if values is None else "a list" if isinstance(values, list) else "a bare value"
    raise ValueError(f"expected lines such as '{example}', got {got}")


def is_name(text: str) -> bool:
    """Whether a text can be the name of a file or folder, on any system, and leads nowhere else."""
    return bool(text) and text.strip(". ") != "" and not re.search(r"[/\\:\0-\x1f\x7f]", text)


def parse_json(text: str | bytes) -> Any:
    """Return what a JSON text holds."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def parse_time(text: str) -> float:
    """Return a time such as 2026-01-31T12:00:00.123Z in seconds since 1970; one without a zone is UTC."""
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).timestamp()
    except OverflowError as error:  # in the year 1 or 9999
        raise ValueError(str(error)) from None


def parse_yaml(text: str) -> Any:
    """Return what a YAML text holds: words, numbers, lists, mappings and nothing that runs code.

    Numbers such as ``1e-5``, which YAML 1.1 takes for words, are read as numbers. Refused are numbers that it
    reads as nobody means them (064 is octal, 1:30 sexagesimal), a key that is given twice, what aliases would
    unfold to an absurd size, and levels beyond all use.
    """
    import yaml

    if len(text.encode("utf-8", "surrogatepass")) > YAML_BYTES:
        raise ValueError(f"it is larger than {YAML_BYTES:,} bytes")
    loader = None
    try:
        loader = _loader()(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _count(node, "", {})
        return loader.construct_document(node)
    except _UnsoundError as error:
        raise ValueError(str(error)) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = error.problem or error.context
        if "'\\t'" in str(problem):
            problem = "there is a tab; indent with spaces"
        raise ValueError(f"this is not YAML{place}: {problem}") from None
    except RecursionError:
        raise ValueError("this is not YAML: it is nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f"this is not YAML: {reason}") from None
    # The parser lets these through for tags that do not suit their values, such as !!int "".
    except (LookupError, TypeError, AttributeError, OverflowError):
        raise ValueError("this is not YAML: a value does not suit its tag") from None
    finally:
        if loader is not None:
            loader.dispose()


@cache
def _loader() -> type[yaml.SafeLoader]:
    """Return PyYAML's loader of plain values, bounded in depth while it reads."""
    import yaml

    class Loader(yaml.SafeLoader):
        def fetch_flow_collection_start(self, *token: Any) -> None:
            self._refuse_depth(self.flow_level)
            super().fetch_flow_collection_start(*token)

        def add_indent(self, column: int) -> bool:
            if self.indent < column:
                self._refuse_depth(len(self.indents))
            return bool(super().add_indent(column))

        def _refuse_depth(self, depth: int) -> None:
            if depth >= _MAX_DEPTH:
                raise yaml.MarkedYAMLError(None, None, "it is nested too deeply", self.get_mark())

    return Loader


class _UnsoundError(Exception):
    """YAML with contents that are not allowed."""


def _count(node: yaml.Node, path: str, counts: dict[yaml.Node, int]) -> int:
    """Count the nodes with aliases followed; on the way mend numbers and refuse double keys."""
    import yaml

    if node in counts:
        if not counts[node]:
            raise _UnsoundError(f"{shown(path) or 'the file'}: it contains itself, by an alias")
        return counts[node]
    counts[node] = 0  # begun, not done
    total = 1
    if isinstance(node, yaml.ScalarNode):
        if node.style is None:
            _mend_number(node, path)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            total += _count(item, f"{path}[{index}]", counts)
    elif isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
            place = f"{path}.{name}" if path else name
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, name) in seen:
                    line = key.start_mark.line + 1
                    raise _UnsoundError(f"{shown(place)}: this key is given twice, again in line {line}")
                seen.add((key.tag, name))
            total += _count(key, place, counts) + _count(value, place, counts)
    if total > _MAX_NODES:
        raise _UnsoundError(f"with its aliases it unfolds to more than {_MAX_NODES} values")
    counts[node] = total
    return total


def _mend_number(node: yaml.ScalarNode, path: str) -> None:
    """Give a bare ``1e-5`` the tag of a number. Refuse a number that YAML 1.1 reads as another one."""
    if node.tag == "tag:yaml.org,2002:str" and _NUMBER.fullmatch(node.value):
        node.tag = "tag:yaml.org,2002:float"
    elif node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float"):
        kind, meant, digits = "", node.value, node.value.replace("_", "")
        if _OCTAL.fullmatch(node.value):
            kind, meant = f"octal, that is {int(digits, 8)}", digits.lstrip("+0") or "0"
        elif _SEXAGESIMAL.fullmatch(node.value):
            kind, meant = "sexagesimal, as 1:30 is 90", "the number"
        if kind:
            instead = f"write {meant}, or '{node.value}' in quotes"
            raise _UnsoundError(f"{shown(path)}: in YAML 1.1 {node.value} is {kind}; {instead}")


def shown(value: object) -> str:
    """Return a value for a message: words bare, the rest as Python has it, on one line and no longer."""
    if isinstance(value, str):
        text = value
    else:
        try:
            text = repr(value)
        except (ValueError, RecursionError):  # an integer of more digits than Python writes
            text = "what is too large to be shown"
    text = " ".join(text.split("\n"))
    return text if len(text) <= 80 else text[:77] + "..."
