"""Take the picture of the page that notebook 05 shows, helpers/demo.png; needs a Chromium.

python scripts/picture_demo.py
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

import helpers.demo
from helpers.files import write_file


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("picture_demo: no Chromium here; on Debian and Ubuntu: sudo apt install chromium")
    options = helpers.demo.launch_options()
    _, address, _ = helpers.demo.make_demo().launch(**options, prevent_thread_lock=True, quiet=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1000, "height": 570})
        page.goto(address)
        page.get_by_label("Prompt").fill("a red potion")
        page.get_by_role("button", name="Draw").click()
        page.wait_for_selector("#message:has-text('Drawn')", timeout=60_000)
        page.wait_for_timeout(1000)  # until the progress bar has faded
        picture = page.screenshot()
        browser.close()
    write_file(Path(helpers.demo.__file__).with_suffix(".png"), picture)


if __name__ == "__main__":
    main()
