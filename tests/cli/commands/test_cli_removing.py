"""``runs rm`` by age and rank, and the sizes of runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cli_helpers import Cli, bare, on_terminal

OLD = ["20260101-000000-000-aaaa", "20260102-000000-000-bbbb", "20260103-000000-000-cccc"]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Three finished runs of long ago, the second of which is the best."""
    for run_id, val_acc in zip(OLD, (0.7, 0.9, 0.8)):
        path = tmp_path / "runs" / run_id
        path.mkdir(parents=True)
        record = {
            "run_id": run_id,
            "name": "a run",
            "status": "finished",
            "dataset": "mnist",
            "config": {"epochs": 2},
            "started": "2026-01-01T00:00:00.000Z",
            "best": {"val_acc": val_acc},
            "best_val_acc": val_acc,
        }
        (path / "summary.json").write_text(json.dumps(record))
        (path / "model.safetensors").write_bytes(b"x" * 1_500_000)
    return tmp_path / "runs"


def left(store: Path) -> list[str]:
    return sorted(path.name for path in store.iterdir())


@pytest.mark.usefixtures("store")
def test_sizes_are_listed(cli: Cli) -> None:
    listed = cli("runs", "list")
    heads = re.split(" {2,}", listed.out.splitlines()[0])
    assert heads[:6] == ["run", "status", "val_acc", "best epoch", "time", "size"]
    assert "1.5 MB" in listed.out.splitlines()[1]
    sizes = [run["size"] for run in json.loads(cli("runs", "list", "--json").out)]
    assert all(1_500_000 < size < 1_501_000 for size in sizes)


def test_a_dry_run_shows_what_would_go(cli: Cli, store: Path) -> None:
    done = cli("runs", "rm", "--older-than", "30d", "--keep-best", 1, "--dry-run")
    assert done.code == 0
    assert "would be removed: 2 runs, 3.0 MB" in done.out
    assert OLD[0] in done.out
    assert OLD[1] not in done.out
    nothing = cli("runs", "rm", "--tag", "no-such", "--dry-run")
    assert (nothing.code, nothing.out) == (0, "no such runs: nothing to remove\n")
    nothing = cli("runs", "rm", "--older-than", "5000w", "--dry-run")
    assert "5000w" in nothing.out
    document = json.loads(cli("runs", "rm", "--keep_best=1", "--dry-run", "--json").out)
    assert (document["removed"], document["would_remove"]) == ([], [OLD[0], OLD[2]])
    assert document["size"] > 3_000_000
    assert left(store) == OLD


def test_without_a_terminal_nothing_goes_unless_yes_is_given(cli: Cli, store: Path) -> None:
    done = cli("runs", "rm", "--keep-best", 1)
    assert (done.code, done.out) == (2, "")
    assert "--yes" in done.err
    assert left(store) == OLD
    done = cli("runs", "rm", "--keep-best", 1, "--yes", "--json")
    assert json.loads(done.out)["removed"] == [OLD[0], OLD[2]]
    assert left(store) == [OLD[1]]
    again = cli("runs", "rm", "--keep-best", 1, "--json")
    assert (again.code, json.loads(again.out)["removed"]) == (0, [])


@pytest.mark.parametrize(("answer", "code", "kept"), [("n\n", 1, OLD), ("y\n", 0, [OLD[1]])])
def test_on_a_terminal_it_asks_with_the_runs_in_sight(
    store: Path, answer: str, code: int, kept: list[str]
) -> None:
    done, seen = on_terminal(store.parent, "runs", "rm", "--keep-best", "1", answer=answer)
    assert done == code
    assert "Remove 2 runs, 3.0 MB?" in bare(seen)
    assert OLD[0] in bare(seen)
    assert left(store) == kept


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--older-than", "30"], "--older-than must be a time such as 30d"),
        (["--older-than", "-1d"], "--older-than must be "),
        (["--older-than", "9" * 40 + "w"], "must be a time such as 30d"),
        (["--keep-best", "0"], "--keep-best must be an integer ≥ 1"),
        (["--keep-best", "1", "x"], "got both"),
        ([], "id of a run"),
        (["--status", "finish"], "Did you mean 'finished'"),
        (["--sweep", "nosuch"], "no sweep 'nosuch'"),
    ],
)
def test_wrong_requests(cli: Cli, store: Path, args: list[str], message: str) -> None:
    done = cli("runs", "rm", *args, "--yes")
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert left(store) == OLD


def test_a_damaged_run_is_listed_and_can_be_removed(cli: Cli, store: Path) -> None:
    (store / OLD[0] / "summary.json").write_text("{")
    listed = cli("runs", "list")
    assert (listed.code, listed.out.splitlines()[-1].split()[:2]) == (0, [OLD[0], "damaged"])
    shown = cli("runs", "show", OLD[0])
    assert (shown.code, shown.out) == (1, "")
    assert "is damaged" in shown.err
    code, seen = on_terminal(store.parent, "runs", "rm", OLD[0], answer="y\n")
    assert code == 0, seen
    assert left(store) == OLD[1:]


def test_what_is_stored_of_a_sweep_at_wandb_goes_once_it_is_confirmed(cli: Cli, store: Path) -> None:
    folder = store / "sweeps" / "team" / "project" / "abc123"
    folder.mkdir(parents=True)
    (folder / "sweep.yaml").write_text("name: remote\n")
    assert cli("sweeps", "rm", "abc123").code == 2  # nobody to ask
    assert folder.exists()
    assert "W&B" in cli("sweeps", "rm", "abc123", "--dry-run").out
    done = cli("sweeps", "rm", "team/project/abc123", "--yes")
    assert (done.code, folder.exists()) == (0, False)
    assert "W&B" in done.out
    assert cli("sweeps", "rm", "team/project/abc123", "--yes").code == 2
