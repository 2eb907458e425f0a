"""The page: what its button draws and refuses, and the Space that it can become."""

import os
import re
import socket
import sys

import pytest
from hub_server import TOKEN

import helpers.demo
from helpers.demo import draw_sprites, launch_options, parse_color
from helpers.demo_text import draw_text
from helpers.guidance import check_prompt, load_clip
from helpers.sharing import push_to_hub
from scripts import make_space


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


def test_the_button_of_the_other_tab_draws_from_words():
    seen = []
    asked = {"steps": 5, "count": 2, "guidance_scale": 2.0}
    images, note = draw_text("a red potion", on_step=lambda *done: seen.append(done), **asked)
    assert [image.size for image in images] == [(128, 128)] * 2
    assert (seen, note) == ([(i, 5) for i in range(1, 6)], "")
    others = [{}, {"seed": 1}, {"negative_prompt": "a red potion"}, {"prompt": ""}, {"prompt": None}]
    drawn = [draw_text(**{"prompt": "a red potion"} | asked | other)[0][0].tobytes() for other in others]
    assert drawn[0] == images[0].tobytes() and drawn[3] == drawn[4]
    assert len(set(drawn)) == 4
    assert draw_text("hero with " + "a red hat and " * 8, **asked)[1] == "cut to its first 20 words"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"prompt": "a red zebra"}, "never seen 'zebra'"),
        ({"prompt": "a potion", "negative_prompt": "qwertz"}, "never seen 'qwertz'"),
        ({"prompt": "red " * 60}, "may have 200 characters"),
        ({"negative_prompt": "red " * 60}, "may have 200 characters"),
        ({"steps": 41}, "steps must be a whole number from 1 to 40"),
        ({"count": 9}, "count must be"),
        ({"seed": 0.5}, "seed must be"),
        ({"guidance_scale": 0.5}, "guidance_scale must be from 1 to 10"),
        ({"guidance_scale": float("nan")}, "guidance_scale must be from 1"),
    ],
)
def test_words_that_cannot_be_drawn_are_refused(asked, message):
    with pytest.raises(ValueError, match=message):
        draw_text(**asked)


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
    assert "weights/text_to_sprite/model_index.json" in sent


def test_a_folder_with_other_things_is_kept(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="holds other files"):
        make_space.make_space(tmp_path)
    with pytest.raises(FileNotFoundError, match="no Space in"):
        push_to_hub(tmp_path, "sprites", space=True)
    assert os.listdir(tmp_path) == ["thesis.txt"]
