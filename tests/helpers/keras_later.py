"""TensorFlow and Keras, imported when a test first uses them: that takes five seconds of a core."""

from __future__ import annotations

import warnings
from typing import Any

import pytest


class _Later:
    """A module that is imported with the first of its names, and skips the test where it is missing."""

    def __init__(self, attribute: str | None = None) -> None:
        self._attribute = attribute

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # pytest looks for marks of its own in whatever a module holds
            raise AttributeError(name)
        with warnings.catch_warnings():
            # TensorFlow's own imports use what newer Pythons and NumPys deprecate.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", FutureWarning)
            module = pytest.importorskip("tensorflow")
            return getattr(module if self._attribute is None else getattr(module, self._attribute), name)


tf = _Later()
keras = _Later("keras")
