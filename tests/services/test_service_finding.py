"""Which sweep a word stands for."""

from __future__ import annotations

import pytest
from small_runs import Place
from stored_sweeps import put_sweep

from ffcli.errors import RequestError
from ffcli.services.removing import Choice, chosen
from ffcli.services.runs import Filter, list_runs

SHARED, REMOTE = "20260105-000000-000-shrd", "team/nets/abc123"


def of(place: Place, sweep: str) -> list[str]:
    return [run["run_id"] for run in list_runs(place.context, sweep=sweep)]


def test_runs_of_a_sweep_elsewhere_are_found_by_their_own_records(place: Place) -> None:
    """A shared sweep and one of W&B leave no database here, and may leave no folder either."""
    place.put("a", sweep_id=SHARED)
    place.put("b", sweep_id=REMOTE)
    place.put("c")
    for word, runs in ((SHARED, ["a"]), ("shrd", ["a"]), (REMOTE, ["b"]), ("abc123", ["b"])):
        assert of(place, word) == runs
        gone = chosen(place.context, Choice(Filter(sweep=word)))
        assert [run["run_id"] for run in gone] == runs


def test_runs_of_a_sweep_that_has_none_are_none(place: Place) -> None:
    sweep_id = put_sweep(place, "learning_rate: {values: [0.1, 0.2]}", [])
    place.put("a", sweep_id=SHARED)
    assert of(place, sweep_id) == of(place, sweep_id[-4:]) == []


def test_runs_of_an_unknown_sweep_are_refused_with_the_sweeps_that_are_there(place: Place) -> None:
    with pytest.raises(RequestError, match="no sweep 'quick': .*/runs holds no sweep and no run of one"):
        of(place, "quick")
    place.put("a", sweep_id=SHARED)
    place.put("b", sweep_id=REMOTE)
    with pytest.raises(RequestError, match=f"'quick'. The latest are {SHARED}, {REMOTE}") as caught:
        of(place, "quick")
    assert "storage" not in str(caught.value.hint)
    place.put("c", sweep_id="20260106-000000-000-aaaa")
    with pytest.raises(RequestError, match="'2' stands for 2 sweeps"):
        of(place, "2")
