"""Headless Chromium with one page open, as the tests of the report need it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
SOFTWARE_GL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")
NO_GL = ("--disable-3d-apis",)


class Browser:
    """Chromium with one page open."""

    def __init__(self, *flags: str) -> None:
        program = next(filter(None, map(shutil.which, PROGRAMS)), None)
        driver = shutil.which("chromedriver")
        if program is None or driver is None:
            pytest.skip("Chromium and its driver are not installed (Debian: chromium, chromium-driver)")
        options = webdriver.ChromeOptions()
        options.binary_location = program
        always = (
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
        )
        for flag in (*always, "--window-size=1280,900", *flags):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(driver))
        self.run = self.driver.execute_script

    def open(self, file: Path | str) -> None:
        """Load a page, of a file or an address, and wait until its charts are drawn."""
        self.driver.get(file if isinstance(file, str) else file.as_uri())
        self.until(lambda: self.run("return document.documentElement.dataset.ready") == "yes")

    def until(self, condition: Callable[[], object]) -> None:
        WebDriverWait(self.driver, 60, poll_frequency=0.1).until(lambda _: condition())

    def emulate(self, command: str, **settings: Any) -> None:
        self.driver.execute_cdp_cmd(f"Emulation.{command}", settings)

    def complaints(self) -> list[str]:
        """Return what the console has got since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requested(self) -> list[str]:
        """Return the addresses asked for since the last call."""
        events = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        return [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]

    def one(self, selector: str) -> Any:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def column(self, name: str) -> list[str]:
        """Return the cells of a column of the table, as they stand."""
        return self.run(
            "const heads = [...document.querySelectorAll('#table thead th')].map((cell) => cell.textContent);"
            "const at = heads.indexOf(arguments[0]);"
            "return [...document.querySelectorAll('#table tbody tr')]"
            ".map((row) => row.cells[at].textContent);",
            name,
        )

    def brushes(self) -> dict[str, Any]:
        """Return the brushed range of each axis of the parallel coordinates that has one."""
        return self.run(
            "return Object.fromEntries(document.getElementById('parallel').data[0].dimensions"
            ".filter((each) => each.constraintrange).map((each) => [each.label, each.constraintrange]))"
        )

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press the mouse at a place of the window, move it and let go."""
        for kind, (x, y) in (
            ("mouseMoved", start),
            ("mousePressed", start),
            ("mouseMoved", ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)),
            ("mouseMoved", end),
            ("mouseReleased", end),
        ):
            pressed = {} if kind == "mouseMoved" and (x, y) == start else {"button": "left", "clickCount": 1}
            self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, **pressed})
