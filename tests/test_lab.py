"""JupyterLab in a browser: the start page, and every explorer moved by its controls."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from notebook_cells import NOTEBOOKS
from site_browser import run_browser

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 120_000  # cores may be shared
CELLS = [
    """
from diffusers.utils import logging
from helpers.datasets import load_sprites
from helpers.weights import load_pipeline
from helpers.widgets import label_explorer, noise_explorer, sampler_playground

logging.disable_progress_bar()
pipeline = load_pipeline("unconditional")""",
    "noise_explorer(load_sprites('test').as_tensor()[::400])",
    "label_explorer(load_pipeline('label_conditioned'), 5)",
    "sampler_playground(pipeline.unet, pipeline.scheduler)",
    """
broken = noise_explorer(load_sprites("test").as_tensor()[::400])
broken.draw = lambda: 1 / 0  # fails as soon as it is moved
broken""",
]
ALIVE = "document.querySelectorAll('.explorer img[src]').length === 4"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Run JupyterLab as `make lab` does, on the start page, the lessons, and a notebook of the explorers."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(
        ROOT / "notebooks", folder / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints")
    )
    shutil.copytree(ROOT / "docs" / "lab", folder / "docs" / "lab")
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = [new_code_cell(text.strip()) for text in CELLS]
    nbformat.write(new_notebook(cells=cells, metadata=kernel), folder / "explorers.ipynb")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    recipe = re.search(
        r"^lab:.*\n\t\$\(RUN\) (.*) \$\(OPTIONS\)$", (ROOT / "Makefile").read_text(), re.MULTILINE
    )[1]
    options = ["--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0"]
    command = [sys.executable, *recipe.split(), *options, "--IdentityProvider.token="]
    # What a reader has set for JupyterLab, and the windows that were open last, stay out of it.
    places = {name: str(folder / name) for name in ("JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")}
    environment = os.environ | places | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL) as server:
        for _ in range(600):
            time.sleep(0.2)
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", port)) == 0:
                    break
        yield f"http://127.0.0.1:{port}"
        server.terminate()


@pytest.fixture
def page(lab):
    with run_browser() as browser:
        page = browser.new_page(viewport={"width": 1300, "height": 2400})
        page.set_default_timeout(SECONDS)
        yield page


def test_the_start_page_leads_to_every_lesson(lab, page):
    page.goto(lab)
    links = page.locator(".jp-MarkdownViewer table a[href]")
    links.first.wait_for()
    hrefs = " ".join(link.get_attribute("href") for link in links.all())
    assert all(path.name in hrefs for path in NOTEBOOKS)
    links.first.click()
    page.locator(".jp-Notebook .jp-MarkdownCell h1").first.wait_for()
    # The first code cell is one line.
    folded = page.locator(".jp-Notebook .jp-CodeCell").first
    assert "Setup" in folded.inner_text() and folded.bounding_box()["height"] < 60


def run_all(page):
    """Restart the kernel, and run every cell."""
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    page.locator(".jp-ToolbarButtonComponent[data-command='notebook:restart-run-all']").click()
    page.locator(".jp-Dialog .jp-mod-accept").click()
    page.get_by_text("[*]").first.wait_for()
    page.wait_for_function("!document.body.innerText.includes('[*]')", polling=500)
    page.wait_for_function(ALIVE, polling=500)


def move(page, explorer) -> None:
    """Move an explorer's first slider by a step, with the keyboard."""
    explorer.locator(".noUi-handle").first.focus()
    page.keyboard.press("ArrowRight")


def test_explorers_answer_stay_alone_and_survive_an_error_and_a_restart(lab, page):
    page.goto(f"{lab}/lab/tree/explorers.ipynb?reset")  # without the windows of the test before
    page.locator(".jp-Notebook").wait_for()
    for _ in range(2):  # the second time after a restart of the kernel
        run_all(page)
        explorers = page.locator(".explorer").all()

        def pictures(explorers=explorers):
            return [each.locator("img").get_attribute("src") for each in explorers]

        for i, explorer in enumerate(explorers[:3]):
            before = pictures()
            move(page, explorer)
            changed = f"old => document.querySelectorAll('.explorer img')[{i}].src !== old"
            page.wait_for_function(changed, arg=before[i])
            assert [a != b for a, b in zip(pictures(), before, strict=True)] == [j == i for j in range(4)]
        before = pictures()
        move(page, explorers[3])
        explorers[3].get_by_text("ZeroDivisionError: division by zero").wait_for()
        assert pictures() == before
    # Every menu shows a choice. Where an explorer lives, its still picture is hidden.
    menus = page.locator(".explorer select").evaluate_all("all => all.map(one => one.selectedIndex)")
    assert menus and min(menus) >= 0
    stills = page.locator(".jp-OutputArea-child:has(.explorer) + .jp-OutputArea-child")
    assert stills.count() == 4 and not any(still.is_visible() for still in stills.all())
