"""The databases that the engine is tested on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ffcli.sweeping.store import TrialStore


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of an empty database, of each kind in turn."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres").new_database())
    return f"sqlite:///{tmp_path / 'sweep.db'}"


@pytest.fixture
def store(url: str) -> Iterator[TrialStore]:
    """Return a store in an empty database, of each kind in turn."""
    opened = TrialStore(url, patience=20)
    yield opened
    opened.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[TrialStore]:
    """Return a store in an empty SQLite file."""
    opened = TrialStore(f"sqlite:///{tmp_path / 'sweep.db'}", patience=1)
    yield opened
    opened.close()
