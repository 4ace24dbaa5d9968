"""The report's page as text: what it holds, what it lets run, how large it is."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from report_pages import HARM, report, run

from ffcli.plotting.html import Curve, Parameter
from ffcli.plotting.report import document, page


class Scripts(HTMLParser):
    """Collects the script elements, their attributes and the elements' names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[dict[str, Any], str]] = []
        self.tags: set[str] = set()
        self.policy = ""
        self._attributes: dict[str, Any] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        attributes = dict(attrs)
        if attributes.get("http-equiv") == "Content-Security-Policy":
            self.policy = attributes["content"] or ""
        if tag == "script":
            self.found.append((attributes, ""))

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script" and self.found:
            attributes, text = self.found[-1]
            self.found[-1] = (attributes, text + data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self.lasttag = ""

    @property
    def data(self) -> Any:
        return json.loads(next(text for attributes, text in self.found if attributes.get("id") == "data"))


def data_of(**changes: Any) -> Any:
    return Scripts(page(report(**changes))).data


def test_only_the_pages_own_scripts_may_run_and_nothing_may_be_fetched() -> None:
    read = Scripts(page(report()))
    assert [attributes for attributes, _ in read.found] == [
        {"type": "application/json", "id": "data"},
        {},
        {},
    ]
    for attributes, text in read.found[1:]:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in read.policy, attributes
    rules = dict(rule.strip().split(" ", 1) for rule in read.policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert "unsafe-inline" not in rules["script-src"]
    assert not read.tags & {"iframe", "object", "embed", "base"}


def test_no_text_becomes_markup() -> None:
    text = page(report())
    assert HARM not in text
    assert "img" not in Scripts(text).tags
    assert "&lt;script&gt;" in text


def test_the_data_are_the_runs() -> None:
    data = data_of(count=6)
    assert data["runs"]["number"] == [1, 2, 3, 4, 5, 6]
    assert data["runs"]["name"][0] == HARM
    assert data["runs"]["status"] == ["finished", "pruned", "failed", "running", "finished", "finished"]
    assert data["runs"]["value"] == [0.501, 0.502, None, None, 0.505, 0.506]
    assert data["runs"]["seconds"][4:] == [5.0, 6.0]
    optimizer, rate = data["axes"]
    assert optimizer["labels"] == ["sgd", "adam", "nadam"]
    assert optimizer["values"] == [1, 2, 0, 1, 2, 0]
    assert len(rate["values"]) == 6
    assert data["curves"][0]["metrics"]["val_acc"] == [0.1, 0.06]


@pytest.mark.parametrize(
    ("parameter", "values", "labels", "places"),
    [
        # Numbers rise, whatever the file's order; words keep it; one that was never tried is there too.
        (Parameter("batch_size", choices=(64, 16, 32)), [32, 64], ["16", "32", "64"], [1, 2]),
        (Parameter("weight_decay", choices=(0.0, 0.5, 5e-4)), [0.5, 0.0], ["0", "0.0005", "0.5"], [2, 0]),
        (Parameter("activation", choices=("tanh", "relu")), ["relu", "tanh"], ["tanh", "relu"], [1, 0]),
        (Parameter("hidden_size", choices=(64, (128, 64))), [(128, 64), 64], ["64", "128,64"], [1, 0]),
        (Parameter("epochs"), [7, None], ["7"], [0, None]),
    ],
)
def test_few_values_make_a_choice(
    parameter: Parameter, values: list[Any], labels: list[str], places: list[Any]
) -> None:
    runs = [replace(run(number), values={parameter.name: value}) for number, value in enumerate(values, 5)]
    (axis,) = data_of(parameters=[parameter], runs=runs, best=None)["axes"]
    assert (axis["labels"], axis["values"]) == (labels, places)


def test_many_numbers_make_a_continuous_axis() -> None:
    rates = [10 ** -(1 + place / 7) for place in range(13)]
    runs = [replace(run(number), values={"learning_rate": rate}) for number, rate in enumerate(rates)]
    (axis,) = data_of(parameters=[Parameter("learning_rate", log=True)], runs=runs, best=None)["axes"]
    assert (axis["labels"], axis["log"], axis["values"]) == (None, True, rates)


def test_what_is_not_finite_is_null() -> None:
    curve = Curve(60, [1, 2], {"val_loss": [0.5, math.nan], "train_loss": [math.inf, 0.25]})
    metrics = data_of(curves=[curve])["curves"][0]["metrics"]
    assert metrics == {"val_loss": [0.5, None], "train_loss": [None, 0.25]}


def test_the_confusion_matrix_is_there() -> None:
    text = re.sub(r"\s+", " ", re.sub("<script.*?</script>", "", page(report()), flags=re.S))
    assert "20 test images" in text
    assert "<strong>0.8000</strong>" in text  # (7 + 9) / 20
    assert "cat predicted as &lt;script&gt;" in text
    assert re.search(r"predicted as cat: 1\.", text)
    assert re.search(r"cat predicted as .*: 3;", text)


@pytest.mark.parametrize("runs", [[], [run(3, status="failed"), run(4, status="running")]])
def test_a_sweep_without_a_result_says_so(runs: list[Any]) -> None:
    text = page(report(runs=runs, best=None, curves=[], influences=[]))
    assert "No run has a result yet." in text
    assert Scripts(text).data["runs"]["number"] == [each.number for each in runs]


def test_five_hundred_runs_stay_below_eight_megabytes() -> None:
    assert len(page(report(500)).encode()) < 8_000_000
    assert len(page(report(5000)).encode()) < 8_000_000


class Tags(HTMLParser):
    """Collects the texts of the dt and dd elements, and whether each is within a details element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str, bool]] = []
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("dt", "dd"):
            self.found.append((self._open[-1], data, "details" in self._open))


def test_only_searched_values_are_tiles_and_the_rest_is_folded() -> None:
    best = replace(report().best, config={"epochs": 3, "optimizer": "sgd", "learning_rate": 0.003515338482})
    found = Tags(page(report(best=best, about={}))).found
    assert [text for _, text, folded in found if not folded] == [
        "optimizer",
        "sgd",
        "learning_rate",
        "0.00351534",
    ]
    assert [text for _, text, folded in found if folded] == ["epochs", "3"]


def test_without_importances_there_is_no_column_for_them() -> None:
    some = [replace(each, importance=None) for each in report().influences]
    assert "importance</th>" in page(report())
    assert "importance</th>" not in page(report(influences=some))


def test_a_live_page_may_ask_its_own_server_and_no_other_may() -> None:
    assert "connect-src" not in Scripts(page(report())).policy
    live = document(report()).page(live="/token/document")
    assert "connect-src 'self'" in Scripts(live).policy
    assert 'data-live="/token/document"' in live


def test_the_document_of_a_live_page_is_what_the_page_holds() -> None:
    received = json.loads(document(report()).later())
    text = page(report())
    assert received["data"] == Scripts(text).data
    assert received["body"] in text
