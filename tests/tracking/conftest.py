from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tracking_helpers import Ffnn
from wandb_standin import StandIn


@pytest.fixture
def server() -> Iterator[StandIn]:
    with StandIn() as server:
        yield server


@pytest.fixture
def ffnn(tmp_path: Path, server: StandIn) -> Ffnn:
    return Ffnn(tmp_path, server)
