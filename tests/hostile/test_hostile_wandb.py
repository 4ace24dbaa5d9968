"""Answers of a server that calls itself W&B: each is taken, or ends in one message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hostile_helpers import ANYTHING, NASTY, few_or_many, fuzz, refusal, spoiled

from ffcli.errors import FfnnError
from ffcli.runs.metric import Metric
from ffcli.services.sweeps.originals import config_of
from ffcli.services.sweeps.wandb import remote_spec
from ffcli.sweeping.wandb.address import WandbAddress
from ffcli.sweeping.wandb.server import ServerLostError, WandbServer
from ffcli.tracking import modes
from ffcli.tracking.wandb_process import explain

ADDRESS = WandbAddress("team", "nets", "abc123")
SPEC = "method: random\nmetric: {name: val_acc, goal: maximize}\nparameters: {epochs: {values: [1, 2]}}\n"
COMMAND = {"type": "run", "run_id": "r1", "args": {"epochs": {"value": 2}}}
NODE = {
    "name": "r1",
    "state": "finished",
    "config": json.dumps({"epochs": {"value": 2}, "_wandb": {"value": {}}}),
    "sampledHistory": [[{"val_acc": 0.5}, {"val_acc": "NaN"}]],
}
ANSWER = {
    "project": {
        "sweep": {"name": "abc123", "config": SPEC},
        "runCount": 3,
        "runs": {
            "edges": [{"node": NODE, "cursor": "1"}],
            "pageInfo": {"hasNextPage": False, "endCursor": "1"},
        },
    },
    "createAgent": {"agent": {"id": "a1"}},
    "agentHeartbeat": {"agent": {"id": "a1"}, "commands": json.dumps([COMMAND])},
}


class Service:
    """What of the SDK carries questions to the server; here each gets the same answer."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def execute_graphql(self, question: str, variables: Mapping[str, Any], timeout: int) -> Any:
        return self.answer


def server(answer: Any) -> WandbServer:
    made = WandbServer.__new__(WandbServer)
    made._service, made._host = Service(answer), "W&B"  # type: ignore[assignment]
    return made


def ask_everything(answer: Any) -> None:
    asked = server(answer)
    for question in (
        lambda: remote_spec(asked, ADDRESS),
        lambda: asked.new_agent(ADDRESS, "host"),
        lambda: asked.heartbeat("a1", []),
        lambda: asked.count(ADDRESS, []),
        lambda: [config_of(run) for run in asked.runs(ADDRESS, "val_acc")],
    ):
        said = refusal(FfnnError, question)
        assert said is None or said


def test_a_sensible_answer_is_taken() -> None:
    asked = server(ANSWER)
    assert remote_spec(asked, ADDRESS).method == "random"
    assert asked.new_agent(ADDRESS, "host") == "a1"
    (command,) = asked.heartbeat("a1", [])
    assert (command.type, command.run_id, command.values) == ("run", "r1", {"epochs": 2})
    assert asked.count(ADDRESS, []) == 3
    (run,) = asked.runs(ADDRESS, "val_acc")
    assert (config_of(run).epochs, run.values) == (2, (0.5,))


@few_or_many
def test_any_answer(examples: int) -> None:
    fuzz(examples, spoiled(ANSWER) | ANYTHING, ask_everything)


@few_or_many
def test_what_an_answer_holds_as_text(examples: int) -> None:
    """JSON and YAML within JSON."""

    def check(values: Any) -> None:
        answer = json.loads(json.dumps(ANSWER))
        answer["project"]["sweep"]["config"] = json.dumps(values)
        answer["agentHeartbeat"]["commands"] = json.dumps(values if isinstance(values, list) else [values])
        answer["project"]["runs"]["edges"][0]["node"]["config"] = json.dumps(values)
        ask_everything(answer)

    fuzz(examples, spoiled([COMMAND]) | ANYTHING, check)


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "9" * 5000, NASTY])
def test_text_that_is_none(text: str) -> None:
    asked = server({"agentHeartbeat": {"commands": text}})
    with pytest.raises(ServerLostError, match="makes no sense"):
        asked.heartbeat("a1", [])


def test_pages_without_an_end_are_left() -> None:
    answer = json.loads(json.dumps(ANSWER))
    answer["project"]["runs"]["pageInfo"]["hasNextPage"] = True  # with the same cursor each time
    assert len(list(server(answer).runs(ADDRESS, "val_acc"))) == 2


@few_or_many
def test_what_the_sdk_says(examples: int) -> None:
    def check(text: Any) -> None:
        said = explain(RuntimeError(f"{text} {'k1' * 20}"))
        assert "k1" * 20 not in said
        assert "\n" not in said
        assert len(said) < 300

    fuzz(examples, ANYTHING.map(str), check)


@pytest.mark.parametrize("url", ["http://[", "http://[::1", "://", "\0"])
def test_an_address_of_a_server_that_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, url: str
) -> None:
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "netrc").write_text("machine a login b password c")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setattr(modes.os, "environ", {**modes.os.environ, "WANDB_BASE_URL": url})
    assert modes.has_key() is False


@pytest.mark.parametrize("mode", ["weird", "", NASTY])
def test_a_mode_that_a_record_made_up_tracks_nothing(mode: str) -> None:
    assert modes.decide(mode).mode == "disabled"


def test_a_metric_is_one_of_ours() -> None:
    assert refusal(FfnnError, lambda: Metric.named(NASTY)) is not None
