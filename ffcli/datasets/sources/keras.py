"""``keras.datasets`` by way of TensorFlow, where it is installed."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ffcli.datasets.base import BrokenDataError
from ffcli.datasets.catalog import DatasetSpec
from ffcli.datasets.http import Web
from ffcli.datasets.sources.base import Candidate, run, source

_SECONDS = 600

# Run in a process of its own: TensorFlow takes hundreds of megabytes that this one would keep.
_SCRIPT = """\
import socket, sys
socket.setdefaulttimeout(10)
import numpy
import keras
(x_train, y_train), (x_test, y_test) = getattr(keras.datasets, sys.argv[1]).load_data()
numpy.savez(sys.argv[2], x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
"""


@source("keras", rank=40)
def keras(spec: DatasetSpec, web: Web) -> Iterator[Candidate]:
    """Yield the data set of Keras, if it has ``spec``."""
    if spec.keras:
        yield Candidate(f"keras.datasets.{spec.keras}", partial(_get, spec.keras, web))


def _get(name: str, web: Web, work: Path) -> Path:
    if not all(importlib.util.find_spec(module) for module in ("tensorflow", "keras")):
        raise BrokenDataError("TensorFlow is not installed (the extra 'keras' brings it)")
    target = work / "arrays.npz"
    settings = {"KERAS_HOME": str(work / "keras"), "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    web.progress.start(f"keras.datasets.{name}", None)
    try:
        run("Keras", [sys.executable, "-c", _SCRIPT, name, target.name], work, settings, _SECONDS)
    finally:
        web.progress.close()
    return target
