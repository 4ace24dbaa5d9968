"""The folders of datasets and runs: the given one, else the environment's, else one in the current folder."""

from __future__ import annotations

import os
from pathlib import Path


def data_folder(given: str | Path | None = None) -> Path:
    """Return the folder of all datasets: ``given``, else FFNN_DATA_DIR, else ``data``."""
    return expanded(given or os.environ.get("FFNN_DATA_DIR") or "data")


def runs_folder(given: str | Path | None = None) -> Path:
    """Return the folder of all runs: ``given``, else FFNN_RUNS_DIR, else ``runs``."""
    return expanded(given or os.environ.get("FFNN_RUNS_DIR") or "runs")


def expanded(path: str | Path) -> Path:
    """Return a path with ``~`` resolved, where it can be."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises for an unknown ~user
