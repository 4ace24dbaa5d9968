"""Feed-forward neural networks from scratch in NumPy: train, tune and evaluate them."""

from typing import TYPE_CHECKING, Any

from ffcli.version import __version__

if TYPE_CHECKING:
    from ffcli.config import TrainConfig
    from ffcli.core.network import Network
    from ffcli.datasets import load_dataset
    from ffcli.services.runs.select import load_run
    from ffcli.training.experiment import train

__all__ = ["Network", "TrainConfig", "__version__", "load_dataset", "load_run", "train"]

_HOMES = {
    "TrainConfig": "ffcli.config",
    "Network": "ffcli.core.network",
    "load_dataset": "ffcli.datasets",
    "train": "ffcli.training.experiment",
    "load_run": "ffcli.services.runs.select",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    """Import the public names when they are asked for, so that ``ffnn --help`` loads no NumPy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'ffcli' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
