"""Paths with characters that mean something to URLs, globs, format strings, shells or terminals."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_runs import write_dataset

from ffcli.cli.app import main

STRANGE = "q?x a%20b#c[x]*\n\udcff{run} %(x)s $HOME ~;'\""  # \udcff: a byte that is no UTF-8
SPACE = {"epochs": {"value": 2}, "num_layers": {"value": 1}, "hidden_size": {"values": [4, 5]}}


@pytest.mark.parametrize(
    "name",
    [
        STRANGE,
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("q?x", "a%20b", "a#b", "a\nb", "-v")),
    ],
    ids=ascii,
)
def test_every_command_works_in_a_folder_of_this_name(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    base = tmp_path / name
    base.mkdir()
    monkeypatch.chdir(base)
    data = str(write_dataset(base / f"{name}.npz"))
    runs = base / f"runs {name}"
    file = str(base / f"{name}.yaml")
    Path(file).write_text(
        yaml.safe_dump({"method": "grid", "parameters": {"dataset": {"value": data}, **SPACE}})
    )
    places = ["--runs-dir", str(runs), "--data-dir", str(base / "data")]

    def call(*words: object) -> str:
        code = main([*map(str, words), *places])
        out, err = capsys.readouterr()
        assert code == 0, (words, err)
        return out

    def document(*words: object) -> Any:
        return json.loads(call(*words, "--json"))

    def figure(letter: str, ending: str = "png") -> Path:
        return base / f"{letter}{name}.{ending}"

    small = ["-d", data, "-sz", "4", "-nhl", "1", "-e", "2", "--wandb", "disabled"]
    first, second = (document("train", *small, "--seed", seed)["run_id"] for seed in (0, 1))
    commands: list[tuple[object, ...]] = [
        ("train", "--resume", first, "-e", "3"),
        ("runs", "list"),
        ("runs", "show", runs / second),
        ("runs", "compare", first, second, "-o", figure("c")),
        ("evaluate", "--best", "-d", data),
        ("evaluate", first, second, "--ensemble"),
        ("ensembles", "list"),
        ("confusion", "--best", "-d", data, "-o", figure("f")),
        ("predict", "1", "--best", "-d", data, "-o", figure("p")),
        ("visualize", "-d", data, "-o", figure("v")),
        ("export", first, "--format", "npz", "-o", figure("e", "npz")),
        ("train", "--config", runs / first / "config.yaml", "--wandb", "disabled"),
    ]
    for command in commands:
        call(*command)
    sweep = document("sweep", file, "--backend", "local", "--workers", "1", "--wandb", "disabled")["sweep_id"]
    for command in [
        ("sweeps", "list"),
        ("sweeps", "show", sweep),
        ("report", sweep, "-o", figure("r", "html")),
        ("evaluate", "--best", "--sweep", sweep),
        ("rerun", "--sweep", sweep, "--seeds", "1", "--top", "1", "--workers", "1"),
        ("runs", "list", "--sweep", sweep),
        ("runs", "rm", first, "--yes"),
    ]:
        call(*command)
    assert {path.suffix for path in base.iterdir() if path.is_file()} == {".npz", ".yaml", ".png", ".html"}


@pytest.mark.parametrize("kind", ["pipe", "loop", "device", "folder"])
@pytest.mark.parametrize(
    "words",
    [
        ["sweep", "FILE"],
        ["sweep", "FILE", "--dry-run"],
        ["compare-loss", "FILE"],
        ["sweep", "quick", "--start-from", "FILE"],
        ["train", "--config", "FILE"],
        ["train", "-d", "FILE"],
        ["evaluate", "FILE/x"],
    ],
    ids=" ".join,
)
def test_what_is_no_file_is_refused_and_not_waited_for(
    tmp_path: Path,
    kind: str,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make: dict[str, Callable[[Path], object]] = {
        "pipe": os.mkfifo,
        "loop": lambda path: path.symlink_to(path.name),
        "device": lambda path: path.symlink_to("/dev/zero"),
        "folder": lambda path: path.mkdir(),
    }
    monkeypatch.setattr("ffcli.config.files._PATIENCE", 0.1)
    monkeypatch.chdir(tmp_path)
    make[kind](tmp_path / "given.yaml")
    assert main([word.replace("FILE", "given.yaml") for word in words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "given.yaml" in err or "/dev/zero" in err
    assert "bug" not in err
