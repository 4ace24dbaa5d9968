"""The live page of the store: which runs it shows, what it reads for that, and who may ask for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from live_stores import Stored, run_id
from small_runs import Place
from stored_sweeps import Made, put_sweep

from ffcli.runs.store import SUMMARY, RunStore
from ffcli.services.report.live import LiveReport, live_report
from ffcli.services.report.live_store import LiveStore, RunStatuses, Shown

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

RATES = "learning_rate: {values: [0.1, 0.03]}"


@pytest.fixture
def stored(place: Place) -> Iterator[Stored]:
    made = Stored(place)
    yield made
    made.end_all()


def data(stored: Stored, **shown: Any) -> Any:
    return LiveStore(stored.place.context).document(Shown(**shown)).data


def test_the_newest_runs_first_with_those_being_trained_and_chosen(stored: Stored) -> None:
    for number in range(1, 8):
        (stored.begin if number == 2 else stored.add)(number, [0.25, number / 10])
    shown = data(stored, runs=3, curves=(run_id(4), "nope", "../x"))
    assert shown["runs"]["run_id"] == [run_id(number) for number in (7, 6, 5, 4, 2)]
    assert shown["runs"]["number"] == [7, 6, 5, 4, 2]
    assert shown["runs"]["status"][-1] == "running"
    assert shown["n_runs"] == 7
    assert [(curve["number"], curve["metrics"]["val_acc"]) for curve in shown["curves"]] == [
        (4, [0.25, 0.4]),
        (2, [0.25, 0.2]),
    ]


def test_the_axes_are_what_differs_and_hold_whatever_a_record_holds(stored: Stored) -> None:
    odd = {"hidden_size": [4, 2], "activation": "relu", "extra": {"a": [1]}, "learning_rate": float("inf")}
    stored.add(1, config={"dataset": "mnist", **odd})
    stored.add(2, config={"dataset": "mine", "hidden_size": 8, "activation": "relu"})
    axes = {each["name"]: each for each in data(stored)["axes"]}
    assert set(axes) == {"dataset", "hidden_size", "extra", "learning_rate"}
    assert axes["hidden_size"]["labels"] == ["8", "4,2"]
    assert axes["dataset"]["values"] == [0, 1]
    LiveStore(stored.place.context).document(Shown()).later()  # it is JSON


def test_damaged_runs_are_counted_and_a_killed_one_is_interrupted(stored: Stored) -> None:
    (stored.add(1) / SUMMARY).write_text("{")
    stored.begin(2)
    pages = LiveStore(stored.place.context)
    page = pages.document(Shown())
    assert page.data["runs"]["status"] == ["running"]
    assert page.values["store"].about["damaged runs"] == "1"
    stored.end(2)
    assert pages.document(Shown()).data["runs"]["status"] == ["interrupted"]


def test_only_records_that_have_changed_are_read_again(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 50):
        stored.add(number)
    stored.begin(50)
    statuses = RunStatuses(stored.place.context.runs)
    read: list[str] = []
    whole = RunStore.read
    monkeypatch.setattr(RunStore, "read", lambda store, name: read.append(name) or whole(store, name))
    assert set(statuses.read().values()) == {"finished", "running"}
    assert len(read) == 50
    read.clear()
    stored.change(7, status="failed")
    found = statuses.read()
    assert read == [run_id(7), run_id(50)]
    assert (found[run_id(7)], found[run_id(8)]) == ("failed", "finished")


def test_sweeps_with_their_counts_and_best(stored: Stored) -> None:
    first = put_sweep(stored.place, RATES, [Made([(0.5, 0.1)]), Made([], "failed")])
    second = put_sweep(stored.place, RATES, [], metric="val_loss")
    page = LiveStore(stored.place.context).document(Shown(sweeps=1))
    assert [row.sweep_id for row in page.values["store"].sweeps] == [second]
    assert page.data["n_sweeps"] == 2
    row = LiveStore(stored.place.context).document(Shown()).values["store"].sweeps[1]
    assert (row.sweep_id, row.counts.finished, row.counts.failed) == (first, 1, 1)
    assert (row.metric.name, row.best.value) == ("val_acc", 0.5)


@pytest.fixture
def served(stored: Stored) -> Iterator[LiveReport]:
    with live_report(stored.place.context) as page:
        yield page


def get(url: str, **headers: str) -> requests.Response:
    return requests.get(url, headers=headers, timeout=60)


def test_an_empty_store_is_served_too(served: LiveReport) -> None:
    assert served.sweep_id is None
    assert get(served.url).status_code == 200
    assert get(served.url + "document").json()["data"]["runs"]["run_id"] == []


def test_the_document_holds_what_is_asked_for(served: LiveReport, stored: Stored) -> None:
    for number in range(1, 6):
        stored.add(number, [0.5])
    few = get(f"{served.url}document?runs=2&curves={run_id(1)}").json()["data"]
    assert few["runs"]["number"] == [5, 4, 1]
    assert [curve["number"] for curve in few["curves"]] == [1]
    for number in ("0", "-1", "x", "", "9" * 30, "²"):
        assert get(f"{served.url}document?sweeps={number}&runs=4").status_code == 200


def test_names_cannot_break_the_page(served: LiveReport, stored: Stored) -> None:
    harm = "<script>window.harmed = 1</script>"
    stored.add(1, name="half a character: \udcff", sweep_id=harm, tags=[harm], config={"dataset": harm})
    stored.add(2, name=harm, error=harm)
    assert harm not in get(served.url).text
    assert get(served.url + "document").json()["data"]["runs"]["name"][0] == harm


def test_it_serves_the_pages_of_its_sweeps_and_no_others(stored: Stored, served: LiveReport) -> None:
    sweep = put_sweep(stored.place, RATES, [Made([(0.5, 0.1)])])
    assert f'href="sweep/{sweep}/"' in get(served.url).text
    page = f"{served.url}sweep/{sweep}/"
    assert f'data-live="{urlsplit(page).path}document"' in get(page).text
    assert f'href="{urlsplit(served.url).path}"' in get(page).text
    assert get(page + "document").json()["data"]["runs"]["number"] == [1]
    for wrong in ("nope", "%2e%2e", "a/b", "a/b/c", "a%2f..%2fb"):
        answer = get(f"{served.url}sweep/{wrong}/document")
        assert answer.status_code == 404, wrong
    assert get(page, Host="rebound.example").status_code == 400
    assert requests.post(page, timeout=60).status_code == 405
    parts = urlsplit(page)
    assert get(f"http://{parts.netloc}/sweep/{sweep}/").status_code == 404


def test_the_server_of_one_sweep_shows_no_other(stored: Stored) -> None:
    sweep = put_sweep(stored.place, RATES, [Made([(0.5, 0.1)])])
    with live_report(stored.place.context, sweep) as page:
        assert get(f"{page.url}sweep/{sweep}/").status_code == 404
        assert "<nav>" not in get(page.url).text
