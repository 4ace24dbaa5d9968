"""Databases of sweeps that hold anything: SQLite's columns take any value."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from ffcli.sweeping.database import masked, read_url
from ffcli.sweeping.store import TrialStore
from hostile_helpers import ANYTHING, NASTY, Cli, Trained, few_or_many, fuzz, refusal
from hypothesis import strategies as st

from ffcli.errors import FfnnError, RequestError
from ffcli.sweeping.spec.spec import load_spec

COLUMNS = {
    "ffnn_sweeps": ["id", "spec", "base", "dataset_digest", "core_version", "seed", "created"],
    "ffnn_trials": [
        *("number", "place", "key", "drawn", "point", "config", "state", "attempts", "host", "pid"),
        *("lease", "run_id", "value", "best_epoch", "error", "created", "started", "ended"),
    ],
    "ffnn_epochs": ["epoch", "number", "train_loss", "val_acc", "seconds", "time"],
}
CELLS = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=8),
    st.binary(max_size=8),
    ANYTHING.map(json.dumps),
    st.sampled_from([NASTY, "../x", "running", "[" * 100_000, "9" * 5000, "nan"]),
)
CHANGES = st.lists(
    st.sampled_from([(table, column) for table, names in COLUMNS.items() for column in names]).flatmap(
        lambda place: st.tuples(st.just(place), CELLS)
    ),
    min_size=1,
    max_size=2,
)


def change(database: Path, changes: list[tuple[tuple[str, str], Any]]) -> None:
    connection = sqlite3.connect(database)
    for (table, column), value in changes:
        try:
            connection.execute(f"UPDATE {table} SET {column} = ?", (value,))
        except (
            sqlite3.Error,
            UnicodeEncodeError,
        ):  # it must not be NULL, or differ by row
            continue
    connection.commit()
    connection.close()


@few_or_many
def test_any_cell(copied: Trained, examples: int) -> None:
    """What a store reads is sound or refused, for each of the ways in which it is read."""
    sound = copied.database.read_bytes()
    spec = load_spec(copied.folder / "s.yaml")

    def read() -> None:
        store = TrialStore(f"sqlite:///{copied.database}")
        try:
            for sweep in store.sweeps():
                assert sweep.id == Path(sweep.id).name
                store.counts(sweep)
                for trial in store.trials(sweep):
                    assert set(trial.values) <= set(spec.space) | set(sweep.spec.space)
                    assert trial.run_id is None or Path(trial.run_id).name == trial.run_id
                for epoch in store.epochs(sweep.id):
                    assert isinstance(epoch.time, float)
        finally:
            store.close()

    def check(changes: Any) -> None:
        for leftover in copied.folder.glob("shared.db-*"):
            leftover.unlink()
        copied.database.write_bytes(sound)
        change(copied.database, changes)
        said = refusal(FfnnError, read)
        assert said is None or said

    read()
    fuzz(examples, CHANGES, check)


@few_or_many
def test_any_command(copied: Trained, cli: Cli, examples: int) -> None:
    sound = copied.database.read_bytes()

    def check(changes: Any) -> None:
        for leftover in copied.folder.glob("shared.db-*"):
            leftover.unlink()
        copied.database.write_bytes(sound)
        change(copied.database, changes)
        cli("sweeps", "list", *copied.storage, "--json")
        cli("sweeps", "show", copied.sweep_id, *copied.storage)
        cli("report", copied.sweep_id, *copied.storage, "-o", "report.html")

    fuzz(examples // 4, CHANGES, check)


def test_a_damaged_sweep_does_not_hide_the_others(copied: Trained, cli: Cli) -> None:
    sweeps = copied.folder / "runs" / "sweeps"
    shutil.copytree(copied.folder / "runs" / copied.finished, sweeps / "a")
    (sweeps / "a" / "study.db").write_text("no database, and long enough to be looked at " * 99)
    (sweeps / copied.sweep_id).mkdir()
    shutil.copy(copied.database, sweeps / copied.sweep_id / "study.db")
    done = cli("sweeps", "list", "--json")
    assert [document["sweep_id"] for document in json.loads(done.out)] == [copied.sweep_id]
    assert "sweep a is left out: The database" in done.err


def test_a_damaged_row_of_a_shared_database_does_not_hide_the_other_sweeps(copied: Trained, cli: Cli) -> None:
    row = "base, dataset_digest, core_version, seed, 0, NULL, NULL FROM ffnn_sweeps"
    trial = "number, place, key, drawn, point, config, attempts, created, state"
    connection = sqlite3.connect(copied.database)
    connection.execute(f"INSERT INTO ffnn_sweeps SELECT 'spoiled', 'no file', {row} LIMIT 1")
    connection.execute(f"INSERT INTO ffnn_sweeps SELECT 'twin', spec, {row} WHERE id = ?", [copied.sweep_id])
    connection.execute(f"INSERT INTO ffnn_trials (sweep, {trial}) SELECT 'twin', {trial} FROM ffnn_trials")
    connection.execute("UPDATE ffnn_trials SET state = 'gone' WHERE sweep = 'twin'")
    connection.commit()
    connection.close()
    done = cli("sweeps", "list", *copied.storage, "--json")
    assert done.code == 0, done.err
    assert [document["sweep_id"] for document in json.loads(done.out)] == [copied.sweep_id]
    assert "left out: Sweep spoiled is damaged in its database" in done.err
    assert "of sweep twin is damaged in its database: its state is gone" in done.err
    again = cli("sweep", "s.yaml", *copied.storage, "--resume", "--workers", "1", "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out)["sweep_id"] == copied.sweep_id


def test_views_and_triggers_of_a_file_call_nothing(copied: Trained) -> None:
    store = TrialStore(f"sqlite:///{copied.database}")
    trusted = store.database.run(
        lambda connection: connection.exec_driver_sql("PRAGMA trusted_schema").scalar()
    )
    store.close()
    assert trusted == 0


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:S3CRET@host:port/db",
        "postgresql://me:S3CRET@pa:ss@host/db",
        "postgresql://me:S3CRET/x@host/db",
        "oracle://me:S3CRET@host/db",
        "://me:S3CRET@host/db",
        "postgresql:me:S3CRET@host/db",
        "postgresql://me:pw@S3CRET@127.0.0.1:1/db",
    ],
)
def test_no_refusal_of_an_address_repeats_it(url: str, cli: Cli) -> None:
    done = cli("sweeps", "list", "--storage", url, "--verbose")
    assert done.code in (1, 2)
    assert "S3CRET" not in done.out + done.err


@few_or_many
def test_any_address(examples: int) -> None:
    def check(url: str) -> None:
        said = refusal(RequestError, lambda: masked(read_url(url)))
        assert said is None or "--storage" in said

    words = st.text("ab:/@?=&%#[]*.0", max_size=30)
    fuzz(examples, words | words.map(lambda rest: f"postgresql://{rest}") | st.text(), check)
