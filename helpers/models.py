"""The UNets and the noise scheduler of the series, built by name, and what a pass through a UNet costs."""

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel, UNet2DModel
from diffusers.configuration_utils import ConfigMixin, FrozenDict, register_to_config
from diffusers.models import ModelMixin
from diffusers.models.unets.unet_2d import UNet2DOutput
from torch.utils.flop_counter import FlopCounterMode

from .pipelines import LabelEmbedder

SIGMA_DATA = 0.78  # root mean square of the sprites' pixels; the photographs of arXiv 2206.00364 have 0.5


def build_unconditional() -> tuple[UNet2DModel, DDPMScheduler]:
    """Build the lean UNet and the noise scheduler of notebook 01."""
    unet = UNet2DModel(
        sample_size=16,
        in_channels=3,
        out_channels=3,
        layers_per_block=1,
        block_out_channels=(32, 64, 128),
        down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        norm_num_groups=8,
    )
    return unet, build_noise_scheduler()


# resolution → channels of the levels, layers a block, levels with attention (the lowest is the last)
UNETS = {
    16: ((32, 64, 128), 1, (2,)),
    32: ((16, 48, 96, 128), 1, (3,)),
    64: ((32, 64, 128, 256), 2, (3,)),
    128: ((128, 128, 256, 256, 512), 2, (3, 4)),
    256: ((128, 128, 256, 256, 512, 512), 2, (4,)),
}


def build_unet(resolution: int) -> UNet2DModel:
    """Build an unconditional UNet for RGB pictures of resolution × resolution.

    | up to | channels of the levels | layers | attention at | parameters |
    | --- | --- | --- | --- | --- |
    | 16 | 32, 64, 128, as in notebook 01 | 1 | 4×4 | 2.7 M |
    | 32 | 16, 48, 96, 128 | 1 | 4×4 | 3.3 M |
    | 64 | 32, 64, 128, 256 | 2 | 8×8 | 15 M |
    | 128 | 128, 128, 256, 256, 512 | 2 | 16×16, 8×8 | 77 M |
    | 256 | 128, 128, 256, 256, 512, 512, as in DDPM (arXiv 2006.11239) | 2 | 16×16 | 114 M |

    Raises
    ------
    ValueError
        If the UNet's levels do not divide the resolution.
    """
    size = next((size for size in UNETS if resolution <= size), max(UNETS))
    channels, layers, attention = UNETS[size]
    levels, divisor = len(channels), 2 ** (len(channels) - 1)
    if resolution < 1 or resolution % divisor:
        raise ValueError(f"resolution {resolution} does not fit: its UNet takes multiples of {divisor}")
    kinds = ["Attn" if level in attention else "" for level in range(levels)]
    return UNet2DModel(
        sample_size=resolution,
        in_channels=3,
        out_channels=3,
        layers_per_block=layers,
        block_out_channels=channels,
        down_block_types=tuple(f"{kind}DownBlock2D" for kind in kinds),
        up_block_types=tuple(f"{kind}UpBlock2D" for kind in reversed(kinds)),
        norm_num_groups=8 if size <= 64 else 32,
    )


def build_label_conditioned(class_names) -> tuple[UNet2DConditionModel, LabelEmbedder, DDPMScheduler]:
    """Build the cross-attention UNet, the label embedder and the noise scheduler of notebook 02."""
    unet = UNet2DConditionModel(
        sample_size=16,
        in_channels=3,
        out_channels=3,
        layers_per_block=1,
        block_out_channels=(32, 64, 96),
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        cross_attention_dim=64,
        attention_head_dim=4,
        norm_num_groups=8,
    )
    class_net = LabelEmbedder(len(class_names), 64, tuple(class_names), label_dropout=0.1)
    return unet, class_net, build_noise_scheduler()


def build_noise_scheduler() -> DDPMScheduler:
    """Build the noise scheduler of the series: 500 timesteps, cosine (arXiv 2102.09672)."""
    return DDPMScheduler(num_train_timesteps=500, beta_schedule="squaredcos_cap_v2")


class EDMPrecond(ModelMixin, ConfigMixin):
    """A UNet between the scalings of EDM (arXiv 2206.00364): what enters and leaves it has variance one.

    It estimates x_0 as c_skip·x + c_out·unet(c_in·x, c_noise) from x = x_0 + σ·noise. Called like a UNet,
    with x_t and a timestep of `noise_scheduler`, it answers as one with prediction_type "sample": `train`
    and every scheduler take it.

    Parameters
    ----------
    unet_config : dict
        Configuration of the `UNet2DModel` inside; see `from_unet`.
    noise_scheduler_config : dict
        Configuration of the `DDPMScheduler` whose timesteps it understands.
    sigma_data : float
        Root mean square of the images' pixels.
    """

    config_name = "config.json"

    @register_to_config
    def __init__(self, unet_config: dict, noise_scheduler_config: dict, sigma_data: float = SIGMA_DATA):
        super().__init__()
        self.unet = UNet2DModel.from_config(unet_config)
        alphas_cumprod = DDPMScheduler.from_config(noise_scheduler_config).alphas_cumprod
        self.register_buffer("sigmas", ((1 - alphas_cumprod) / alphas_cumprod).sqrt(), persistent=False)

    @property
    def config(self) -> FrozenDict:
        """Its own configuration, and that of the UNet inside: sample_size, in_channels and so on."""
        return FrozenDict(self._internal_dict["unet_config"] | self._internal_dict)

    @classmethod
    def from_unet(cls, unet: UNet2DModel, noise_scheduler, sigma_data: float = SIGMA_DATA) -> "EDMPrecond":
        """Put the scalings around this UNet, whose weights are shared."""
        made = cls(dict(unet.config), dict(noise_scheduler.config), sigma_data)
        made.unet = unet
        return made

    def scalings(self, sigma: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """c_skip, c_out, c_in and c_noise at noise levels sigma [batch]."""
        data, total = self.config.sigma_data, (sigma**2 + self.config.sigma_data**2).sqrt()
        return (data / total) ** 2, sigma * data / total, 1 / total, sigma.log() / 4

    def denoise(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        """Estimate x_0 [batch, c, h, w] from x = x_0 + σ·noise, at sigma [batch] above 0."""
        c_skip, c_out, c_in, c_noise = self.scalings(sigma)
        scale = (-1, *[1] * (x.ndim - 1))
        answer = self.unet(c_in.view(scale) * x, c_noise).sample
        return c_skip.view(scale) * x + c_out.view(scale) * answer

    def forward(self, sample: torch.Tensor, timestep, return_dict: bool = True):
        """Estimate x_0 from x_t [batch, c, h, w] at a timestep, or at one each [batch]."""
        sigma = self.sigmas[torch.as_tensor(timestep, device=sample.device).long()].expand(len(sample))
        x_0 = self.denoise(sample * (1 + sigma**2).sqrt().view(-1, 1, 1, 1), sigma)
        return UNet2DOutput(sample=x_0) if return_dict else (x_0,)


def dry_run(unet) -> tuple[torch.nn.Module, list[torch.Tensor]]:
    """Copy a UNet without its numbers, and make inputs for one image: shapes and costs without arithmetic.

    Returns
    -------
    skeleton, inputs : UNet on the "meta" device, and what to call it with
        `skeleton(*inputs)` gives outputs that have a shape and no values.

    Raises
    ------
    ValueError
        If the UNet's configuration has no sample_size.
    """
    size = unet.config.sample_size
    if size is None:
        raise ValueError("this UNet has no sample_size: unet.register_to_config(sample_size=16) sets it")
    size = (size, size) if isinstance(size, int) else tuple(size)
    with torch.device("meta"):
        inputs = [torch.empty(1, unet.config.in_channels, *size), torch.zeros(1)]
        if "cross_attention_dim" in unet.config:
            inputs.append(torch.empty(1, 1, unet.config.cross_attention_dim))
        return type(unet).from_config(unet.config), inputs


def gflop_by_size(unet) -> dict[str, float]:
    """Count the arithmetic of one forward pass for one image, by the size that its blocks work at.

    Returns
    -------
    dict of str to float
        GFLOP, 10⁹ additions and multiplications, by "16×16" and so on, the largest size first. A change of
        size counts with the block that does it; the two layers for the timestep are left out.

    Raises
    ------
    ValueError
        If the UNet's configuration has no sample_size.
    """
    skeleton, inputs = dry_run(unet)
    with FlopCounterMode(display=False) as counter:
        skeleton(*inputs)
    flop = {name: sum(kinds.values()) for name, kinds in counter.get_flop_counts().items()}
    height, width = inputs[0].shape[-2:]
    last, sizes = len(unet.down_blocks) - 1, {}
    for level in range(last + 1):
        parts = [f"down_blocks.{level}", f"up_blocks.{last - level}"]
        parts += ["conv_in", "conv_out"] if level == 0 else []
        parts += ["mid_block"] if level == last else []
        total = sum(flop.get(f"{type(unet).__name__}.{part}", 0) for part in parts)
        sizes[f"{height >> level}×{width >> level}"] = total / 1e9
    return sizes
