"""The UNets and the noise scheduler of the series, built by name."""

from diffusers import DDPMScheduler, UNet2DConditionModel, UNet2DModel

from .pipelines import LabelEmbedder


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
