"""The live page of the store in a browser: it follows the store and keeps what the reader chose."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browsers import Browser
from live_stores import Stored, run_id
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from small_runs import Place
from stored_sweeps import Made, put_sweep

from ffcli.services.report.live import live_report

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    opened = Browser()
    yield opened
    opened.driver.quit()


@pytest.fixture
def stored(place: Place) -> Iterator[Stored]:
    made = Stored(place)
    yield made
    made.end_all()


@pytest.fixture
def opened(browser: Browser, stored: Stored) -> Iterator[Browser]:
    """The page of 30 runs with two optimizers, of which the last is being trained."""
    for number in range(1, 31):
        config = {"optimizer": ("adam", "sgd")[number % 2], "epochs": 3}
        (stored.begin if number == 30 else stored.add)(number, [number / 100], config=config)
    with live_report(stored.place.context) as page:
        browser.open(page.url)
        yield browser
        assert browser.complaints() == []


def curves(browser: Browser) -> dict[str, list[float]]:
    """Return the values of each curve by its name without the status."""
    drawn = browser.run(
        "return (document.getElementById('curves').data ?? []).map((each) => [each.name, [...each.y]])"
    )
    return {name.split()[0]: values for name, values in drawn}


def tick(browser: Browser, number: int) -> None:
    browser.one(f"input[aria-label$='{run_id(number)}']").click()


def test_the_newest_run_is_first_and_the_curve_of_one_that_is_trained_is_drawn(opened: Browser) -> None:
    assert opened.column("run") == [run_id(number) for number in range(30, 5, -1)]
    assert opened.column("status")[:2] == ["running", "finished"]
    (values,) = curves(opened).values()
    assert values == [0.3]
    assert len(opened.driver.find_elements(By.CSS_SELECTOR, "#runs-shown:empty, #more-runs[hidden]")) == 2


def test_it_follows_the_store_and_keeps_what_the_reader_chose(opened: Browser, stored: Stored) -> None:
    opened.one("#filters summary").click()  # status
    summary = opened.driver.find_element(By.XPATH, "//form//summary[text()='optimizer']")
    summary.click()
    summary.find_elements(By.XPATH, "../div//input")[1].click()  # none of sgd
    opened.driver.find_element(By.XPATH, "//*[@id='table']//th[button='val_acc']/button").click()
    assert opened.column("run")[0] == run_id(2)
    tick(opened, 4)
    opened.until(lambda: len(curves(opened)) == 2)
    opened.run("window.same = 1; window.row = document.activeElement.closest('tr')")

    stored.change(30, [0.3, 0.5], status="running", config={"optimizer": "sgd", "epochs": 3})
    stored.add(31, [0.001], config={"optimizer": "adam", "epochs": 3})
    stored.add(32, [0.9], config={"optimizer": "sgd", "epochs": 3})
    opened.until(lambda: "of 32 runs" in opened.one("#runs-count").text)
    assert opened.column("run")[:3] == [run_id(31), run_id(2), run_id(4)]
    assert set(opened.column("optimizer")) == {"adam"}
    assert opened.run("return window.same") == 1, "the page was loaded anew"
    assert opened.run("return window.row.isConnected && window.row.contains(document.activeElement)")
    assert len(opened.driver.find_elements(By.CSS_SELECTOR, "#filters details[open]")) == 2
    opened.until(lambda: sorted(map(len, curves(opened).values())) == [1, 2])
    assert opened.one(f"input[aria-label$='{run_id(4)}']").is_selected()

    stored.change(4, [0.04, 0.05], config={"optimizer": "adam", "epochs": 5})  # a row and a column
    stored.end(30)
    opened.until(lambda: "epochs" in opened.one("#table thead").text.split("\n") and len(curves(opened)) == 1)
    focused = opened.driver.switch_to.active_element
    assert focused.get_attribute("aria-label").endswith(run_id(4))
    assert list(curves(opened).values()) == [[0.04, 0.05]]


def test_more_runs_are_shown_on_demand(browser: Browser, stored: Stored) -> None:
    for number in range(1, 121):
        stored.add(number)
    with live_report(stored.place.context) as page:
        browser.open(page.url)
        assert "of 100 runs" in browser.one("#runs-count").text
        browser.one("#more-runs").click()
        browser.until(lambda: "of 120 runs" in browser.one("#runs-count").text)
        assert not browser.one("#more-runs").is_displayed()


def test_the_link_of_a_run_shows_its_curve_also_in_another_tab(opened: Browser) -> None:
    link = opened.one(f"a[href$='{run_id(29)}']")
    address = link.get_attribute("href")
    link.send_keys(Keys.ENTER)
    opened.until(lambda: [0.29] in curves(opened).values())
    opened.driver.get("about:blank")
    opened.open(address)
    opened.until(lambda: [0.29] in curves(opened).values())


def test_it_leads_to_the_page_of_a_sweep_and_back(browser: Browser, stored: Stored) -> None:
    made = [Made([(0.5, 0.1)]), Made([(0.7, 0.1)])]
    sweep = put_sweep(stored.place, "learning_rate: {values: [0.1, 0.03]}", made)
    with live_report(stored.place.context) as page:
        browser.open(page.url)
        browser.driver.find_element(By.LINK_TEXT, sweep).click()
        browser.until(lambda: len(browser.column("trial")) == 2)
        browser.driver.find_element(By.CSS_SELECTOR, "nav a").click()
        browser.until(lambda: browser.driver.current_url == page.url)
        put_sweep(stored.place, "learning_rate: {values: [0.1, 0.03]}", made)
        browser.until(lambda: len(browser.driver.find_elements(By.CSS_SELECTOR, "#sweeps tbody tr")) == 2)
