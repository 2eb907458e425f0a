"""Small things that several tests share: tiny UNets, pictures, and a stand-in for the Hub."""

import os

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel, UNet2DModel
from hub_server import run_hub
from huggingface_hub.utils import disable_progress_bars, enable_progress_bars

from helpers.datasets import ImageDataset
from helpers.training import TrainingHistory, train

if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the cores: one thread each, and for what they start
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)


def make_unet(seed: int = 0, size: int = 16, **changes) -> UNet2DModel:
    """Build a UNet of two blocks; the same seed gives the same weights."""
    settings = {
        "sample_size": size,
        "block_out_channels": (8, 16),
        "down_block_types": ("DownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "UpBlock2D"),
        "layers_per_block": 1,
        "norm_num_groups": 4,
    }
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return UNet2DModel(**settings | changes)


def make_conditional_unet(size: int = 8, cross_attention_dim: int = 12) -> UNet2DConditionModel:
    """Build a cross-attention UNet of two blocks, the same weights each time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return UNet2DConditionModel(
            sample_size=size,
            in_channels=3,
            out_channels=3,
            layers_per_block=1,
            block_out_channels=(8, 16),
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            cross_attention_dim=cross_attention_dim,
            attention_head_dim=4,
            norm_num_groups=4,
        )


def make_dataset(count: int = 12, size: int = 16, channels: int = 3, rare: int = 2, flip: bool = False):
    """Make bright pictures, and every `rare`-th one dark; item i is told from the others by its pixels."""
    labels = (np.arange(count) % rare == rare - 1).astype(np.int64)
    noise = np.random.default_rng(0).integers(0, 60, (count, size, size, channels))
    images = (noise + 180 * (1 - labels)[:, None, None, None]).astype(np.uint8)
    return ImageDataset(images, labels, ("bright", "dark"), flip=flip)


def make_noise_scheduler(prediction_type: str = "epsilon") -> DDPMScheduler:
    """Build a scheduler of few timesteps."""
    return DDPMScheduler(
        num_train_timesteps=50, beta_schedule="squaredcos_cap_v2", prediction_type=prediction_type
    )


def short_run(num_steps=4, unet=None, dataset=None, scheduler=None, **settings) -> TrainingHistory:
    """Train a tiny UNet on a few pictures of 8×8."""
    settings = {"batch_size": 4, "warmup_steps": 1, "device": "cpu", "mixed_precision": "no"} | settings
    dataset = make_dataset(12, size=8) if dataset is None else dataset
    return train(
        unet or make_unet(size=8), scheduler or make_noise_scheduler(), dataset, num_steps, **settings
    )


@pytest.fixture(scope="module")
def one_thread():
    """Compute on one thread: for work this small a second one gets in the way where cores are shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """The server in the Hub's place; the client has read its settings by now, so they are set there."""
    with run_hub() as server:
        settings = {
            "ENDPOINT": server.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": server.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(tmp_path / "cache"),
            "HF_TOKEN_PATH": str(tmp_path / "token"),
        }
        for name, value in settings.items():
            monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        disable_progress_bars()
        yield server
        enable_progress_bars()


class Spy:
    """A dataset that notes which items were read."""

    def __init__(self, dataset):
        self.dataset, self.labels, self.read = dataset, dataset.labels, []

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        self.read.append(int(index))
        return self.dataset[index]
