"""What both tests of the site need: a browser, a check of a folder's links, and a page that was looked at."""

import shutil
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PHONE = {"width": 390, "height": 800}


@contextmanager
def run_browser():
    """Run a headless Chromium, Debian's or playwright's own; skip the test where there is none."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        own = Path(driver.chromium.executable_path)
        path = next(filter(None, map(shutil.which, BROWSERS)), str(own) if own.exists() else None)
        if path is None:
            pytest.skip("no Chromium here: apt install chromium, or playwright install chromium")
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def open_page(page, path: Path) -> list[str]:
    """Open a page from its file; return what went wrong: errors, requests that failed or left the machine."""
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
    page.on("request", lambda r: wrong.append(r.url) if r.url.startswith(("http", "ws", "//")) else None)
    page.set_default_timeout(150_000)  # cores may be shared
    page.goto(path.as_uri())
    page.wait_for_load_state("networkidle")
    page.evaluate("async () => { await window.MathJax?.startup?.promise; }")
    bad_formulas = (
        "[...document.querySelectorAll('mjx-merror')].map(e => e.dataset.mjxError || e.textContent)"
    )
    return wrong + page.evaluate(bad_formulas)


class PageReader(HTMLParser):
    """Collect a page's anchors, its links, and its pictures with their alternative texts."""

    def __init__(self, path: Path):
        super().__init__()
        self.ids, self.links, self.pictures = set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids.add(found.get("id"))
        if tag == "img":
            self.pictures.append(found)
        self.links += [found[name] for name in ("href", "src") if found.get(name)]


def broken_links(folder: Path) -> list[str]:
    """Return the links within a site that lead to no file or no anchor."""
    pages = {path: PageReader(path) for path in folder.rglob("*.html") if "_static" not in path.parts}
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlparse(link)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if parts.scheme or parts.netloc:
                continue
            known = pages.get(target)
            anchor_is_missing = known and parts.fragment and unquote(parts.fragment) not in known.ids
            if not target.is_file() or anchor_is_missing:
                broken.append(f"{path.relative_to(folder)}: {link}")
    return sorted(broken)


def page_size(path: Path) -> int:
    """Return the bytes of a page and its pictures."""
    pictures = {path.parent / unquote(found["src"]) for found in PageReader(path).pictures}
    return path.stat().st_size + sum(picture.stat().st_size for picture in pictures)


def too_wide(page) -> bool:
    """Say whether a page has to be scrolled sideways."""
    return page.evaluate("document.documentElement.scrollWidth > window.innerWidth")


def serious_findings(page) -> list[str]:
    """Return what axe-core finds on a page and calls serious or critical, one line each."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = [one for one in axe.run(page).response["violations"] if one["impact"] in ("serious", "critical")]
    places = {one["id"]: " ".join(one["nodes"][0]["html"].split())[:160] for one in found}
    return [f"{one['id']}: {len(one['nodes'])} times, first {places[one['id']]}" for one in found]
