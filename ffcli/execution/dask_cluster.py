"""Connecting to a Dask cluster, or starting one here or in a batch system."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ffcli.errors import FfnnError, RequestError
from ffcli.util.cores import usable_cores
from ffcli.util.suggest import unknown

if TYPE_CHECKING:
    from distributed import Client

# The class of dask-jobqueue for each batch system.
BATCH_SYSTEMS = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "lsf": "LSFCluster", "sge": "SGECluster"}
KINDS = ("local", *BATCH_SYSTEMS)
_CONNECT = 20.0  # seconds to wait for a scheduler

Close = Callable[[], None]


def connect(cluster: str, workers: int, jobs: int | None) -> tuple[Client, Close]:
    """Return a client of a cluster, and what closes both as far as they were started here.

    Args:
        cluster: the address of a scheduler, the path of its file, or one of `KINDS` to start one.
        workers: the number of workers of a local cluster, 0 for one on each core.
        jobs: the number of jobs to submit to a batch system.

    Raises:
        RequestError: ``cluster`` is none of these, ``jobs`` does not go with it, or the extra is missing.
        FfnnError: there is no connection.
    """
    if jobs is not None and cluster not in BATCH_SYSTEMS:
        raise RequestError(
            f"jobs are for a batch system ({', '.join(BATCH_SYSTEMS)}), got cluster {cluster}."
        )
    try:
        from distributed import Client
    except ImportError as error:
        raise _missing("distributed", error) from None
    _be_quiet()
    if cluster in KINDS:
        started = _local(workers) if cluster == "local" else _batch(cluster, jobs or 1)
        client = Client(started)

        def close() -> None:
            client.close()
            started.close()

        return client, close
    if not (_is_address(cluster) if "://" in cluster else Path(cluster).is_file()):
        raise _no_cluster(cluster)
    where = {"address": cluster} if "://" in cluster else {"scheduler_file": cluster}
    try:
        client = Client(**where, timeout=_CONNECT, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        why = str(error) or type(error).__name__
        raise FfnnError(
            f"There is no connection to the scheduler {cluster}: {why}",
            hint="Start one with: dask scheduler. It prints its address.",
        ) from None
    return client, client.close


def _is_address(text: str) -> bool:
    """Whether Dask speaks the protocol of an address. Its client retries ten seconds before it says so."""
    from distributed.comm.addressing import parse_address
    from distributed.comm.registry import get_backend

    try:
        get_backend(parse_address(text)[0])
    except ValueError:
        return False
    return True


def _no_cluster(cluster: str) -> RequestError:
    return RequestError(
        unknown("cluster", cluster, KINDS),
        hint="Or give a scheduler's address (tcp://HOST:PORT, tls://HOST:PORT) or the path of its file.",
    )


def _missing(package: str, error: ImportError) -> RequestError:
    return RequestError(
        f"A cluster needs the package {package}, which cannot be imported ({error}).",
        hint="Install it with: pip install 'ffnn[cluster]'",
    )


def _be_quiet() -> None:
    """Silence Dask's log: what the user has to know comes as notices and errors."""
    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] in ("distributed", "bokeh", "tornado"):
            logging.getLogger(name).setLevel(logging.CRITICAL)


def _local(workers: int) -> Any:
    """Return a cluster of processes on this machine."""
    from distributed import LocalCluster

    # Its processes are started by Python's -c, which imports from the current folder unless told not to.
    os.environ.setdefault("PYTHONSAFEPATH", "1")
    return LocalCluster(
        n_workers=workers or usable_cores(),
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address=None,
        silence_logs=logging.CRITICAL,
        preload="ffcli.execution.dask_preload",  # a Ctrl-C is for the coordinator alone
    )


def _batch(kind: str, jobs: int) -> Any:
    """Return a cluster whose workers are jobs of a batch system, as Dask's configuration describes them.

    Without a configuration a job is one worker on one core.
    """
    try:
        import dask
        import dask_jobqueue
    except ImportError as error:
        raise _missing("dask-jobqueue", error) from None
    configured: dict[str, Any] = dask.config.get(f"jobqueue.{kind}", {})
    cores = configured.get("cores") or 1
    memory = configured.get("memory") or f"{cores}GB"
    try:
        started = getattr(dask_jobqueue, BATCH_SYSTEMS[kind])(cores=cores, processes=cores, memory=memory)
        started.scale(jobs=jobs)
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        raise FfnnError(f"The jobs could not be submitted to {kind}: {error}") from None
    return started


def is_exposed(address: str) -> bool:
    """Whether connections to a scheduler cross a network unprotected."""
    parts = urlsplit(address)
    if parts.scheme != "tcp":
        return False
    with suppress(ValueError):
        return not ip_address(parts.hostname or "").is_loopback
    return parts.hostname != "localhost"
