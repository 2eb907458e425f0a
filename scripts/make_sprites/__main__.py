"""Draw the bundled sprites: data/sprites.npz, a contact sheet per class, and the data card's figures.

python -m scripts.make_sprites
"""

import argparse
import hashlib
import io
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from helpers.files import write_file
from scripts.cards import stamp
from scripts.make_sprites import CLASS_NAMES, FAMILIES, Sprite, draw_class

ROOT = Path(__file__).resolve().parents[2]

VERSION = "1"


def pack(arrays: dict[str, np.ndarray]) -> bytes:
    """Make the bytes of an .npz file; unlike np.savez's they do not depend on the time of day."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, member.getvalue(), compresslevel=9)
    return buffer.getvalue()


def contact_sheet(images: np.ndarray, cols: int = 14, scale: int = 4, gap: int = 2) -> Image.Image:
    """Lay out square uint8 images [n, size, size, 3] on a grid, each pixel a square of scale × scale."""
    size = images.shape[1]
    rows, cell = -(-len(images) // cols), size + gap
    sheet = np.full((rows * cell + gap, cols * cell + gap, 3), 255, dtype=np.uint8)
    for i, image in enumerate(images):
        y, x = gap + i // cols * cell, gap + i % cols * cell
        sheet[y : y + size, x : x + size] = image
    return Image.fromarray(sheet.repeat(scale, axis=0).repeat(scale, axis=1))


def proportion_of_different_pairs(images: np.ndarray, pixels: int = 20, pairs: int = 20_000) -> float:
    """Estimate the share of pairs of images that differ in more than `pixels` pixels."""
    first, second = np.random.default_rng(0).integers(len(images), size=(2, pairs))
    distinct = first != second
    differ = (images[first[distinct]] != images[second[distinct]]).any(-1).sum((1, 2))
    return float((differ > pixels).mean())


def data_card_table(images: np.ndarray, labels: np.ndarray, sprites: list[Sprite]) -> str:
    """Make the Markdown table of the data card."""
    lines = [
        "| class | sprites | families | different captions | pairs that differ in more than 20 pixels |",
        "| --- | --- | --- | --- | --- |",
    ]
    for label, name in enumerate(CLASS_NAMES):
        captions = Counter(s.caption for s, k in zip(sprites, labels, strict=True) if k == label)
        different = proportion_of_different_pairs(images[labels == label])
        families = ", ".join(family.replace("_", " ") for family in FAMILIES[name])
        count = int((labels == label).sum())
        lines.append(f"| {name} | {count:,} | {families} | {len(captions):,} | {different:.1%} |")
    return "\n".join(lines)


def checksum_text(content: bytes, images: np.ndarray, name: str = "sprites.npz") -> str:
    """Say how large the file is, and what its bytes and its pixels hash to."""
    file_hash, pixel_hash = (hashlib.sha256(data).hexdigest() for data in (content, images.tobytes()))
    return (
        f"`{name}` has {len(content):,} bytes.\n\n- SHA-256 of the file: `{file_hash}`\n"
        f"- SHA-256 of the pixels, `images.tobytes()`: `{pixel_hash}`"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--per-class", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--output", type=Path, default=ROOT / "data", help="folder for sprites.npz and sheets"
    )
    args = parser.parse_args()
    sprites = []
    for name in tqdm(CLASS_NAMES, desc="drawing"):
        sprites += draw_class(name, args.per_class, args.seed)
    images = np.stack([s.image for s in sprites])
    labels = np.repeat(np.arange(len(CLASS_NAMES), dtype=np.int64), args.per_class)
    arrays = {"images": images, "labels": labels, "captions": np.array([s.caption for s in sprites])}
    content = pack(arrays | {"class_names": np.array(CLASS_NAMES), "version": np.array(VERSION)})
    write_file(args.output / "sprites.npz", content)
    for label, name in enumerate(CLASS_NAMES):
        picture = io.BytesIO()
        contact_sheet(images[labels == label][:112]).save(picture, "png", optimize=True)
        write_file(args.output / "sheets" / f"{name.replace(' ', '-')}.png", picture.getvalue())
    stamp(args.output / "README.md", "counts", data_card_table(images, labels, sprites))
    stamp(args.output / "README.md", "checksum", checksum_text(content, images))
    print(f"{len(images):,} sprites, {len(content) / 1e6:.2f} MB, in {args.output / 'sprites.npz'}")


if __name__ == "__main__":
    main()
