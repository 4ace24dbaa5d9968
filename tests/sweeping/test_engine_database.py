"""Addresses of databases, and how long one waits for them."""

from __future__ import annotations

import sqlite3
import threading
import time

import pytest
from engine_helpers import complete, sweep_of

from ffcli.errors import RequestError
from ffcli.sweeping.database import DatabaseError, masked
from ffcli.sweeping.store import TrialStore


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://user:secret@host:5/db", "postgresql+psycopg://user:***@host:5/db"),
        ("postgres://user@host/db?password=secret", "postgresql+psycopg://user@host/db?password=***"),
        ("mysql://u:secret@h/db?sslpassword=secret", "mysql+pymysql://u:***@h/db?sslpassword=***"),
        (f"postgresql://{'a1' * 20}@host/db", "postgresql+psycopg://***@host/db"),
        ("sqlite:///runs/sweep.db", "sqlite:///runs/sweep.db"),
    ],
)
def test_no_message_shows_a_password(url, shown):
    assert masked(url) == shown


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "--storage: that is not the address of a database"),
        ("", "--storage: that is not the address of a database"),
        ("oracle://u:secret@h/db", "--storage: 'oracle' is no known database"),
    ],
)
def test_an_address_that_is_none_is_refused_without_repeating_it(url, message):
    with pytest.raises(RequestError, match=message) as caught:
        TrialStore(url)
    assert "secret" not in f"{caught.value} {caught.value.hint}"


def test_a_missing_driver_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(RequestError, match="driver of postgresql is not installed") as caught:
        TrialStore("postgresql://h/db")
    assert caught.value.hint == "pip install 'ffnn[postgresql]'"


def test_a_server_that_is_not_there_is_told_at_once():
    with pytest.raises(
        DatabaseError, match=r"postgresql\+psycopg://u:\*\*\*@127.0.0.1:1/db failed: "
    ) as caught:
        TrialStore("postgresql://u:secret@127.0.0.1:1/db")
    assert "secret" not in str(caught.value)


def test_a_folder_that_is_not_there_is_told_at_once(tmp_path):
    with pytest.raises(DatabaseError, match="unable to open database file"):
        TrialStore(f"sqlite:///{tmp_path / 'none' / 'sweep.db'}")


def test_a_file_that_is_no_database_is_told_at_once(tmp_path):
    (tmp_path / "sweep.db").write_text("a text, and long enough to be looked at " * 100)
    with pytest.raises(DatabaseError, match="file is not a database"):
        TrialStore(f"sqlite:///{tmp_path / 'sweep.db'}")


def test_a_database_that_another_holds_is_waited_for_but_not_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr("ffcli.sweeping.database._BUSY_SECONDS", 0.05)
    path = tmp_path / "sweep.db"
    store = TrialStore(f"sqlite:///{path}", patience=0.3)
    sweep = store.create(sweep_of())
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseError, match=r"has not answered for 0.3 seconds: database is locked"):
        complete(store, sweep, 1)
    store.database.patience = 30

    def let_go():
        time.sleep(0.5)
        other.execute("ROLLBACK")

    thread = threading.Thread(target=let_go)
    thread.start()
    complete(store, sweep, 1)
    thread.join()
    other.close()
    store.close()


def test_a_full_disk_is_told_at_once(sqlite):
    sweep = sqlite.create(sweep_of())
    pages = "PRAGMA max_page_count = 1"  # SQLite takes the present size for the least

    def shrink(connection):
        connection.exec_driver_sql(pages)

    sqlite.database.run(shrink)
    sqlite.database.patience = 1000
    with pytest.raises(DatabaseError, match="database or disk is full"):
        complete(sqlite, sweep)


def test_tables_are_durable_before_a_method_returns(sqlite):
    def settings(connection):
        names = ("journal_mode", "synchronous")
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    assert sqlite.database.run(settings) == ["wal", 2]
