"""What captions of sprites are made of, and a dataset of latents with shortened, tokenised captions."""

import hashlib
import re

import torch
from torch.utils.data import Dataset

from .arrays import CLASS_NAMES

# An "and" stays that joins two words for one thing: "a blue and red striped tunic".
BETWEEN_PARTS = r", | with | (?:in|on) (?=an? )| and (?!one \w+ claw|\w+ striped |\w+ ice )"
PREFIXES = ("non-hero", "food", "spell")  # classes that full captions begin with, before a comma
LITTLE_WORDS = ("a", "an", "and", "of", "the", "one", "on")


def split_parts(caption: str) -> list[str]:
    """Take a caption apart: "hero with red hair and a sword" has "hero", "red hair" and "a sword"."""
    return re.split(BETWEEN_PARTS, caption)


def join_parts(parts: list[str]) -> str:
    """Make a caption of parts: "food, a red apple with a leaf", whatever words stood between them."""
    head = 2 if parts[0] in PREFIXES else 1
    text, rest = ", ".join(parts[:head]), parts[head:]
    if not rest:
        return text
    return f"{text} with " + " and ".join([", ".join(rest[:-1]), rest[-1]] if rest[1:] else rest)


def find_properties(caption: str) -> list[str]:
    """List what a caption says of which thing: of "a long red cape", that is "long cape" and "red cape".

    The last word of a part is the thing. If no word stands before it, the thing itself is the property. Names
    of classes are left out.
    """
    found = []
    for part in split_parts(caption):
        part = re.sub(r"(\S+) glowing (\S+)", r"\2 \1", part)  # "a visor glowing red"
        words = [word for word in part.split() if word not in LITTLE_WORDS]
        if words and part not in CLASS_NAMES:
            found += [f"{word} {words[-1]}" for word in words[:-1]] or words
    return list(dict.fromkeys(found))


def shorten(caption: str) -> str:
    """Leave a random part of the caption out, by torch's generator, so that short prompts are nothing new.

    Two captions in five stay whole. Of two in five some parts are left out; those that remain keep their
    words, so that a colour stays at its thing. Of one in five single words are left out.
    """
    way, keep = torch.rand(2).tolist()
    if way < 0.4:
        return caption
    if way < 0.8:
        parts = split_parts(caption)
        kept = [
            part for part, chance in zip(parts, torch.rand(len(parts)).tolist(), strict=True) if chance < keep
        ]
        return join_parts(kept or [parts[int(torch.randint(len(parts), ()))]])
    words = caption.replace(",", "").split()
    kept = [
        word for word, chance in zip(words, torch.rand(len(words)).tolist(), strict=True) if chance < keep
    ]
    return " ".join(kept) or words[int(torch.randint(len(words), ()))]


class CaptionedLatents(Dataset):
    """Latents of pictures with the tokens of their captions: what a latent text-to-image UNet learns from.

    An item is `(latent, input_ids)`: float32 [c, h, w], drawn from the VAE's posterior anew each time and
    scaled, and int64 [tokenizer.model_max_length]. All chance is torch's global generator's.

    Parameters
    ----------
    means, stds : float Tensor [n, c, h, w]
        Of the posteriors, `vae.encode(images).latent_dist`, times the VAE's `scaling_factor`.
    captions : list of n str
    tokenizer : of transformers
    caption_dropout : float
        Share of captions that are replaced by the empty one, for guidance (arXiv 2207.12598).
    shortened : bool
        Leave parts of the captions out, see `shorten`.

    Raises
    ------
    ValueError
        If the shapes, or the numbers of latents and captions, differ.
    """

    def __init__(
        self, means, stds, captions, tokenizer, caption_dropout: float = 0.1, shortened: bool = True
    ):
        if means.shape != stds.shape or len(means) != len(captions):
            shapes = f"means {tuple(means.shape)}, stds {tuple(stds.shape)} and {len(captions)} captions"
            raise ValueError(f"one mean, one std and one caption for each picture; got {shapes}")
        self.means, self.stds, self.captions, self.tokenizer = means, stds, list(captions), tokenizer
        self.caption_dropout, self.shortened = caption_dropout, shortened

    def __len__(self) -> int:
        return len(self.means)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Read several items at once, as a DataLoader does: the tokenizer is faster with many."""
        chosen = torch.as_tensor(indices)
        means, stds = self.means[chosen], self.stds[chosen]
        latents = means + stds * torch.randn_like(means)
        texts = [self.captions[i] for i in chosen.tolist()]
        if self.shortened:
            texts = [shorten(text) for text in texts]
        dropped = (torch.rand(len(texts)) < self.caption_dropout).tolist()
        texts = ["" if drop else text for text, drop in zip(texts, dropped, strict=True)]
        tokens = self.tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt")
        return list(zip(latents, tokens.input_ids, strict=True))

    def fingerprint(self) -> str:
        """Short hash of captions, how they are changed, and the latents: other data, another one."""
        # Rounded: with another number of threads, a VAE's last digits differ, and the run is the same.
        moments = [f"{float(x):.3f}" for part in (self.means, self.stds) for x in (part.mean(), part.std())]
        facts = [*self.captions, self.caption_dropout, self.shortened, tuple(self.means.shape), *moments]
        return hashlib.sha256("\n".join(map(str, facts)).encode()).hexdigest()[:16]
