"""Which sweep a word stands for."""

from __future__ import annotations

import pytest
from small_runs import Place
from stored_sweeps import put_sweep

from ffcli.errors import RequestError
from ffcli.services.runs.listing import Filter, list_runs
from ffcli.services.runs.remove import Selection, selected
from ffcli.services.sweeps.find import find_sweep

SHARED, REMOTE = "20260105-000000-000-shrd", "team/nets/abc123"


def of(place: Place, sweep: str) -> list[str]:
    return [run.run_id for run in list_runs(place.context, sweep=sweep)]


def test_runs_of_a_sweep_elsewhere_are_found_by_their_own_records(place: Place) -> None:
    """A sweep of W&B leaves no study here, and may leave no folder either."""
    place.put("a", sweep_id=SHARED)
    place.put("b", sweep_id=REMOTE)
    place.put("c")
    for word, runs in ((SHARED, ["a"]), ("shrd", ["a"]), (REMOTE, ["b"]), ("abc123", ["b"])):
        assert of(place, word) == runs
        gone = selected(place.context, Selection(Filter(sweep=word)))
        assert [run.run_id for run in gone] == runs


def test_runs_of_a_sweep_that_has_none_are_none(place: Place) -> None:
    sweep_id = put_sweep(place, "learning_rate: {values: [0.1, 0.2]}", [])
    place.put("a", sweep_id=SHARED)
    assert of(place, sweep_id) == of(place, sweep_id[-4:]) == []


def test_runs_of_an_unknown_sweep_are_refused_with_the_sweeps_that_are_there(place: Place) -> None:
    with pytest.raises(RequestError, match=r"no sweep 'quick': .*/runs holds no sweep and no run of one"):
        of(place, "quick")
    place.put("a", sweep_id=SHARED)
    place.put("b", sweep_id=REMOTE)
    with pytest.raises(RequestError, match=f"'quick'. The latest are {SHARED}, {REMOTE}") as caught:
        of(place, "quick")
    assert "storage" not in str(caught.value.hint)
    place.put("c", sweep_id="20260106-000000-000-aaaa")
    with pytest.raises(RequestError, match=r"'2' .* 2 sweeps"):
        of(place, "2")


SEARCH = "learning_rate: {values: [0.1, 0.2]}"


def named(place: Place, name: str) -> str:
    return put_sweep(place, f"{SEARCH}\nname: {name}", [])


def test_a_sweep_goes_by_the_name_in_its_file(place: Place) -> None:
    first, other = named(place, "Mine"), named(place, "another")
    place.put("a", sweep_id=first)
    assert find_sweep(place.context, "mine") == first
    assert find_sweep(place.context, other[-4:]) == other
    assert of(place, "mine") == ["a"]
    second = named(place, "mine")
    with pytest.raises(RequestError, match=f"'mine' is the name of 2 sweeps: {first}, {second}") as caught:
        find_sweep(place.context, "mine")
    assert caught.value.hint == f"Give the id of one: the latest is {second}."


def test_a_sweep_goes_by_the_name_of_its_file(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place.folder)
    sweep_id = put_sweep(place, SEARCH, [])
    (place.folder / "sweeps").mkdir()
    (place.folder / "sweep.yaml").rename(place.folder / "sweeps" / "nightly.yaml")
    for word in ("nightly", "sweeps/nightly.yaml"):
        assert find_sweep(place.context, word) == sweep_id
    with pytest.raises(RequestError, match=r"no sweep 'quick' in .*The only one is") as caught:
        find_sweep(place.context, "quick")
    assert caught.value.hint == "ffnn sweep quick begins one of this file."
    for word in ("", "x" * 5000, "a\nb", "\0"):
        with pytest.raises(RequestError, match="no sweep"):
            find_sweep(place.context, word)


def test_only_who_takes_a_file_is_told_of_files(place: Place) -> None:
    with pytest.raises(RequestError, match=r"no sweep file and no sweep 'quik' .*the file 'quick'") as caught:
        find_sweep(place.context, "quik", or_file=True)
    assert "bayes" in str(caught.value.hint)
    with pytest.raises(RequestError, match="There is no sweep 'quik'") as caught:
        find_sweep(place.context, "quik")
    assert caught.value.hint == "ffnn sweeps list shows them all."


def test_a_run_is_no_sweep(place: Place) -> None:
    sweep_id = put_sweep(place, SEARCH, [])
    place.put("20260101-000000-000-aaaa", sweep_id=sweep_id)
    place.put("20260102-000000-000-bbbb")
    for find in (lambda word: find_sweep(place.context, word), lambda word: of(place, word)):
        with pytest.raises(RequestError, match="'20260101-000000-000-aaaa' is a run, not a sweep") as caught:
            find("20260101-000000-000-aaaa")
        assert "ffnn runs show 20260101-000000-000-aaaa shows it" in str(caught.value.hint)
        assert f"Its sweep is {sweep_id}." in str(caught.value.hint)
        with pytest.raises(RequestError, match="'bbbb' is the run 20260102-000000-000-bbbb, not a") as caught:
            find("bbbb")
        assert "Its sweep" not in str(caught.value.hint)


def test_a_sweep_or_an_ensemble_is_no_run(place: Place) -> None:
    sweep_id = put_sweep(place, SEARCH, [])
    (place.context.runs_dir / "ensembles").mkdir()
    (place.context.runs_dir / "ensembles" / "20260103-ensm.json").touch()
    (place.context.runs_dir / "sweeps" / REMOTE).mkdir(parents=True)
    (place.context.runs_dir / "sweeps" / REMOTE / "sweep.yaml").touch()
    for word, said, told in (
        (sweep_id, f"'{sweep_id}' is a sweep, not a run", f"evaluate --best --sweep {sweep_id}"),
        (sweep_id[-4:], f"is the sweep {sweep_id}, not a run", f"ffnn sweep {sweep_id} "),
        (REMOTE, f"'{REMOTE}' is a sweep, not a run", f"ffnn runs rm --sweep {REMOTE} removes them."),
        ("20260103-ensm", "is an ensemble, not a run", "ffnn ensembles show 20260103-ensm"),
    ):
        with pytest.raises(RequestError, match=said) as caught:
            place.context.runs.find(word)
        assert told in str(caught.value.hint)


def test_a_sweep_whose_trials_are_elsewhere_says_where(place: Place) -> None:
    (place.context.runs_dir / "sweeps" / REMOTE).mkdir(parents=True)
    (place.context.runs_dir / "sweeps" / REMOTE / "sweep.yaml").touch()
    with pytest.raises(RequestError, match=REMOTE) as caught:
        find_sweep(place.context, "abc123")
    assert f"ffnn report {REMOTE}" in str(caught.value.hint)
