"""The recipes that benchmarks/bench.py compares: the textbook's, ours, and two packages a user might pick.

Every recipe sees the same sprites without flips, in batches of its own size, from the same seed.
"""

import torch
import torch.nn.functional as F
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
from diffusers.training_utils import EMAModel
from torch.utils.data import DataLoader

from helpers.datasets import ImageDataset
from helpers.models import build_unconditional
from helpers.sampling import DEFAULT_STEPS, generate_images, make_scheduler
from helpers.training import ResumableBatchSampler, Trainer, TrainingConfig

ENDLESS = 10**6  # steps; every run ends by the clock


class Recipe:
    """A model, one step of its training, and its sampler.

    Subclasses define `build(dataset)`, which makes `self.model` and what its training needs, `train_step()`,
    the recipe in a line, its sampler, that one's steps and the batch size.
    """

    description, sampler, batch_size, steps = "", "", 0, 0
    anneals_learning_rate = False  # to zero at the end, so that the length must be known in advance

    def __init__(self, dataset: ImageDataset, seed: int, num_steps: int):
        torch.manual_seed(seed)
        self.seed, self.num_steps = seed, num_steps
        sampler = ResumableBatchSampler(len(dataset), self.batch_size, 0, ENDLESS, seed)
        self.batches = iter(DataLoader(dataset, batch_sampler=sampler))
        self.build(dataset)

    def sample(self, num_images: int, seed: int, steps: int) -> torch.Tensor:
        """Draw [n, 3, 16, 16] in about [-1, 1] with `self.model`, here with `self.scheduler`."""
        pipeline = DDPMPipeline(self.model, self.scheduler)
        return generate_images(pipeline, num_images, num_inference_steps=steps, seed=seed)

    @torch.no_grad()
    def draw(self, num_images: int, seed: int) -> torch.Tensor:
        """Draw in eval mode, in as many steps as the recipe takes."""
        self.model.eval()
        return self.sample(num_images, seed, self.steps)

    def snapshot(self) -> dict[str, torch.Tensor]:
        """Copy the weights that this recipe draws with: the averaged ones, where it averages."""
        tensors = {key: value.clone() for key, value in self.model.state_dict().items()}
        if ema := getattr(self, "ema", None):
            names = [name for name, _ in self.model.named_parameters()]
            tensors |= dict(zip(names, (p.clone() for p in ema.shadow_params), strict=True))
        return tensors


class Textbook(Recipe):
    """What introductions to diffusers commonly train (see docs of `UNet2DModel` and `DDPMPipeline`)."""

    description = "UNet2DModel (128, 64), 2 layers a block; linear schedule, epsilon, Adam 1e-4, no EMA"
    sampler, batch_size, steps = "DDPM, 500 steps", 100, 500

    def build(self, dataset):
        self.model = UNet2DModel(
            sample_size=16,
            in_channels=3,
            out_channels=3,
            layers_per_block=2,
            block_out_channels=(128, 64),
            down_block_types=("DownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "UpBlock2D"),
        )
        self.scheduler = DDPMScheduler(num_train_timesteps=500)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-4)

    def train_step(self):
        images, _ = next(self.batches)
        noise, timesteps = torch.randn_like(images), torch.randint(500, (len(images),))
        noisy_images = self.scheduler.add_noise(images, noise, timesteps)
        F.mse_loss(self.model(noisy_images, timesteps).sample, noise).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()


class Ours(Recipe):
    """The model of notebook 01 with this project's own `Trainer` and default sampler."""

    description = (
        "UNet2DModel (32, 64, 128), attention at 4×4; cosine schedule, epsilon, AdamW 2e-3 fading out, EMA"
    )
    sampler, steps = f"SDE-DPM-Solver++, {DEFAULT_STEPS} steps", DEFAULT_STEPS
    batch_size, anneals_learning_rate = TrainingConfig(1).batch_size, True

    def build(self, dataset):
        self.model, noise_scheduler = build_unconditional()
        # Float32 as for the others: Accelerate keeps one precision for the whole process.
        config = TrainingConfig(self.num_steps, seed=self.seed, mixed_precision="no")
        self.trainer = Trainer(self.model, noise_scheduler, None, config, torch.device("cpu"))
        self.ema, self.scheduler = self.trainer.ema, make_scheduler(noise_scheduler)

    def train_step(self):
        self.trainer.train_step(self.batches)


class Lucidrains(Recipe):
    """denoising-diffusion-pytorch with its README's settings, at 16×16.

    Three levels, as so few pixels allow, and no gradient accumulation (the README's 2 would halve the steps).
    Its own `Trainer` reads a folder, flips images and computes Inception scores, so its parts are used.
    """

    description = "denoising-diffusion-pytorch: Unet(64, (1, 2, 4)), v, Adam 8e-5, EMA 0.995"
    sampler, batch_size, steps = "DDIM, 250 steps", 32, 250

    def build(self, dataset):
        from denoising_diffusion_pytorch import GaussianDiffusion, Unet
        from ema_pytorch import EMA

        unet = Unet(dim=64, dim_mults=(1, 2, 4), flash_attn=False)
        self.training = GaussianDiffusion(unet, image_size=16, timesteps=1000, sampling_timesteps=250)
        self.average = EMA(self.training, beta=0.995, update_every=10)
        self.model = self.average.ema_model
        self.optimizer = torch.optim.Adam(unet.parameters(), lr=8e-5, betas=(0.9, 0.99))

    def train_step(self):
        images, _ = next(self.batches)
        self.training((images + 1) / 2).backward()
        torch.nn.utils.clip_grad_norm_(self.training.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.update()

    def sample(self, num_images, seed, steps):
        torch.manual_seed(seed)
        self.model.sampling_timesteps = steps
        return self.model.sample(num_images) * 2 - 1


class SmallDiffusion(Recipe):
    """smalldiffusion with the settings of its UNet example for 28×28 images, at 16×16."""

    description = "smalldiffusion: Scaled(Unet)(ch=64, (1, 1, 2)), log-linear schedule, AdamW 7e-4, EMA 0.999"
    # Its example trains on a GPU with batches of 1,024: that few steps would be unfair here.
    sampler, batch_size, steps = "its own, γ = 1.6, 20 steps", 128, 20

    def build(self, dataset):
        from accelerate import Accelerator
        from smalldiffusion import Scaled, ScheduleLogLinear, Unet, training_loop

        self.schedule = ScheduleLogLinear(sigma_min=0.01, sigma_max=20, N=800)
        self.model = Scaled(Unet)(16, 3, 3, ch=64, ch_mult=(1, 1, 2), attn_resolutions=(8,))
        self.ema = EMAModel(self.model.parameters(), decay=0.999)
        self.accelerator = Accelerator(cpu=True, mixed_precision="no")
        # Its loop expects images alone, and lets Accelerate take over the loader.
        loader = DataLoader(dataset.as_tensor(), self.batch_size, shuffle=True, drop_last=True)
        parts = loader, self.model, self.schedule, self.accelerator
        self.loop = training_loop(*parts, epochs=ENDLESS, lr=7e-4)
        next(self.loop)  # its loop hands over before it takes the step

    def train_step(self):
        next(self.loop)
        self.ema.step(self.model.parameters())

    def sample(self, num_images, seed, steps):
        from smalldiffusion import samples

        torch.manual_seed(seed)
        sigmas = self.schedule.sample_sigmas(steps)
        *_, images = samples(self.model, sigmas, gam=1.6, batchsize=num_images, accelerator=self.accelerator)
        return images


RECIPES = {
    "textbook": Textbook,
    "ours": Ours,
    "denoising-diffusion-pytorch": Lucidrains,
    "smalldiffusion": SmallDiffusion,
}
