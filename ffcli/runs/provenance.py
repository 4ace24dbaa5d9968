"""Provenance of a run: the versions, machine, data and command line that made it."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ffcli.util.redact import without_secrets


@dataclass(frozen=True)
class RerunOf:
    """The sweep and its run that a run repeats; ``run`` is None where the trial has no stored run."""

    sweep: str
    run: str | None = None


@dataclass(frozen=True)
class Provenance:
    """What it takes to make a run again; None stands for what is not known.

    Attributes:
        core: the version of the mathematics, which changes when its results do.
        kernels: what runs the elementwise operations: "numba" with its version, or "numpy".
        dataset_digest: the digest of the dataset's contents.
        test_split: {test_fraction, seed} where the dataset's test part was split off by us.
        command_line: without secrets.
        begun_for_epochs: the configured number of epochs before the run was resumed for another.
        reused_from: the run whose epochs were taken over.
        rerun: what the run repeats.
        trial: the number of the trial of its sweep.
    """

    ffnn: str | None = None
    core: int | None = None
    kernels: str | None = None
    python: str | None = None
    numpy: str | None = None
    blas: str | None = None
    platform: str | None = None
    host: str | None = None
    pid: int | None = None
    dataset_digest: str | None = None
    test_split: dict[str, float] | None = None
    command_line: list[str] = field(default_factory=list)
    begun_for_epochs: int | None = None
    reused_from: str | None = None
    rerun: RerunOf | None = None
    trial: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what is known, in types that JSON has."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def provenance(
    dataset_digest: str,
    command_line: Iterable[str],
    test_split: Mapping[str, float] | None = None,
    kernels: str | None = None,
) -> Provenance:
    """Return the provenance of what this process makes of a dataset, with ``kernels`` where it trains."""
    import numpy
    from threadpoolctl import threadpool_info

    from ffcli.core.training import CORE_VERSION
    from ffcli.version import __version__

    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    blas = [f"{library['internal_api']} {library['version']}" for library in libraries]
    return Provenance(
        ffnn=__version__,
        core=CORE_VERSION,
        kernels=kernels,
        python=platform.python_version(),
        numpy=numpy.__version__,
        blas=", ".join(blas) or "unknown",
        platform=f"{sys.platform} {platform.machine()}",
        host=platform.node(),
        pid=os.getpid(),
        dataset_digest=dataset_digest,
        test_split=None if test_split is None else dict(test_split),
        command_line=list(map(without_secrets, command_line)),
    )
