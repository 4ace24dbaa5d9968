"""The live page: who may ask for it, and that it follows a sweep without losing what the reader chose."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from browsers import SOFTWARE_GL, Browser
from selenium.webdriver.common.by import By
from small_runs import write_dataset

from ffcli.errors import FfnnError, RequestError
from ffcli.services.report.live import LiveReport, live_report
from ffcli.training.context import Context

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

FILE = """
name: growing
method: grid
metric: {name: val_acc, goal: maximize}
parameters:
  dataset: {value: mine.npz}
  epochs: {value: 2}
  num_layers: {value: 1}
  hidden_size: {values: [4, 6]}
  learning_rate: {values: [0.1, 0.03, 0.01, 0.003, 0.001]}
"""


class Sweeping:
    """A sweep whose trials are run by the command itself, so many at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.context = Context(folder / "data", folder / "runs")
        write_dataset(folder / "mine.npz")
        (folder / "s.yaml").write_text(FILE)

    def run(self, sweep: str, count: int) -> str:
        """Let the sweep have ``count`` trials and return its id."""
        words = ["sweep", sweep, "--count", str(count), "--workers", "1", "--json", "-q"]
        done = subprocess.run(
            [sys.executable, "-m", "ffcli", *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
        return str(json.loads(done.stdout)["sweep_id"])


@pytest.fixture(scope="module")
def sweeping(tmp_path_factory: pytest.TempPathFactory) -> Sweeping:
    return Sweeping(tmp_path_factory.mktemp("sweeping"))


@pytest.fixture(scope="module")
def served(sweeping: Sweeping) -> Iterator[LiveReport]:
    """The live page of a sweep of three trials."""
    with live_report(sweeping.context, sweeping.run("s.yaml", 3)) as page:
        yield page


def get(url: str, **headers: str) -> requests.Response:
    return requests.get(url, headers=headers, timeout=60)


def test_the_page_and_its_document(served: LiveReport) -> None:
    text = get(served.url).text
    address = re.search(r'data-live="([^"]+)"', text)
    assert address is not None
    assert urlsplit(served.url).path + "document" == address[1]
    answer = get(served.url + "document")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["data"]["runs"]["number"] == [1, 2, 3]
    assert "confusion" in answer.json()["body"]
    assert "Access-Control-Allow-Origin" not in answer.headers
    again = get(served.url + "document", **{"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_only_who_knows_the_address_is_answered(served: LiveReport) -> None:
    parts = urlsplit(served.url)
    assert parts.hostname == "127.0.0.1"
    assert len(parts.path) > 20
    assert get(f"http://{parts.netloc}/").status_code == 404
    assert get(f"http://{parts.netloc}/document").status_code == 404
    assert get(served.url, Host="rebound.example").status_code == 400
    assert get(served.url + "document", Host="rebound.example").status_code == 400
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert requests.request(method, served.url, timeout=60).status_code == 405


def test_each_page_has_an_address_of_its_own(served: LiveReport, sweeping: Sweeping) -> None:
    with live_report(sweeping.context, served.sweep_id) as other:
        assert urlsplit(other.url).port != urlsplit(served.url).port
        assert urlsplit(other.url).path != urlsplit(served.url).path
    with pytest.raises(requests.ConnectionError):
        get(other.url)


def test_an_unknown_sweep_is_refused(sweeping: Sweeping) -> None:
    with pytest.raises(RequestError), live_report(sweeping.context, "nope"):
        pass


def test_without_the_server_the_command_to_install_it_is_named(
    sweeping: Sweeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(FfnnError) as caught, live_report(sweeping.context, "nope"):
        pass
    assert "pip install 'ffnn[live]'" in str(caught.value.hint)


def test_it_follows_the_sweep_and_keeps_what_the_reader_chose(served: LiveReport, sweeping: Sweeping) -> None:
    browser = Browser(*SOFTWARE_GL)
    try:
        browser.open(served.url)
        assert len(browser.column("trial")) == 3
        head = browser.driver.find_element(By.XPATH, "//*[@id='table']//th[button='learning_rate']/button")
        head.click()  # the smallest first
        summary = browser.driver.find_element(By.XPATH, "//form//summary[text()='hidden_size']")
        summary.click()
        summary.find_elements(By.XPATH, "../div//input")[1].click()  # none of 6
        browser.run("document.querySelector('[data-part=best] details').open = true; window.same = 1")
        before = browser.column("learning_rate")
        browser.run("document.getElementById('history').scrollIntoView()")
        plot = browser.run(
            "const box = document.querySelector('#history .nsewdrag').getBoundingClientRect();"
            "return [box.left, box.top, box.right, box.bottom]"
        )
        browser.drag((plot[0] + 50, plot[1] + 50), (plot[2] - 50, plot[3] - 50))
        ranges = "const { xaxis, yaxis } = document.getElementById('history').layout;"
        ranges += "return [xaxis.autorange ?? false, ...xaxis.range, ...yaxis.range]"
        zoomed = browser.run(ranges)
        assert zoomed[0] is False
        selected = "const cell = document.querySelector('#table tbody tr').cells[1];"
        browser.run(selected + "getSelection().selectAllChildren(cell)")
        text = browser.run("return String(getSelection())")
        assert served.sweep_id is not None
        sweeping.run(served.sweep_id, 8)  # beside the open page
        browser.until(lambda: "of 8 runs" in browser.one("#runs-count").text)
        rates = [float(each) for each in browser.column("learning_rate")]
        assert len(rates) > len(before)
        assert rates == sorted(rates)
        assert set(browser.column("hidden_size")) == {"4"}
        assert browser.run("return window.same") == 1, "the page was loaded anew"
        assert browser.run("return document.querySelector('[data-part=best] details').open")
        assert browser.run(
            "return [...document.querySelectorAll('#filters details')].filter((each) => each.open).length"
        )
        points = "return document.getElementById('history').data[0].x.length"
        browser.until(lambda: browser.run(points) == 8)
        assert browser.run(ranges) == zoomed
        assert browser.run("return String(getSelection())") == text != ""
        assert browser.complaints() == []
    finally:
        browser.driver.quit()


@pytest.mark.parametrize("of_sweep", [True, False])
def test_the_command_prints_the_address_and_ends_with_ctrl_c(
    sweeping: Sweeping, served: LiveReport, of_sweep: bool
) -> None:
    sweep_id = served.sweep_id if of_sweep else None
    words = [sys.executable, "-m", "ffcli", "report", *filter(None, [sweep_id]), "--live", "--json"]
    with subprocess.Popen(
        words, cwd=sweeping.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            found = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")
            assert found["sweep_id"] == sweep_id
            assert get(found["url"]).status_code == 200
            os.kill(process.pid, signal.SIGINT)
            out, err = process.communicate(timeout=60)
            assert (process.returncode, out) == (0, "")
            assert "Traceback" not in err
        finally:
            process.kill()


def test_served_and_written_is_one_thing_too_many(sweeping: Sweeping, served: LiveReport) -> None:
    words = ["report", served.sweep_id, "--live", "-o", "x.html"]
    done = subprocess.run(
        [sys.executable, "-m", "ffcli", *words], cwd=sweeping.folder, capture_output=True, check=False
    )
    assert done.returncode == 2
    assert not (sweeping.folder / "x.html").exists()


def test_neither_a_sweep_nor_a_live_page_is_refused(sweeping: Sweeping) -> None:
    words = [sys.executable, "-m", "ffcli", "report"]
    assert subprocess.run(words, cwd=sweeping.folder, capture_output=True, check=False).returncode == 2


def test_an_open_page_still_gets_the_end(sweeping: Sweeping, served: LiveReport) -> None:
    """A question is held while nothing is new; its answer at the end is the last."""
    assert served.sweep_id is not None
    with ThreadPoolExecutor(1) as pool:
        with live_report(sweeping.context, served.sweep_id) as page:
            first = get(page.url + "document")
            waiting = {"If-None-Match": first.headers["ETag"], "Prefer": "wait"}
            asked = pool.submit(get, page.url + "document", **waiting)
            time.sleep(1.5)
            assert not asked.done()
            ended = time.monotonic()
        assert time.monotonic() - ended < 2
        last = asked.result()
        assert (last.status_code, last.headers["X-Ended"]) == (304, "yes")


def test_a_question_is_answered_when_there_is_something_new(sweeping: Sweeping, served: LiveReport) -> None:
    assert served.sweep_id is not None
    answer = get(served.url + "document")
    runs = answer.json()["data"]["runs"]["number"]
    with ThreadPoolExecutor(1) as pool:
        trained = pool.submit(sweeping.run, served.sweep_id, len(runs) + 1)
        for _ in range(5):  # other facts may change before
            waiting = {"If-None-Match": answer.headers["ETag"], "Prefer": "wait"}
            answer = get(served.url + "document", **waiting)
            assert (answer.status_code, "X-Ended" in answer.headers) == (200, False)
            if answer.json()["data"]["runs"]["number"] != runs:
                break
        trained.result()
    assert answer.json()["data"]["runs"]["number"] == [*runs, len(runs) + 1]


def test_without_an_open_page_the_end_waits_for_none(sweeping: Sweeping, served: LiveReport) -> None:
    with live_report(sweeping.context, served.sweep_id):
        ended = time.monotonic()
    assert time.monotonic() - ended < 1


def test_a_page_out_of_view_gets_the_end_too(sweeping: Sweeping, served: LiveReport) -> None:
    browser = Browser(*SOFTWARE_GL)
    try:
        with live_report(sweeping.context, served.sweep_id) as page:
            browser.open(page.url)
            runs = len(browser.column("trial"))
            browser.run(
                "window.away = true;"
                "Object.defineProperty(document, 'hidden', { get: () => window.away, configurable: true })"
            )
            assert served.sweep_id is not None
            sweeping.run(served.sweep_id, runs + 1)
        browser.until(lambda: browser.one("#stopped").is_displayed())
        assert len(browser.column("trial")) == runs
        browser.run("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
        browser.until(lambda: len(browser.column("trial")) == runs + 1)
        assert browser.complaints() == []
    finally:
        browser.driver.quit()


def test_a_sweep_serves_its_page_until_it_ends(sweeping: Sweeping) -> None:
    words = [sys.executable, "-m", "ffcli", "sweep", "s.yaml", "--new", "--live", "--workers", "1", "--json"]
    with subprocess.Popen(
        words, cwd=sweeping.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            line = next(line for line in process.stderr if "http://127.0.0.1" in line)
            url = line.split()[-1]
            assert get(url + "document").json()["data"]["metric"] == "val_acc"
            out, err = process.communicate(timeout=300)
            assert process.returncode == 0, err
            assert json.loads(out)["counts"]["finished"] == 10
        finally:
            process.kill()
    with pytest.raises(requests.ConnectionError):
        get(url)
