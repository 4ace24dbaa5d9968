"""The tables of the sweeps, and transactions that outlast a database that is gone for a while.

Works on SQLite, PostgreSQL and MySQL. The tables are the truth of a sweep; an Optuna study may lie beside
them (see `ffcli.sweeping.publishing`).
"""

from __future__ import annotations

import os
import random
import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    inspect,
    literal_column,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, NoSuchModuleError, OperationalError

from ffcli.errors import FfnnError, RequestError
from ffcli.util.redact import without_secrets

Result = TypeVar("Result")

PATIENCE = 90.0  # seconds; below the lease, so that no trial is given away because the database was gone
_BUSY_SECONDS = 30  # how long SQLite itself waits for another writer

_DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}
_CLOCKS = {
    "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
    "postgresql": "extract(epoch from clock_timestamp())::double precision",
    "mysql": "(unix_timestamp(sysdate(6)) + 0e0)",
}

_HINTS = {  # of SQLite
    "disk is full": "Free some space; the sweep goes on where it stopped.",
    "readonly database": "Its folder cannot be written: the sweep can be looked at here, not gone on with.",
}
_SECRET = re.compile(r"pass|pwd|secret|token|key", re.IGNORECASE)  # parts of an address that are hidden

_tables = MetaData()

SWEEPS = Table(
    "ffnn_sweeps",
    _tables,
    Column("id", String(100), primary_key=True),
    Column("spec", Text, nullable=False),
    Column("base", Text, nullable=False),  # JSON: what the configurations share beside the file
    Column("dataset_digest", String(100), nullable=False),
    Column("core_version", Integer, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("created", Float(53), nullable=False),  # all times are in seconds since 1970, UTC
    Column("publisher", String(40)),
    Column("publishing_until", Float(53)),
)

PAIRINGS = Table(  # apart, so that the databases of before it need no change
    "ffnn_pairings",
    _tables,
    Column("sweep", String(100), primary_key=True),
    Column("field", String(100), nullable=False),
)

GOALS = Table(  # the most trials that were asked for
    "ffnn_goals",
    _tables,
    Column("sweep", String(100), primary_key=True),
    Column("count", BigInteger, nullable=False),
)

TRIALS = Table(
    "ffnn_trials",
    _tables,
    Column("sweep", String(100), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # from 1
    Column("place", String(100)),  # number of the combination, NULL in an infinite space
    Column("key", String(64), nullable=False),  # digest of the configuration
    Column("drawn", Text, nullable=False),  # JSON: the searched values
    Column("point", Text),  # JSON: the same as the proposer's coordinates
    Column("config", Text, nullable=False),  # JSON
    Column("state", String(10), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("token", String(40)),  # of the claim that has or had the trial last
    Column("host", String(200)),
    Column("pid", BigInteger),
    Column("process_start", String(100)),
    Column("lease", Float(53)),
    Column("run_id", String(100)),
    Column("value", Float(53)),
    Column("best_epoch", Integer),
    Column("error", Text),
    Column("created", Float(53), nullable=False),
    Column("started", Float(53)),
    Column("ended", Float(53)),
    Index("ffnn_trials_place", "sweep", "place", unique=True),
    Index("ffnn_trials_state", "sweep", "state", "value"),
    Index("ffnn_trials_token", "token"),
    Index("ffnn_trials_key", "key"),
)

REUSED = Table(  # trials whose epochs were not trained but taken over
    "ffnn_reused",
    _tables,
    Column("sweep", String(100), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("source", String(200), nullable=False),  # the run, or SWEEP/NUMBER
)

EPOCHS = Table(
    "ffnn_epochs",
    _tables,
    Column("sweep", String(100), primary_key=True),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("train_loss", Float(53)),  # NULL where it was no finite number
    Column("train_acc", Float(53)),
    Column("val_loss", Float(53)),
    Column("val_acc", Float(53)),
    Column("val_f1", Float(53)),
    Column("seconds", Float(53), nullable=False),
    Column("train_seconds", Float(53), nullable=False),
    Column("time", Float(53), nullable=False),
)


def read_url(url: str) -> URL:
    """Return a database's address with its driver. Raises RequestError where it is none."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # of a port that is no number
        raise RequestError(
            "--storage: that is not the address of a database.",
            hint="Give one such as postgresql://user@host/name.",
        ) from None
    name = parsed.drivername
    if name.partition("+")[0] not in (*_DRIVERS, "sqlite"):
        raise RequestError(f"--storage: '{name}' is no known database: give postgresql, mysql or sqlite.")
    if "@" in (parsed.host or ""):  # the rest of the password, which messages would tell
        raise RequestError("--storage: the address holds more than one @.", hint="In a password @ is %40.")
    return parsed.set(drivername=_DRIVERS.get(name, name))


def masked(url: str | URL) -> str:
    """Return the address as messages may show it: without a password, in the path or in the query."""
    parsed = read_url(url) if isinstance(url, str) else url
    hidden = dict.fromkeys(filter(_SECRET.search, parsed.query), "***")
    shown = parsed.update_query_dict(hidden).render_as_string(hide_password=True)
    return without_secrets(shown.replace("%2A%2A%2A", "***"))


class DatabaseError(FfnnError):
    """The database fails, or has been gone for too long."""


class Database:
    """A database with the tables of the sweeps, made where they are missing.

    Raises RequestError where the address is wrong or its driver is missing, DatabaseError where it does not
    answer.
    """

    def __init__(self, url: str, *, patience: float = PATIENCE) -> None:
        self.url = read_url(url)
        self.name = masked(self.url)
        self.patience = patience
        self._engine = self._open()
        self.now: ColumnElement[float] = literal_column(_CLOCKS[self._engine.dialect.name], Float(53))
        self.remembers_goals = True
        self._patiently(self._make_tables, _is_busy)

    def _make_tables(self) -> None:
        missing = set(_tables.tables) - set(inspect(self._engine).get_table_names())
        if not missing:
            return
        try:
            _tables.create_all(self._engine)
        except DBAPIError:  # another process was making them at the same time
            time.sleep(0.2)
            try:
                _tables.create_all(self._engine)
            except DBAPIError:
                if missing != {GOALS.name}:
                    raise
                self.remembers_goals = False  # a database of an earlier version that is not ours to change

    def _open(self) -> Engine:
        options: dict[str, Any] = {}
        read_only = _read_only_address(self.url)
        if read_only is not None:
            options["creator"] = lambda: sqlite3.connect(read_only, uri=True, timeout=_BUSY_SECONDS)
        elif self.url.drivername.startswith("sqlite"):
            options["connect_args"] = {"timeout": _BUSY_SECONDS}
        else:
            options["isolation_level"] = "READ COMMITTED"
        try:
            engine = create_engine(self.url, **options)
        except (ImportError, NoSuchModuleError) as error:
            kind = self.url.drivername.partition("+")[0]
            raise RequestError(
                f"--storage: the driver of {kind} is not installed: {error}",
                hint=f"pip install 'ffnn[{kind}]'",
            ) from None
        if engine.dialect.name == "sqlite" and read_only is None:
            event.listen(engine, "connect", _set_up_sqlite)
            event.listen(engine, "begin", _begin_immediate)
        return engine

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def run(self, work: Callable[[Connection], Result]) -> Result:
        """Do ``work`` in one transaction, and again as long as the database is gone or busy.

        The database may have stored the first try although its answer got lost: ``work`` must see that for
        itself. Raises DatabaseError once the patience is at its end, and for what no waiting mends.
        """

        def once() -> Result:
            with self._engine.begin() as connection:
                return work(connection)

        return self._patiently(once, _passes)

    def _patiently(self, work: Callable[[], Result], passes: Callable[[DBAPIError], bool]) -> Result:
        until = time.monotonic() + self.patience
        pause = 0.05
        while True:
            try:
                return work()
            except DBAPIError as error:
                if not passes(error):
                    raise self._failed(error) from error
                if time.monotonic() > until:
                    waited = f"has not answered for {self.patience:g} seconds"
                    raise DatabaseError(f"The database {self.name} {waited}: {_reason(error)}") from error
            # Many workers come back at once, so each waits another while.
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
            pause = min(pause * 2, 2.0)

    def _failed(self, error: DBAPIError) -> DatabaseError:
        reason = _reason(error)
        hint = next((hint for word, hint in _HINTS.items() if word in reason), None)
        return DatabaseError(f"The database {self.name} failed: {reason}", hint=hint)


def _read_only_address(url: URL) -> str | None:
    """Return how to read an SQLite file whose folder cannot be written: SQLite has files of its own there."""
    if not url.drivername.startswith("sqlite") or not url.database:
        return None
    path = Path(url.database).absolute()
    if not path.is_file() or os.access(path.parent, os.W_OK):
        return None
    # Whoever has left the log of the last transactions has left what it takes to read it, too.
    how = "mode=ro" if Path(f"{path}-wal").exists() else "immutable=1"
    return f"{path.as_uri()}?{how}"


def _reason(error: DBAPIError) -> str:
    return " ".join(str(error.orig).split())


def _is_busy(error: DBAPIError) -> bool:
    """Whether another process holds an SQLite file."""
    return isinstance(error.orig, sqlite3.Error) and "locked" in str(error.orig)


def _passes(error: DBAPIError) -> bool:
    """Whether waiting may mend it, with a database that has answered before."""
    if isinstance(error.orig, sqlite3.Error):
        return _is_busy(error)
    return error.connection_invalidated or isinstance(error, (OperationalError, InterfaceError))


def _set_up_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # transactions begin where `_begin_immediate` says
    # A file from elsewhere may define views and triggers: they may call no function that does anything.
    for setting in ("trusted_schema = OFF", "journal_mode = WAL", "synchronous = FULL"):
        connection.execute(f"PRAGMA {setting}").close()


def _begin_immediate(connection: Connection) -> None:
    """Take the lock for writing at once: a transaction that reads first could not get it later."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
