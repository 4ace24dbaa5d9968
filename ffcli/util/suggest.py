"""Suggestions for unknown names: the option, field or choice that may be meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

_MOST = 3  # names suggested at once
_LONGEST = 80  # characters of a name that are looked at
_SEPARATORS = re.compile(r"[\s_\-]+")


def compact(name: str) -> str:
    """Return a name in the form in which names are compared: without case, spaces, hyphens, underscores."""
    return _SEPARATORS.sub("", name).lower()


def nearest(word: str, options: Iterable[str]) -> str | None:
    """Return the one option that `closest` finds, None where it finds none or several."""
    found = closest(word, {option: option for option in options})
    return found[0] if len(found) == 1 else None


def closest(word: str, spelled: Mapping[str, str]) -> list[str]:
    """Return the names that ``word`` begins, or else is a typing error of: those that come closest.

    ``spelled`` maps spellings to names. A typing error keeps the first letter, and changes, adds, drops or
    swaps one letter in four at most (one in any case).
    """
    by_key = {compact(spelling): name for spelling, name in spelled.items()}
    typed = compact(word[:_LONGEST])
    if not typed:
        return []
    begun = {name for key, name in by_key.items() if len(typed) > 2 and key.startswith(typed)}
    if len(begun) == 1:
        return list(begun)
    most = max(1, len(typed) // 4)
    distances = {
        key: distance
        for key in by_key
        if key[:1] == typed[0] and abs(len(key) - len(typed)) <= most
        if (distance := _edits(typed, key)) <= most
    }
    least = min(distances.values(), default=0)
    return list(dict.fromkeys(by_key[key] for key, distance in distances.items() if distance == least))


def _edits(first: str, second: str) -> int:
    """Return the optimal string alignment distance: letters changed, added, dropped or swapped."""
    before, row = list[int](), list(range(len(second) + 1))
    for i, letter in enumerate(first, 1):
        before, last, row = row, before, [i]
        for j, other in enumerate(second, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == second[j - 2] and first[i - 2] == other:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]


def question(*meant: str | None) -> str:
    """Return a question after what may be meant, with a space before it; nothing where nothing may."""
    words = " or ".join(f"'{word}'" for word in meant if word)
    return f" Did you mean {words}?" if words else ""


def unknown(kind: str, word: object, options: Iterable[str], meant: Sequence[str] | None = None) -> str:
    """Say that ``word`` is no ``kind``, what is ``meant`` (else the nearest match), and what is allowed."""
    options = list(options)
    text = str(word)
    did_you_mean = question(
        *(closest(text, {each: each for each in options}) if meant is None else meant)[:_MOST]
    )
    text = " ".join(text.split("\n"))  # a message is one line, whatever a file holds
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
    listed = f" Choose one of {', '.join(options)}." if options else ""
    return f"'{text}' is not a known {kind}.{did_you_mean}{listed}"


def guesses(word: str, names: Iterable[str], aliases: Mapping[str, str] | None = None) -> list[str]:
    """Return the ``names`` that ``word`` may mean; often just one.

    They begin with it, have its letters for initials (lr, bs, wd), look like it, have it for a part, or it
    ends in one of them; whatever fits first. ``aliases`` are further spellings with the names they stand for.
    A word that fits many means none of them.
    """
    negative = compact(word).startswith("no")
    plain = {name: name for name in names if negative or not compact(name).startswith("no")}
    spelled = {**(aliases or {}), **plain}
    key = compact(word[:_LONGEST])
    parts = [part for part in _SEPARATORS.split(word[:_LONGEST].lower()) if part]
    endings = {compact("".join(parts[start:])) for start in range(1, len(parts))}
    ending = (
        name
        for spelling, name in spelled.items()
        if len(compact(spelling)) > 2
        if compact(spelling) in endings
    )
    for fitting in (
        [name for name in plain if compact(name).startswith(key)] if len(key) > 1 else [],
        [name for name in plain if _initials(name) == key],
        closest(word, spelled),
        [name for name in plain if key in _parts(name)] if len(key) > 2 else [],
        ending,
    ):
        if found := list(dict.fromkeys(fitting)):
            return found if len(found) <= _MOST else []
    return []


def _parts(name: str) -> list[str]:
    return [part for part in _SEPARATORS.split(name.lower()) if part]


def _initials(name: str) -> str:
    parts = _parts(name)
    return "".join(part[0] for part in parts) if len(parts) > 1 else ""
