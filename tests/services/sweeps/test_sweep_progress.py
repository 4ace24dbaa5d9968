"""Whether a sweep is running, open or ended, and the summaries by which sweeps are listed."""

from __future__ import annotations

import json

import pytest
import stored_sweeps
from small_runs import Place
from stored_sweeps import Made, put_sweep, put_trial, writer_of

from ffcli.runs.layout import STUDY, SUMMARY
from ffcli.services.sweeps import listing
from ffcli.services.sweeps.create import sweep_folder
from ffcli.services.sweeps.listing import list_sweeps
from ffcli.services.sweeps.summary import progress, show_sweep
from ffcli.sweeping.study.lock import SweepLock

FOUR = "learning_rate: {values: [0.001, 0.002, 0.003, 0.004]}"
ONE = Made([(0.5, 1.0)])


def told(place: Place, sweep_id: str) -> tuple[str, int | None]:
    """Return the state and how many trials are planned, which all documents agree on."""
    (listed,) = list_sweeps(place.context)
    shown = show_sweep(place.context, sweep_id)
    assert vars(listed) == {key: getattr(shown, key) for key in vars(listed)}
    documents = (listed, shown, progress(place.context, sweep_id))
    (found,) = {(document.state, document.planned) for document in documents}
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
        writer_of(place, sweep_id).raise_count(asked)
    assert told(place, sweep_id) == expected
    assert sum(vars(progress(place.context, sweep_id).counts).values()) == made


def test_it_runs_while_a_process_owns_it(place: Place) -> None:
    sweep_id = put_sweep(place, FOUR, [ONE, Made([], "open")])
    assert told(place, sweep_id) == ("open", 4)
    with SweepLock(sweep_folder(place.context, sweep_id)):
        assert told(place, sweep_id) == ("running", 4)
    assert told(place, sweep_id) == ("open", 4)


@pytest.mark.parametrize(("value", "state"), [(0.95, "ended"), (0.85, "open")])
def test_a_pruned_run_can_reach_the_target(
    place: Place, monkeypatch: pytest.MonkeyPatch, value: float, state: str
) -> None:
    monkeypatch.setattr(stored_sweeps, "SPACE", stored_sweeps.SPACE.replace("GOAL}", "GOAL, target: 0.9}"))
    sweep_id = put_sweep(place, FOUR, [Made([(0.5, 1.0)]), Made([(value, 1.0)], "pruned")])
    assert told(place, sweep_id) == (state, 4)


def test_a_listing_reads_a_study_only_where_it_has_changed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep_id = put_sweep(place, FOUR, [ONE])
    first = list_sweeps(place.context)
    monkeypatch.setattr(listing, "write_summary", None)
    assert list_sweeps(place.context) == first
    monkeypatch.undo()
    put_trial(writer_of(place, sweep_id), 1, Made([(0.75, 1.0)]))
    (listed,) = list_sweeps(place.context)
    assert (listed.counts.finished, listed.best.value) == (2, 0.75)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"study": [1, 2], "sweep": {}}',
        "\0",
        "NaN",
    ],
)
def test_a_summary_that_is_none_is_made_anew(place: Place, content: str) -> None:
    sweep_id = put_sweep(place, FOUR, [ONE])
    first = list_sweeps(place.context)
    path = sweep_folder(place.context, sweep_id) / SUMMARY
    good = path.read_text()
    path.write_text(content)
    assert list_sweeps(place.context) == first
    assert path.read_text() == good


@pytest.mark.parametrize(
    ("key", "value"),
    [("counts", {"finished": -1}), ("best", []), ("top", [{}]), ("sweep_id", "another"), ("planned", "many")],
)
def test_a_summary_with_what_no_ffnn_has_written_is_made_anew(place: Place, key: str, value: object) -> None:
    sweep_id = put_sweep(place, FOUR, [ONE])
    first = list_sweeps(place.context)
    path = sweep_folder(place.context, sweep_id) / SUMMARY
    document = json.loads(path.read_text())
    document["sweep"][key] = value
    path.write_text(json.dumps(document))
    assert list_sweeps(place.context) == first


def test_a_store_that_cannot_be_written_is_listed_all_the_same(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep_id = put_sweep(place, FOUR, [ONE])

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(listing, "write_atomic", refuse)
    assert [each.sweep_id for each in list_sweeps(place.context)] == [sweep_id]
    assert (sweep_folder(place.context, sweep_id) / STUDY).is_file()
    assert not (sweep_folder(place.context, sweep_id) / SUMMARY).exists()
