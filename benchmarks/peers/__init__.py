"""The peers: who they are and what they need. Nothing heavy is imported here, since pinning comes first.

Each module offers ``train_epochs(case, data, epochs, seed)``. It builds the network, warms up (untimed:
compilation, tracing, first touches), trains ``epochs`` whole epochs over the training images, shuffled anew
each time, and returns the seconds of each epoch and the validation accuracy reached.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.cases import Case
    from benchmarks.data import Data

TrainEpochs = Callable[["Case", "Data", int, int], tuple[list[float], float]]

WARM_UP_STEPS = 20


@dataclass(frozen=True)
class Peer:
    """One way to train a case: its name in the tables, its module, and the package it needs."""

    label: str
    module: str
    package: str  # as it is imported
    versions: tuple[str, ...]  # of these distributions, recorded with each measurement

    @property
    def installed(self) -> bool:
        return find_spec(self.package) is not None

    def load(self) -> TrainEpochs:
        """Import the peer and return its ``train_epochs``."""
        train_epochs: TrainEpochs = import_module(self.module).train_epochs
        return train_epochs


OURS = "ours"
PEERS = {
    OURS: Peer("ffnn", "benchmarks.ours", "ffcli", ("numpy",)),
    "textbook": Peer("textbook NumPy", "benchmarks.peers.textbook", "numpy", ("numpy",)),
    "pytorch": Peer("PyTorch eager", "benchmarks.peers.pytorch", "torch", ("torch",)),
    "pytorch_fused": Peer("PyTorch, fused optimizer", "benchmarks.peers.pytorch_fused", "torch", ("torch",)),
    "keras": Peer("Keras fit", "benchmarks.peers.keras_fit", "tensorflow", ("keras", "tensorflow")),
    "sklearn": Peer("scikit-learn", "benchmarks.peers.sklearn_mlp", "sklearn", ("scikit-learn", "numpy")),
    "jax": Peer("JAX, compiled", "benchmarks.peers.jax_scan", "jax", ("jax", "jaxlib")),
}
