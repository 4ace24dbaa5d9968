"""The process that alone imports ``wandb`` and sends to W&B the commands that it reads on stdin.

Each line on stdin is a command in JSON, each line on stdout an event. If W&B hangs, the process that trains
ends this one after a bounded time. If that process dies, stdin closes, and this one finishes the run and
exits. W&B's threads, signal handlers and messages stay in here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ffcli.tracking.base import EVALUATED, NO_ANSWER, PROJECT
from ffcli.tracking.wandb_charts import confusion, finite, native
from ffcli.util.atomic_files import check_room
from ffcli.util.redact import without_keys
from ffcli.util.safe_read import parse_time

KILLED = 255  # the exit code of a run whose process has gone, as W&B has it
_CONFIRMATIONS = (0.0, 0.5, 1.5)  # seconds before asking whether W&B has taken the end of a run
_NO_ROW = -1  # so that the first epoch, 1, comes after no other
_LOST = r"deadline|timed? ?out|retrying|connection|dial |\beof\b"


class Courier:
    """Carries one run after another; what W&B writes and nobody keeps lies in ``scratch``."""

    def __init__(self, tell: Callable[..., None], scratch: Path) -> None:
        self._tell = tell
        self._scratch = scratch
        self._run: Any = None
        self._online = False
        self._last_epoch = _NO_ROW  # that W&B has
        self._best: float | None = None

    def serve(self, command: Mapping[str, Any]) -> None:
        """Do what a command says; what goes wrong is told as a problem, and ends the run."""
        handler = {"start": self._start, "epoch": self._epoch, "add": self._add, "finish": self._finish}[
            command["op"]
        ]
        if self._run is None and command["op"] != "start":
            return
        try:
            handler(command)
        except Exception as error:
            self._tell("problem", message=explain(error))
            self._drop()

    def _start(self, command: Mapping[str, Any]) -> None:
        import wandb

        self._online = command["mode"] == "online"
        about = command["run"]
        limits = {
            name: seconds
            for name, seconds in command["limits"].items()
            if f"WANDB_{name.upper()}" not in os.environ
        }
        settings = wandb.Settings(
            **limits,
            finish_timeout_raises=True,
            console="off",
            silent=True,
            disable_git=True,
            disable_code=True,
            disable_job_creation=True,
            root_dir=command["folder"] or str(self._scratch),
            stop_fn=lambda: self._tell("stop"),
            x_disable_machine_info=True,
            x_disable_meta=True,
            x_disable_stats=True,
            x_save_requirements=False,
            x_start_time=parse_time(about["started"]),
            **({"sweep_id": about["sweep"]} if about["sweep"] else {}),
        )
        self._run = wandb.init(
            **{name: about[name] for name in ("id", "name", "entity", "group", "config", "job_type")},
            project=about["project"] or wandb.setup().settings.project or PROJECT,
            tags=about["tags"] or None,
            mode=command["mode"],
            resume="allow",
            settings=settings,
        )
        os.environ["WANDB_DIR"] = str(self._scratch)  # where the public API makes a folder for each run
        folder = None if self._online else self._run.settings.sync_dir
        if folder is not None and Path(folder).resolve().is_relative_to(self._scratch.parent.resolve()):
            # The SDK keeps its files with the temporary ones where it cannot write into the folder.
            raise OSError(f"nothing can be written into {command['folder']}")
        self._last_epoch, self._best = _NO_ROW, None
        if about["config"]:
            self._define_metrics()
        names = about["metric_names"] if self._online and self._run.sweep_id else None
        self._also = self._metric_there(names) if names else None
        if command["rows"] and not self._online:  # they are in the folder of the part before
            self._last_epoch = command["rows"][-1]["epoch"]
        elif command["rows"] and self._run.resumed:
            self._last_epoch = self._last_epoch_there()
        self._tell(
            "started",
            id=self._run.id,
            project=self._run.project,
            entity=self._run.entity or None,
            sweep=self._run.sweep_id,
            url=self._run.url if self._online else None,
            folder=folder,
        )
        for row in command["rows"]:
            self._log(row)

    def _define_metrics(self) -> None:
        """Let charts go by the epoch, and the summary keep the best ``val_acc`` as a plain number.

        W&B's own ``summary="max"`` would make it {"max": …}, which its API and its tables cannot sort by.
        """
        self._run.define_metric("epoch")
        for name in ("train_loss", "train_acc", "val_loss", "val_f1"):
            self._run.define_metric(name, step_metric="epoch")
        self._run.define_metric("val_acc", step_metric="epoch", summary="none")

    def _metric_there(self, names: Mapping[str, str]) -> tuple[str, str] | None:
        """Return W&B's name of the sweep's metric, which its search looks for, and ours, if they differ."""
        import wandb

        with suppress(wandb.Error, KeyError, TypeError, ValueError, OSError):  # else ours alone
            api: Any = wandb.Api()
            sweep = api.sweep(f"{self._run.entity}/{self._run.project}/{self._run.sweep_id}")
            there = str(sweep.config["metric"]["name"])
            if (ours := names.get(re.sub(r"[\W_]+", "", there).lower(), there)) != there:
                return there, ours
        return None

    def _last_epoch_there(self) -> int:
        """Return the last epoch of which W&B holds the row; the summary may be ahead of the rows."""
        import wandb

        there = wandb.Api().run(self._run.path)
        epochs = [row.get("epoch") for row in there.scan_history(["epoch"], use_cache=False)]
        return max((int(epoch) for epoch in epochs if epoch is not None), default=_NO_ROW)

    def _epoch(self, command: Mapping[str, Any]) -> None:
        self._log(command["row"])

    def _log(self, row: Mapping[str, Any]) -> None:
        values = {name: value for name, value in row.items() if name != "time" and finite(value)}
        val_acc = values.get("val_acc")
        if val_acc is not None and (self._best is None or val_acc > self._best):
            self._best = val_acc
            self._run.summary.update({"val_acc": val_acc, "best_epoch": row["epoch"]})
        if self._also and self._also[1] in values:
            values[self._also[0]] = values[self._also[1]]
        if row["epoch"] == self._last_epoch + 1:
            # Evaluations there are of the network of before. What is None, W&B leaves out.
            self._run.summary.update(dict.fromkeys(EVALUATED))
        if row["epoch"] > self._last_epoch:
            self._run.log({**values, "_timestamp": parse_time(row["time"])})

    def _add(self, command: Mapping[str, Any]) -> None:
        import wandb

        self._run.summary.update(command["values"])
        shown: dict[str, Any] = {title: wandb.Image(path) for title, path in command["images"].items()}
        if command["confusion"] is not None:
            shown["confusion_matrix"] = confusion(*command["confusion"])
        shown |= {title: wandb.Html(Path(path)) for title, path in command["pages"].items()}
        shown |= {chart["key"]: native(chart) for chart in command["charts"]}
        if shown:
            self._run.log(shown)

    def _finish(self, command: Mapping[str, Any]) -> None:
        import wandb

        self._run.summary.update(command["summary"])
        if command["model"] is not None:
            model = command["model"]
            artifact = wandb.Artifact(model["name"], type="model", metadata=model["metadata"])
            artifact.add_file(model["path"])
            self._run.log_artifact(artifact)
        path = self._run.path
        run, self._run = self._run, None
        run.finish(command["exit_code"])
        if not self._online:
            check_room(Path(run.settings.sync_dir))  # the SDK does not tell that an offline run was cut short
        if self._online and not _confirmed(path):
            self._tell("problem", message="the server refused a part of it")
        else:
            self._tell("finished")
        self._drop()

    def close(self) -> None:
        """End a run whose process has gone."""
        if self._run is not None:
            with suppress(Exception):
                self._run.finish(KILLED)
        self._drop()

    def _drop(self) -> None:
        self._run = None
        for left in self._scratch.iterdir():
            shutil.rmtree(left, ignore_errors=True)


def _confirmed(path: str) -> bool:
    """Whether the server knows that a run is over; the SDK hides it when the server has refused its data."""
    import wandb

    run = wandb.Api().run(path)
    for wait in _CONFIRMATIONS:
        time.sleep(wait)
        if run.state != "running":
            return True
        run.load(force=True)
    return False


def explain(error: BaseException) -> str:
    """Return in one short line, without a key in it, why W&B did not work."""
    text = " ".join(str(error).split())
    low = text.lower()
    if "no api key" in low:
        return "no API key is configured"
    status = re.search(r"(?<![:.])\b40[13]\b", low)  # and no port, nor a part of an address
    lost = isinstance(error, TimeoutError) or re.search(_LOST, low)
    if status or (not lost and re.search("not logged in|authentication|api key|permission", low)):
        return "the server refuses the API key"
    if lost:  # the SDK may speak of the key, too, which it could not verify
        return NO_ANSWER
    return f"{type(error).__name__}: {without_keys(text)[:200]}" if text else type(error).__name__


def main() -> None:
    """Serve commands until stdin closes; the one argument is a folder of this process alone."""
    for number in (signal.SIGINT, getattr(signal, "SIGHUP", None)):
        if number is not None:
            signal.signal(number, signal.SIG_IGN)  # they are meant for the process that trains
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.environ.pop("WANDB_SERVICE", None)  # a service that belongs to another process ends with that one

    def tell(event: str, **about: Any) -> None:
        with suppress(OSError, ValueError):
            events.write(json.dumps({"event": event, **about}) + "\n")
            events.flush()

    scratch = Path(sys.argv[1])
    runs = scratch / "runs"
    runs.mkdir()
    courier = Courier(tell, runs)
    for line in sys.stdin:
        courier.serve(json.loads(line))
    courier.close()
    shutil.rmtree(scratch, ignore_errors=True)
