"""Names that come from files, databases and servers never lead out of the runs folder."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from cli_helpers import Cli
from hostile_helpers import NASTY, Trained

from ffcli.errors import FfnnError, RequestError
from ffcli.runs.store import MODEL, SUMMARY, DamagedRunError, RunStore
from ffcli.services.sweeps.create import sweep_folder
from ffcli.sweeping.wandb.address import parse_address
from ffcli.training.context import Context

ELSEWHERE = ["../other", "..", ".", "", "/etc", "a/../../b", "a\\..\\b", "C:\\x", "a\0b", "a\nb", NASTY]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_no_id_of_a_run_leads_elsewhere(tmp_path: Path, name: str) -> None:
    store = RunStore(tmp_path / "runs")
    for use in (store.path, store.read, store.history, store.config):
        with pytest.raises(DamagedRunError):
            use(name)
    assert store.of_sweep(name, "s") is None


@pytest.mark.parametrize("name", [*ELSEWHERE, "a/b", "a/b/c/d", "../a/b", "a/../b"])
def test_no_id_of_a_sweep_leads_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestError):
        sweep_folder(Context(tmp_path, tmp_path / "runs"), name)


def test_the_ids_that_there_are_lead_into_the_store(tmp_path: Path) -> None:
    context = Context(tmp_path, tmp_path / "runs")
    for name in ("20260131-120000-123-x7k2", "team/nets/1a2b3c4d"):
        assert sweep_folder(context, name) == tmp_path / "runs" / "sweeps" / name


@pytest.mark.parametrize(
    "name", ["a/../id", "./b/id", "../../id", "a/b/..", "a/b/c/d", "a\n/b/id", "a/\x1b/id"]
)
def test_no_address_at_wandb_leads_elsewhere(name: str) -> None:
    with pytest.raises(RequestError):
        parse_address(name)


@pytest.mark.parametrize("word", ["..", ".", "/", "runs/..", "runs/../..", "../keep", "sweeps", "*", ""])
def test_runs_rm_removes_nothing_else(copied: Trained, cli: Cli, word: str) -> None:
    keep = copied.folder / "keep"
    keep.mkdir()
    (keep / SUMMARY).write_text("{}")
    (copied.folder / "runs" / "sweeps").mkdir(exist_ok=True)
    (copied.folder / "runs" / "sweeps" / SUMMARY).write_text("{}")
    before = sorted(copied.folder.rglob("*"))
    assert cli("runs", "rm", "--yes", "--", word).code == 2
    assert sorted(copied.folder.rglob("*")) == before


def test_of_a_link_to_a_run_only_the_link_goes(copied: Trained, cli: Cli) -> None:
    elsewhere = copied.folder / "elsewhere"
    shutil.copytree(copied.folder / "runs" / copied.finished, elsewhere)
    (copied.folder / "runs" / "link").symlink_to(elsewhere)
    before = sorted(path.name for path in elsewhere.iterdir())
    assert cli("runs", "rm", "link", "--yes").out == "removed link\n"
    assert sorted(path.name for path in elsewhere.iterdir()) == before
    assert not (copied.folder / "runs" / "link").exists()


def test_a_link_within_a_run_does_not_take_its_target_along(copied: Trained, cli: Cli) -> None:
    secret = copied.folder / "secret.txt"
    secret.write_text("keep me")
    run = copied.folder / "runs" / copied.finished
    (run / SUMMARY).rename(copied.folder / "summary-elsewhere")
    (run / SUMMARY).symlink_to(copied.folder / "summary-elsewhere")
    (run / ".old-12345678.ffnn").symlink_to(secret)
    (run / "folder").symlink_to(copied.folder / "data")
    assert cli("runs", "rm", copied.finished, "--yes").code == 0
    assert secret.read_text() == "keep me"
    assert (copied.folder / "summary-elsewhere").exists()
    assert any((copied.folder / "data").iterdir())


def test_a_folder_with_a_bad_name_is_listed_as_damaged_and_can_be_removed(copied: Trained, cli: Cli) -> None:
    bad = copied.folder / "runs" / "a\x1b[31m\nb"
    shutil.copytree(copied.folder / "runs" / copied.finished, bad)
    listed = cli("runs", "list", "--json")
    statuses = {run["run_id"]: run["status"] for run in json.loads(listed.out)}
    assert statuses == {copied.finished: "finished", copied.interrupted: "interrupted", bad.name: "damaged"}
    assert "1 run is damaged: a\\x1b[31m b" in listed.err
    assert "\\x1b[31m" in cli("runs", "list").out
    assert cli("runs", "rm", bad.name, "--yes").code == 0
    assert not bad.exists()


def put(study: Path, before: str, after: str) -> None:
    """Replace a part of every line of a study."""
    content = study.read_text()
    assert before in content
    study.write_text(re.sub(re.escape(before) + r"[^\]}]*", after, content))


def commands(sweep_id: str) -> list[list[str]]:
    return [
        ["sweeps", "show", sweep_id, "--json"],
        ["report", sweep_id, "-o", "report.html"],
        ["evaluate", "--best", "--sweep", sweep_id],
        ["sweep", sweep_id, "--count", "3", "--workers", "1"],
    ]


def test_a_study_that_names_runs_elsewhere_is_refused(copied: Trained, cli: Cli) -> None:
    victim = Path("victim")
    victim.mkdir()
    (victim / MODEL).write_bytes(b"precious")
    put(copied.study, '"run_ids":["', '"run_ids":["../victim"')
    for command in commands(copied.sweep_id):
        done = cli(*command)
        assert done.code == 1
        assert "damaged: its run is ../victim" in done.err
    assert (victim / MODEL).read_bytes() == b"precious"


def test_a_study_cannot_have_other_runs_removed(copied: Trained, cli: Cli) -> None:
    """It may name any run of this store: only those of the sweep itself are changed or removed."""
    put(copied.study, '"run_ids":["', f'"run_ids":["{copied.finished}"')
    folder = copied.folder / "runs" / copied.finished
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    lines = copied.study.read_text().splitlines(keepends=True)
    pruned = "".join(line.replace('"state":1', '"state":2') for line in lines)
    open_ = "".join(line for line in lines if '"op_code":6' not in line)
    for content in (pruned, open_):
        copied.study.write_text(content)
        done = cli("sweep", copied.sweep_id, "--count", "2", "--workers", "1", "--json")
        assert done.code == 0, done.err
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    context = Context(copied.folder / "data", copied.folder / "runs")
    for run_id in (copied.finished, copied.finished[:3], copied.finished[-2:]):
        assert context.runs.of_sweep(run_id, copied.sweep_id) is None


def test_a_sweep_whose_id_leads_elsewhere(copied: Trained, cli: Cli) -> None:
    for command in commands("../../../planted"):
        assert cli(*command).code == 2, command
    assert not list(copied.folder.parent.glob("**/planted"))


def test_an_output_does_not_take_the_place_of_a_device(copied: Trained, cli: Cli) -> None:
    link = copied.folder / "null"
    link.symlink_to(os.devnull)
    done = cli("confusion", copied.finished, "-o", "c.png", "--csv", link)
    assert done.code == 0, done.err
    assert link.is_symlink()
    assert Path(os.devnull).is_char_device()


def test_whatever_is_raised_for_a_bad_id_is_expected() -> None:
    assert issubclass(DamagedRunError, FfnnError)
