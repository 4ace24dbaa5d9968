"""Feed-forward neural networks from scratch in NumPy: train, sweep and judge them."""

__version__ = "0.1.0"

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ffcli.config import TrainConfig
    from ffcli.core.network import Network
    from ffcli.datasets import load_dataset
    from ffcli.experiment import train
    from ffcli.services.choosing import load_run

__all__ = ["Network", "TrainConfig", "__version__", "load_dataset", "load_run", "train"]

_HOMES = {
    "TrainConfig": "ffcli.config",
    "Network": "ffcli.core.network",
    "load_dataset": "ffcli.datasets",
    "train": "ffcli.experiment",
    "load_run": "ffcli.services.choosing",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    """Import the public names when they are asked for, so that ``ffnn --help`` loads no NumPy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'ffcli' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
