"""Pictures of a report's charts, as headless Chromium draws them."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

from PIL import Image

from benchmarks.measure import MeasurementError

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--use-angle=swiftshader",  # plotly's parallel coordinates need WebGL
    "--enable-unsafe-swiftshader",
    "--force-device-scale-factor=1.5",
    "--window-size=1200,1000",
)
_WITHOUT_BUTTONS = (
    "document.head.append(Object.assign(document.createElement('style'),"
    "{textContent: '.modebar-container { visibility: hidden }'}))"
)
# The name of each picture, and what it shows of the page.
_PARTS = {
    "parallel": "#parallel",
    "importance": "table.influences",
    "progress": "#history",
}


def photograph(page: Path, folder: Path) -> None:
    """Write a PNG of each part of a report's page. Raises MeasurementError where there is no browser."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        raise MeasurementError("Chromium and its driver are needed (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in _FLAGS:
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=Service(driver))
    try:
        browser.get(page.resolve().as_uri())
        ready = "return document.documentElement.dataset.ready"
        WebDriverWait(browser, 120).until(lambda _: browser.execute_script(ready) == "yes")
        browser.execute_script(_WITHOUT_BUTTONS)
        for name, selector in _PARTS.items():
            part = browser.find_element(By.CSS_SELECTOR, selector)
            picture = Image.open(io.BytesIO(part.screenshot_as_png)).convert("RGB")
            # Thousands of lines make a PNG large: 256 of their colours look the same at a third of the size.
            picture.quantize(256, dither=Image.Dither.NONE).save(folder / f"{name}.png", optimize=True)
    finally:
        browser.quit()
