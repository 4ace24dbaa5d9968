"""Which option or hyper-parameter is meant by one that there is not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

_MOST = 3  # that are named at once

# What others call it. The beginnings of names, their initials and their parts need no entry here.
_ELSEWHERE = {
    "l2": "weight-decay",
    "reg": "weight-decay",
    "lambda": "weight-decay",
    "gamma": "momentum",
    "depth": "num-layers",
    "n-layers": "num-layers",
    "width": "hidden-size",
    "units": "hidden-size",
    "neurons": "hidden-size",
    "criterion": "loss",
    "objective": "loss",
    "iterations": "epochs",
    "init": "weight-init",
    "random-state": "seed",
    "val-split": "val-fraction",
    "validation-split": "val-fraction",
    "out-file": "out",
    "output": "out",
}


def nearest(word: str, options: Iterable[str]) -> str | None:
    """Return the one option that begins with ``word``, or the most alike; None where nothing comes close."""
    by_key = {key(option): option for option in options}
    begun = [option for known, option in by_key.items() if len(key(word)) > 2 and known.startswith(key(word))]
    if len(begun) == 1:
        return begun[0]
    matches = difflib.get_close_matches(key(word), by_key, n=1, cutoff=0.6)
    return by_key[matches[0]] if matches else None


def question(*meant: str | None) -> str:
    """Return a question after what may be meant, with a space before it; nothing where nothing may."""
    words = " or ".join(f"'{word}'" for word in meant if word)
    return f" Did you mean {words}?" if words else ""


def unknown(kind: str, word: object, options: Iterable[str], meant: Iterable[str] | None = None) -> str:
    """Say that ``word`` is no ``kind``, what is ``meant`` (else the nearest match), and what is allowed."""
    options = list(options)
    text = str(word)
    did_you_mean = question(*([nearest(text, options)] if meant is None else meant))
    text = " ".join(text.split("\n"))  # a message is one line, whatever a file holds
    text = text if len(text) <= 80 else text[:77] + "..."
    return f"'{text}' is not a known {kind}.{did_you_mean} Choose one of {', '.join(options)}."


def key(name: str) -> str:
    """Return a name in the form in which names are compared."""
    return name.strip().lower().replace("-", "_")


def guesses(word: str, names: Sequence[str]) -> list[str]:
    """Return the ``names``, with hyphens as options have them, that ``word`` may mean; often just one.

    They begin with it, have its letters for initials (lr, bs, wd), are called so elsewhere, look like it,
    or have it for a part, whatever fits first. A short word that looks like many means none of them.
    """
    word = word.lower().replace("_", "-")
    plain = [name for name in dict.fromkeys(names) if word.startswith("no-") or not name.startswith("no-")]
    for fitting in (
        [name for name in plain if name.startswith(word)] if len(word) > 1 else [],
        [name for name in plain if _initials(name) == word],
        [name for name in plain if name == _ELSEWHERE.get(word)],
        [guess for guess in [nearest(word, plain)] if guess is not None],
        [name for name in plain if word in name.split("-")] if len(word) > 2 else [],
    ):
        if fitting:
            return fitting if len(fitting) <= _MOST else []
    return []


def _initials(name: str) -> str:
    parts = name.split("-")
    return "".join(part[:1] for part in parts) if len(parts) > 1 else ""
