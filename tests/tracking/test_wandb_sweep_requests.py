"""What ``ffnn sweep`` makes of its request before any server is asked, and what it takes from a server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from test_wandb_sweeps import SPEC

from ffcli.cli.app import main
from ffcli.errors import RequestError
from ffcli.services.sweeps.originals import config_of
from ffcli.services.sweeps.wandb import choose_backend
from ffcli.sweeping.wandb.address import WandbAddress, is_address, parse_address
from ffcli.sweeping.wandb.server import RemoteRun

KEY = "k" * 40


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Be in an empty folder with a sweep file, without any settings of W&B."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("WANDB_", "FFNN_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # where nobody listens
    (tmp_path / "spec.yaml").write_text(SPEC)
    return monkeypatch


@pytest.mark.parametrize(
    ("variables", "backend", "why"),
    [
        ({}, "local", "no W&B key is configured"),
        ({"WANDB_API_KEY": KEY}, "wandb", "a W&B key is configured"),
        ({"WANDB_API_KEY": KEY, "WANDB_MODE": "offline"}, "local", "W&B is offline"),
        ({"WANDB_API_KEY": KEY, "WANDB_MODE": "disabled"}, "local", "W&B is disabled"),
        ({"WANDB_MODE": "online"}, "local", "no W&B key is configured"),
    ],
)
def test_auto_is_wandb_where_it_can_work(
    alone: pytest.MonkeyPatch, variables: dict[str, str], backend: str, why: str
) -> None:
    for name, value in variables.items():
        alone.setenv(name, value)
    assert choose_backend() == (backend, why)


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (["spec.yaml", "--backend", "wandb"], {}, "needs a key, and none is configured"),
        (["team/nets/abc123"], {}, "needs a key, and none is configured"),
        (
            ["spec.yaml", "--backend", "wandb"],
            {"WANDB_API_KEY": KEY, "WANDB_MODE": "offline"},
            "cannot run while W&B is offline",
        ),
        (["missing.yaml", "--backend", "wandb"], {"WANDB_API_KEY": KEY}, "there is no such sweep file"),
        (["nets/abc123", "--backend", "wandb"], {"WANDB_API_KEY": KEY}, "give entity/project/id"),
        (["team/ne ts/abc123"], {"WANDB_API_KEY": KEY}, "give entity/project/id"),
        (["team/nets/abc123", "--backend", "local"], {}, "is a sweep of W&B"),
        (["spec.yaml", "--backend", "wandb", "--cluster", "local"], {}, "ffnn sync"),
        (["team/nets/abc123", "--wandb", "offline"], {}, "with --backend wandb W&B follows every run"),
        (["spec.yaml", "--backend", "wandb", "--resume"], {"WANDB_API_KEY": KEY}, "--resume: no sweep of"),
        (["spec.yaml", "--backend", "wnadb"], {}, "Did you mean 'wandb'?"),
        (["spec.yaml", "--backend", "wandb", "--count", "0"], {}, "--count must be an integer ≥ 1, got 0"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(
    alone: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    variables: dict[str, str],
    said: str,
) -> None:
    for name, value in variables.items():
        alone.setenv(name, value)
    assert main(["sweep", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert not Path("runs").exists()


def test_a_wrong_file_is_refused_first(alone: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    alone.setenv("WANDB_API_KEY", KEY)
    Path("spec.yaml").write_text(SPEC.replace("adam", "adm"))
    assert main(["sweep", "spec.yaml"]) == 2
    assert "Did you mean 'adam'?" in capsys.readouterr().err


def test_addresses() -> None:
    address = parse_address("my-team/Nets.1/a1_b-2")
    assert address == WandbAddress("my-team", "Nets.1", "a1_b-2")
    assert str(address) == "my-team/Nets.1/a1_b-2"
    assert address.url("https://wandb.ai/") == "https://wandb.ai/my-team/Nets.1/sweeps/a1_b-2"
    for wrong in ("a/b", "a//c", "a/b/c/d", "a/b/c:d", "a/b/", "/a/b"):
        with pytest.raises(RequestError, match="entity/project/id"):
            parse_address(wrong)
    words = ["a/b/c", "sweeps/own/grid.yaml", "./b/c", "/tmp/x", "20260131-120000-123-x7k2", "a/b", ""]
    assert [word for word in words if is_address(word)] == ["a/b/c"]


def test_the_configuration_of_a_run_at_wandb() -> None:
    both = {"hidden_layers": 2, "num_layers": 3, "optimizer": "nesterov", "hidden_size": 8, "_other": 1}
    assert config_of(RemoteRun("r", "finished", both, ())).num_layers == 3
    old = config_of(RemoteRun("r", "finished", {"hidden_layers": 2, "optimizer": "nag"}, ()))
    assert (old.num_layers, old.optimizer) == (2, "nesterov")
    with pytest.raises(RequestError, match="optimizer"):
        config_of(RemoteRun("r", "finished", {"optimizer": "lion"}, ()))
