"""Notebook 02: its exercises' solutions pass their self-checks, and the classic mistakes are named."""

import re
from functools import partial

import pytest
import torch
from diffusers import DDIMScheduler
from notebook_cells import NOTEBOOKS, read, solution

from helpers.datasets import ImageDataset, load_digits, load_sprites
from helpers.evaluation import label_accuracy
from helpers.pipelines import LabelEmbedder
from helpers.weights import load_pipeline

SECOND = NOTEBOOKS[1]


def self_check(stub: str) -> str:
    """Return what stands below the last stub of an exercise's cell."""
    _, code = read(SECOND)
    cell = next(c["source"] for c in code if stub in c["source"] and "# your line" in c["source"])
    return re.split(r"# your lines?\n", cell)[-1]


@pytest.fixture
def names(one_thread):
    """What notebook 02 has defined when its reader gets to the exercises."""
    torch.manual_seed(0)
    pipeline = load_pipeline("label_conditioned")
    pipeline.set_progress_bar_config(disable=True)
    return {
        "torch": torch,
        "device": torch.device("cpu"),
        "dataset": load_sprites("train").subset(slice(0, None, 100)),
        "pipeline": pipeline,
        "load_pipeline": load_pipeline,
        "unet": pipeline.unet,
        "LabelEmbedder": LabelEmbedder,
        "label_accuracy": label_accuracy,
        "plot_generated_images": lambda *args, **kwargs: None,
    }


STUBS = {
    1: "by_name = ...",
    2: "digits_net = ...",
    3: "def guide",
    4: "mixed = ...",
    5: "with_ddim = ...",
    6: "six, six_net = ...",
}


@pytest.mark.parametrize("number", list(STUBS))
def test_the_solution_passes_the_self_check(names, capsys, number):
    exec(solution(SECOND, number), names)
    exec(self_check(STUBS[number]), names)
    assert capsys.readouterr().out.strip() == "right"


def draw(pipeline, name):
    generator = torch.Generator().manual_seed(0)
    return pipeline([name] * 8, num_inference_steps=10, generator=generator, output_type="pt").images


def ddim(pipeline, **options):
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, **options)
    return pipeline


@pytest.mark.parametrize(
    ("number", "wrong", "mistake"),
    [
        (1, "by_name = by_tensor = pipeline(['spell'], num_inference_steps=2)", "output_type"),
        (1, "by_name = by_tensor = draw('spell')[:2]", "eight different pictures"),
        (1, "by_name = by_tensor = torch.zeros(8, 3, 16, 16)", "eight different pictures"),
        (1, "by_name, by_tensor = draw('spell'), draw('hero')", "a new generator"),
        (1, "by_name = by_tensor = draw('hero')", "no spells"),
        (2, "digits_net = LabelEmbedder(5, 64, label_dropout=0.1)", "how many classes"),
        (2, "digits_net = LabelEmbedder(10, 32, label_dropout=0.1)", "as wide as"),
        (2, "digits_net = LabelEmbedder(10, 64)", "no guidance"),
        (3, "guide = lambda without, with_label, w: without + w * (with_label - without)", "w is g - 1"),
        (3, "guide = lambda without, with_label, w: with_label - w * (with_label - without)", "the sign"),
        (4, "mixed = torch.eye(5)[2] / 2 + torch.eye(5)[3] / 2", "the shape is (5,)"),
        (4, "mixed = torch.eye(5)[[2] * 4] + torch.eye(5)[[3] * 4]", "sum to one"),
        (4, "mixed = (torch.eye(5)[[0] * 4] + torch.eye(5)[[3] * 4]) / 2", "which classes"),
        (5, "with_ddim = pipeline", "load a second one"),
        (
            5,
            "with_ddim = load_pipeline('label_conditioned'); with_ddim.scheduler = DDIM()",
            "1,000 timesteps",
        ),
        (5, "with_ddim = DDIM(num_train_timesteps=500)", "is to be a pipeline"),
        (5, "with_ddim = load_pipeline('label_conditioned')", "is a DDIMScheduler"),
        (
            5,
            "with_ddim = load_pipeline('label_conditioned'); "
            "with_ddim.scheduler = DDIM(num_train_timesteps=500)",
            "another noise schedule",
        ),
        (5, "with_ddim = ddim(load_pipeline('label_conditioned'), clip_sample=False)", "unclipped"),
        (6, "six, six_net = dataset, LabelEmbedder(6, 64)", "six names"),
        (6, "six, six_net = not_turned, LabelEmbedder(6, 64)", "flipped top to bottom"),
        (6, "six, six_net = mirrored, LabelEmbedder(6, 64)", "flipped top to bottom"),
        (6, "six, six_net = turned, LabelEmbedder(5, 64)", "must know six classes"),
    ],
)
def test_a_wrong_answer_is_told_what_is_wrong(names, capsys, number, wrong, mistake):
    spells, six = names["dataset"].select("spell"), (*names["dataset"].class_names, "relic")
    labels = torch.cat([names["dataset"].labels, torch.full((len(spells),), 5)])
    relics = {"not_turned": spells.images, "turned": spells.images.flip(1), "mirrored": spells.images.flip(2)}
    for name, images in relics.items():
        names[name] = ImageDataset(torch.cat([names["dataset"].images, images]), labels, six)
    given = {"draw": partial(draw, names["pipeline"]), "ddim": ddim, "DDIM": DDIMScheduler}
    exec(wrong, names | given | {"load_digits": load_digits}, names)
    exec(self_check(STUBS[number]), names)
    said = capsys.readouterr().out
    assert said.startswith("not quite") and mistake in said
