"""Feed-forward neural networks from scratch in NumPy: train, tune and evaluate them."""

from ffcli.version import __version__

TYPE_CHECKING = False  # as typing's, whose import takes as long as all of this file's
if TYPE_CHECKING:
    from ffcli.config import TrainConfig
    from ffcli.core.network import Network
    from ffcli.core.training import EpochResult
    from ffcli.datasets import Dataset, load_dataset
    from ffcli.errors import FfnnError
    from ffcli.services.runs.select import StoredRun, load_run
    from ffcli.services.sweeps.library import SweepResult, sweep
    from ffcli.training.experiment import Experiment, train

__all__ = [
    "Dataset",
    "EpochResult",
    "Experiment",
    "FfnnError",
    "Network",
    "StoredRun",
    "SweepResult",
    "TrainConfig",
    "__version__",
    "load_dataset",
    "load_run",
    "sweep",
    "train",
]

_MODULES = {
    "TrainConfig": "ffcli.config",
    "Network": "ffcli.core.network",
    "EpochResult": "ffcli.core.training",
    "Dataset": "ffcli.datasets",
    "load_dataset": "ffcli.datasets",
    "FfnnError": "ffcli.errors",
    "Experiment": "ffcli.training.experiment",
    "train": "ffcli.training.experiment",
    "StoredRun": "ffcli.services.runs.select",
    "load_run": "ffcli.services.runs.select",
    "SweepResult": "ffcli.services.sweeps.library",
    "sweep": "ffcli.services.sweeps.library",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> object:
    """Import the public names when they are asked for, so that ``ffnn --help`` loads no NumPy."""
    if name not in _MODULES:
        raise AttributeError(f"module 'ffcli' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_MODULES[name]), name)
