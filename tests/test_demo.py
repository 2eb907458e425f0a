"""The page: what its button draws, what it refuses, and itself in a headless Chromium, run as a Space."""

import os
import re
import shutil
import socket
import subprocess
import sys

import pytest
from hub_server import TOKEN

import helpers.demo
from helpers.demo import draw_sprites, launch_options, parse_color
from helpers.guidance import check_prompt, load_clip
from helpers.sharing import push_to_hub
from scripts import make_space

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    return make_space.make_space(tmp_path_factory.mktemp("space") / "page of sprites")


# --- what the button calls ------------------------------------------------------------------------------


def test_the_button_draws_what_the_seed_says_and_reports_each_step():
    seen = []
    images, note = draw_sprites("a red potion", steps=5, count=2, on_step=lambda *done: seen.append(done))
    assert [image.size for image in images] == [(128, 128)] * 2
    assert (seen, note) == ([(i, 5) for i in range(1, 6)], "")
    again, other = (draw_sprites("a red potion", steps=5, count=2, seed=seed)[0] for seed in (0, 1))
    assert again[0].tobytes() == images[0].tobytes() != other[0].tobytes()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "ask for something"),
        ({"prompt": "  "}, "ask for something"),
        ({"prompt": "a red zebra and a qwertz"}, "never seen 'qwertz', 'zebra'|never seen .*'zebra'"),
        ({"prompt": "red " * 60}, "may have 200 characters"),
        ({"prompt": "hero", "steps": 501}, "steps must be a whole number from 1 to 40"),
        ({"prompt": "hero", "steps": 2.5}, "steps must be a whole number"),
        ({"prompt": "hero", "count": 100}, "count must be"),
        ({"prompt": "hero", "seed": -1}, "seed must be"),
        ({"prompt": "hero", "seed": None}, "seed must be"),
        ({"prompt": "hero", "guidance": -1}, "guidance must be from 0"),
        ({"prompt": "hero", "guidance": float("nan")}, "guidance must be from 0"),
        ({"color": "blue"}, "a colour is written"),
        ({"color": "rgb(0, 0, 300)"}, "a colour is written"),
        ({"label": "dragon"}, "unknown label 'dragon'"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_any_work(asked, message, monkeypatch):
    monkeypatch.setattr(helpers.demo, "load_guided_pipeline", lambda: pytest.fail("work was begun"))
    with pytest.raises(ValueError, match=message):
        draw_sprites(**asked)


def test_a_long_prompt_is_cut_and_said():
    _, tokenizer = load_clip()
    prompt, note = check_prompt("hero with " + "a red hat and " * 8, tokenizer)
    assert len(prompt.split()) == 20
    assert note == "cut to its first 20 words"


def test_colours_are_read_as_browsers_write_them():
    expected = pytest.approx((26 / 255, 0.6, 230 / 255), abs=1e-3)
    assert parse_color("#1A99e6") == expected
    assert parse_color("rgba(26, 153, 230, 1)") == expected
    assert parse_color("") is None


def test_only_this_machine_is_served_unless_told_otherwise():
    assert launch_options()["server_name"] == "127.0.0.1"
    assert launch_options()["share"] is False
    assert launch_options("0.0.0.0", share=True)["server_name"] == "0.0.0.0"


def test_a_port_that_is_taken_is_said_in_one_line(capsys, monkeypatch):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        monkeypatch.setattr(sys, "argv", ["demo", "--port", str(other.getsockname()[1])])
        with pytest.raises(SystemExit, match=r"demo: .*port") as caught:
            helpers.demo.main()
    assert "\n" not in str(caught.value)


# --- the Space ------------------------------------------------------------------------------------------


def test_a_space_is_complete_and_goes_to_the_hub_whole(space, hub):
    card = (space / "README.md").read_text(encoding="utf-8")
    assert re.search(r"^sdk: gradio\nsdk_version: \d", card, re.MULTILINE)
    assert push_to_hub(space, "sprites", token=TOKEN, space=True).endswith("me/sprites")
    sent = set(hub.repos["me/sprites"])
    assert sent == {file.relative_to(space).as_posix() for file in space.rglob("*") if file.is_file()}
    assert {"app.py", "requirements.txt", "helpers/demo.py", "weights/sprite_clip/model.safetensors"} <= sent


def test_a_folder_with_other_things_is_kept(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="holds other files"):
        make_space.make_space(tmp_path)
    with pytest.raises(FileNotFoundError, match="no Space in"):
        push_to_hub(tmp_path, "sprites", space=True)
    assert os.listdir(tmp_path) == ["thesis.txt"]


@pytest.fixture(scope="module")
def address(space):
    """Run the Space as the Hub would: its own folder, its own helpers."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    settings = {"GRADIO_SERVER_PORT": str(port), "OMP_NUM_THREADS": "1"}
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
    assert requests
    assert all(url.startswith((address, "data:", "blob:")) for url in requests)
    # Nobody can store a file on the machine.
    assert first.request.post(f"{address}/gradio_api/upload", multipart={"files": "x"}).status >= 400
