"""Notebook 05: its exercises, and the measurements that it reads."""

import re

import pytest
import torch
import torch.nn.functional as F
from notebook_cells import NOTEBOOKS, solution, starting_cell

from benchmarks import compare_guidance
from helpers import load_results
from helpers.datasets import load_sprites
from helpers.evaluation import load_classifier
from helpers.guidance import GuidedDDPMPipeline, color_loss
from helpers.sampling import make_scheduler
from helpers.weights import WEIGHTS, load_pipeline

FIFTH = next(path for path in NOTEBOOKS if path.name.startswith("05"))
STUBS = {
    1: "def asymmetry",
    2: "def blue_spell",
    3: "def not_hero",
    4: "def hue_loss",
    5: "blueness = {}",
    6: "def put_back",
}
COSINE = "F.cosine_similarity(x, torch.tensor(c).view(1, 3, 1, 1).expand_as(x))"
HUE = COSINE.replace("(x,", "(x - x.mean(1, keepdim=True),").replace("tensor(c)", "tensor(c).sub(1 / 3)")
PUT_BACK = """def put_back(p, i, t, k):
    if i == len(p.scheduler.timesteps) - 1:
        return {{"latents": torch.where(mask.bool(), hero, k["latents"])}}
    noise = torch.randn_like(k["latents"])
    known = p.scheduler.add_noise(hero.expand_as(noise), noise, ({}).reshape(1))
    return {{"latents": {}}}"""


@pytest.fixture(scope="module")
def shared():
    """What the cells before the exercises have made."""
    plain, classifier, blue = load_pipeline("unconditional"), load_classifier(), (0.1, 0.3, 0.9)
    scheduler = make_scheduler(plain.scheduler)
    guided = GuidedDDPMPipeline(plain.unet.requires_grad_(False), scheduler)
    guided.set_progress_bar_config(disable=True)
    scheduler.set_timesteps(20)
    sprites = load_sprites("test").as_tensor()[[3, 500, 900, 1300]]
    class_names = list(classifier.config.class_names)
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., :8] = 1

    def class_loss(images, name):
        wanted = torch.full((len(images),), class_names.index(name))
        return F.cross_entropy(classifier(images)[0], wanted, reduction="sum")

    def make_it_blue(images):
        return color_loss(images, blue)

    return {
        "torch": torch, "F": F, "device": "cpu",
        "pipeline": plain, "unet": plain.unet, "scheduler": scheduler,
        "alphas_cumprod": scheduler.alphas_cumprod,
        "guided": guided, "GuidedDDPMPipeline": GuidedDDPMPipeline, "make_scheduler": make_scheduler,
        "sprites": sprites, "hero": sprites[:1], "mask": mask,
        "free": sprites.repeat(2, 1, 1, 1), "blue": blue,
        "classifier": classifier, "class_names": class_names, "class_loss": class_loss,
        "make_it_blue": make_it_blue, "draw": lambda *args, **kwargs: sprites,
        "plot_generated_images": lambda *args, **kwargs: None,
    }  # fmt: skip


def stub(number: int) -> str:
    return starting_cell(FIFTH, STUBS[number])


def self_check(number: int) -> str:
    """Return what stands below an exercise's stub."""
    return re.split(r'# your lines?.*\n|# "ddim": .*\n', stub(number))[1]


@pytest.mark.parametrize("number", [*range(1, 5), pytest.param(5, marks=pytest.mark.slow), 6])
def test_the_solution_passes_the_self_check(capsys, shared, number, one_thread):
    names = dict(shared) | {"blueness": {}}
    exec(solution(FIFTH, number), names)
    exec(self_check(number), names)
    assert capsys.readouterr().out.strip() == "right"


@pytest.mark.parametrize("number", STUBS)
def test_what_is_not_answered_is_no_mistake(capsys, shared, number):
    exec(stub(number), dict(shared))
    assert capsys.readouterr().out.strip() == "not answered yet"


@pytest.mark.parametrize(
    ("number", "wrong", "mistake"),
    [
        (1, "asymmetry = lambda x: (x - x.flip(-1)).abs().mean()", "take the sum over images"),
        (1, "asymmetry = lambda x: (x - x.flip(-2)).abs().mean((1, 2, 3)).sum()", "the last dimension"),
        (1, "asymmetry = lambda x: (x - x.flip(-1)).mean((1, 2, 3)).sum()", "absolute differences"),
        (1, "asymmetry = lambda x: (x - x.flip(-1)).abs().sum()", "a mean over pixels"),
        (2, "blue_spell = lambda x: 10 * class_loss(x, 'spell') + make_it_blue(x)", "not the class"),
        (3, "not_hero = lambda x: -class_loss(x, 'hero')", "falls without end"),
        (3, "not_hero = lambda x: class_loss(x, 'food')", "-log(1 - p)"),
        (4, f"hue_loss = lambda x, c: (1 - {COSINE}).mean()", "one hue"),
        (
            4,
            f"hue_loss = lambda x, c: (1 - {COSINE.replace('(x,', '(x - x.mean(1, keepdim=True),')}).mean()",
            "target",
        ),
        (4, "hue_loss = lambda x, c: x.sum() * 0", "at a distance of 2"),
        (4, f"hue_loss = lambda x, c: (1 - {HUE}).mean()", "give 2"),
        (4, f"hue_loss = lambda x, c: (1 - {HUE}).mean((1, 2)).sum()", "eps=0.1"),
        (5, "blueness = {'ddim': 0.3}", "each of the three"),
        (5, "blueness = {'ddim': 4.0, 'ddpm': 2.4, 'dpm-solver++': 2.4}", "sum over eight"),
        (5, "blueness = {'ddim': 0.06, 'ddpm': 0.3, 'dpm-solver++': 0.3}", "divide by eight once"),
        (5, "blueness = {'ddim': 1.2, 'ddpm': 0.3, 'dpm-solver++': 0.3}", "without guidance"),
        (6, "put_back = lambda p, i, t, k: {'latents': k['latents']}", "after the last step"),
        (
            6,
            "put_back = lambda p, i, t, k: {'latents': torch.where(mask.bool(), hero, k['latents'])}",
            "own noise",
        ),
        (6, PUT_BACK.format("t", "torch.where(mask.bool(), known, k['latents'])"), "*next* timestep"),
        (6, PUT_BACK.format("p.scheduler.timesteps[i + 1]", "known"), "right half"),
    ],
)
def test_a_wrong_answer_is_told_what_is_wrong(capsys, shared, number, wrong, mistake):
    names = dict(shared)
    exec(wrong, names)
    exec(self_check(number), names)
    said = capsys.readouterr().out
    assert said.startswith("not quite") and mistake in said


def test_stored_measurements_are_those_of_the_script():
    stored = load_results("guidance")
    ways = ["real sprites that fit", "no guidance", *compare_guidance.WAYS]
    assert [row["way"] for row in stored["words"]] == ways
    assert stored["prompts"] == [prompt for prompt, _, _ in compare_guidance.make_prompts(20)]
    text = compare_guidance.README.read_text(encoding="utf-8")
    assert compare_guidance.table(stored) in text


def test_prompts_name_a_thing_in_a_colour_that_captions_have():
    prompts = compare_guidance.make_prompts(3, seed=1)
    assert [number for _, number, _ in prompts] == [i for i in range(5) for _ in range(3)]
    captions = " ".join(load_sprites("all").captions)
    for prompt, _, color in prompts:
        assert re.search(rf"\b{color} \w+", prompt)[0] in captions


def test_what_guides_is_small():
    size = sum(file.stat().st_size for file in (WEIGHTS / "sprite_clip").iterdir())
    assert size <= 6e6
