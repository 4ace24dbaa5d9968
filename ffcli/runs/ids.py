"""New ids, and resolving one from a word: the id itself, or its unique beginning or end."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

from ffcli.errors import RequestError
from ffcli.runs.layout import ALPHABET, RUN_ID, all_sweep_ids, ensemble_ids, sweep_ids
from ffcli.util.safe_read import shown
from ffcli.util.suggest import nearest, question

_NAMED = 3  # of many ids
_MILLISECOND = timedelta(milliseconds=1)
_CLOCK_ERROR = timedelta(days=1)  # a clock that was wrong by more leaves no ids to go by


def find_id(kind: str, word: str, ids: Sequence[str]) -> str | None:
    """Return the id that ``word`` is, or that alone begins or ends so; None where there is none.

    ``kind`` is what the ids are of, such as "run". Raises RequestError where several begin or end so.
    """
    if word in ids:
        return word
    matches = [known for known in ids if known.startswith(word) or known.endswith(word)] if word else []
    if len(matches) > 1:
        raise RequestError(f"'{shown(word)}' matches {len(matches)} {kind}s: {some(matches)}.")
    return matches[0] if matches else None


def near(word: str, ids: Sequence[str]) -> str:
    """Return a sentence with the nearest of ``ids``, else with the latest; a space comes before it."""
    guess = nearest(word, ids)
    if guess is not None:
        return question(guess)
    if len(ids) == 1:
        return f" The only one is {ids[0]}."
    return f" The latest are {some(ids)}." if ids else ""


def some(ids: Sequence[str]) -> str:
    """Return the last of some ids, and how many more there are."""
    latest = ids[-_NAMED:]
    return ", ".join(latest) + (f" and {len(ids) - len(latest)} more" if len(ids) > len(latest) else "")


def alone(word: str, ids: Sequence[str]) -> str | None:
    """Return the id as `find_id` does, and None where there are several, too."""
    with suppress(RequestError):
        return find_id("id", word, ids)
    return None


def mistaken(word: str, found: str, kind: str, wanted: str) -> str:
    """Say that a word names an id of another kind than expected."""
    article = "an" if kind[0] in "aeiou" else "a"
    what = f"{article} {kind}" if word == found else f"the {kind} {found}"
    return f"'{shown(word)}' is {what}, not a {wanted}."


def no_run(folder: Path, word: str) -> RequestError | None:
    """Return the refusal of a word that stands for a sweep or an ensemble, and what takes it; else None."""
    if sweep := alone(word, all_sweep_ids(folder)):
        hint = f"ffnn runs list --sweep {sweep} lists its runs, ffnn runs rm --sweep {sweep} removes them"
        if sweep in sweep_ids(folder):
            best = f"ffnn evaluate --best --sweep {sweep} evaluates the best"
            hint += f", ffnn sweep {sweep} resumes it, {best}"
        hint += "."
        return RequestError(mistaken(word, sweep, "sweep", "run"), hint=hint)
    if ensemble := alone(word, ensemble_ids(folder)):
        hint = f"ffnn ensembles show {ensemble} shows it."
        return RequestError(mistaken(word, ensemble, "ensemble", "run"), hint=hint)
    return None


def new_run_id(known: Iterable[str] = ()) -> str:
    """Return an id that is unique and sorts by time: 20260131-120000-123-x7k2.

    Where the clock has been set back it comes after the latest of the ``known`` ids all the same.
    """
    now = datetime.now(timezone.utc).replace(tzinfo=None)
    stamp = _stamp(now)
    later = [time for time in map(_time_of, (name for name in known if name[: len(stamp)] > stamp)) if time]
    ahead = max((time for time in later if time - now < _CLOCK_ERROR), default=None)
    if ahead is not None:
        stamp = _stamp(ahead + _MILLISECOND)
    return f"{stamp}-{''.join(secrets.choice(ALPHABET) for _ in range(4))}"


def _stamp(time: datetime) -> str:
    return f"{time:%Y%m%d-%H%M%S}-{time.microsecond // 1000:03d}"


def _time_of(name: str) -> datetime | None:
    if not RUN_ID.fullmatch(name):
        return None
    with suppress(ValueError):
        return datetime.strptime(name[:19], "%Y%m%d-%H%M%S-%f")
    return None
