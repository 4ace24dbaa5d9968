from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_helpers import Site
from wandb_standin import StandIn


@pytest.fixture
def server() -> Iterator[StandIn]:
    with StandIn() as server:
        yield server


@pytest.fixture
def site(tmp_path: Path, server: StandIn) -> Iterator[Site]:
    site = Site(tmp_path, server)
    yield site
    site.close()
