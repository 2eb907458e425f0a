"""Rules that every committed notebook keeps, and the folded solutions of its exercises."""

import re

import pytest
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from notebook_cells import NOTEBOOKS, check_cell, read, solution

from helpers.datasets import load_sprites
from helpers.pipelines import LabelEmbedder
from helpers.plotting import plot_generated_images
from helpers.training import train
from helpers.weights import load_pipeline

SECOND = NOTEBOOKS[1]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestEveryNotebook:
    def test_was_run_once_from_top_to_bottom(self, path):
        _, code = read(path)
        assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))

    def test_has_no_stderr_no_error_and_no_absolute_path(self, path):
        _, code = read(path)
        outputs = [output for cell in code for output in cell["outputs"]]
        assert not [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"]
        assert not re.search(r"/(?:root|home|Users|tmp|work)/", path.read_text(encoding="utf-8"))

    def test_cells_are_short_and_compared(self, path):
        _, code = read(path)
        lines = [sum(bool(x.strip()) for x in cell["source"].splitlines()) for cell in code]
        assert max(lines) <= 25 and sorted(lines)[len(lines) // 2] <= 8
        tags = [tag for cell in code for tag in cell["metadata"].get("tags", [])]
        assert set(tags) <= {"nbval-ignore-output"} and len(tags) <= len(code) / 3

    def test_is_small_and_begins_with_what_a_reader_needs(self, path):
        notebook, _ = read(path)
        assert path.stat().st_size <= 1_500_000
        opening = notebook["cells"][0]["source"]
        assert (
            opening.startswith("# ") and "**You will learn**" in opening and "**Before you start**" in opening
        )

    def test_each_exercise_has_a_folded_solution(self, path):
        notebook, _ = read(path)
        text = "\n".join(c["source"] for c in notebook["cells"] if c["cell_type"] == "markdown")
        exercises = len(re.findall(r"^\*\*Exercise \d+", text, flags=re.MULTILINE))
        assert exercises >= 5 and text.count("<summary>Solution</summary>") == exercises


# --- notebook 02 ----------------------------------------------------------------------------------


@pytest.fixture
def conditional(one_thread):
    """What notebook 02 has defined when its reader gets to the exercises."""
    torch.manual_seed(0)
    pipeline = load_pipeline("label_conditioned")
    pipeline.set_progress_bar_config(disable=True)
    return {
        "torch": torch,
        "dataset": load_sprites("train").subset(slice(0, None, 100)),
        "noise_scheduler": DDPMScheduler(num_train_timesteps=500, beta_schedule="squaredcos_cap_v2"),
        "pipeline": pipeline,
        "load_pipeline": load_pipeline,
        "plot_generated_images": plot_generated_images,
        "wishes": ["hero", "food"] * 2,
        "attention_unet": pipeline.unet,
        "UNet2DConditionModel": UNet2DConditionModel,
        "LabelEmbedder": LabelEmbedder,
        "device": torch.device("cpu"),
        "train": train,
    }


def test_guidance_by_the_reader_is_checked(capsys):
    names = {"torch": torch}
    exec(solution(SECOND, 3), names)
    exec(check_cell(SECOND, "guide"), names)
    names["guide"] = lambda without, with_label, w: without + w * (with_label - without)
    exec(check_cell(SECOND, "guide"), names)
    assert capsys.readouterr().out.split("\n")[:2] == ["right", "not quite"]


def test_names_and_one_hot_labels_ask_for_the_same_pictures(conditional):
    exec(solution(SECOND, 1), conditional)
    assert torch.equal(conditional["by_name"], conditional["by_tensor"])


def test_digits_take_ten_classes_and_guidance_below_zero_draws(conditional):
    exec(solution(SECOND, 2), conditional)
    assert conditional["digits_net"].config.num_classes == 10
    exec(solution(SECOND, 4), conditional)


def test_another_scheduler_takes_over(conditional):
    conditional["plot_generated_images"] = lambda images, **kwargs: conditional.update(drawn=len(images))
    exec(solution(SECOND, 5), conditional)
    assert conditional["with_ddim"].scheduler.config._class_name.startswith("DDIM")
    assert conditional["drawn"] == 4


def test_a_sixth_class_can_be_trained(conditional):
    conditional["train"] = lambda *args, num_steps, **kw: train(*args, num_steps=2, batch_size=4, **kw)
    exec(solution(SECOND, 6), conditional)
    assert conditional["six"].class_names[-1] == "relic" and len(conditional["six"].class_names) == 6
