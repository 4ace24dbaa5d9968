"""The sources of known datasets: one module per source, registered by being in this folder.

A source is a function of a `DatasetSpec` and a `Web` that yields `Candidate` objects, which are tried until
one holds the right data. The decorator `source` registers it with its rank, the order in which ``auto`` tries
the sources.
"""

from __future__ import annotations

import importlib
import pkgutil

from ffcli.datasets.sources.base import SOURCES, Candidate, Source, source, source_names

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["SOURCES", "Candidate", "Source", "source", "source_names"]
