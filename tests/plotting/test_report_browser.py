"""The report's page in headless Chromium: its charts, filters and sorting, without WebGL, and on paper."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browsers import NO_GL, SOFTWARE_GL, Browser
from PIL import Image
from report_pages import HARM, OPTIMIZERS, report
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from ffcli.plotting.html import Parameter
from ffcli.plotting.report import page

COUNT = 60


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(page(report(COUNT)), "utf-8")
    return path


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    browser = Browser(*SOFTWARE_GL)
    yield browser
    browser.driver.quit()


@pytest.fixture
def opened(chromium: Browser, file: Path) -> Browser:
    """Return the browser with the page as it is when it has opened; loading it anew takes its time."""
    if chromium.driver.current_url != file.as_uri():
        chromium.open(file)
        return chromium
    chromium.run(
        "document.querySelector('button.reset').click();"
        "const size = document.getElementById('rows');"
        "size.value = '25'; size.dispatchEvent(new Event('change'));"
        "const head = [...document.querySelectorAll('#table th')].find((th) => th.textContent === 'val_acc');"
        "do head.firstChild.click(); while (head.getAttribute('aria-sort') !== 'descending');"
        "document.querySelectorAll('details').forEach((each) => { each.open = false; });"
    )
    return chromium


def test_it_opens_without_a_complaint_and_asks_for_nothing(chromium: Browser, file: Path) -> None:
    chromium.open(file)
    assert chromium.complaints() == []
    assert {url for url in chromium.requested() if not url.startswith(("data:", "blob:"))} == {file.as_uri()}


def test_a_harmful_name_is_shown_and_does_nothing(opened: Browser) -> None:
    opened.one("#rows option[value='0']").click()
    assert HARM in opened.run(
        "return [...document.querySelectorAll('#table tbody tr')].map((row) => row.title)"
    )
    assert HARM in opened.one("h1").text
    opened.run("document.getElementById('history').dispatchEvent(new Event('mousemove'))")
    assert opened.run("return window.harmed") is None
    assert opened.run("return document.querySelectorAll('img, script').length") == 3


def test_the_policy_stops_what_would_slip_in(opened: Browser) -> None:
    opened.run(
        "const script = document.createElement('script'); script.textContent = 'window.harmed = 1';"
        "document.body.append(script); const image = document.createElement('img');"
        "image.setAttribute('onerror', 'window.harmed = 1'); image.src = 'http://127.0.0.1:9/x.png';"
        "document.body.append(image);"
    )
    said: list[str] = []
    opened.until(lambda: said.extend(opened.complaints()) or "img-src" in "".join(said))
    assert "script-src" in "".join(said)
    assert opened.run("return window.harmed") is None


def test_the_charts_hold_the_right_numbers(opened: Browser) -> None:
    traces = {
        name: opened.run(f"return document.getElementById('{name}').data") for name in ("history", "time")
    }
    finished, pruned, best = traces["history"]
    assert (finished["name"], pruned["name"], best["name"]) == ("finished", "pruned", "best so far")
    assert finished["x"] == [1, *range(5, COUNT + 1)]
    assert finished["y"] == pytest.approx([0.5 + number / 1000 for number in finished["x"]])
    assert (pruned["x"], pruned["y"]) == ([2], [0.502])
    assert best["y"] == pytest.approx(np.maximum.accumulate([0.5 + x / 1000 for x in best["x"]]))
    # A run's training takes as many seconds as its number says, so each is the best of those as fast; a
    # pruned run is left out of the front.
    assert traces["time"][-1]["x"] == [1, *range(5, COUNT + 1)]
    (curve,) = (
        each
        for each in opened.run("return document.getElementById('curves').data")
        if each["name"] == f"1: {COUNT}-aaaa"  # the shortest end of the ids that differs
    )
    assert (curve["x"], curve["y"]) == ([1, 2], [0.1, 0.6])


def test_the_parallel_coordinates_are_drawn(opened: Browser) -> None:
    trace = opened.run("return document.getElementById('parallel').data[0]")
    assert [dimension["label"] for dimension in trace["dimensions"]] == [
        "optimizer",
        "learning_rate",
        "val_acc",
    ]
    assert sorted(trace["dimensions"][2]["values"]) == pytest.approx(
        [0.501, 0.502, *(0.5 + n / 1000 for n in range(5, COUNT + 1))]
    )
    assert max(trace["dimensions"][1]["values"]) == pytest.approx(np.log10(1e-4 * 1.05**COUNT), abs=1e-4)
    seen = np.asarray(Image.open(io.BytesIO(opened.one("#parallel").screenshot_as_png)).convert("RGB"), int)
    coloured = np.ptp(seen, axis=2) > 40  # grey are the texts and the axes
    assert coloured.mean() > 0.02


def test_a_click_on_a_head_sorts(opened: Browser) -> None:
    assert opened.column("trial")[:2] == [str(COUNT), str(COUNT - 1)]  # the best first
    head = opened.driver.find_element(By.XPATH, "//*[@id='table']//th[button='val_acc']")
    assert head.get_attribute("aria-sort") == "descending"
    head.find_element(By.TAG_NAME, "button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert opened.column("trial")[:3] == ["1", "2", "5"]
    # Runs without a value come last.
    opened.one("#rows option[value='0']").click()
    assert opened.column("trial")[-2:] == ["3", "4"]


def test_pages_turn(opened: Browser) -> None:
    opened.one("#next").click()
    assert opened.column("trial")[0] == str(COUNT - 25)
    assert opened.one("#page").text == "26–50"
    opened.one("#previous").click()
    assert opened.column("trial")[0] == str(COUNT)


def test_the_filters_do_by_keyboard_what_the_brushes_do(opened: Browser) -> None:
    summary = opened.driver.find_element(By.XPATH, "//form//summary[text()='optimizer']")
    summary.send_keys(Keys.ENTER)
    boxes = summary.find_elements(By.XPATH, "../div//input")
    boxes[0].send_keys(Keys.SPACE)  # no sgd
    boxes[2].send_keys(Keys.SPACE)  # no nadam
    adams = [number for number in range(1, COUNT + 1) if OPTIMIZERS[number % 3] == "adam"]
    assert opened.one("#runs-count").text == f"{len(adams)} of {COUNT} runs"
    assert set(opened.column("optimizer")) == {"adam"}
    opened.until(lambda: opened.brushes() == {"optimizer": [0.6, 1.4]})
    # The points of the other runs are pale.
    chosen = "return document.getElementById('history').data[0].selectedpoints.length"
    finished = [number for number in adams if number not in (2, 3, 4)]
    opened.until(lambda: opened.run(chosen) == len(finished))
    opened.one("button.reset").click()
    assert opened.one("#runs-count").text == f"{COUNT} of {COUNT} runs"
    opened.until(lambda: not opened.brushes())


def test_bounds_and_words_filter(opened: Browser) -> None:
    summary = opened.driver.find_element(By.XPATH, "//form//summary[text()='val_acc']")
    summary.click()
    bound = summary.find_element(By.XPATH, "../div//input")
    bound.send_keys("0.55", Keys.TAB)
    assert opened.one("#runs-count").text == f"11 of {COUNT} runs"
    opened.one("#filters input[type=search]").send_keys("name 5")
    assert opened.column("trial") == [str(number) for number in range(59, 49, -1)]


def test_a_brush_filters_the_table(chromium: Browser, file: Path) -> None:
    opened = chromium
    opened.open(file)  # anew: no drawing that is still to come can take the axis from under the mouse
    opened.run("document.getElementById('parallel').scrollIntoView({block: 'center'})")
    left, top, bottom = opened.run(
        "const zone = document.querySelectorAll('#parallel .axis-brush')[2].getBoundingClientRect();"
        "return [zone.x + zone.width / 2, zone.y, zone.bottom]"
    )
    middle = (top + bottom) / 2
    opened.drag((left, middle), (left, top + 2))
    opened.until(lambda: not opened.one("#runs-count").text.startswith(str(COUNT)))
    values = [float(value) for value in opened.column("val_acc")]
    assert max(values) == 0.56
    ((low, _),) = (opened.brushes()["val_acc"],)
    assert low == pytest.approx(0.53, abs=0.005)  # the middle of 0.501 … 0.56
    kept = [n for n in range(5, COUNT + 1) if 0.5 + n / 1000 >= low]
    assert opened.one("#runs-count").text == f"{len(kept)} of {COUNT} runs"
    assert opened.one("#parallel-count").text.startswith(f"{len(kept)} of ")


def test_a_chart_can_be_saved_and_not_uploaded(opened: Browser) -> None:
    buttons = opened.run(
        "return [...document.querySelectorAll('#history .modebar-btn')].map((button) => button.dataset.title)"
    )
    assert len(buttons) == 6
    assert not [title for title in buttons if re.search("share|cloud|edit", title, re.IGNORECASE)]
    picture = opened.driver.execute_async_script(
        "Plotly.toImage('history', {format: 'png'})"
        ".then(arguments[0], (error) => arguments[0](String(error)))"
    )
    assert picture.startswith("data:image/png;base64,")


@pytest.mark.parametrize("width", [320, 390, 820])
def test_no_width_is_too_narrow(opened: Browser, width: int) -> None:
    try:
        opened.emulate("setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=True)
        opened.until(lambda: opened.run("return document.querySelector('#time svg').clientWidth") < width)
        assert opened.run("return document.documentElement.scrollWidth") <= width
        bottom_of_axis_title, top_of_legend = opened.run(
            "const box = (part) => document.querySelector(`#curves ${part}`).getBoundingClientRect();"
            "return [box('.xtitle').bottom, box('.legend').top]"
        )
        assert bottom_of_axis_title <= top_of_legend
    finally:
        opened.emulate("clearDeviceMetricsOverride")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_the_ground(opened: Browser, scheme: str) -> None:
    """As WCAG 2.2 asks for: https://www.w3.org/TR/WCAG22/#contrast-minimum."""
    try:
        opened.emulate("setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        ground, *texts = opened.run(
            "const of = (selector, name) => getComputedStyle(document.querySelector(selector))[name];"
            "return [of('html', 'backgroundColor'), of('h1', 'color'), of('figcaption', 'color'),"
            "of('a', 'color'),"
            "of('#history .xtick text', 'fill'), of('#parallel .tick text', 'fill')]"
        )
        for text in texts:
            assert contrast(text, ground) >= 4.5, text
        cells = opened.run(
            "return [...document.querySelectorAll('.confusion td')].map((cell) => getComputedStyle(cell))"
            ".map((style) => [style.color, style.backgroundColor])"
        )
        for text, shade in cells:
            assert contrast(text, over(shade, ground)) >= 4.5, (text, shade)
    finally:
        opened.emulate("setEmulatedMedia", features=[])


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours "rgb(r, g, b)"."""
    light, dark = sorted(map(luminance, (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def over(colour: str, ground: str) -> str:
    """Return what "rgba(r, g, b, a)" looks like on a ground."""
    parts = [float(part) for part in re.findall(r"[\d.]+", colour)]
    alpha = parts[3] if len(parts) == 4 else 1.0
    below = map(float, re.findall(r"[\d.]+", ground))
    return (
        f"rgb({', '.join(str(round(alpha * part + (1 - alpha) * low)) for part, low in zip(parts, below))})"
    )


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in colour[4:-1].split(",")]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_paper_gets_the_parallel_coordinates_as_a_drawing(opened: Browser) -> None:
    printed = opened.driver.execute_cdp_cmd("Page.printToPDF", {})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF")
    try:
        opened.emulate("setEmulatedMedia", media="print")
        shown = [opened.one(f"#{name}").is_displayed() for name in ("still", "parallel", "filters")]
        assert shown == [True, False, False]
        assert drawn_lines(opened) == COUNT - 2
    finally:
        opened.emulate("setEmulatedMedia", media="")


def drawn_lines(browser: Browser, of: str = "[data-lines]") -> int:
    return browser.run(
        "return [...document.querySelectorAll(arguments[0])]"
        ".map((path) => path.getAttribute('d').split('M').length - 1).reduce((a, b) => a + b, 0)",
        f"#still path{of}",
    )


def test_without_webgl_a_drawing_follows_the_filters(file: Path) -> None:
    browser = Browser(*NO_GL)
    try:
        browser.open(file)
        assert browser.one("#no-webgl").is_displayed()
        assert drawn_lines(browser) == COUNT - 2
        assert drawn_lines(browser, "[data-lines=off]") == 0
        browser.one("#filters input[type=search]").send_keys("name 5")
        browser.until(lambda: drawn_lines(browser) == 15)  # 5, 15, 25, 35, 45, 50 … 59
        assert [entry for entry in browser.complaints() if "WebGL" not in entry] == []
    finally:
        browser.driver.quit()


def test_a_sweep_that_searched_nothing_opens_too(chromium: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page(report(parameters=[], influences=[])), "utf-8")
    chromium.complaints()
    chromium.open(path)
    assert chromium.complaints() == []
    assert len(chromium.column("trial")) == 25


def test_a_sweep_without_results_opens_too(chromium: Browser, tmp_path: Path) -> None:
    for runs in ([], report(4).runs[2:]):
        path = tmp_path / f"report-{len(runs)}.html"
        path.write_text(page(report(runs=runs, best=None, curves=[], influences=[])), "utf-8")
        chromium.complaints()
        chromium.open(path)
        assert chromium.complaints() == []
        assert chromium.column("trial") == [str(run.number) for run in runs]


def sections(browser: Browser) -> list[str]:
    """Return the titles of the sections that are shown."""
    return browser.run(
        "return [...document.querySelectorAll('section')].filter((each) => each.offsetHeight)"
        ".map((each) => each.querySelector('h2').textContent)"
    )


def test_a_report_of_one_run_compares_nothing(chromium: Browser, tmp_path: Path) -> None:
    (tmp_path / "one.html").write_text(page(report(1, influences=[])), "utf-8")
    chromium.open(tmp_path / "one.html")
    assert chromium.complaints() == []
    assert chromium.one("#runs-count").text == "1 of 1 run"
    assert sections(chromium) == [
        "Best configuration",
        "Learning curve of the best run",
        "Confusion matrix of the best run",
        "All runs",
    ]


def test_runs_of_one_epoch_are_points(chromium: Browser, tmp_path: Path) -> None:
    curves = [
        replace(curve, epochs=[1], metrics={name: values[:1] for name, values in curve.metrics.items()})
        for curve in report(12).curves
    ]
    for count, shown in ((12, "The only epoch of the best 10 runs"), (1, None)):
        path = tmp_path / f"{count}.html"
        path.write_text(page(report(count, curves=curves[:count], influences=[])), "utf-8")
        chromium.open(path)
        assert chromium.complaints() == []
        assert [each for each in sections(chromium) if "epoch" in each] == ([shown] if shown else [])
        if shown:
            modes = chromium.run("return document.getElementById('curves').data.map((each) => each.mode)")
            assert set(modes) == {"markers"}


def test_bars_have_one_scale(opened: Browser) -> None:
    """A correlation of +0.9, one of -0.5 of a choice, and importances of 0.75 and 0.25."""
    widths = opened.run(
        "const wide = (bar) => bar.firstChild.getBoundingClientRect().width;"
        "return [...document.querySelectorAll('.influences .bar')].map(wide)"
    )
    units = [wide / value for wide, value in zip(widths, (0.75, 0.5, 0.25, 0.9), strict=True)]
    assert units == pytest.approx([units[0]] * 4, rel=0.02)


@pytest.mark.parametrize("webgl", [True, False])
def test_no_label_of_an_axis_is_cut(chromium: Browser, tmp_path: Path, webgl: bool) -> None:
    long = "a_rather_long_name_of_a_choice"
    runs = [
        replace(each, values={"loss": long if each.number % 2 else "short", "learning_rate": each.number})
        for each in report().runs
    ]
    parameters = [Parameter("loss", choices=(long, "short")), Parameter("learning_rate")]
    path = tmp_path / "long.html"
    path.write_text(page(report(runs=runs, parameters=parameters)), "utf-8")
    browser = chromium if webgl else Browser(*NO_GL)
    try:
        browser.open(path)
        edges = browser.run(
            "const chart = document.getElementById(arguments[0]);"
            "const box = chart.getBoundingClientRect();"
            "return [...chart.querySelectorAll('text')].filter((each) => each.textContent.trim())"
            ".map((each) => each.getBoundingClientRect())"
            ".map((text) => [text.left - box.left, box.right - text.right])",
            "parallel" if webgl else "still",
        )
        assert len(edges) > 5
        assert min(min(pair) for pair in edges) >= 0
    finally:
        if not webgl:
            browser.driver.quit()


def test_the_table_of_ten_columns_fits_a_laptop(chromium: Browser, tmp_path: Path) -> None:
    """Ten searched hyper-parameters on 1280 pixels."""
    values = {
        "epochs": 10,
        "loss": "cross_entropy",
        "optimizer": "momentum",
        "learning_rate": 0.000351,
        "hidden_size": 128,
        "num_layers": 3,
        "batch_size": 64,
        "activation": "sigmoid",
        "weight_decay": 0.0005,
        "weight_init": "xavier",
    }
    runs = [replace(each, values=values, tags=("sweep",)) for each in report(30).runs if each.error is None]
    parameters = [Parameter(name, choices=(value,)) for name, value in values.items()]
    path = tmp_path / "wide.html"
    path.write_text(page(report(runs=runs, parameters=parameters, influences=[])), "utf-8")
    chromium.open(path)
    shown, needed = chromium.run(
        "const box = document.querySelector('#runs .scroll'); return [box.clientWidth, box.scrollWidth]"
    )
    assert chromium.run("return innerWidth") <= 1280
    assert needed <= shown


def test_hopeless_runs_do_not_press_the_others_together(chromium: Browser, tmp_path: Path) -> None:
    """A third of the runs guess; the others lie between 0.88 and 0.89, and those fill the charts."""
    values = {number: 0.1 if number % 3 == 0 else 0.88 + number / 10_000 for number in range(1, 91)}
    runs = [
        replace(run, value=values[run.number], accuracy=values[run.number]) if run.value is not None else run
        for run in report(90).runs
    ]
    path = tmp_path / "report.html"
    path.write_text(page(report(90, runs=runs)), "utf-8")
    chromium.open(path)
    hopeless = sum(run.value == 0.1 for run in runs)
    assert hopeless == 29  # run 3 has failed
    for name in ("history", "time"):
        low, high = chromium.run(f"return document.getElementById('{name}')._fullLayout.yaxis.range")
        assert 0.8 < low < 0.8801
        assert high > 0.8889
        assert chromium.one(f"#{name}-outside").text.startswith(f"{hopeless} runs below ")
    dimension = chromium.run("return document.getElementById('parallel').data[0].dimensions[2]")
    end = dimension["range"][0]
    assert 0.8 < end < 0.8801
    assert sum(value == end for value in dimension["values"]) == hopeless
    named = [text for text in dimension["ticktext"] if text[0] not in "\u200b\u200c"]
    assert (named[0], named[-1]) == (f"≤ {end:.3g}", "0.8889")
