"""What all tests share: small data, one BLAS thread, hypothesis without clocks, no process left over."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from child_processes import end_marked, mark
from hypothesis import settings
from threadpoolctl import threadpool_limits

from ffcli.datasets import Dataset

settings.register_profile("ffnn", deadline=None, derandomize=True)
settings.load_profile("ffnn")

os.environ["WANDB_MODE"] = "disabled"  # whatever key the developer has: tests of W&B bring a server
# Processes that train start in half the time without Numba; `FFNN_KERNELS=numba pytest` compiles everywhere.
os.environ.setdefault("FFNN_KERNELS", "numpy")
COMPILED = {"core", "contracts"}
# More than a thousand processes import the package: without its bytecode each of them compiles it again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Which tests a process takes at once: those of Keras, whose import takes five seconds; of SINGLE each alone,
# which take long and share nothing (files whose tests share a sweep are excepted by name); of the others all
# of a file, which share fixtures and imports.
KERAS = re.compile(r"tests/(core/test_(keras_\w+|refinements)|services/export/\w+)\.py")
SINGLE = re.compile(
    r"tests/(cli/commands|execution/test_dask_|faults|services/sweeps|"
    r"tracking/(?!test_wandb_(command_trouble|rerun|sweeps|trouble)\.py))"
)


def pytest_configure(config: pytest.Config) -> None:
    """Let SIGTERM interrupt the tests as Ctrl-C does, so that fixtures end what they have started."""

    def interrupt(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # timeout(1) sends it twice
        raise KeyboardInterrupt

    if not hasattr(config, "workerinput"):
        signal.signal(signal.SIGTERM, interrupt)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give slow tests an hour each: beside other work they take longer than any other test may."""
    for item in items:
        if item.get_closest_marker("slow") is not None:
            item.add_marker(pytest.mark.timeout(3600))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return two more workers than cores: much of the tests' time goes by in waiting for processes."""
    return 2 + (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give a process the tests together that share something, those with the most tests first."""
    from xdist.scheduler import LoadScopeScheduling

    class Units(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            if KERAS.match(nodeid):
                return "keras"
            return nodeid if SINGLE.match(nodeid) else nodeid.partition("::")[0]

    return Units(config, log) if config.getvalue("dist") == "load" else None


@pytest.fixture(autouse=True, scope="session")
def no_process_left() -> Iterator[None]:
    """End what a test that failed or was interrupted has left running."""
    mark()
    yield
    end_marked()


@pytest.fixture(autouse=True, scope="session")
def one_blas_thread() -> Iterator[None]:
    """Small products gain nothing from more threads, and with one a seed reproduces a run bit for bit."""
    with threadpool_limits(1):
        yield


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the test work in its own empty folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def compiled_rules(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile the rules in the tests of the core, as with a user who has Numba."""
    if request.path.parent.name in COMPILED:
        monkeypatch.delenv("FFNN_KERNELS")


def make_blobs(
    *,
    n_train: int = 300,
    n_test: int = 60,
    shape: tuple[int, ...] = (4, 5),
    n_classes: int = 4,
    dtype: type = np.uint8,
    spread: float = 40,
) -> Dataset:
    """Return images that scatter by ``spread`` grey levels about one random image a class."""
    rng = np.random.default_rng(7)
    centres = rng.uniform(60, 190, (n_classes, *shape))

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        labels = (np.arange(n) % n_classes).astype(np.uint8)
        rng.shuffle(labels)
        images = np.clip(centres[labels] + rng.normal(0, spread, (n, *shape)), 0, 255)
        return (images.astype(np.uint8) if dtype is np.uint8 else (images / 255).astype(dtype)), labels

    x_train, y_train = draw(n_train)
    x_test, y_test = draw(n_test)
    names = tuple(f"class {label}" for label in range(n_classes))
    return Dataset("blobs.npz", x_train, y_train, x_test, y_test, names, "0" * 64)


@pytest.fixture(scope="session")
def blobs() -> Callable[..., Dataset]:
    """Return the maker of small datasets."""
    return make_blobs
