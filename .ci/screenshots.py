"""Take the pictures of the README and the documentation from a real page, in headless Chromium.

Run: python .ci/screenshots.py PAGE.html docs/images
"""

import sys
import tempfile
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from selenium.webdriver.common.by import By

from tests.support.browser import DESKTOP, PHONE, browser, move, open_page, screenshot

WIDTH = 1000  # of the desktop's pictures, in pixels


def main(page: Path, folder: Path) -> None:
    """Write ``page-tables.png``, ``page-map.png`` and ``page-phone.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile, browser(Path(profile)) as driver:
        open_page(driver, page, (WIDTH, DESKTOP[1]))
        screenshot(driver, folder / "page-tables.png", (0, 0, WIDTH, 860))
        figure = driver.find_element(By.CSS_SELECTOR, "section.figure")
        canvas = figure.find_element(By.CSS_SELECTOR, "canvas[tabindex]")
        place = driver.execute_script(
            "const panel = arguments[0].panel; const places = panel.spec.targets.map((one) =>"
            " [panel.toX(one.x), panel.toY(one.y)]);"
            "return places.sort((a, b) => a[1] - b[1])[Math.floor(places.length / 3)]",
            canvas,
        )
        move(driver, canvas, *place)
        top = driver.execute_script("return arguments[0].getBoundingClientRect().top + scrollY", figure)
        screenshot(driver, folder / "page-map.png", (0, top, WIDTH, 760))
        open_page(driver, page, PHONE)
        screenshot(driver, folder / "page-phone.png", (0, 0, *PHONE))
    for path in folder.glob("page-*.png"):
        Image.open(path).convert("RGB").quantize(128).save(path, optimize=True)
        sys.stdout.write(f"{path}: {path.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
