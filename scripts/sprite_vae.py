"""The VAE of text_to_sprite: built, trained, measured; `scripts/train_text_to_sprite.py` uses it."""

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

from scripts.cards import save_trained

KL_WEIGHT = 2e-3  # against the mean absolute error of a channel of a pixel


def build_vae() -> AutoencoderKL:
    """Build an `AutoencoderKL` that halves once: 3×16×16 to 4×8×8."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        sample_size=16,
        latent_channels=4,
        block_out_channels=(24, 48),
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        layers_per_block=1,
        norm_num_groups=8,
        mid_block_add_attention=False,
    )


def vae_loss(vae: AutoencoderKL, images: torch.Tensor, kl_weight: float = KL_WEIGHT) -> torch.Tensor:
    """Absolute and squared error, and the divergence from a standard normal (arXiv 1312.6114).

    The absolute error makes edges sharp, the squared one keeps single pixels from being far off.
    """
    posterior = vae.encode(images).latent_dist
    decoded = vae.decode(posterior.sample()).sample
    divergence = posterior.kl().mean() / images[0].numel()
    return F.l1_loss(decoded, images) + 2 * F.mse_loss(decoded, images) + kl_weight * divergence


def fit_vae(images: torch.Tensor, epochs: int, seed: int, batch_size: int = 32) -> AutoencoderKL:
    """Train with AdamW and a one-cycle learning rate (arXiv 1708.07120), and set the scaling factor."""
    torch.manual_seed(seed)
    vae = build_vae()
    batches = DataLoader(TensorDataset(images), batch_size=batch_size, shuffle=True, drop_last=True)
    optimizer = torch.optim.AdamW(vae.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, epochs * len(batches))
    for epoch in range(epochs):
        for (batch,) in tqdm(batches, desc=f"VAE, epoch {epoch + 1} of {epochs}", mininterval=10):
            loss = vae_loss(vae, batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        print(f"epoch {epoch + 1}: loss {loss.item():.4f}", flush=True)
    vae.eval().requires_grad_(False)
    means, stds = encode(vae, images)
    variance = means.var(correction=0) + stds.square().mean()
    vae.register_to_config(scaling_factor=round(1 / float(variance.sqrt()), 4))
    return vae


def sharpen_decoder(vae: AutoencoderKL, images: torch.Tensor, epochs: int, seed: int, batch_size: int = 32):
    """Train the decoder alone for longer: the latents, and a UNet that knows them, stay as they are."""
    torch.manual_seed(seed)
    means, stds = encode(vae, images)
    parts = torch.nn.ModuleList([vae.post_quant_conv, vae.decoder]).requires_grad_(True).train()
    data = TensorDataset(means, stds, images)
    batches = DataLoader(data, batch_size=batch_size, shuffle=True, drop_last=True)
    optimizer = torch.optim.AdamW(parts.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, epochs * len(batches), pct_start=0.1)
    for epoch in range(epochs):
        for mean, std, batch in tqdm(batches, desc=f"decoder, epoch {epoch + 1} of {epochs}", mininterval=10):
            decoded = vae.decode(mean + std * torch.randn_like(std)).sample
            loss = F.l1_loss(decoded, batch) + 4 * F.mse_loss(decoded, batch)
            loss.backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        print(f"epoch {epoch + 1}: loss {loss.item():.4f}", flush=True)
    return vae.eval().requires_grad_(False)


@torch.no_grad()
def encode(vae: AutoencoderKL, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Means and standard deviations of the posteriors of images [n, 3, h, w], not scaled."""
    posteriors = [vae.encode(part).latent_dist for part in images.split(500)]
    return torch.cat([p.mean for p in posteriors]), torch.cat([p.std for p in posteriors])


@torch.no_grad()
def reconstruct(vae: AutoencoderKL, images: torch.Tensor) -> torch.Tensor:
    """Images [n, 3, h, w] through the posterior's mean and back, clipped."""
    parts = [vae.decode(vae.encode(part).latent_dist.mode()).sample for part in images.split(500)]
    return torch.cat(parts).clamp(-1, 1)


def measure_vae(vae: AutoencoderKL, images: torch.Tensor) -> dict:
    """Reconstruction of held-out images: PSNR in dB, and the shares of pixels that come back as they were."""
    decoded = reconstruct(vae, images)
    error = ((decoded - images) / 2).square().mean((1, 2, 3))  # of pixels in [0, 1]
    white, real_white = ((x > 0.9).all(1) for x in (decoded, images))
    levels, real_levels = (((x + 1) * 7.5).round() for x in (decoded, images))  # 16 a channel
    gap = (levels - real_levels).abs().amax(1)
    return {
        "psnr": round(float(-10 * error.mean().log10()), 2),
        "median_psnr": round(float((-10 * error.log10()).median()), 2),
        "white_or_not": round(float((white == real_white).float().mean()), 5),
        "same_of_16_levels": round(float((gap == 0).float().mean()), 4),
        "within_one_of_16_levels": round(float((gap <= 1).float().mean()), 4),
    }


def get_vae(runs: Path, epochs: int, seed: int, images: torch.Tensor) -> tuple[AutoencoderKL, dict]:
    """Train the VAE, or load what an earlier call has made; also the facts for the card."""
    return get_stage(runs / "vae", {"epochs": epochs, "seed": seed}, lambda: fit_vae(images, epochs, seed))


def get_sharpened(
    runs: Path, vae, epochs: int, run: dict, images: torch.Tensor
) -> tuple[AutoencoderKL, dict]:
    """Train the decoder of that VAE for longer, or load what an earlier call has made; facts of both."""
    settings = run | {"decoder_epochs": epochs}
    make = partial(sharpen_decoder, vae, images, epochs, run["seed"])
    vae, sharpened = get_stage(runs / "decoder", {"of": settings}, make)
    return vae, settings | {"decoder_seconds": sharpened["seconds"]}


def get_stage(folder: Path, settings: dict, make: Callable[[], AutoencoderKL]) -> tuple[AutoencoderKL, dict]:
    """Load what an earlier call has made with the same settings, or make it and keep it."""
    if (folder / "training.json").is_file():
        run = json.loads((folder / "training.json").read_text(encoding="utf-8"))
        if settings.items() <= run.items():
            return AutoencoderKL.from_pretrained(folder).eval().requires_grad_(False), run
    begun = time.monotonic()
    vae = make()
    run = settings | {"seconds": round(time.monotonic() - begun)}
    save_trained(folder, run, vae)
    return vae, run
