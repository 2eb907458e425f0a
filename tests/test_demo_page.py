"""The page in a headless Chromium, run as the Space that it can become."""

import os
import shutil
import socket
import subprocess
import sys

import pytest

from scripts import make_space

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Run the Space as the Hub would: its own folder, its own helpers."""
    space = make_space.make_space(tmp_path_factory.mktemp("space") / "page of sprites")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    settings = {"GRADIO_SERVER_PORT": str(port), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | settings
    command = [sys.executable, "app.py"]
    with subprocess.Popen(
        command, cwd=space, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as app:
        said = []
        for line in app.stdout:
            said.append(line.decode())
            if "Running on local URL" in said[-1]:
                break
        assert "127.0.0.1" in said[-1], "".join(said)
        yield f"http://127.0.0.1:{port}"
        app.kill()


@pytest.fixture
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def visit(browser, address, requests):
    page = browser.new_page()
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address)
    return page


def ask(page, prompt):
    page.get_by_label("Prompt").fill(prompt)
    page.get_by_role("button", name="Draw").click()


def test_visitors_are_served_one_after_the_other_and_mistakes_are_said(address, browser):
    requests, seconds = [], 90_000
    first, second = (visit(browser, address, requests) for _ in range(2))
    ask(first, "a red potion")
    ask(second, "a green slime")
    for page in (first, second):
        page.wait_for_selector("#message:has-text('Drawn')", timeout=seconds)
        page.wait_for_selector("img[src*='/file=']")
        assert page.locator("button img[src*='/file=']").count() == 4
    ask(first, "a red zebra")
    first.wait_for_selector("#message:has-text('never seen')", timeout=seconds)
    assert first.locator("button img[src*='/file=']").count() == 0
    ask(first, "a blue ghost")
    first.wait_for_selector("#message:has-text('Drawn')", timeout=seconds)
    first.get_by_role("tab", name="text to sprite").click()
    first.get_by_label("Words").fill("a red potion")
    first.get_by_role("button", name="Paint").click()
    first.wait_for_selector("#text-message:has-text('Painted')", timeout=seconds)
    assert first.locator("button img[src*='/file=']:visible").count() == 4
    assert requests
    assert all(url.startswith((address, "data:", "blob:")) for url in requests)
    # Nobody can store a file on the machine.
    assert first.request.post(f"{address}/gradio_api/upload", multipart={"files": "x"}).status >= 400
