"""Datasets in several numbered files: which belong together, and whether all of them are there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence, Set
from itertools import islice

from ffcli.datasets.base import BrokenDataError
from ffcli.datasets.files import File
from ffcli.util.text import are, counted

# train-00000-of-00002.parquet, at times with a digest: train-00000-of-00002-0123456789abcdef.parquet
_OF_SO_MANY = re.compile(
    r"(?P<set>.*?)(?P<mark>[-_.]?)(?P<number>\d{1,9})(?P<of>[-_]of[-_])(?P<total>\d{1,9})"
    r"(-[0-9a-f]{6,64})?(?P<ending>(\.\w+)+)(?<!\.zip)(?<!\.npz)",  # archives are not joined
    re.IGNORECASE,
)
# 0000.parquet, as the Hub names what it has converted
_NUMBERED = re.compile(r"(?P<number>\d{4,5})\.parquet")
_SHOWN = 3


def set_of(name: str) -> str | None:
    """Return the name without its number, None where a name does not say of how many files it is one."""
    match = _OF_SO_MANY.fullmatch(name)
    return match["set"] + match["ending"] if match else None


def check_complete(files: Sequence[File]) -> None:
    """Raise BrokenDataError where one of the numbered files of a dataset is missing, or there twice."""
    sets: dict[str, list[re.Match[str]]] = {}
    numbered: dict[str, list[re.Match[str]]] = {}
    for file in files:
        folder, name = "/".join(file.parts[:-1]), file.parts[-1]
        if match := _OF_SO_MANY.fullmatch(name):
            sets.setdefault(f"{folder}/{match['set']}{match['ending']}", []).append(match)
        elif match := _NUMBERED.fullmatch(name):
            numbered.setdefault(folder, []).append(match)
    for matches in sets.values():
        _check_set(matches)
    for folder, matches in numbered.items():
        _check_numbered(folder, {int(match["number"]) for match in matches})


def _check_set(matches: Sequence[re.Match[str]]) -> None:
    first = matches[0]
    other = next((match for match in matches if int(match["total"]) != int(first["total"])), None)
    if other is not None:
        raise BrokenDataError(
            f"{first.string} and {other.string} are parts of two versions: remove the files of one"
        )
    number, times = Counter(int(match["number"]) for match in matches).most_common(1)[0]
    if times > 1:
        twice = [match.string for match in matches if int(match["number"]) == number]
        raise BrokenDataError(f"{twice[0]} and {twice[1]} are the same part: remove one of them")
    total, there = int(first["total"]), {int(match["number"]) for match in matches}
    padded = any(match["number"].startswith("0") for match in matches)  # or one is 0 itself
    begin = 0 if 0 in there or (padded and total not in there) else 1
    width = len(first["number"])
    span = range(begin, begin + total)
    beyond = next((match.string for match in matches if int(match["number"]) not in span), None)
    if beyond is not None:
        raise BrokenDataError(
            f"{beyond} is beyond the {counted(total, 'part')} that its name tells of, numbered from {begin}: "
            "remove it, or rename the files if this is all of the data"
        )
    missing = (number for number in span if number not in there)
    names = [
        f"{first['set']}{first['mark']}{number:0{width}}{first['of']}{first['total']}{first['ending']}"
        for number in islice(missing, _SHOWN)
    ]
    _refuse_missing(names, total - len(there), f"there {are(len(there))} {len(there)} of {total}")


def _check_numbered(folder: str, there: Set[int]) -> None:
    """Refuse gaps after 0 or 1; which is the last is not told. Other numbers may be years or dates."""
    first = min(there)
    if first > 1:
        return
    span = range(first, max(there) + 1)
    missing = (number for number in span if number not in there)
    names = [f"{folder}/{number:04}.parquet".lstrip("/") for number in islice(missing, _SHOWN)]
    _refuse_missing(names, len(span) - len(there), f"they are numbered to {max(there):04}")


def _refuse_missing(names: Sequence[str], count: int, why: str) -> None:
    if count > 0:
        more = f" and {counted(count - len(names), 'other')}" if count > len(names) else ""
        raise BrokenDataError(
            f"{', '.join(names)}{more} {are(count)} missing ({why}): fetch what is missing, "
            "or rename the files if this is all of the data"
        )
