"""Queries about sweeps to a W&B server, each bounded in time.

Registering goes through ``wandb.sweep``. The rest is asked in the protocol that W&B's agents speak, over the
connection of the SDK's public API (see `private`).
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ffcli.errors import FfnnError, RequestError
from ffcli.sweeping.wandb.address import WandbAddress, parse_address
from ffcli.sweeping.wandb.private import end_in_time, failed_request, service_of, set_up
from ffcli.util.redact import without_keys
from ffcli.util.safe_read import parse_json, shown

_TIMEOUT = "WANDB_HTTP_TIMEOUT"  # W&B's variable: seconds that a question may take
_SECONDS = 10
_PAGE = 50
_SAMPLES = 10_000  # of a run's history: above the epochs of any run, so that none is left out


class ServerLostError(FfnnError):
    """The server does not answer, or only with errors of its own."""


class SweepGoneError(FfnnError):
    """There is no such sweep on the server, or not any more."""


def timeout() -> int:
    """Return the seconds that one question may take."""
    text = os.environ.get(_TIMEOUT, "")
    return int(text) if text.isdigit() and int(text) else _SECONDS


@dataclass(frozen=True)
class Command:
    """What an agent is told: ``run`` (or ``resume``) a run with these values, ``stop`` one, or ``exit``."""

    type: str
    run_id: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class RemoteRun:
    """A run as the server has it; ``values`` are those of one metric, epoch by epoch."""

    id: str
    state: str
    config: Mapping[str, Any]
    values: tuple[float, ...]


class WandbServer:
    """A connection. Whatever it is asked raises ServerLostError where the server gives no sensible answer."""

    def __init__(self) -> None:
        """Connect and check the key, which must be configured: without one the SDK would ask for it.

        Raises FfnnError where the server refuses the key, ServerLostError where it does not answer.
        """
        os.environ.setdefault(_TIMEOUT, str(timeout()))  # the SDK reads it when it is imported
        import wandb

        self._failed = failed_request()
        setup = set_up(wandb.Settings(silent=True))
        self._host = f"W&B ({setup.settings.base_url})"
        try:
            api = wandb.Api(timeout=timeout())
        except Exception as error:
            raise self._not_connected(error) from None
        finally:
            end_in_time(setup)
        self._service = service_of(api)

    def _not_connected(self, error: Exception) -> FfnnError:
        """Return what is to be told of a connection that failed."""
        from wandb.errors import AuthenticationError, UsageError

        cause = error.__cause__
        is_answer = isinstance(cause, self._failed)
        of_key = isinstance(error, (AuthenticationError, UsageError, ValueError)) and cause is None
        if not of_key and not (is_answer and _status(cause) in (400, 401, 403)):
            lost = self._lost(cause) if is_answer else _process_lost(cause or error)
            lost.hint = "ffnn sweep --backend local needs no W&B."
            return lost
        return FfnnError(
            f"{self._host} refuses the API key: {_line(cause or error)}",
            hint="wandb login --relogin stores another one; ffnn sweep --backend local needs none.",
        )

    def _lost(self, error: Any) -> ServerLostError:
        """Return what is to be told where there is no sensible answer."""
        if error.response is None:  # the SDK has tried again and again, and says that its own process is busy
            return ServerLostError(f"{self._host} does not answer within {timeout()} s.")
        return ServerLostError(f"{self._host} does not answer: {_line(error)}")

    @property
    def site(self) -> str:
        """The address of the server's pages."""
        return str(self._service.app_url)

    def _ask(self, question: str, **variables: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = self._service.execute_graphql(question, variables, timeout=timeout())
        except self._failed as error:
            status = _status(error)
            if status == 404:
                raise SweepGoneError("W&B knows no such sweep, or not any more.") from None
            if 400 <= status < 500 and status not in (408, 429):
                raise FfnnError(f"W&B refuses a request of the sweep: {_line(error)}") from None
            raise self._lost(error) from None
        except Exception as error:
            raise _process_lost(error) from None
        return answer

    def register(self, document: Mapping[str, Any], entity: str | None, project: str | None) -> WandbAddress:
        """Register a sweep file's content as a new sweep, and return where it is."""
        import wandb

        variables = {name: os.environ.get(name) for name in ("WANDB_ENTITY", "WANDB_PROJECT")}
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # stdout is for results
                sweep_id = wandb.sweep(_unambiguous(document), entity=entity, project=project)
            names = (os.environ["WANDB_ENTITY"], os.environ["WANDB_PROJECT"], sweep_id)
            address = parse_address("/".join(names))  # the server's words: they become names of folders
        except (wandb.Error, ValueError, KeyError, RequestError) as error:
            raise FfnnError(f"W&B did not register the sweep: {_line(error)}") from None
        except Exception as error:
            raise _process_lost(error) from None
        finally:
            for name, value in variables.items():  # wandb.sweep leaves its own there
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value
        return address

    def config(self, address: WandbAddress) -> str:
        """Return a sweep's configuration, in YAML. Raises SweepGoneError where there is none."""
        question = """
            query FfnnSweep($entity: String, $project: String, $sweep: String!) {
                project(name: $project, entityName: $entity) { sweep(sweepName: $sweep) { name config } }
            }"""
        found = self._ask(question, **_place(address))
        with _sensible():
            sweep = (found.get("project") or {}).get("sweep")
            text = str(sweep["config"]) if sweep else None
        if text is None:
            raise SweepGoneError(f"W&B knows no sweep {address}.")
        return text

    def new_agent(self, address: WandbAddress, host: str) -> str:
        """Register an agent and return its id."""
        question = """
            mutation CreateAgent($host: String!, $project: String, $entity: String, $sweep: String!) {
                createAgent(input: {host: $host, projectName: $project, entityName: $entity, sweep: $sweep}) {
                    agent { id }
                }
            }"""
        answer = self._ask(question, host=host, **_place(address))
        with _sensible():
            return str(answer["createAgent"]["agent"]["id"])

    def heartbeat(self, agent: str, running: Collection[str]) -> list[Command]:
        """Say which runs an agent trains, and return what it is to do; nothing for now, if the list is empty.

        Where no run trains, this asks for the next one.
        """
        question = """
            mutation Heartbeat($id: ID!, $metrics: JSONString, $runState: JSONString) {
                agentHeartbeat(input: {id: $id, metrics: $metrics, runState: $runState}) {
                    agent { id } commands
                }
            }"""
        state = json.dumps(dict.fromkeys(running, True))
        answer = self._ask(question, id=agent, metrics="{}", runState=state)
        with _sensible():
            commands = parse_json(answer["agentHeartbeat"]["commands"]) or []
            return [_command(command) for command in commands]

    def count(self, address: WandbAddress, without: Collection[str]) -> int:
        """Return how many runs a sweep has, in whatever state, but for those named."""
        question = """
            query FfnnCount($entity: String, $project: String, $filters: JSONString) {
                project(name: $project, entityName: $entity) { runCount(filters: $filters) }
            }"""
        filters = {"$and": [{"sweep": address.id}, {"name": {"$nin": sorted(without)}}]}
        found = self._ask(
            question, entity=address.entity, project=address.project, filters=json.dumps(filters)
        )
        with _sensible():
            return int((found.get("project") or {}).get("runCount") or 0)

    def runs(self, address: WandbAddress, metric: str) -> Iterator[RemoteRun]:
        """Yield the runs of a sweep with the values of a metric, the oldest first."""
        question = """
            query FfnnRuns(
                $entity: String, $project: String, $filters: JSONString, $first: Int, $after: String,
                $specs: [JSONString!]!
            ) {
                project(name: $project, entityName: $entity) {
                    runs(filters: $filters, first: $first, after: $after, order: "+created_at") {
                        edges { node { name state config sampledHistory(specs: $specs) } cursor }
                        pageInfo { endCursor hasNextPage }
                    }
                }
            }"""
        variables = {
            "entity": address.entity,
            "project": address.project,
            "filters": json.dumps({"$and": [{"sweep": address.id}]}),
            "first": _PAGE,
            "specs": [json.dumps({"keys": [metric], "samples": _SAMPLES})],
        }
        after = None
        while True:
            found = self._ask(question, **variables, after=after)
            with _sensible():
                page = (found.get("project") or {}).get("runs") or {"edges": [], "pageInfo": {}}
                runs = [_run(edge["node"], metric) for edge in page["edges"]]
                before, after = after, page["pageInfo"].get("endCursor")
                is_last = not page["pageInfo"].get("hasNextPage") or not runs or after == before
            yield from runs
            if is_last:
                return


def _place(address: WandbAddress) -> dict[str, str]:
    return {"entity": address.entity, "project": address.project, "sweep": address.id}


@contextlib.contextmanager
def _sensible() -> Iterator[None]:
    """Raise ServerLostError where an answer does not hold what it should, whatever it holds instead."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        reason = f"{type(error).__name__}: {shown(str(error))}"
        raise ServerLostError(f"W&B's answer makes no sense ({reason}).") from None


def _command(command: Mapping[str, Any]) -> Command:
    values = {str(name): item["value"] for name, item in (command.get("args") or {}).items()}
    return Command(str(command["type"]), str(command.get("run_id") or ""), values)


def _run(node: Mapping[str, Any], metric: str) -> RemoteRun:
    raw = parse_json(node["config"] or "{}")
    config = {name: item["value"] for name, item in raw.items() if name != "_wandb" and "value" in item}
    logged = [row.get(metric) for rows in node["sampledHistory"] for row in rows]
    # What W&B got as NaN or an infinity it gives back as a word.
    values = tuple(
        float(value) for value in logged if isinstance(value, (int, float)) and math.isfinite(value)
    )
    return RemoteRun(str(node["name"]), str(node["state"]), config, values)


def _unambiguous(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a sweep file's content with ``min: 0, max: 0.1`` as two floats: W&B refuses one of each."""
    parameters = {}
    for name, parameter in document["parameters"].items():
        bounds = {key: parameter[key] for key in ("min", "max") if key in parameter}
        if "distribution" not in parameter and any(isinstance(bound, float) for bound in bounds.values()):
            parameter = {**parameter, **{key: float(bound) for key, bound in bounds.items()}}
        parameters[name] = parameter
    return {**document, "parameters": parameters}


def _process_lost(error: BaseException) -> ServerLostError:
    """Return what is to be told where the SDK's own process has gone: it raises errors of many kinds then."""
    return ServerLostError(f"W&B's process on this machine does not answer: {_line(error)}.")


def _status(error: Any) -> int:
    """Return the HTTP status of a failed request, 0 where there was no answer."""
    return int(error.response.http_status) if error.response is not None else 0


def _line(error: BaseException | None) -> str:
    """Return the first line of an error's text, which may be the server's own, without a key in it."""
    return without_keys((str(error).strip() or type(error).__name__).splitlines()[0])[:200]
