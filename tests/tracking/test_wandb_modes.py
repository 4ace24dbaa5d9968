"""Whether runs are tracked, found out without importing wandb."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ffcli.tracking.modes import Decision, decide, has_key
from ffcli.tracking.wandb_process import explain

KEY = "k" * 40


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in list(os.environ):
        if name.startswith("WANDB_"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_auto_is_off_without_a_key():
    assert decide("auto") == Decision("disabled", keyless=True)


@pytest.mark.parametrize("name", ["WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"])
def test_auto_is_online_with_a_key_in_the_environment(monkeypatch, name):
    monkeypatch.setenv(name, KEY)
    assert decide("auto") == Decision("online")


@pytest.mark.parametrize("machine", ["api.wandb.ai", "api.forge.coreweave.com"])
def test_auto_is_online_after_a_login(tmp_path, machine):
    (tmp_path / ".netrc").write_text(f"machine {machine}\n  login user\n  password {KEY}\n")
    assert decide("auto") == Decision("online")


def test_a_login_counts_for_its_own_server_only(tmp_path, monkeypatch):
    netrc = tmp_path / "elsewhere"
    netrc.write_text(f"machine wandb.example.org:8080\n  login user\n  password {KEY}\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert not has_key()
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org:8080")
    assert has_key()
    monkeypatch.delenv("WANDB_BASE_URL")
    settings = tmp_path / ".config" / "wandb" / "settings"
    settings.parent.mkdir(parents=True)
    settings.write_text("[default]\nbase_url = https://wandb.example.org:8080\n")
    assert has_key()


def test_damaged_files_hold_no_key(tmp_path):
    (tmp_path / ".netrc").write_text("machine\n\x00 what")
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb" / "settings").write_bytes(b"\xff\xfe no settings")
    assert decide("auto") == Decision("disabled", keyless=True)


@pytest.mark.parametrize(
    ("word", "mode"),
    [("online", "online"), ("offline", "offline"), ("dryrun", "offline"), ("disabled", "disabled")],
)
def test_what_wandb_was_told_beats_a_key(monkeypatch, tmp_path, word, mode):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_MODE", word)
    assert decide("auto") == Decision(mode)
    monkeypatch.delenv("WANDB_MODE")
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb" / "settings").write_text(f"[default]\nmode = {word}\n")
    assert decide("auto") == Decision(mode)
    assert decide("offline") == Decision("offline"), "an explicit wish beats all"


def test_a_run_started_by_an_agent_is_online(monkeypatch):
    monkeypatch.setenv("WANDB_SWEEP_ID", "s1")
    monkeypatch.setenv("WANDB_RUN_ID", "r1")
    assert decide("auto") == Decision("online")


def test_explanations_hold_no_key():
    assert KEY not in explain(RuntimeError(f"no such thing {KEY} here"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Failed to verify credentials with https://h: returned error 401: user is not logged in", "API key"),
        ("API key verification failed: read tcp 127.0.0.1:403: read: connection reset by peer", "not answer"),
        ("Failed to verify the API key: Post http://127.0.0.1:401/graphql: EOF", "not answer"),
        ("permission denied", "API key"),
        ("context deadline exceeded", "not answer"),
    ],
)
def test_a_key_that_could_not_be_verified_is_not_refused(text, expected):
    assert expected in explain(RuntimeError(text))


def test_an_error_without_words_has_its_name():
    assert explain(RuntimeError()) == "RuntimeError"


@pytest.mark.parametrize(
    "module", ["training.tracking", "tracking.wandb_tracker", "cli.commands.train", "cli.commands.sync"]
)
def test_wandb_is_not_imported_before_its_own_process(module):
    probe = f"import sys, ffcli.{module}; print('wandb' in sys.modules)"
    root = str(Path(__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "False"
