"""What the README shows works as it stands there."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"


@pytest.mark.network  # fetches Fashion-MNIST where it is missing
def test_the_library_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(README.parent)
    results = doctest.testfile(str(README), module_relative=False, verbose=False)
    assert results.attempted >= 7
    assert results.failed == 0
