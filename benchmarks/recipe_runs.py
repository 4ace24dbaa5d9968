"""Trainings of recipes and of variants of them, one after another on one core, and what they came to as CSV.

A results folder holds ``runs.csv`` (a row a run), ``history.csv`` (a row an epoch) and ``about.json``
(machine, versions, the configuration of each variant). It is also the memory of what is done: a variant and
seed that is there with the same configuration is not trained again. Networks stay in a run store of their
own, and the test images are read when all trainings are over.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import resource
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.sweep_command import Folders, start
from ffcli.config import TrainConfig, load_recipe, merge, validate
from ffcli.core.training import CORE_VERSION
from ffcli.runs.store import MODEL
from ffcli.util.atomic_files import json_text, write_atomic

COLUMNS = (
    *("variant", "seed", "epochs", "best_epoch", "val_acc", "val_acc_tta", "test_acc", "test_acc_tta"),
    *("train_seconds", "seconds", "cpu_seconds", "run_id", "config"),
)
HISTORY_COLUMNS = (
    *("variant", "seed", "epoch", "train_loss", "train_acc", "val_loss", "val_acc"),
    *("seconds", "train_seconds"),
)
Row = dict[str, str]


@dataclass(frozen=True)
class Variant:
    """A recipe with some settings changed."""

    name: str
    recipe: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def config(self, seed: int) -> TrainConfig:
        """Return the whole configuration."""
        return validate(merge(load_recipe(self.recipe).settings, self.settings, {"seed": seed}))

    def flags(self, seed: int) -> list[str]:
        """Return the options of ``ffnn train``."""
        changed = [f"--{name.replace('_', '-')}={_word(value)}" for name, value in self.settings.items()]
        return ["--recipe", self.recipe, *changed, "--seed", str(seed), "--name", f"{self.name}-{seed}"]


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def config_key(config: TrainConfig) -> str:
    """Return a word for a configuration and the version of the core: the same if runs come out the same."""
    text = json.dumps([CORE_VERSION, config.as_dict()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def percent(text: str) -> float | None:
    """Return a cell as a percentage, None where it is empty."""
    return float(text) * 100 if text else None


class Results:
    """The CSV files of a folder; every change is on disk at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows = read_csv(folder / "runs.csv")
        self.history = read_csv(folder / "history.csv")

    def find(self, variant: str, seed: int) -> Row | None:
        """Return the row of a variant and a seed."""
        return next((row for row in self.rows if _key(row) == (variant, str(seed))), None)

    def of(self, variant: str, seeds: Iterable[int] | None = None) -> list[Row]:
        """Return the rows of a variant, all of them or those of some seeds."""
        wanted = None if seeds is None else {str(seed) for seed in seeds}
        return [
            row
            for row in self.rows
            if row["variant"] == variant and (wanted is None or row["seed"] in wanted)
        ]

    def with_config(self, config: str) -> tuple[Row, list[Row]] | None:
        """Return a finished row of this configuration with its epochs, whatever its variant is called."""
        for row in self.rows:
            if row["config"] == config:
                return row, [epoch for epoch in self.history if _key(epoch) == _key(row)]
        return None

    def put(self, row: Mapping[str, Any], epochs: Iterable[Mapping[str, Any]]) -> None:
        """Put a run in the place of what was there of its variant and seed."""
        whole = {column: str(row.get(column, "")) for column in COLUMNS}
        self.rows = [*(other for other in self.rows if _key(other) != _key(whole)), whole]
        mine = [{column: str(epoch[column]) for column in HISTORY_COLUMNS} for epoch in epochs]
        self.history = [*(epoch for epoch in self.history if _key(epoch) != _key(whole)), *mine]
        write_csv(self.folder / "history.csv", HISTORY_COLUMNS, self.history)
        self.save()

    def save(self) -> None:
        """Write the rows."""
        write_csv(self.folder / "runs.csv", COLUMNS, self.rows)

    def about(self) -> dict[str, Any]:
        """Return what ``about.json`` holds."""
        path = self.folder / "about.json"
        return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {"configs": {}}

    def current(self, variant: Variant) -> tuple[list[Row], bool]:
        """Return the rows of a variant as it is configured now, else all, and whether they are of it."""
        rows = self.of(variant.name)
        if now := [row for row in rows if row["config"] == config_key(variant.config(int(row["seed"])))]:
            return now, True
        stored = self.about()["configs"].get(variant.name, {})
        config = variant.config(0).as_dict()
        defaults = TrainConfig().as_dict()
        same = not stored or all(
            stored.get(key, defaults[key]) == config[key] for key in config if key != "seed"
        )
        return rows, same

    def note(self, variant: Variant, core: int) -> None:
        """Write ``about.json``: the machine, and the configuration of each variant that was ever run here."""
        path, about = self.folder / "about.json", self.about()
        config = variant.config(0).as_dict()
        del config["seed"]
        about["configs"][variant.name] = {"recipe": variant.recipe, **config}
        about |= {
            "updated": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "machine": machine.describe(),
            "core": core,
            "versions": machine.versions(("numpy",)),
        }
        write_atomic(path, json_text(about) + "\n")


def _key(row: Mapping[str, Any]) -> tuple[str, str]:
    return str(row["variant"]), str(row["seed"])


def read_csv(path: Path) -> list[Row]:
    """Return the rows of a CSV file, none where it is missing."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a CSV file at once."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, text.getvalue())


@dataclass(frozen=True)
class Bench:
    """Where runs go, and the core that they are pinned to."""

    folders: Folders
    core: int

    def ffnn(self, *words: object) -> dict[str, Any]:
        """Run the command on the core and return its document. Raises MeasurementError where it fails."""
        return start(self.folders, *words, cpus=[self.core]).document()

    def has_weights(self, run_id: str) -> bool:
        """Whether the network of a run is here."""
        return bool(run_id) and (self.folders.runs / run_id / MODEL).is_file()


def train_all(
    bench: Bench, results: Results, jobs: Sequence[tuple[Variant, int]], known: Sequence[Results] = ()
) -> None:
    """Train what is missing; runs of the same configuration in the ``known`` results are taken over."""
    results.folder.mkdir(parents=True, exist_ok=True)
    for number, (variant, seed) in enumerate(jobs, start=1):
        key = config_key(variant.config(seed))
        row = results.find(variant.name, seed)
        title = f"{number}/{len(jobs)} {variant.name}, seed {seed}"
        if row is not None and row["config"] == key and (row["test_acc"] or bench.has_weights(row["run_id"])):
            results.note(variant, bench.core)
            _say(f"{title}: is there")
            continue
        taken = next(filter(None, (other.with_config(key) for other in known)), None)
        if taken is not None and (taken[0]["test_acc"] or bench.has_weights(taken[0]["run_id"])):
            new = {"variant": variant.name, "seed": seed}
            results.put({**taken[0], **new}, [{**epoch, **new} for epoch in taken[1]])
            results.note(variant, bench.core)
            _say(f"{title}: taken over from {taken[0]['variant']}")
            continue
        document, cost = _train(bench, variant, seed)
        new = {"variant": variant.name, "seed": seed}
        results.put(
            {
                **new,
                **cost,
                "epochs": document["epochs_done"],
                "best_epoch": document["best_epoch"],
                "val_acc": document["best_val_acc"],
                "train_seconds": round(sum(epoch["train_seconds"] for epoch in document["epochs"]), 3),
                "run_id": document["run_id"],
                "config": key,
            },
            [{**epoch, **new} for epoch in document["epochs"]],
        )
        results.note(variant, bench.core)
        _say(f"{title}: val_acc {document['best_val_acc']:.4f} in {cost['seconds']:.0f} s")


def _train(bench: Bench, variant: Variant, seed: int) -> tuple[dict[str, Any], dict[str, float]]:
    """Train one run; return its document, and the wall and processor seconds of the whole command."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    document = bench.ffnn("train", *variant.flags(seed), "--tag", "benchmark", "--wandb", "disabled")
    after, ended = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return document, {"seconds": round(ended - started, 2), "cpu_seconds": round(cpu, 2)}


def evaluate_all(bench: Bench, results: Results, jobs: Sequence[tuple[Variant, int]]) -> None:
    """Evaluate the runs that have no test accuracy yet: the only place where the test images are read."""
    for variant, seed in jobs:
        row = results.find(variant.name, seed)
        if row is None or row["test_acc"]:
            continue
        row["test_acc"] = str(bench.ffnn("evaluate", row["run_id"])["accuracy"])
        if variant.config(seed).augment != "none":
            averaged = bench.ffnn("evaluate", row["run_id"], "--tta")
            row["val_acc_tta"], row["test_acc_tta"] = str(averaged["val_acc"]), str(averaged["accuracy"])
        results.save()
        _say(f"{variant.name}, seed {seed}: evaluated")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def default_core() -> int:
    """Return the last core that this process may use; the first one tends to serve the interrupts."""
    return max(os.sched_getaffinity(0))


def put_between(path: Path, marker: str, text: str) -> None:
    """Put a text between the comments ``marker`` and ``/marker``. Raises ValueError where they lack."""
    whole = path.read_text("utf-8")
    begin, end = f"<!-- {marker} -->", f"<!-- /{marker} -->"
    if begin not in whole or end not in whole:
        raise ValueError(f"{path} has no {begin} … {end}")
    head, rest = whole.split(begin, 1)
    write_atomic(path, f"{head}{begin}\n{text}\n{end}{rest.split(end, 1)[1]}")
