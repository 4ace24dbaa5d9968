"""What the tests of the command line share beside fixtures."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Done:
    """What a call of the command came to."""

    code: int
    out: str
    err: str


Cli = Callable[..., Done]


def environment(**more: str) -> Mapping[str, str]:
    """The environment for a process of the command; its standard streams are in UTF-8."""
    root = str(Path(__file__).parents[2])
    unwanted = {"FFNN_DATA_DIR", "FFNN_RUNS_DIR", "COLUMNS", "NO_COLOR", "FORCE_COLOR", "TERM"}
    kept = {key: value for key, value in os.environ.items() if key not in unwanted}
    return {**kept, "PYTHONPATH": root, "PYTHONUTF8": "1", **more}
