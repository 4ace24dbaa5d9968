"""A W&B that does not work costs no local result, no traceback and less than a minute."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tracking_helpers import Done, Ffnn
from wandb_standin import Request, StandIn

Answer = Callable[[StandIn, Request], int | None]


def on_the_stream(status: int) -> Answer:
    return lambda _, request: status if request.operation == "file_stream" else None


def go_away_at_the_first_rows(server: StandIn, request: Request) -> None:
    if request.operation == "file_stream":
        threading.Thread(target=server.go_away).start()


def spoiling(how: str, operation: str | None = None) -> Answer:
    """Spoil the answers to all requests from the first on, or to those of one operation."""

    def spoil(server: StandIn, _: Request) -> None:
        server.spoil = lambda request: how if operation in (None, request.operation) else None

    return spoil


TROUBLE: dict[str, tuple[Answer, str]] = {
    "nobody answers": (lambda server, _: server.sleep(60), "does not answer"),
    "lost in the middle": (go_away_at_the_first_rows, "does not answer"),
    "silent within an answer": (spoiling("silent", "file_stream"), "does not answer"),
    "connections are reset": (spoiling("reset"), "does not answer"),
    "errors from the start": (lambda *_: 500, "does not answer"),
    "errors in the middle": (on_the_stream(500), "does not answer"),
    "too many requests": (on_the_stream(429), "does not answer"),
    "a wrong key": (lambda *_: 401, "refuses the API key"),
    "a part is refused": (on_the_stream(400), "refused a part"),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[Ffnn, Done]]]:
    """Train once for each trouble, all at the same time."""
    with ExitStack() as stack:
        started = {}
        for name, (answer, _) in TROUBLE.items():
            server = stack.enter_context(StandIn())
            server.fail = lambda request, answer=answer, server=server: answer(server, request)
            ffnn = Ffnn(tmp_path_factory.mktemp("trouble"), server)
            started[name] = ffnn, ffnn.start_train()
        yield {name: (ffnn, ffnn.done(process)) for name, (ffnn, process) in started.items()}


@pytest.mark.parametrize("name", TROUBLE)
def test_it_costs_nothing_but_the_upload(outcomes: dict[str, tuple[Ffnn, Done]], name: str) -> None:
    ffnn, done = outcomes[name]
    assert done.code == 0
    run_id = done.document["run_id"]
    record = ffnn.summary(run_id)
    assert (record["status"], record["epochs_done"]) == ("finished", 3)
    assert (ffnn.folder / "runs" / run_id / "model.safetensors").is_file()
    assert "synced" not in record["wandb"]
    (line,) = (line for line in done.err.splitlines() if "W&B: the" in line)
    assert TROUBLE[name][1] in line
    assert f"ffnn sync {run_id}" in line


@pytest.mark.slow
def test_a_slow_server_gets_it_all(ffnn: Ffnn, server: StandIn) -> None:
    server.slow = 0.2
    done = ffnn.train(WANDB_INIT_TIMEOUT="20", WANDB_FINISH_TIMEOUT="20")
    assert done.code == 0
    assert ffnn.summary(done.document["run_id"])["wandb"]["synced"] == "finished 3"
    assert len(server.runs[done.document["run_id"]].history) == 3


def test_online_without_a_key_trains_all_the_same(ffnn: Ffnn, server: StandIn) -> None:
    del ffnn.environment["WANDB_API_KEY"]
    done = ffnn.train("--wandb", "online")
    assert done.code == 0
    assert "no API key is configured" in done.err
    assert server.requests == []


def test_what_was_not_sent_is_sent_by_sync(outcomes: dict[str, tuple[Ffnn, Done]], server: StandIn) -> None:
    ffnn, done = outcomes["errors in the middle"]
    run_id = done.document["run_id"]
    synced = ffnn("sync", run_id, "--json", WANDB_BASE_URL=server.url)
    assert synced.document["synced"] == [run_id]
    assert len(server.runs[run_id].history) == 3


def test_secrets_are_not_told(outcomes: dict[str, tuple[Ffnn, Done]]) -> None:
    for ffnn, done in outcomes.values():
        key = ffnn.environment["WANDB_API_KEY"]
        assert key not in done.out + done.err
        stored: Iterator[Path] = (path for path in ffnn.folder.rglob("*") if path.is_file())
        assert not any(key.encode() in path.read_bytes() for path in stored)
