"""Passwords and keys are not told, wherever they stand in a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffcli.util.redact import without_keys, without_secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:hunter2@host/db", "postgresql://me:***@host/db"),
        ("x postgresql://me:hu@nt:er/2@host/db y", "x postgresql://me:***@host/db y"),
        ("postgres://me@host/db?password=hunter2&x=1", "postgres://me@host/db?password=***&x=1"),
        ("mysql://u@h/db?sslmode=a&SSLPassword=hunter2", "mysql://u@h/db?sslmode=a&SSLPassword=***"),
        ("https://host/mnist.npz?X-Signature=hunter2", "https://host/mnist.npz?X-Signature=***"),
        ("--storage=postgresql://me:hunter2@host/db", "--storage=postgresql://me:***@host/db"),
        ("https://:hunter2@host", "https://:***@host"),
        ("postgresql:/me:hunter2@host/db", "postgresql:/me:***@host/db"),
        ("postgresql://me@host:5432/db", "postgresql://me@host:5432/db"),
        ("https://ghp_0a1b2c@host/x", "https://***@host/x"),
        ("HTTP://token@host:80/x y", "HTTP://***@host:80/x y"),
        ("https://host/a@b, https://host?q=a@b", "https://host/a@b, https://host?q=a@b"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
        ("mysql://the-reporting-user-of-2026@host/db", "mysql://the-reporting-user-of-2026@host/db"),
        (f"mysql://{'x' * 40}@host/db", f"mysql://{'x' * 40}@host/db"),
        (f"postgresql://{'a1' * 20}@host/db", "postgresql://***@host/db"),
        (f"postgresql:/{'a1' * 20}@host/db", "postgresql:/***@host/db"),
        ("https://host:8080/a", "https://host:8080/a"),
        ("epoch 1/3 at 12:30, me@host", "epoch 1/3 at 12:30, me@host"),
    ],
)
def test_addresses(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


@given(st.text("abc123!$*()~._-", min_size=1), st.text("abc/:@?", max_size=4))
def test_no_password_of_an_address_is_left(part: str, other: str) -> None:
    secret = f"S3CRET{part}{other}T3RCES"
    assert "S3CRET" not in without_secrets(f"error: postgresql://user:{secret}@host/db failed")


def test_the_secrets_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "local-0123456789abcdef")
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    monkeypatch.setenv("MYSQL_PWD", "a")
    assert without_secrets("key local-0123456789abcdef, hunter2, a") == "key ***, ***, a"


def test_anything_as_long_as_a_key() -> None:
    assert without_keys(f"bad key {'a1' * 20} for https://u:p@h") == "bad key … for https://u:***@h"
