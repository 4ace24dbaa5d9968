"""Agents whose connection to W&B fails in ways that nobody expects: each says so, and is not silent."""

from __future__ import annotations

import queue
from types import SimpleNamespace
from typing import Any

import pytest
from wandb.sdk.mailbox.mailbox import MailboxClosedError

from ffcli.sweeping.study.record import Ended
from ffcli.sweeping.wandb.address import parse_address
from ffcli.sweeping.wandb.agents import Agents, Order, Refused
from ffcli.sweeping.wandb.private import failed_request
from ffcli.sweeping.wandb.server import ServerLostError, WandbServer

ADDRESS = parse_address("tester/nets/s1")


def server_that_raises(error: Exception) -> WandbServer:
    """Return a connection whose SDK raises this at each question."""

    def fail(*_: Any, **__: Any) -> Any:
        raise error

    server = WandbServer.__new__(WandbServer)
    server._failed, server._host = failed_request(), "W&B"
    server._service = SimpleNamespace(execute_graphql=fail)
    return server


@pytest.mark.parametrize("error", [MailboxClosedError(), ConnectionResetError(), TimeoutError()], ids=repr)
def test_an_sdk_whose_process_has_died_is_a_server_that_is_lost(error: Exception) -> None:
    """Its process may be killed, as any other, for want of memory."""
    with pytest.raises(ServerLostError, match="on this machine"):
        server_that_raises(error).new_agent(ADDRESS, "host")


@pytest.mark.parametrize(
    ("error", "order"), [(MailboxClosedError(), Ended), (None, Refused)], ids=["lost", "unexpected"]
)
def test_an_agent_that_cannot_ask_says_so(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None, order: type[Order]
) -> None:
    monkeypatch.setattr("ffcli.sweeping.wandb.agents.timeout", lambda: 0)
    told: queue.SimpleQueue[Order] = queue.SimpleQueue()
    server: Any = object() if error is None else server_that_raises(error)
    agents = Agents(server, ADDRESS, 1, lambda _, said: told.put(said))
    agents.ready(0)
    assert isinstance(told.get(timeout=30), order)
    agents.leave()
