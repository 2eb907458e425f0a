"""Train a small CLIP on sprites and their captions: it gives pictures and words a common space.

python scripts/train_clip.py
"""

import argparse
import math
import random
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from tqdm import tqdm
from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast

from helpers.datasets import ImageDataset, load_sprites
from helpers.evaluation.tables import markdown_table
from helpers.files import describe_device, package_versions
from helpers.weights import load_pipeline
from scripts.cards import save_trained, stamp

ROOT = Path(__file__).resolve().parents[1]
END, PAD = "<|endoftext|>", "<|pad|>"
TEXT_LENGTH = 24  # tokens
CANDIDATES = 100  # captions that a picture's own is looked for among
WORD = r"[^\s,.;:!?]+"  # a hyphen stays within its word: "side-facing"


def full_captions(dataset: ImageDataset) -> list[str]:
    """Captions that also name the class, "food, a fried egg", so that it can be asked for."""
    names = [dataset.class_names[label] for label in dataset.labels.tolist()]
    pairs = zip(names, dataset.captions, strict=True)
    return [caption if caption.startswith(name) else f"{name}, {caption}" for name, caption in pairs]


def fit_tokenizer(captions: list[str]) -> PreTrainedTokenizerFast:
    """Learn byte-pair encoding (arXiv 1508.07909), with so many merges that a known word is one token."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(WORD), "removed", invert=True)
    tokenizer.decoder = decoders.BPEDecoder(suffix="</w>")
    settings = {"special_tokens": [PAD, END], "end_of_word_suffix": "</w>", "show_progress": False}
    tokenizer.train_from_iterator(captions, trainers.BpeTrainer(vocab_size=4000, min_frequency=2, **settings))
    end = (END, tokenizer.token_to_id(END))
    tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {END}", special_tokens=[end])
    names = {"pad_token": PAD, "eos_token": END}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=TEXT_LENGTH, **names)


def build_clip(tokenizer: PreTrainedTokenizerFast) -> CLIPModel:
    """Two small transformers, one for 16 patches of 4×4 pixels, one for the tokens."""
    shared = {"hidden_size": 128, "intermediate_size": 256, "num_attention_heads": 4}
    ids = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    text = {"vocab_size": len(tokenizer), "max_position_embeddings": TEXT_LENGTH, "num_hidden_layers": 2}
    vision = {"image_size": 16, "patch_size": 4, "num_hidden_layers": 3}
    return CLIPModel(
        CLIPConfig(
            text_config=shared | text | ids | {"bos_token_id": None},
            vision_config=shared | vision,
            projection_dim=96,
        )
    )


def drop_words(caption: str, rng: random.Random) -> str:
    """Leave words out of half of the captions, so that short prompts are nothing new."""
    if rng.random() < 0.4:
        return caption
    keep = rng.random()
    words = caption.replace(",", "").split()
    return " ".join(word for word in words if rng.random() < keep) or rng.choice(words)


def augment(images: torch.Tensor) -> torch.Tensor:
    """Shift pictures [n, 3, 16, 16], cut some, and add noise to a third of them."""
    noise = 0.5 * torch.rand(len(images), 1, 1, 1) * (torch.rand(len(images), 1, 1, 1) < 0.35)
    return cut((images + noise * torch.randn(images.shape)).clamp(-1, 1))


def cut(images: torch.Tensor, smallest: float = 0.75) -> torch.Tensor:
    """Cut a random square out of each image and scale it back to full size; white is beyond the edge."""
    scale = 1 - (1 - smallest) * torch.rand(len(images), 1, 1) * (torch.rand(len(images), 1, 1) < 0.3)
    shift = (torch.rand(len(images), 2, 1) - 0.5) * 0.35
    affine = torch.cat([scale * torch.eye(2), shift], dim=2)
    grid = F.affine_grid(affine, list(images.shape), align_corners=False)
    return F.grid_sample(images - 1, grid, mode="nearest", align_corners=False) + 1


@torch.no_grad()
def estimate_x_0(images: torch.Tensor, unet, noise_scheduler, batch_size: int = 250) -> torch.Tensor:
    """Noise each picture to a random timestep, and let the UNet estimate it: [n, 3, 16, 16], clipped."""
    parts = []
    for batch in tqdm(images.split(batch_size), desc="estimates", mininterval=10):
        timesteps = torch.randint(0, int(0.95 * noise_scheduler.config.num_train_timesteps), (len(batch),))
        noise = torch.randn_like(batch)
        x_t = noise_scheduler.add_noise(batch, noise, timesteps)
        alphas_cumprod = noise_scheduler.alphas_cumprod[timesteps].view(-1, 1, 1, 1)
        noise_pred = unet(x_t, timesteps).sample
        x_0 = (x_t - (1 - alphas_cumprod).sqrt() * noise_pred) / alphas_cumprod.sqrt()
        parts.append(x_0.clamp(-1, 1))
    return torch.cat(parts)


class WordTable:
    """Which words stand in which caption, so that a text can be found to fit other pictures as well."""

    def __init__(self, captions: list[str]):
        words = sorted({word for caption in captions for word in self.split(caption)})
        self.index = {word: i for i, word in enumerate(words)}

    @staticmethod
    def split(caption: str) -> set[str]:
        return set(caption.replace(",", "").split())

    def rows(self, captions: list[str]) -> torch.Tensor:
        rows = torch.zeros(len(captions), len(self.index))
        for i, caption in enumerate(captions):
            rows[i, [self.index[word] for word in self.split(caption)]] = 1
        return rows


def contrastive_loss(logits: torch.Tensor, fits: torch.Tensor) -> torch.Tensor:
    """CLIP's loss (arXiv 2103.00020) where several texts may fit an image: logits, fits [images, texts]."""

    def one_way(logits, fits):
        return -(fits / fits.sum(1, keepdim=True) * logits.log_softmax(1)).sum(1).mean()

    return (one_way(logits, fits) + one_way(logits.T, fits.T)) / 2


def harm(images: torch.Tensor, model: CLIPModel, tokens, fits, largest: float = 0.15) -> torch.Tensor:
    """Move each picture up the gradient of the loss, by a random root mean square of up to `largest`."""
    images = images.requires_grad_()
    loss = contrastive_loss(model(**tokens, pixel_values=images).logits_per_image, fits)
    (gradient,) = torch.autograd.grad(loss, images)
    gradient = gradient / gradient.square().mean((1, 2, 3), keepdim=True).sqrt().clamp(min=1e-12)
    move = largest * torch.rand(len(images), 1, 1, 1) * gradient
    return (images + move).clamp(-1, 1).detach()


def fit(dataset: ImageDataset, steps: int, seed: int, batch_size: int = 128):
    """Train with AdamW and a one-cycle learning rate (arXiv 1708.07120).

    Half of each batch are clean pictures. The other half are what a guide meets: the UNet's estimates
    of x_0, made once for a third of the pictures. All are changed a little so that the text fits less, since
    only a network that withstands this has gradients that mean something to the eye (arXiv 1906.09453).
    """
    torch.manual_seed(seed)
    rng = random.Random(seed)
    captions, images = full_captions(dataset), dataset.as_tensor()
    pipeline = load_pipeline("unconditional")
    estimated = torch.arange(0, len(images), 3)
    estimates = estimate_x_0(images[estimated], pipeline.unet.eval(), pipeline.scheduler)
    tokenizer, table = fit_tokenizer(captions), WordTable(captions)
    model, rows = build_clip(tokenizer), table.rows(captions)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps)
    for step in tqdm(range(steps), desc="training", mininterval=10):
        clean = torch.randint(0, len(images), (batch_size // 2,))
        guessed = torch.randint(0, len(estimated), (batch_size // 2,))
        chosen = torch.cat([clean, estimated[guessed]])
        texts = [drop_words(captions[i], rng) for i in chosen.tolist()]
        fits = ((table.rows(texts) @ (1 - rows[chosen]).T) == 0).float().T
        pictures = augment(torch.cat([images[clean], estimates[guessed]]))
        tokens = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        pictures = harm(pictures, model, tokens, fits)
        logits = model(**tokens, pixel_values=pictures).logits_per_image
        loss = contrastive_loss(logits, fits)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        model.logit_scale.data.clamp_(max=math.log(100))
        if step % 200 == 0:
            print(f"step {step}: loss {loss.item():.3f}", flush=True)
    return model.eval().requires_grad_(False), tokenizer


@torch.no_grad()
def judge(model: CLIPModel, tokenizer, dataset: ImageDataset) -> dict:
    """How often a held-out picture's own caption is the first, or among the first five, of 100."""
    captions = full_captions(dataset)
    order = torch.randperm(len(captions), generator=torch.Generator().manual_seed(0)).tolist()
    distinct = list({captions[i]: i for i in order}.values())
    groups = [distinct[i : i + CANDIDATES] for i in range(0, len(distinct) - CANDIDATES + 1, CANDIDATES)]
    ranks = []
    for group in groups:
        texts = [captions[i] for i in group]
        tokens = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        logits = model(**tokens, pixel_values=dataset.as_tensor()[group]).logits_per_image
        ranks.append((logits > logits.diagonal()[:, None]).sum(1))
    ranks = torch.cat(ranks)
    return {
        "held_out_images": len(ranks),
        "top_1": round(float((ranks < 1).float().mean()), 4),
        "top_5": round(float((ranks < 5).float().mean()), 4),
    }


def card_table(run: dict) -> str:
    """Make the model card's table out of training.json."""
    rows = {
        "command": f"`{run['command']}`",
        "data": run["data"],
        "own caption first among 100": f"{run['top_1']:.1%} of {run['held_out_images']:,} held-out sprites",
        "own caption among the first five": f"{run['top_5']:.1%}",
        "parameters": f"{run['parameters']:,}",
        "tokens known": run["tokens"],
        "device": run["device"],
        "wall-clock seconds": f"{run['seconds']:,}",
        "versions": ", ".join(f"{name} {version}" for name, version in run["versions"].items()),
    }
    return markdown_table(("", ""), rows.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=ROOT / "weights", help="folder that holds them")
    args = parser.parse_args()
    begun = time.monotonic()
    model, tokenizer = fit(load_sprites("train"), args.steps, args.seed)
    run = {
        "command": f"python scripts/train_clip.py --steps {args.steps} --seed {args.seed}",
        "data": "data/sprites.npz, split train, and estimates of it by weights/unconditional",
        **judge(model, tokenizer, load_sprites("test")),
        "parameters": sum(p.numel() for p in model.parameters()),
        "tokens": len(tokenizer),
        "device": describe_device(torch.device("cpu")),
        "seconds": round(time.monotonic() - begun),
        "versions": package_versions(("torch", "transformers", "tokenizers")),
    }

    save_trained(args.output / "sprite_clip", run, model, tokenizer)
    stamp(args.output / "README.md", "sprite_clip", card_table(run))
    print(f"{args.output / 'sprite_clip'}: {run['top_1']:.1%} first, {run['top_5']:.1%} among the first five")


if __name__ == "__main__":
    main()
