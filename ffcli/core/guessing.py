"""Which option or hyper-parameter is meant by one that there is not."""

from __future__ import annotations

from collections.abc import Sequence

from ffcli.core.registry import nearest

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
