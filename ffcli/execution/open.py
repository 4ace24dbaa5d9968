"""Opening the worker pool that a request asks for."""

from __future__ import annotations

from dataclasses import dataclass

from ffcli.execution.local import LocalPool
from ffcli.execution.pool import WorkerPool
from ffcli.training.context import Context


@dataclass(frozen=True)
class PoolOptions:
    """Where tasks run: on processes of this machine, or on a Dask cluster.

    Attributes:
        workers: the number of processes, or the most tasks at a time on a cluster (0: no limit).
        cluster: a scheduler's address or file, or the kind of cluster to start; None for this machine.
        jobs: the number of jobs to submit to a batch system.
    """

    workers: int = 1
    cluster: str | None = None
    jobs: int | None = None


def check_pool(options: PoolOptions) -> None:
    """Raise RequestError for a cluster that is none, before anything is stored for its sake."""
    if options.cluster is not None:
        from ffcli.execution.dask_cluster import check

        check(options.cluster, options.jobs)


def open_pool(context: Context, options: PoolOptions) -> WorkerPool:
    """Return the pool, to be used as a context.

    Raises RequestError for a cluster that is none, FfnnError where it cannot be reached or used.
    """
    if options.cluster is None:
        return LocalPool(context, options.workers)
    from ffcli.execution.dask_cluster import connect

    connection = connect(options.cluster, options.workers, options.jobs)
    try:
        from ffcli.execution.dask import DaskPool
        from ffcli.execution.dask_link import Link

        return DaskPool(context, Link(connection), options.workers)
    except BaseException:
        connection.close()
        raise
