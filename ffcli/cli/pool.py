"""The options of workers and clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ffcli.cli.completion import words
from ffcli.cli.help import option
from ffcli.cli.output import refuse
from ffcli.cli.values import integer

if TYPE_CHECKING:
    from ffcli.execution.open import PoolOptions

POOL = "Workers"

Workers = Annotated[
    str | None,
    option(
        "--workers N",
        POOL,
        "Processes on this machine, each with one BLAS thread, or simultaneous trainings on a cluster.",
        default="the number of cores",
    ),
]
Cluster = Annotated[
    str | None,
    option(
        "--cluster ADDRESS|KIND",
        POOL,
        "Train on a Dask cluster: tcp://host:8786, tls://…, a scheduler file, or one that is "
        "started here: local, slurm, pbs, lsf, sge.",
        completes=words("local", "slurm", "pbs", "lsf", "sge"),
    ),
]
Jobs = Annotated[str | None, option("--jobs N", POOL, "Jobs to submit to the batch system of --cluster.")]


def cluster_words(pool: PoolOptions) -> list[str]:
    """Return the options by which another command uses the same cluster; none for this machine."""
    if pool.cluster is None:
        return []
    limits = {"--jobs": pool.jobs, "--workers": pool.workers or None}
    limited = [word for name, limit in limits.items() if limit is not None for word in (name, str(limit))]
    return ["--cluster", pool.cluster, *limited]


def refuse_within_agent(wandb: str) -> None:
    """Refuse several runs that W&B follows where its agent has begun one: they would all be that one."""
    from ffcli.tracking.modes import decide, under_agent

    if under_agent() and decide(wandb).mode != "disabled":
        refuse(
            "This command trains several runs, and W&B's agent has begun one.",
            "Use ffnn train without --folds and --repeats, or run the sweep with: ffnn sweep FILE --folds K",
        )


def pool_options(
    workers: str | None, cluster: str | None, jobs: str | None, *, wandb: str | None = None
) -> PoolOptions:
    """Return where the trainings run. Raises RequestError for options that do not go together.

    ``wandb`` is the mode in which W&B follows the runs: the workers of a cluster cannot reach it.
    """
    from ffcli.execution.open import PoolOptions, check_pool
    from ffcli.util.processes import usable_cores

    if cluster is not None and wandb == "online":
        refuse(
            f"--cluster {cluster}: W&B cannot follow runs on a cluster while they train.",
            "Leave out --wandb online; ffnn sync sends the runs afterwards.",
        )
    if jobs is not None and cluster is None:
        refuse("--jobs: expected --cluster with it, such as --cluster slurm.")
    most = integer("--workers", workers, least=1)
    given = 0 if cluster is not None else usable_cores()
    options = PoolOptions(most or given, cluster, integer("--jobs", jobs, least=1))
    check_pool(options)
    return options
