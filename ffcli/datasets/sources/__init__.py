"""Where a known dataset can come from: one module a source, found here by being there.

A source is a function that is given a `DatasetSpec` and a `Web` and yields `Candidate` places,
each to be tried until one holds the right data. The decorator `source` registers it, with its rank among the
sources that ``auto`` tries in turn.
"""

from __future__ import annotations

import importlib
import pkgutil

from ffcli.datasets.sources.base import SOURCES, Candidate, Source, source, source_names

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["SOURCES", "Candidate", "Source", "source", "source_names"]
