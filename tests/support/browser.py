"""A real headless Chromium for tests of pages, driven by ChromeDriver; tests skip where it is not installed."""

import base64
import json
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None,
    reason="chromium and chromedriver are not installed (make test-all installs Debian's)",
)
PHONE, DESKTOP = (390, 844), (1280, 900)

_FLAGS = (
    "--headless",
    "--no-sandbox",  # Chromium refuses to run as root with one
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",  # as on a phone: they take no width
)


@contextmanager
def browser(profile: Path):
    """Start Chromium with an empty profile; yields selenium's driver, and stops it."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def open_page(driver, page: Path, size=DESKTOP, dark=False) -> None:
    """Load a file into a window of a desktop's or a phone's size."""
    width, height = size
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE},
    )
    driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": size == PHONE})
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    driver.get_log("performance"), driver.get_log("browser")  # of pages before
    driver.get(page.resolve().as_uri())
    # Canvases are sized by an observer, which runs after layout.
    driver.execute_async_script(
        "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done))"
    )


def console(driver) -> list[str]:
    """Everything that the page wrote to the console since it was opened, errors of the browser among it."""
    return [entry["message"] for entry in driver.get_log("browser")]


def requests(driver) -> list[str]:
    """Addresses that the page asked for since it was opened, itself and data: left out."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = [
        event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"
    ]
    return [url for url in asked if not url.startswith(("file:", "data:"))]


def move(driver, element, x: float, y: float) -> None:
    """Move the pointer to a place inside an element, from its upper left corner."""
    place = _place(driver, element, x, y)
    driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", **place})


def tap(driver, element, x: float, y: float) -> None:
    """Touch a place inside an element and lift the finger."""
    place = _place(driver, element, x, y)
    driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [place]})
    driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def _place(driver, element, x: float, y: float) -> dict[str, float]:
    """Bring an element into view; return where a place inside it is in the window."""
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    corner = driver.execute_script(
        "const box = arguments[0].getBoundingClientRect(); return [box.left, box.top]", element
    )
    return {"x": corner[0] + x, "y": corner[1] + y}


def overflow(driver) -> list[str]:
    """Elements that make the page wider than the window; scrolled boxes keep theirs to themselves."""
    return driver.execute_script(
        """
        if (document.documentElement.scrollWidth <= innerWidth) return [];
        return [...document.querySelectorAll("body *")]
          .filter((one) => one.getBoundingClientRect().right > innerWidth + 0.5 && !one.closest(".scroll"))
          .map((one) => `${one.tagName}.${one.className}: ${one.textContent.slice(0, 60)}`);
        """
    )


def screenshot(driver, path: Path, box: tuple[float, float, float, float]) -> None:
    """Write a picture of a part of the page: left, top, width and height, in pixels from its corner.

    Where the part is not in the window, the window grows for a moment, and what the pointer shows disappears.
    """
    clip = dict(zip(("x", "y", "width", "height"), box, strict=True)) | {"scale": 1}
    top, height = driver.execute_script("return [scrollY, innerHeight]")
    beyond = not top <= box[1] <= box[1] + box[3] <= top + height
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": beyond})
    path.write_bytes(base64.b64decode(shot["data"]))
