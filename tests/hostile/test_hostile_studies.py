"""Studies of sweeps that hold anything: whoever has a folder of runs can write what he likes into one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from cli_helpers import Cli
from hostile_helpers import ANYTHING, NASTY, Trained, few_or_many, fuzz, refusal
from hypothesis import strategies as st

from ffcli.errors import FfnnError
from ffcli.sweeping.study import study

VALUES = st.one_of(
    ANYTHING, st.sampled_from([NASTY, "../x", "[" * 10_000, 10**400, float("nan"), -1, [], {}, None])
)
# Which line of a study, which value in it, and what it is to be.
CHANGES = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), VALUES), min_size=1, max_size=2)


def change(path: Path, changes: list[tuple[int, int, Any]]) -> None:
    lines = path.read_text().splitlines()
    for line, place, value in changes:
        document = json.loads(lines[line % len(lines)])
        places = list(_places(document))
        holder, key = places[place % len(places)]
        holder[key] = value
        lines[line % len(lines)] = json.dumps(document)
    path.write_text("".join(f"{line}\n" for line in lines))


def _places(document: Any) -> Any:
    """Yield every container with each of its keys."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in list(items):
        yield document, key
        if isinstance(value, (dict, list)):
            yield from _places(value)


@few_or_many
def test_any_value(copied: Trained, examples: int) -> None:
    """What is read of a study is sound or refused."""
    good = copied.study.read_bytes()

    def read() -> None:
        found = study.read(copied.study.parent)
        assert found.sweep.id == copied.sweep_id
        assert found.counts.ended <= len(found.trials)
        for trial in found.trials:
            assert set(trial.values) == set(found.sweep.spec.space)
            for run_id in trial.run_ids:
                assert Path(run_id).name == run_id

    def check(changes: Any) -> None:
        copied.study.write_bytes(good)
        change(copied.study, changes)
        said = refusal(FfnnError, read)
        assert said is None or said

    read()
    fuzz(examples, CHANGES, check)


@few_or_many
def test_any_command(copied: Trained, cli: Cli, examples: int) -> None:
    good = copied.study.read_bytes()

    def check(changes: Any) -> None:
        copied.study.write_bytes(good)
        change(copied.study, changes)
        cli("sweeps", "list", "--json")
        cli("sweeps", "show", copied.sweep_id)
        cli("report", copied.sweep_id, "-o", "report.html")

    fuzz(examples // 4, CHANGES, check)


def test_a_damaged_sweep_does_not_hide_the_others(copied: Trained, cli: Cli) -> None:
    other = copied.study.parent.with_name("a")
    shutil.copytree(copied.study.parent, other)
    (other / "study.log").write_text("no study, and long enough to be looked at " * 99)
    done = cli("sweeps", "list", "--json")
    assert [document["sweep_id"] for document in json.loads(done.out)] == [copied.sweep_id]
    assert "sweep a is left out" in done.err
    assert cli("sweep", "a").code == 1
    again = cli("sweep", "s.yaml", "--resume", "--workers", "1", "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out)["sweep_id"] == copied.sweep_id
