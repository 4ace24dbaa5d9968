"""The peers: who they are and what they need. Nothing heavy is imported here, since pinning comes first.

Each module offers ``train_epochs(case, data, epochs, seed)``. It builds the network, warms up (untimed:
compilation, tracing, first touches), trains ``epochs`` whole epochs over the training images, shuffled anew
each time, and returns the seconds of each epoch and the validation accuracy reached.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from shutil import which
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
    environment: Mapping[str, str] = field(default_factory=dict)  # of its process
    program: str = ""  # that it needs beside the package

    @property
    def installed(self) -> bool:
        return find_spec(self.package) is not None and (not self.program or which(self.program) is not None)

    def load(self) -> TrainEpochs:
        """Import the peer and return its ``train_epochs``."""
        train_epochs: TrainEpochs = import_module(self.module).train_epochs
        return train_epochs


OURS = "ours"
# OpenBLAS chooses its kernels by the processor; those for Haswell are faster on some newer ones.
BEST_BLAS = "ours_haswell"
PEERS = {
    OURS: Peer("ffnn", "benchmarks.ours", "numba", ("numpy", "numba")),
    BEST_BLAS: Peer(
        "ffnn, BLAS kernels for Haswell",
        "benchmarks.ours",
        "numba",
        ("numpy", "numba"),
        {"OPENBLAS_CORETYPE": "Haswell"},
    ),
    "ours_numpy": Peer(
        "ffnn without Numba", "benchmarks.ours", "numpy", ("numpy",), {"FFNN_KERNELS": "numpy"}
    ),
    "textbook": Peer("textbook NumPy", "benchmarks.peers.textbook", "numpy", ("numpy",)),
    "pytorch": Peer("PyTorch eager", "benchmarks.peers.pytorch", "torch", ("torch",)),
    "pytorch_fused": Peer("PyTorch, fused optimizer", "benchmarks.peers.pytorch_fused", "torch", ("torch",)),
    "pytorch_compiled": Peer(
        "PyTorch, torch.compile", "benchmarks.peers.pytorch_compiled", "torch", ("torch",), program="g++"
    ),
    "keras": Peer("Keras fit", "benchmarks.peers.keras_fit", "tensorflow", ("keras", "tensorflow")),
    "sklearn": Peer("scikit-learn", "benchmarks.peers.sklearn_mlp", "sklearn", ("scikit-learn", "numpy")),
    "jax": Peer("JAX, compiled", "benchmarks.peers.jax_scan", "jax", ("jax", "jaxlib")),
}
