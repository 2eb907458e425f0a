"""Which captions text_to_sprite learns from: all of the training split, but for combinations kept back."""

from helpers.datasets import ImageDataset, load_sprites
from helpers.datasets.captions import find_properties, split_parts
from scripts.train_clip import full_captions

# Each part of a combination is common, the combination is in no caption that the UNet learns from.
UNSEEN = (
    ("purple potion",), ("teal book",), ("orange gem",), ("blue crab",), ("pink ghost",),
    ("orange slime",), ("green dragon",), ("green grapes",), ("teal tunic",),
    ("purple robe",), ("pink cape",), ("pink hair",), ("side-facing hero", "hammer"), ("hero", "torch"),
)  # fmt: skip


def find_unseen(caption: str) -> list[str]:
    """The combinations in a full caption that training keeps back, each as one string."""
    facts = {split_parts(caption)[0], *find_properties(caption)}
    return [" + ".join(combination) for combination in UNSEEN if facts.issuperset(combination)]


def load_captioned(split: str) -> tuple[ImageDataset, list[str], list[bool]]:
    """Sprites of a split, their full captions, and whether each has a combination that is kept back."""
    dataset = load_sprites(split)
    captions = full_captions(dataset)
    return dataset, captions, [bool(find_unseen(caption)) for caption in captions]
