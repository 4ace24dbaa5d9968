from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The stand-in for W&B's server, and the small datasets.
for room in ("tracking", "datasets", "services"):
    if (folder := str(Path(__file__).parents[1] / room)) not in sys.path:
        sys.path.append(folder)

from fault_helpers import Site  # noqa: E402 - it needs the folders above
from wandb_standin import StandIn  # noqa: E402


@pytest.fixture
def server() -> Iterator[StandIn]:
    with StandIn() as server:
        yield server


@pytest.fixture
def site(tmp_path: Path, server: StandIn) -> Iterator[Site]:
    site = Site(tmp_path, server)
    yield site
    site.close()
