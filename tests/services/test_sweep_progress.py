"""Whether a sweep is running, open or ended, as its documents tell."""

from __future__ import annotations

import pytest
import stored_sweeps
from ffcli.sweeping.claiming import Request
from ffcli.sweeping.progress import raise_goal
from ffcli.sweeping.store import TrialStore
from small_runs import Place
from stored_sweeps import Made, put_sweep

from ffcli.runs.layout import SWEEP_FILE
from ffcli.services.sweeps.create import storage_url, stored_sweep
from ffcli.services.sweeps.summary import list_sweeps, progress, show_sweep
from ffcli.util.processes import this_process

FOUR = "learning_rate: {values: [0.001, 0.002, 0.003, 0.004]}"
ONE = Made([(0.5, 1.0)])


def told(place: Place, sweep_id: str) -> tuple[str, int | None]:
    """Return the state and how many trials are planned, which all documents agree on."""
    (listed,) = list_sweeps(place.context, None)
    documents = (listed, show_sweep(place.context, sweep_id, None), progress(place.context, sweep_id, None))
    (found,) = {(document["state"], document["planned"]) for document in documents}
    return found


@pytest.mark.parametrize(
    ("made", "asked", "expected"),
    [
        (2, None, ("open", 4)),
        (4, None, ("ended", 4)),
        (2, 3, ("open", 3)),
        (2, 2, ("ended", 2)),
        (2, 1, ("ended", 2)),
        (2, 9, ("open", 4)),
    ],
)
def test_it_has_ended_when_all_that_were_asked_for_have(
    place: Place, made: int, asked: int | None, expected: tuple[str, int]
) -> None:
    sweep_id = put_sweep(place, FOUR, [ONE] * made)
    if asked is not None:
        store = TrialStore(storage_url(place.context, sweep_id, None))
        raise_goal(store.database, stored_sweep(place.context, sweep_id), asked)
        store.close()
    assert told(place, sweep_id) == expected
    assert progress(place.context, sweep_id, None)["ended"] == made


def test_it_runs_while_somebody_has_a_trial(place: Place) -> None:
    sweep_id = put_sweep(place, FOUR, [ONE])
    store = TrialStore(storage_url(place.context, sweep_id, None))
    store.claim(stored_sweep(place.context, sweep_id), Request("mine", this_process()))
    assert told(place, sweep_id) == ("running", 4)
    store.release("mine")
    store.close()
    assert told(place, sweep_id) == ("open", 4)


@pytest.mark.parametrize(("value", "state"), [(0.95, "ended"), (0.85, "open")])
def test_a_pruned_run_can_reach_the_target(
    place: Place, monkeypatch: pytest.MonkeyPatch, value: float, state: str
) -> None:
    monkeypatch.setattr(stored_sweeps, "SPACE", stored_sweeps.SPACE.replace("GOAL}", "GOAL, target: 0.9}"))
    sweep_id = put_sweep(place, FOUR, [Made([(0.5, 1.0)]), Made([(value, 1.0)], "pruned")])
    assert told(place, sweep_id) == (state, 4)


def test_what_was_killed_before_it_had_its_file_goes_with_the_next_sweep(place: Place) -> None:
    root = place.context.runs_dir / "sweeps"
    folders = [root / name for name in ("20260101-000000-000-aaaa", "20260101-000000-000-bbbb", "entity")]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / f".{SWEEP_FILE}-x1y2z3_4").write_text("method: ")
    (folders[1] / SWEEP_FILE).write_text("method: grid")
    put_sweep(place, FOUR, [])
    assert [len(list(folder.iterdir())) for folder in folders] == [0, 2, 1]
