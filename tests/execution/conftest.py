from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from dask_clusters import Cluster
from pool_helpers import Pool
from small_runs import Place

from ffcli.execution.open import PoolOptions, open_pool


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture(scope="session")
def standing_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of two workers with nannies, for tests that do it no lasting harm."""
    pytest.importorskip("distributed")
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        cluster.worker(2)
        yield cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster of this test alone, without workers."""
    pytest.importorskip("distributed")
    folder = tmp_path / "cluster"
    folder.mkdir()
    with Cluster(folder) as cluster:
        yield cluster


@pytest.fixture
def opened(place: Place) -> Iterator[Callable[[PoolOptions], Pool]]:
    """Opens pools that are shut down after the test."""
    with ExitStack() as pools:

        def open_(options: PoolOptions) -> Pool:
            return Pool(place, pools.enter_context(open_pool(place.context, options)))

        yield open_


@pytest.fixture(params=["local", "dask"])
def pool(request: pytest.FixtureRequest, opened: Callable[[PoolOptions], Pool]) -> Pool:
    """Two workers of each kind of pool."""
    if request.param == "local":
        return opened(PoolOptions(2))
    cluster: Cluster = request.getfixturevalue("standing_cluster")
    pool = opened(PoolOptions(2, cluster.address))
    pool.until(lambda: pool.pool.size == 2)
    return pool
