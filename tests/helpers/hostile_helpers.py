"""Malice in reusable form: values that no file should hold, and few or many examples of them."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]

# An escape that colours what follows, one that renames the window, a bell, a change of the direction of
# writing, markup of two kinds, and lines that look like the program's own.
NASTY = "\x1b[31mred\x1b]0;owned\x07 \u202e[bold]b[/bold]\r\nError: forged <script>alert(1)</script>"
SAFE_REST = "[bold]b[/bold]"  # what of it must be shown as it is

SWEEP = """\
method: grid
metric: {name: val_acc, goal: maximize}
parameters:
  dataset: {value: tiny.npz}
  epochs: {value: 1}
  num_layers: {value: 1}
  hidden_size: {values: [3, 4]}
"""

few_or_many = pytest.mark.parametrize(
    "examples", [pytest.param(40, id="few"), pytest.param(2000, id="many", marks=pytest.mark.slow)]
)

NUMBERS = st.one_of(
    st.integers(-2, 3),
    st.sampled_from([2**63, -(2**64), 10**400, 1e308, float("nan"), float("inf"), -0.0]),
    st.floats(),
)
WORDS = st.one_of(
    st.text(max_size=8),
    st.sampled_from([NASTY, "", "../..", "/etc/passwd", "C:\\x", "a\0b", "adam", "online", "finished"]),
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=6,
)


def fuzz(examples: int, strategy: st.SearchStrategy[Any], check: Callable[[Any], None]) -> None:
    """Call ``check`` with so many values, the same ones each time."""
    settings(max_examples=examples)(given(strategy)(check))()


@st.composite
def spoiled(draw: st.DrawFn, sound: Any) -> Any:
    """Draw a JSON document like a sound one, with one to three of its parts replaced or left out."""
    document = json.loads(json.dumps(sound))
    for _ in range(draw(st.integers(1, 3))):
        holder, keys = document, []
        while isinstance(holder, (dict, list)) and holder:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            key = draw(st.sampled_from(keys))
            inner = holder[key]
            if isinstance(inner, (dict, list)) and inner and draw(st.booleans()):
                holder = inner
                continue
            if isinstance(holder, dict) and draw(st.integers(0, 3)) == 0:
                del holder[key]
            else:
                holder[key] = draw(ANYTHING)
            break
    return document


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Draw bytes like these, with some changed, cut off, doubled or put in."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        kind = draw(st.integers(0, 3))
        if kind == 0 and data:
            data[at] = draw(st.integers(0, 255))
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            data[at:at] = data[at : at + draw(st.integers(1, 64))]
        else:
            data[at:at] = draw(st.binary(max_size=8))
    return bytes(data)


@dataclass(frozen=True)
class Trained:
    """A folder with a dataset, an interrupted run of two epochs of three, and a finished one.

    There is a sweep of two trials, too, whose runs are in another store.
    """

    folder: Path
    interrupted: str
    finished: str
    sweep_id: str

    @property
    def study(self) -> Path:
        """The file of the sweep's study."""
        return self.folder / "runs" / "sweeps" / self.sweep_id / "study.log"


def refusal(kind: type[Exception], work: Callable[[], Any]) -> str | None:
    """Return the message with which work is refused, None where it is done."""
    try:
        work()
    except kind as error:
        return str(error)
    return None


def write_tiny(path: Path) -> Path:
    """Write 120 images of 6×6 pixels and three classes."""
    rng = np.random.default_rng(0)
    labels = (np.arange(120) % 3).astype(np.uint8)
    images = rng.integers(0, 80, (120, 6, 6))
    for label in range(3):
        images[labels == label, 2 * label : 2 * label + 2] += 150
    x = images.astype(np.uint8)
    np.savez(path, x_train=x[:90], y_train=labels[:90], x_test=x[90:], y_test=labels[90:])
    return path


def small_memory(
    folder: Path, *args: object, megabytes: int = 3000, seconds: int = 60
) -> subprocess.CompletedProcess[str]:
    """Run ``ffnn`` with little address space: what takes memory for a promise alone fails in it.

    The libraries alone, once all are loaded, have addresses for more than two gigabytes.
    """

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))

    return subprocess.run(
        [sys.executable, "-m", "ffcli", *map(str, args)],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONUTF8": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "NO_COLOR": "1",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        preexec_fn=limit,
    )
