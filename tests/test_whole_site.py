"""The site of this repository as readers meet it, in headless Chromium; `make test` names this file."""

from pathlib import Path

import pytest
from site_browser import (
    PHONE,
    PageReader,
    broken_links,
    open_page,
    page_size,
    run_browser,
    serious_findings,
    too_wide,
)

from scripts import build_site

pytestmark = pytest.mark.slow

KINDS = ("index", "notebooks/01_unconditional_ddpm", "reference/training", "weights", "search")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Build the site once."""
    return build_site.build(tmp_path_factory.mktemp("whole site")).parent


@pytest.fixture(scope="module")
def browser():
    """Start the browser once."""
    with run_browser() as browser:
        yield browser


def get_pages(site: Path) -> list[Path]:
    """Return the pages, without the listings of code."""
    return [path for path in sorted(site.rglob("*.html")) if not {"_static", "_modules"} & set(path.parts)]


def test_no_link_is_broken_and_no_page_is_large(site):
    assert broken_links(site) == []
    assert {str(path): size for path in get_pages(site) if (size := page_size(path)) > 3_000_000} == {}


def test_every_picture_of_a_lesson_has_an_alternative_text(site):
    lessons = [PageReader(path) for path in site.glob("*/notebooks/*.html")]
    pictures = [found for lesson in lessons for found in lesson.pictures]
    assert len(pictures) > 100 and [found for found in pictures if not found.get("alt")] == []


def test_every_page_is_whole_and_fits_a_phone(site, browser):
    wrong = {}
    for path in get_pages(site):
        page = browser.new_page(viewport=PHONE)
        found = open_page(page, path) + ["too wide"] * too_wide(page)
        if found:
            wrong[str(path.relative_to(site))] = found
        page.close()
    assert wrong == {}


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_pages_shut_no_reader_out(site, browser, kind, colours):
    page = browser.new_page(color_scheme=colours)
    open_page(page, site / "en" / f"{kind}.html")
    assert serious_findings(page) == []
    page.close()
