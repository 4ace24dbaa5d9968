"""A stand-in for W&B's server that the real SDK and the real ``wandb`` command talk to.

It keeps projects, runs, sweeps and artifacts in memory, records every request, and can be told to answer
slowly, with errors, or to go away. Only what `wandb` 0.31 asks for is there: fields that nobody has set are
null.

In a test: ``with StandIn() as server: … server.environment() …``. By hand: ``python wandb_standin.py``.
"""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import os
import random
import re
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml
from graphql import FieldNode, FragmentDefinitionNode, OperationDefinitionNode, SelectionSetNode, parse

KEY = "standin0" * 5  # keys have 40 characters
ENTITY = "tester"


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


@dataclass
class Request:
    """One request as it came. ``operation``: that of GraphQL by name, ``file_stream`` or ``file``."""

    method: str
    path: str
    operation: str
    body: Any
    status: int = 0
    time: float = field(default_factory=time.monotonic)


@dataclass
class Run:
    """What the server knows of a run."""

    entity: str
    project: str
    name: str
    number: int
    fields: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, dict[int, str]] = field(default_factory=dict)  # of the file stream, by file and offset
    files: dict[str, bytes] = field(default_factory=dict)
    state: str = "running"
    exit_code: int | None = None
    sweep: str | None = None
    created: str = field(default_factory=_now)
    stop: bool = False

    @property
    def display_name(self) -> str:
        """Return the name that is shown."""
        return self.fields.get("displayName") or self.name

    @property
    def config(self) -> dict[str, Any]:
        """Return the configuration without W&B's own entry."""
        raw = json.loads(self.fields.get("config") or "{}")
        return {key: item["value"] for key, item in raw.items() if key != "_wandb"}

    @property
    def defined_metrics(self) -> list[Any]:
        """Return what ``define_metric`` has said, as the SDK writes it into the configuration."""
        raw = json.loads(self.fields.get("config") or "{}")
        return list(raw.get("_wandb", {}).get("value", {}).get("m", []))

    @property
    def tags(self) -> list[str]:
        """Return the tags."""
        return list(self.fields.get("tags") or [])

    @property
    def group(self) -> str | None:
        """Return the group."""
        return self.fields.get("groupName")

    @property
    def history(self) -> list[dict[str, Any]]:
        """Return the rows of the history."""
        return [json.loads(line) for _, line in sorted(self.lines.get("wandb-history.jsonl", {}).items())]

    @property
    def summary(self) -> dict[str, Any]:
        """Return the summary."""
        lines = self.lines.get("wandb-summary.json", {})
        if lines:
            return dict(json.loads(lines[max(lines)]))
        return dict(json.loads(self.fields.get("summaryMetrics") or "{}"))


@dataclass
class Sweep:
    """A registered sweep. ``suggest`` gives the values of the next run, None when there are no more."""

    entity: str
    project: str
    name: str
    config: dict[str, Any]
    text: str
    state: str = "RUNNING"
    created: str = field(default_factory=_now)
    suggest: Callable[[int], dict[str, Any] | None] | None = None
    agents: dict[str, str] = field(default_factory=dict)
    handed_out: int = 0


class StandIn:
    """The server, on a free port of 127.0.0.1. Use it as a context.

    Attributes:
        requests: everything that came, refused or not.
        mistakes: what the stand-in itself could not answer; the end of the context complains of them.
        runs, sweeps: by name.
        artifacts: by "name:vN", each {type, metadata, files, run, aliases}.
        slow: seconds that each answer waits.
        fail: given a request, the HTTP status to answer with, or None.
        spoil: given a request, "silent" to stop within the answer without an end, "reset" to reset the
            connection instead of answering as a broken proxy does, or None.
        suggest: for sweeps without their own: (sweep, number of the run from 0) to its values, or None.
    """

    def __init__(self, port: int = 0, key: str = KEY) -> None:
        self.key = key
        self.requests: list[Request] = []
        self.mistakes: list[str] = []
        self.runs: dict[str, Run] = {}
        self.sweeps: dict[str, Sweep] = {}
        self.artifacts: dict[str, dict[str, Any]] = {}
        self.slow = 0.0
        self.fail: Callable[[Request], int | None] = lambda _: None
        self.spoil: Callable[[Request], str | None] = lambda _: None
        self.suggest: Callable[[Sweep, int], dict[str, Any] | None] = draw
        self._ids = itertools.count(1)
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._connections: set[socket.socket] = set()
        self._http: ThreadingHTTPServer | None = None
        self.port = port
        self.come_back()

    def __enter__(self) -> StandIn:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._over.set()
        self.go_away()
        assert kind or not self.mistakes, self.mistakes

    @property
    def url(self) -> str:
        """Return the base URL."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self, folder: Any = None) -> dict[str, str]:
        """Return the variables with which W&B talks to this server and to nobody else.

        With a folder, everything that W&B writes stays below it, and no netrc file is read.
        """
        variables = {
            "WANDB_BASE_URL": self.url,
            "WANDB_API_KEY": self.key,
            "WANDB_ERROR_REPORTING": "false",
            "WANDB_SILENT": "false",
            "WANDB_CONSOLE": "off",
            "NO_PROXY": "127.0.0.1,localhost",
        }
        if folder is not None:
            kept = {"DIR": "wandb", "CACHE_DIR": "cache", "CONFIG_DIR": "config", "DATA_DIR": "data"}
            variables |= {f"WANDB_{name}": f"{folder}/{sub}" for name, sub in kept.items()}
            variables |= {"NETRC": f"{folder}/netrc", "HOME": str(folder)}
            fonts = Path("~/.cache/matplotlib").expanduser()  # which Matplotlib lists once for each home
            variables |= {"MPLCONFIGDIR": os.environ.get("MPLCONFIGDIR", str(fonts))}
        return variables

    # Trouble

    def sleep(self, seconds: float) -> None:
        """Keep an answer back for so long, or until the end."""
        self._over.wait(seconds)

    def go_away(self) -> None:
        """Close the port and every connection."""
        if self._http is not None:
            http, self._http = self._http, None
            http.shutdown()
            http.server_close()
            for connection in list(self._connections):
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                connection.close()

    @property
    def is_away(self) -> bool:
        """Whether it has gone away."""
        return self._http is None

    def come_back(self) -> None:
        """Listen again, on the same port."""
        server = self

        class Handler(_Handler):
            standin = server

        class Server(ThreadingHTTPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: object) -> None:
                """A client that has gone is nothing to print about."""

        self._http = Server(("127.0.0.1", self.port), Handler)
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def operations(self, name: str) -> list[Request]:
        """Return the requests of one operation."""
        return [request for request in self.requests if request.operation == name]

    def run_of(self, display_name: str) -> Run:
        """Return the only run that is shown under this name."""
        (run,) = (run for run in self.runs.values() if run.display_name == display_name)
        return run

    # GraphQL: each method answers one root field; arguments that are input objects are laid flat.

    def answer(self, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Return the whole objects of an operation's root fields, to be cut down to what was asked for."""
        with self._lock:
            answers = {}
            for node in operation.selection_set.selections:
                assert isinstance(node, FieldNode)
                arguments = _arguments(node, variables)
                handler = getattr(self, "_" + re.sub("([A-Z])", r"_\1", node.name.value).lower(), None)
                answers[node.alias.value if node.alias else node.name.value] = handler and handler(arguments)
            return answers

    def _viewer(self, _: dict[str, Any]) -> dict[str, Any]:
        user = {
            "id": "VXNlcjox",
            "name": ENTITY,
            "username": ENTITY,
            "entity": ENTITY,
            "email": "t@localhost",
        }
        teams = {"edges": [{"node": {"name": ENTITY}}]}
        return {**user, "flags": "{}", "teams": teams, "admin": False, "apiKeys": {"edges": []}}

    def _server_info(self, _: dict[str, Any]) -> dict[str, Any]:
        version = {"max_cli_version": "0.99.0", "min_cli_version": "0.10.0"}
        latest = {
            "versionOnThisInstanceString": "0.70.0",
            "latestVersionString": "0.70.0",
            "outOfDate": False,
        }
        return {"cliVersionInfo": version, "latestLocalVersionInfo": latest, "features": []}

    def _query_type(self, _: dict[str, Any]) -> None:
        return None

    def _entity(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return {"id": "RW50aXR5", "name": arguments.get("name"), "organization": None, "isTeam": False}

    def _upsert_bucket(self, given: dict[str, Any]) -> dict[str, Any]:
        by_id = given.get("id") and base64.b64decode(given["id"]).decode().split(":")[1]
        name = by_id or given.get("name") or f"r{next(self._ids):07d}"
        run, inserted = self.runs.get(name), False
        if run is None:
            entity, project = given.get("entityName") or ENTITY, given.get("modelName") or "uncategorized"
            run = self.runs[name] = Run(entity, project, name, next(self._ids))
            inserted = True
        given.pop("id", None)
        if given.get("state"):
            run.state = given["state"]
        elif run.state in ("pending", "finished", "crashed", "failed"):
            run.state = "running"
        if given.get("sweep"):
            run.sweep = given["sweep"]
        run.fields |= {key: value for key, value in given.items() if value is not None}
        return {"bucket": self._run_document(run), "inserted": inserted}

    def _run_document(self, run: Run) -> dict[str, Any]:
        def tail(name: str) -> str:
            return json.dumps([line for _, line in sorted(run.lines.get(name, {}).items())][-1:])

        def count(name: str) -> int:
            return len(run.lines.get(name, {}))

        user = {"name": ENTITY, "username": ENTITY}
        keys = {key for row in run.history for key in row}
        step = max((row.get("_step", 0) for row in run.history), default=-1)
        return {
            "__typename": "Run",
            "id": base64.b64encode(f"Run:{run.name}:{run.project}:{run.entity}".encode()).decode(),
            "name": run.name,
            "displayName": run.display_name,
            "project": self._project_head(run.entity, run.project),
            "projectId": "1",
            "config": run.fields.get("config") or "{}",
            "wandbConfig": json.dumps(
                {
                    "t": json.loads(run.fields.get("config") or "{}")
                    .get("_wandb", {})
                    .get("value", {})
                    .get("t")
                }
            ),
            "summaryMetrics": json.dumps(run.summary),
            "systemMetrics": "{}",
            "historyKeys": {"lastStep": step, "keys": {key: {"typeCounts": []} for key in sorted(keys)}},
            "sweepName": run.sweep,
            "state": run.state,
            "tags": run.tags,
            "group": run.group,
            "jobType": run.fields.get("jobType"),
            "notes": run.fields.get("notes"),
            "description": run.fields.get("notes"),
            "commit": run.fields.get("commit"),
            "readOnly": False,
            "createdAt": run.created,
            "heartbeatAt": _now(),
            "historyLineCount": count("wandb-history.jsonl"),
            "eventsLineCount": count("wandb-events.jsonl"),
            "logLineCount": count("output.log"),
            "historyTail": tail("wandb-history.jsonl"),
            "eventsTail": tail("wandb-events.jsonl"),
            "sampledHistory": [run.history],
            "history": [json.dumps(row) for row in run.history],
            "user": user,
            "exitcode": run.exit_code,
            "stopped": run.stop,
            "failed": run.state in ("failed", "crashed"),
            "running": run.state == "running",
            "shouldStop": run.stop,
            "fileCount": len(run.files),
            "files": {"edges": [{"node": {"name": name}, "cursor": name} for name in sorted(run.files)]},
        }

    def _project_head(self, entity: str, name: str) -> dict[str, Any]:
        return {
            "__typename": "Project",
            "id": base64.b64encode(f"Project:v1:{name}:{entity}".encode()).decode(),
            "internalId": "1",
            "name": name,
            "entityName": entity,
            "entity": {"id": "RW50aXR5", "name": entity},
            "createdAt": _now(),
            "readOnly": False,
        }

    def _model(self, given: dict[str, Any]) -> dict[str, Any]:
        return self._project(given)

    def _project(self, given: dict[str, Any]) -> dict[str, Any]:
        entity, project = given.get("entityName") or ENTITY, given.get("name") or ""

        def find(arguments: dict[str, Any]) -> dict[str, Any] | None:
            run = self.runs.get(arguments.get("name") or "")
            same = run is not None and (run.entity, run.project) == (entity, project)
            return self._run_document(run) if run is not None and same else None

        def runs(arguments: dict[str, Any]) -> dict[str, Any]:
            found = self._search(entity, project, arguments)
            start = int(arguments.get("after") or 0)
            page = found[start : start + int(arguments.get("first") or 50)]
            end = start + len(page)
            edges = [
                {"node": self._run_document(run), "cursor": str(start + number)}
                for number, run in enumerate(page, 1)
            ]
            info = {"__typename": "PageInfo", "endCursor": str(end), "hasNextPage": end < len(found)}
            return {"edges": edges, "pageInfo": info}

        def sweep(arguments: dict[str, Any]) -> dict[str, Any] | None:
            known = self.sweeps.get(arguments.get("sweepName") or "")
            if known is None or (known.entity, known.project) != (entity, project):
                return None
            return self._sweep_document(known)

        def sweeps(_: dict[str, Any]) -> dict[str, Any]:
            mine = [each for each in self.sweeps.values() if (each.entity, each.project) == (entity, project)]
            info = {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}
            return {"edges": [{"node": self._sweep_document(each)} for each in mine], "pageInfo": info}

        return {
            **self._project_head(entity, project),
            "bucket": find,
            "run": find,
            "runs": runs,
            "runCount": lambda arguments: len(self._search(entity, project, arguments)),
            "sweep": sweep,
            "sweeps": sweeps,
            "totalSweeps": sum(
                (each.entity, each.project) == (entity, project) for each in self.sweeps.values()
            ),
            "artifactType": None,
        }

    def _search(self, entity: str, project: str, arguments: dict[str, Any]) -> list[Run]:
        """Return the runs that fit ``filters``, of which it knows those on a few facts, in ``order``."""
        wanted = _flat(json.loads(arguments.get("filters") or "{}"))
        found = []
        for run in self.runs.values():
            facts = {"sweep": run.sweep, "name": run.name, "group": run.group, "state": run.state}
            here = (run.entity, run.project) == (entity, project)
            if here and all(_fits(facts[key], value) for key, value in wanted.items() if key in facts):
                found.append(run)
        order = arguments.get("order") or "+created_at"
        name = order.lstrip("+-").removeprefix("summary_metrics.")
        if name in ("created_at", "createdAt"):
            return sorted(found, key=lambda run: run.number, reverse=order.startswith("-"))
        with_value = [run for run in found if isinstance(_value(run, name), (int, float))]
        with_value.sort(key=lambda run: float(_value(run, name)), reverse=order.startswith("-"))
        return with_value + [run for run in found if run not in with_value]

    def _create_run_files(self, given: dict[str, Any]) -> dict[str, Any]:
        where = f"{self.url}/storage/{given['entityName']}/{given['projectName']}/{given['runName']}"
        files = [{"name": name, "uploadUrl": f"{where}/{name}"} for name in given["files"]]
        return {"runID": given["runName"], "uploadHeaders": [], "files": files}

    def _mark_run_files_uploaded(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"success": True}

    def _create_custom_chart(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"chart": {"id": "Q2hhcnQ="}}

    # Artifacts

    def _create_artifact(self, given: dict[str, Any]) -> dict[str, Any]:
        collection = given["artifactCollectionName"]
        versions = [known for known in self.artifacts.values() if known["collection"] == collection]
        same = [known for known in versions if known["digest"] == given["digest"]]
        if same:
            artifact = same[0]
        else:
            artifact = {
                "id": f"QXJ0aWZhY3Q{next(self._ids)}",
                "collection": collection,
                "version": len(versions),
                "digest": given["digest"],
                "type": given["artifactTypeName"],
                "run": given.get("runName"),
                "metadata": json.loads(given.get("metadata") or "{}"),
                "aliases": [alias["alias"] for alias in given.get("aliases") or []],
                "files": {},
                "state": "PENDING",
            }
            self.artifacts[f"{collection}:v{artifact['version']}"] = artifact
        latest = versions[-1] if versions else None
        return {"artifact": self._artifact_document(artifact, latest)}

    def _artifact_document(
        self, artifact: dict[str, Any], latest: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        head = None if latest is None else {"id": latest["id"], "versionIndex": latest["version"]}
        return {
            "__typename": "Artifact",
            "id": artifact["id"],
            "digest": artifact["digest"],
            "state": artifact["state"],
            "versionIndex": artifact["version"],
            "artifactSequence": {"id": "U2VxdWVuY2U=", "latestArtifact": head},
        }

    def _artifact(self, artifact_id: str) -> dict[str, Any]:
        return next(known for known in self.artifacts.values() if known["id"] == artifact_id)

    def _create_artifact_manifest(self, given: dict[str, Any]) -> dict[str, Any]:
        upload = f"{self.url}/storage/manifest/{given['artifactID']}"
        file = {"id": "RmlsZQ==", "name": given["name"], "uploadUrl": upload, "uploadHeaders": []}
        return {"artifactManifest": {"id": f"M:{given['artifactID']}", "file": file}}

    def _update_artifact_manifest(self, given: dict[str, Any]) -> dict[str, Any]:
        artifact = given["artifactManifestID"].removeprefix("M:")
        upload = f"{self.url}/storage/manifest/{artifact}"
        file = {"id": "RmlsZQ==", "uploadUrl": upload, "uploadHeaders": []}
        return {"artifactManifest": {"id": given["artifactManifestID"], "file": file}}

    def _create_artifact_files(self, given: dict[str, Any]) -> dict[str, Any]:
        edges = []
        for number, spec in enumerate(given["artifactFiles"]):
            where = f"{self.url}/storage/artifact/{spec['artifactID']}/{spec['name']}"
            node = {
                "id": f"F{number}",
                "name": spec["name"],
                "storagePath": f"artifact/{spec['artifactID']}/{spec['name']}",
                "uploadUrl": where,
                "uploadHeaders": [],
                "uploadMultipartUrls": None,
                "artifact": {"id": spec["artifactID"]},
            }
            edges.append({"node": node})
        return {"files": {"edges": edges}}

    def _commit_artifact(self, given: dict[str, Any]) -> dict[str, Any]:
        artifact = self._artifact(given["artifactID"])
        artifact["state"] = "COMMITTED"
        return {"artifact": self._artifact_document(artifact)}

    def _use_artifact(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"artifact": self._artifact_document(self._artifact(given["artifactID"]))}

    # Sweeps

    def _upsert_sweep(self, given: dict[str, Any]) -> dict[str, Any]:
        name = given.get("id")
        if name:
            sweep = self.sweeps.get(name) or self.sweeps[base64.b64decode(name).decode().split(":")[1]]
            if given.get("state"):
                sweep.state = given["state"]
        else:
            name = f"s{next(self._ids):07d}"
            entity = given.get("entityName") or ENTITY
            project = given.get("projectName") or "uncategorized"
            sweep = Sweep(entity, project, name, yaml.safe_load(given["config"]), given["config"])
            self.sweeps[name] = sweep
        return {"sweep": self._sweep_document(sweep), "configValidationWarnings": []}

    def _sweep_document(self, sweep: Sweep) -> dict[str, Any]:
        runs = [run for run in self.runs.values() if run.sweep == sweep.name]
        return {
            "__typename": "Sweep",
            "id": base64.b64encode(f"Sweep:{sweep.name}".encode()).decode(),
            "name": sweep.name,
            "displayName": sweep.config.get("name"),
            "description": sweep.config.get("description"),
            "method": sweep.config.get("method"),
            "state": sweep.state,
            "config": sweep.text,
            "createdAt": sweep.created,
            "updatedAt": _now(),
            "heartbeatAt": _now(),
            "bestLoss": None,
            "runCount": len(runs),
            "runCountExpected": None,
            "earlyStopJobRunning": False,
            "project": self._project_head(sweep.entity, sweep.project),
            "runs": lambda _: {"edges": [{"node": self._run_document(run)} for run in runs]},
        }

    def _create_agent(self, given: dict[str, Any]) -> dict[str, Any]:
        sweep = self.sweeps[given["sweep"]]
        agent = f"agent{next(self._ids)}"
        sweep.agents[agent] = given["host"]
        return {"agent": {"id": agent, "name": agent}}

    def _agent_heartbeat(self, given: dict[str, Any]) -> dict[str, Any]:
        sweep = next(sweep for sweep in self.sweeps.values() if given["id"] in sweep.agents)
        busy = [name for name, state in json.loads(given.get("runState") or "{}").items() if state]
        commands = [{"type": "stop", "run_id": name} for name in busy if self.runs[name].stop]
        if not busy:
            commands = [self._next_command(sweep)]
        return {"agent": {"id": given["id"]}, "commands": json.dumps(commands)}

    def _next_command(self, sweep: Sweep) -> dict[str, Any]:
        cap = sweep.config.get("run_cap")
        values = None
        if sweep.state == "RUNNING" and (cap is None or sweep.handed_out < cap):
            number = sweep.handed_out
            values = sweep.suggest(number) if sweep.suggest else self.suggest(sweep, number)
        if values is None:
            if sweep.state == "RUNNING":
                sweep.state = "FINISHED"
            return {"type": "exit"}
        sweep.handed_out += 1
        name = f"w{next(self._ids):07d}"
        run = self.runs[name] = Run(sweep.entity, sweep.project, name, next(self._ids), sweep=sweep.name)
        run.state = "pending"
        run.fields["config"] = json.dumps({key: {"value": value} for key, value in values.items()})
        return {
            "type": "run",
            "run_id": name,
            "program": sweep.config.get("program"),
            "args": {key: {"value": value} for key, value in values.items()},
        }

    # The file stream and uploads

    def stream(self, entity: str, project: str, name: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Take in a piece of a run's file stream; None where there is no such run."""
        with self._lock:
            run = self.runs.get(name)
            if run is None or (run.entity, run.project) != (entity, project):
                return None
            for file, piece in (body.get("files") or {}).items():
                lines = run.lines.setdefault(file, {})
                for offset, line in enumerate(piece["content"], piece.get("offset", 0)):
                    lines[offset] = line
            if body.get("complete"):
                run.exit_code = body.get("exitcode")
                run.state = "finished" if run.exit_code == 0 else "failed"
            return {"stopped": True} if run.stop else {}

    def store(self, path: str, content: bytes) -> None:
        """Take in an uploaded file."""
        with self._lock:
            kind, *rest = path.split("/")
            if kind == "artifact":
                self._artifact(rest[0])["files"]["/".join(rest[1:])] = content
            elif kind == "manifest":
                self._artifact(rest[0])["manifest"] = json.loads(content)
            elif rest[1] in self.runs:
                self.runs[rest[1]].files["/".join(rest[2:])] = content


def _flat(filters: Any) -> dict[str, Any]:
    """Return a filter's conditions, those within ``$and`` too."""
    found: dict[str, Any] = {}
    for key, value in filters.items():
        if key == "$and":
            for each in value:
                found |= _flat(each)
        else:
            found[key] = value
    return found


def _fits(fact: Any, wanted: Any) -> bool:
    """Whether a fact is the wanted value, or is not among those of ``{"$nin": […]}``."""
    return fact not in wanted["$nin"] if isinstance(wanted, dict) else fact == wanted


def _value(run: Run, name: str) -> Any:
    """Return a summary value; "val_acc.max" looks into an aggregated one."""
    value: Any = run.summary
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def draw(sweep: Sweep, number: int) -> dict[str, Any] | None:
    """Return random values from the plainer kinds of parameters; for a grid, those of its n-th point."""
    parameters = sweep.config["parameters"]
    rng = random.Random(number)
    if sweep.config.get("method") == "grid":
        names = list(parameters)
        points = itertools.product(
            *(parameters[n].get("values", [parameters[n].get("value")]) for n in names)
        )
        point = next(itertools.islice(points, number, None), None)
        return None if point is None else dict(zip(names, point))
    values = {}
    for name, parameter in parameters.items():
        if "value" in parameter:
            values[name] = parameter["value"]
        elif "values" in parameter:
            values[name] = rng.choice(parameter["values"])
        elif isinstance(parameter["min"], int) and isinstance(parameter["max"], int):
            values[name] = rng.randint(parameter["min"], parameter["max"])
        else:
            values[name] = rng.uniform(parameter["min"], parameter["max"])
    return values


def _arguments(node: FieldNode, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return a field's arguments with an ``input`` object laid flat."""
    found = {argument.name.value: _literal(argument.value, variables) for argument in node.arguments or ()}
    given = found.pop("input", None)
    return {**found, **(given or {})}


def _literal(node: Any, variables: Mapping[str, Any]) -> Any:
    kind = node.kind
    if kind == "variable":
        return variables.get(node.name.value)
    if kind == "object_value":
        return {each.name.value: _literal(each.value, variables) for each in node.fields}
    if kind == "list_value":
        return [_literal(each, variables) for each in node.values]
    if kind == "int_value":
        return int(node.value)
    return getattr(node, "value", None)


def _cut(
    value: Any,
    selections: SelectionSetNode | None,
    fragments: Mapping[str, FragmentDefinitionNode],
    variables: Mapping[str, Any],
) -> Any:
    """Return of a document what was asked for; a callable is a field that takes arguments."""
    if isinstance(value, list):
        return [_cut(each, selections, fragments, variables) for each in value]
    if selections is None or not isinstance(value, dict):
        return value
    asked: dict[str, Any] = {}
    for node in selections.selections:
        if isinstance(node, FieldNode):
            found = value.get(node.name.value)
            if callable(found):
                found = found(_arguments(node, variables))
            label = node.alias.value if node.alias else node.name.value
            asked[label] = _cut(found, node.selection_set, fragments, variables)
        else:
            inner = fragments[node.name.value] if node.kind == "fragment_spread" else node
            asked |= _cut(value, inner.selection_set, fragments, variables)
    return asked


class _Handler(BaseHTTPRequestHandler):
    """Reads a request, records it, and answers."""

    standin: StandIn
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.standin._connections.add(self.connection)

    def finish(self) -> None:
        self.standin._connections.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _serve(self) -> None:
        path = unquote(urlsplit(self.path).path)
        raw = self._body()
        document: Any = None
        if self.headers.get("Content-Type", "").startswith("application/json") or path == "/graphql":
            with suppress(ValueError):
                document = json.loads(raw)
        request = Request(self.command, path, _operation(path, document), document if document else raw)
        self.standin.requests.append(request)
        if self.standin.slow:
            self.standin.sleep(self.standin.slow)
        request.status = self.standin.fail(request) or self._refused(path) or 200
        if request.status >= 400:
            message = {401: "user is not logged in", 404: "not found"}.get(request.status, "told to fail")
            self._send(request.status, {"errors": [{"message": message}], "error": message})
            return
        try:
            answer = self._answer(request, path, document, raw)
        except Exception as error:
            request.status = 400  # which clients do not ask for again
            answer = {"errors": [{"message": f"the stand-in failed: {error!r}"}]}
            self.standin.mistakes.append(f"{request}: {traceback.format_exc()}")
        how = self.standin.spoil(request)
        if how == "reset":
            # With this option a close sends RST.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        else:
            self._send(request.status, answer, whole=how is None)

    def _refused(self, path: str) -> int | None:
        if path.startswith("/storage/"):  # such addresses are signed
            return None
        given = self.headers.get("Authorization", "")
        right = base64.b64encode(f"api:{self.standin.key}".encode()).decode()
        return None if given == f"Basic {right}" else 401

    def _answer(self, request: Request, path: str, document: Any, raw: bytes) -> Any:
        standin = self.standin
        if path == "/graphql":
            tree = parse(document["query"])
            fragments = {
                node.name.value: node for node in tree.definitions if isinstance(node, FragmentDefinitionNode)
            }
            (operation,) = (node for node in tree.definitions if isinstance(node, OperationDefinitionNode))
            variables = document.get("variables") or {}
            for declared in operation.variable_definitions or ():
                if declared.default_value is not None:
                    variables.setdefault(declared.variable.name.value, _literal(declared.default_value, {}))
            data = standin.answer(operation, variables)
            cut = {}
            for node in operation.selection_set.selections:
                assert isinstance(node, FieldNode)
                label = node.alias.value if node.alias else node.name.value
                cut[label] = _cut(data[label], node.selection_set, fragments, variables)
            return {"data": cut}
        if match := re.fullmatch("/files/([^/]+)/([^/]+)/([^/]+)/file_stream", path):
            answer = standin.stream(*match.groups(), document)
            if answer is None:
                request.status = 404
            return answer or {}
        if path.startswith("/storage/"):
            standin.store(path.removeprefix("/storage/"), raw)
        return {}

    def _send(self, status: int, document: Any, *, whole: bool = True) -> None:
        body = json.dumps(document).encode()
        with suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body if whole else body[: len(body) // 2])
            if not whole:
                self.wfile.flush()
                self.standin.sleep(600)

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_GET  # noqa: N815 - the names that BaseHTTPRequestHandler calls


def _operation(path: str, document: Any) -> str:
    if path == "/graphql" and isinstance(document, dict):
        found = re.search(r"\b(?:query|mutation)\s+(\w+)", document.get("query", ""))
        return found.group(1) if found else "unnamed"
    return "file_stream" if path.endswith("/file_stream") else "file"


def main() -> None:
    """Serve until Ctrl-C and print each request."""
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    with StandIn(port) as server:
        exports = " ".join(f"{name}={value}" for name, value in server.environment().items())
        print(f"export {exports}", flush=True)
        shown = 0
        with suppress(KeyboardInterrupt):
            while True:
                time.sleep(0.2)
                while shown < len(server.requests):
                    request = server.requests[shown]
                    shown += 1
                    body = json.dumps(request.body, default=repr)[:2000]
                    print(request.status, request.method, request.path, request.operation, body, flush=True)


if __name__ == "__main__":
    main()
