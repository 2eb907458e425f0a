"""scripts/train_unconditional.py: the options of diffusers' example, what a run leaves, every bad input."""

import json
import os
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import make_unet
from diffusers import DDPMPipeline, UNet2DModel
from PIL import Image
from safetensors.torch import load_file
from test_tracking import read_events, read_samples
from test_weights import call_script

from helpers.datasets import make_augmentation, open_image_folder
from helpers.models import UNETS, build_unet
from helpers.training.checkpoints import list_checkpoints
from scripts import train_unconditional
from scripts.unconditional_options import make_parser

pytestmark = pytest.mark.usefixtures("one_thread")

# diffusers' train_unconditional.py, all of its options: the default, or None.
THEIRS = {
    **dict.fromkeys(["dataset_name", "dataset_config_name", "model_config_name_or_path", "train_data_dir"]),
    **dict.fromkeys(["cache_dir", "hub_token", "hub_model_id", "checkpoints_total_limit"]),
    **dict.fromkeys(["overwrite_output_dir", "center_crop", "random_flip", "use_ema", "push_to_hub"], False),
    **dict.fromkeys(["hub_private_repo", "enable_xformers_memory_efficient_attention"], False),
    **{"preserve_input_precision": False, "resume_from_checkpoint": None, "output_dir": "ddpm-model-64"},
    **{"resolution": 64, "train_batch_size": 16, "eval_batch_size": 16, "dataloader_num_workers": 0},
    **{"num_epochs": 100, "save_images_epochs": 10, "save_model_epochs": 10},
    **{"gradient_accumulation_steps": 1, "learning_rate": 1e-4, "lr_scheduler": "cosine"},
    **{"lr_warmup_steps": 500, "adam_beta1": 0.95, "adam_beta2": 0.999, "adam_weight_decay": 1e-6},
    **{"adam_epsilon": 1e-8, "ema_inv_gamma": 1.0, "ema_power": 0.75, "ema_max_decay": 0.9999},
    **{"logger": "tensorboard", "logging_dir": "logs", "local_rank": -1, "mixed_precision": "no"},
    **{"prediction_type": "epsilon", "ddpm_num_steps": 1000, "ddpm_num_inference_steps": 1000},
    **{"ddpm_beta_schedule": "linear", "checkpointing_steps": 500},
}
BEYOND = ["snr_gamma", "max_train_steps", "compile", "channels_last", "seed", "max_grad_norm"]
BEYOND += ["report_to", "start_from"]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A UNet that trains and draws fast."""
    monkeypatch.setattr(train_unconditional, "build_unet", lambda resolution: make_unet(size=resolution))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of pictures of several shapes."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for i in range(12):
        pixels = rng.integers(0, 255, (20 + i, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


def run(output: Path, *options: str) -> None:
    """Train a few steps on 8×8 pictures in this process."""
    settings = ("--resolution=8", "--train_batch_size=4", "--eval_batch_size=2", "--ddpm_num_steps=50")
    settings += ("--lr_warmup_steps=1", "--ddpm_num_inference_steps=5", f"--output_dir={output}")
    call_script(train_unconditional.main, *settings, *options)


# --- options --------------------------------------------------------------------------------------


def test_options_and_defaults_are_those_of_the_example():
    ours = {a.dest: a.default for a in make_parser("")._actions if a.dest != "help"}
    assert {name: ours.get(name, "missing") for name in THEIRS} == THEIRS
    assert set(BEYOND) <= set(ours) - set(THEIRS)
    text = make_parser("").format_help()
    assert all(f"--{name}" in text for name in (*THEIRS, *BEYOND))


@pytest.mark.parametrize("resolution", UNETS)
def test_the_unet_follows_the_resolution(resolution):
    with torch.device("meta"):
        unet = build_unet(resolution)
        assert unet(torch.zeros(1, 3, resolution, resolution), torch.zeros(1)).sample.shape[-1] == resolution
    millions = f"| {round(unet.num_parameters() / 1e6, 1 if resolution < 64 else None)} M |"
    row = next(
        line for line in build_unet.__doc__.splitlines() if line.strip().startswith(f"| {resolution} |")
    )
    assert row.endswith(millions)
    with pytest.raises(ValueError, match="its UNet takes multiples of"):
        build_unet(resolution - 1)


# --- what a run leaves ----------------------------------------------------------------------------


def test_a_run_leaves_a_model_with_its_card_samples_a_log_and_checkpoints(photos, tmp_path, capsys):
    output = tmp_path / "my model"
    extra = (
        "--num_epochs=4 --save_images_epochs=2 --checkpointing_steps=5 --checkpoints_total_limit=2 --use_ema"
    )
    run(output, f"--train_data_dir={photos}", *extra.split(), "--adam_beta1=0.9", "--random_flip")
    assert "images/s" in capsys.readouterr().err
    # Twelve pictures are three batches of four.
    assert [path.name for path in list_checkpoints(output)] == ["checkpoint-00000010", "checkpoint-00000012"]
    assert sorted(p.name for p in (output / "samples").iterdir()) == [
        "step-00000006.png",
        "step-00000012.png",
    ]
    samples = read_samples(output / "logs")
    assert list(samples) == [6, 12]
    assert np.array_equal(samples[12], np.array(Image.open(output / "samples.png")))
    events = read_events(output / "logs")
    assert [event.step for event in events.Scalars("loss")] == list(range(1, 13))
    # As diffusers' own cosine schedule has it: a warm-up of one step, then down to zero.
    assert [event.value for event in events.Scalars("learning_rate")][:2] == pytest.approx([0, 1e-4])
    (settings,) = (output / "logs").glob("*/hparams.yml")
    assert "eps: 1.0e-08" in settings.read_text() and "inv_gamma: 1.0" in settings.read_text()
    record = json.loads((output / "training.json").read_text())
    assert record["steps"] == 12 and record["images_seen"] == 48 and record["processes"] == 1
    card = (output / "README.md").read_text()
    assert photos.name in card and "library_name: diffusers" in card and "{" not in card
    images = DDPMPipeline.from_pretrained(output)(1, num_inference_steps=2).images
    assert images[0].size == (8, 8)


def test_a_stopped_run_goes_on_to_the_same_weights(photos, tmp_path):
    options = [
        f"--train_data_dir={photos}",
        "--max_train_steps=6",
        "--checkpointing_steps=2",
        "--report_to=none",
    ]
    options += ["--dataloader_num_workers=1", "--random_flip"]
    run(tmp_path / "whole", *options)
    run(tmp_path / "stopped", *options)
    for name in ("checkpoint-00000006", "checkpoint-00000004"):
        (tmp_path / "stopped" / name / "state.json").unlink()
    run(tmp_path / "stopped", *options, "--resume_from_checkpoint=latest")
    file = Path("unet", "diffusion_pytorch_model.safetensors")
    whole, stopped = (load_file(tmp_path / name / file) for name in ("whole", "stopped"))
    assert all(torch.equal(whole[name], stopped[name]) for name in whole)
    losses = [
        json.loads((tmp_path / name / "checkpoint-00000006" / "state.json").read_text())["history"]["losses"]
        for name in ("whole", "stopped")
    ]
    assert losses[0] == losses[1] and len(losses[0]) == 6
    assert "--resume" not in json.loads((tmp_path / "stopped" / "training.json").read_text())["command"]
    # From a checkpoint by its name, and the one after it is written again.
    run(tmp_path / "stopped", *options, "--resume_from_checkpoint=checkpoint-00000002")
    # Anew, with nothing left of what was there.
    (tmp_path / "stopped" / "mine.txt").write_text("kept")
    run(tmp_path / "stopped", *options, "--max_train_steps=2", "--overwrite_output_dir")
    assert [path.name for path in list_checkpoints(tmp_path / "stopped")] == ["checkpoint-00000002"]
    assert (tmp_path / "stopped" / "mine.txt").is_file()


def test_accumulation_stretches_neither_warm_up_nor_decay(photos, tmp_path):
    options = [
        "--num_epochs=4",
        "--gradient_accumulation_steps=3",
        "--lr_warmup_steps=2",
        "--learning_rate=1",
    ]
    run(tmp_path / "out", f"--train_data_dir={photos}", *options, "--lr_scheduler=linear")
    rates = [event.value for event in read_events(tmp_path / "out" / "logs").Scalars("learning_rate")]
    assert rates == pytest.approx([0, 0.5, 1, 0.5])  # 12 batches, 4 optimizer steps; after them it is 0


def read_wandb(file: Path):
    """Read the records of an offline run: protobufs in the format of LevelDB's log, in blocks of 32 KiB."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, position, whole = file.read_bytes(), 7, b""
    while position + 7 <= len(data):
        length, kind = struct.unpack_from("<HB", data, position + 4)
        whole += data[position + 7 : position + 7 + length]
        if kind in (1, 4):  # a full record, or the last part of one
            yield Record.FromString(whole)
            whole = b""
        position += 7 + length
        if (left := 32_768 - position % 32_768) < 7:
            position += left


def test_weights_and_biases_keeps_the_run_and_its_samples(photos, tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    for name, value in {"MODE": "offline", "SILENT": "true"}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    for name in ("CONFIG_DIR", "CACHE_DIR", "DATA_DIR", "DIR"):
        monkeypatch.setenv(f"WANDB_{name}", str(tmp_path))
    run(tmp_path / "out", f"--train_data_dir={photos}", "--max_train_steps=3", "--logger=wandb")
    wandb.teardown()  # or it would keep these settings for later tests of this process
    (file,) = (tmp_path / "out" / "logs").glob("wandb/offline-run-*/*.wandb")
    rows, settings = [], {}
    for record in read_wandb(file):
        items = {item.key or "/".join(item.nested_key): item.value_json for item in record.history.item}
        rows += [items] if "loss" in items else []
        settings |= {item.key: item.value_json for item in (*record.run.config.update, *record.config.update)}
    state = json.loads((list_checkpoints(tmp_path / "out")[-1] / "state.json").read_text())
    assert [float(row["loss"]) for row in rows] == pytest.approx(state["history"]["losses"])
    assert [int(row["_step"]) for row in rows] == [1, 2, 3]
    assert json.loads(settings["batch_size"]) == 4 and json.loads(settings["eps"]) == 1e-8
    assert list((file.parent / "files" / "media" / "images").glob("samples_3_*.png"))


def test_the_upload_is_private_with_a_card_and_without_checkpoints(photos, tmp_path, hub):
    options = (
        "--max_train_steps=2 --push_to_hub --hub_private_repo --hub_token=hf_right --hub_model_id=me/photos"
    )
    run(tmp_path / "out", f"--train_data_dir={photos}", *options.split())
    assert hub.private["me/photos"]
    names = set(hub.repos["me/photos"])
    assert {"README.md", "model_index.json", "unet/diffusion_pytorch_model.safetensors"} <= names
    assert not [name for name in names if "checkpoint" in name or "logs" in name]


def test_bundled_data_start_weights_and_a_configuration(tmp_path, monkeypatch):
    quick = ("--resolution=16", "--max_train_steps=1", "--report_to=none", "--ddpm_num_steps=500")
    run(tmp_path / "a", "--dataset_name=sprites", "--dataset_config_name=hero,food", *quick, "--snr_gamma=5")
    run(tmp_path / "b", "--dataset_name=digits", f"--start_from={tmp_path / 'a'}", *quick, "--channels_last")
    assert json.loads((tmp_path / "b" / "scheduler" / "scheduler_config.json").read_text())[
        "num_train_timesteps"
    ]
    monkeypatch.setattr(train_unconditional, "build_unet", None)
    config = f"--model_config_name_or_path={tmp_path / 'a' / 'unet'}"
    run(tmp_path / "c", "--dataset_name=emoji", config, *quick, "--prediction_type=v_prediction")
    assert UNet2DModel.load_config(tmp_path / "c" / "unet")["block_out_channels"] == [8, 16]


def test_pictures_are_cut_scaled_and_keep_their_precision(photos, tmp_path):
    image, label = open_image_folder(photos, make_augmentation(8, center_crop=True, flip=False))[3]
    assert image.shape == (3, 8, 8) and image.dtype == torch.float32 and label.tolist() == [1.0]
    assert -1 <= image.min() < image.max() <= 1
    steps = np.full((8, 8), 1000, dtype=np.uint16)
    steps[0, 0] = 1001
    Image.fromarray(steps).save(tmp_path / "deep.png")
    deep, _ = open_image_folder(tmp_path, make_augmentation(8, True, False, precise=True))[0]
    assert deep[0, 0, 0] - deep[0, 1, 1] == pytest.approx(2 / 65_535, rel=0.01)
    dataset = open_image_folder(photos, make_augmentation(8, center_crop=False, flip=True))
    assert dataset.fingerprint() != open_image_folder(photos, make_augmentation(8, True, True)).fingerprint()
    torch.manual_seed(0)
    assert not torch.equal(dataset[0][0], dataset[0][0])  # another square, or its mirror image


# --- bad input ------------------------------------------------------------------------------------

STOPPED = {
    "give one of --dataset_name and --train_data_dir: neither is given": ([], 2),
    "give one of --dataset_name and --train_data_dir: both are given": (
        ["--dataset_name=digits", "--train_data_dir=PHOTOS"],
        2,
    ),
    "no folder .*nowhere": (["--train_data_dir=nowhere"], 1),
    "no pictures in the folder": (["--train_data_dir=EMPTY"], 1),
    "images of 9×9 do not fit this UNet": (["--train_data_dir=PHOTOS", "--resolution=9"], 1),
    "resume_from_checkpoint=latest: no such checkpoint; those in .*: none": (
        ["--train_data_dir=PHOTOS", "--resume_from_checkpoint=latest"],
        1,
    ),
    "is not empty: take another --output_dir; --overwrite_output_dir deletes it": (
        ["--train_data_dir=PHOTOS", "--output_dir=PHOTOS"],
        1,
    ),
    "--push_to_hub needs a token": (["--train_data_dir=PHOTOS", "--push_to_hub"], 2),
    "--hub_model_id: ": (["--train_data_dir=PHOTOS", "--hub_model_id=a/b/c"], 2),
    "batch_size=13 is larger than the dataset": (["--train_data_dir=PHOTOS", "--train_batch_size=13"], 1),
    "--num_epochs must be at least 1, not 0": (["--train_data_dir=PHOTOS", "--num_epochs=0"], 2),
    "the sprites are 16×16: take --resolution=16, not 8": (["--dataset_name=sprites"], 1),
    "unknown class 'cats'": (["--dataset_name=digits", "--dataset_config_name=cats"], 1),
    'fp16" needs a GPU': (["--train_data_dir=PHOTOS", "--mixed_precision=fp16"], 1),
}


@pytest.mark.parametrize("message", STOPPED)
def test_bad_input_ends_with_one_line_before_any_work(message, photos, tmp_path, capsys, monkeypatch, hub):
    options, status = STOPPED[message]
    (tmp_path / "empty").mkdir()
    names = {"PHOTOS": str(photos), "EMPTY": str(tmp_path / "empty")}
    options = [re.sub("PHOTOS|EMPTY", lambda match: names[match[0]], option) for option in options]
    monkeypatch.setattr(UNet2DModel, "forward", lambda *_: pytest.fail("the UNet was called"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        run(tmp_path / "out", *options)
    said = str(stop.value.code) if status == 1 else capsys.readouterr().err.splitlines()[-1]
    assert re.search(message, said) and "\n" not in said
    assert (1 if isinstance(stop.value.code, str) else stop.value.code) == status
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_of_another_configuration_is_refused(photos, tmp_path):
    options = [f"--train_data_dir={photos}", "--max_train_steps=1", "--report_to=none"]
    run(tmp_path / "out", *options)
    with pytest.raises(SystemExit, match=r"written by a run with .*learning_rate=0.0001 \(now 0.01\)"):
        run(tmp_path / "out", *options, "--learning_rate=0.01", "--resume_from_checkpoint=latest")


def test_a_worker_that_dies_ends_the_run_and_leaves_whole_checkpoints(photos, tmp_path, monkeypatch):
    from helpers.datasets.lazy import LazyImages

    read, parent, counted = LazyImages.__getitem__, os.getpid(), []

    def die(dataset, index):
        counted.append(index)
        if os.getpid() != parent and len(counted) > 20:
            os._exit(1)
        return read(dataset, index)

    monkeypatch.setattr(LazyImages, "__getitem__", die)
    options = [f"--train_data_dir={photos}", "--max_train_steps=30", "--report_to=none"]
    with pytest.raises(SystemExit, match=r"DataLoader worker .* exited"):
        run(tmp_path / "out", *options, "--dataloader_num_workers=1", "--checkpointing_steps=1")
    monkeypatch.undo()
    monkeypatch.setattr(train_unconditional, "build_unet", lambda resolution: make_unet(size=resolution))
    done = list_checkpoints(tmp_path / "out")
    assert done and not list((tmp_path / "out").glob(".checkpoint-*"))
    run(
        tmp_path / "out",
        *options,
        "--dataloader_num_workers=1",
        "--resume_from_checkpoint=latest",
    )
    assert list_checkpoints(tmp_path / "out")[-1].name == "checkpoint-00000030"


def test_a_picture_that_a_worker_cannot_read_is_named(photos, tmp_path):
    (tmp_path / "photos").mkdir()
    for file in photos.iterdir():
        (tmp_path / "photos" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "photos" / "x.png").write_bytes(b"no picture")
    options = [f"--train_data_dir={tmp_path / 'photos'}", "--num_epochs=9", "--report_to=none"]
    with pytest.raises(SystemExit, match="cannot read picture 12: cannot identify image file"):
        run(tmp_path / "out", *options, "--dataloader_num_workers=1")
