"""The small CLIP that comes with the series: load it, and turn prompts into embeddings."""

import re
from functools import cache
from pathlib import Path

import torch

from ..weights import WEIGHTS

MAX_WORDS = 20


@cache
def load_clip(path: str | Path | None = None):
    """Load the shipped CLIP of sprites, or one that `scripts/train_clip.py` wrote elsewhere.

    Returns
    -------
    transformers.CLIPModel, transformers.PreTrainedTokenizerFast
        The model frozen and in eval mode.

    Raises
    ------
    FileNotFoundError
        If there are no weights in the folder.
    """
    from transformers import CLIPModel, PreTrainedTokenizerFast  # slow to import, so only when it is used
    from transformers.utils import logging

    folder = Path(path or WEIGHTS / "sprite_clip")
    if not (folder / "model.safetensors").is_file():
        raise FileNotFoundError(
            f"no CLIP in {folder}: get it with `git checkout weights`, or train it with "
            "`python scripts/train_clip.py`"
        )
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # there is nothing to wait for
    model = CLIPModel.from_pretrained(folder, use_safetensors=True)
    if shown:
        logging.enable_progress_bar()
    return model.eval().requires_grad_(False), PreTrainedTokenizerFast.from_pretrained(folder)


def check_prompt(prompt: str, tokenizer) -> tuple[str, str]:
    """Return the prompt as it can be used, and a note on what was cut off, or "".

    Raises
    ------
    ValueError
        If the prompt is empty, or has words that the tokenizer does not know; the message names them.
    """
    words = re.findall(r"[^\s,.;:!?]+", prompt.lower()) if isinstance(prompt, str) else []
    if not words:
        raise ValueError('the prompt is empty: say what to draw, for example "a red potion"')
    # A word of the captions is one token; of others the tokenizer knows pieces only.
    if unknown := sorted({repr(word) for word in words if len(tokenizer.tokenize(word)) != 1}):
        raise ValueError(
            f"the model has never seen {', '.join(unknown)}: it knows the words of the sprites' captions, "
            'such as hero, slime, potion, apple, sword, hat, red, blue, "with" and "a"'
        )
    note = f"cut to its first {MAX_WORDS} words" if len(words) > MAX_WORDS else ""
    return " ".join(words[:MAX_WORDS]), note


def embed_text(prompt: str, clip, tokenizer) -> torch.Tensor:
    """Embed a prompt, normalised, float32 [d]; see `check_prompt` for what is refused."""
    prompt, _ = check_prompt(prompt, tokenizer)
    tokens = tokenizer([prompt], return_tensors="pt").to(clip.device)
    embeds = clip.text_projection(clip.text_model(**tokens).pooler_output)[0]
    return torch.nn.functional.normalize(embeds, dim=-1)


def embed_images(images: torch.Tensor, clip) -> torch.Tensor:
    """Embed images [n, 3, h, w] in [-1, 1]: [n, d], not normalised, with gradient."""
    return clip.visual_projection(clip.vision_model(pixel_values=images).pooler_output)
