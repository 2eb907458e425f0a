"""Make the bundled emoji from an npm package: data/emoji.npz, a contact sheet, and the data card's figures.

python -m scripts.make_emoji
"""

import argparse
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.datasets.arrays import split_indices
from helpers.datasets.pictures import CORRUPT, as_rgb
from helpers.files import write_file
from scripts.cards import stamp
from scripts.make_sprites.__main__ import ROOT, checksum_text, contact_sheet, pack

VERSION = "1"
SIZE = 32
PACKAGE, PACKAGE_VERSION = "emoji-datasource-google", "16.0.0"
PICTURES = "package/img/google/64/"

# Flags are alike at this size and not under Noto's licence; components are swatches of skin tones.
LEFT_OUT_GROUPS = ("Flags", "Component")
# Pictures of letters, digits and marks: at 16×16 they are neither things nor legible.
LEFT_OUT_SUBGROUPS = ("keycap", "alphanum", "punctuation", "math", "currency")
LEFT_OUT_NAMES = ("COPYRIGHT SIGN", "REGISTERED SIGN", "TRADE MARK SIGN")


def fetch_package(folder: Path) -> Path:
    """Let npm download the package into a folder; npm checks it against the registry's checksum."""
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is not installed: install Node.js, or pass a tarball with --package")
    wanted = f"{PACKAGE}@{PACKAGE_VERSION}"
    command = [npm, "pack", wanted, "--silent", "--fetch-retries=0", "--pack-destination", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    tarballs = list(folder.glob("*.tgz"))
    if done.returncode or not tarballs:
        raise ConnectionError(
            f"`npm pack {wanted}` failed: is there a network? Or pass its tarball with --package"
        )
    return tarballs[0]


def read_package(path: Path) -> tuple[list[dict], dict[str, bytes]]:
    """Read the table of emoji and the picture files, by name, from the package's tarball.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged or not the tarball of this package in this version.
    """
    expected = f"expected the tarball of {PACKAGE} {PACKAGE_VERSION}, as `npm pack` makes it"
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}; {expected}")
    try:
        with tarfile.open(path, "r:gz") as tarball:
            # In one pass: in a compressed tarball going back means reading from the start again.
            files = {
                member.name: tarball.extractfile(member).read()
                for member in tarball
                if member.name.startswith(PICTURES) or member.name.endswith(".json")
            }
        about, table = (json.loads(files[f"package/{name}.json"]) for name in ("package", "emoji"))
    except (tarfile.TarError, OSError, EOFError, zlib.error, KeyError, ValueError) as error:
        raise ValueError(f"cannot read {path}: {error}; {expected}") from error
    if (about.get("name"), about.get("version")) != (PACKAGE, PACKAGE_VERSION):
        raise ValueError(f"{path} is {about.get('name')} {about.get('version')}; {expected}")
    return table, {name.removeprefix(PICTURES): content for name, content in files.items()}


def choose_emoji(table: list[dict]) -> list[dict]:
    """Leave out what is no picture of a thing; the order is Unicode's, so that groups hang together."""
    return [
        emoji
        for emoji in sorted(table, key=lambda emoji: emoji["sort_order"])
        if emoji["category"] not in LEFT_OUT_GROUPS
        and emoji["subcategory"] not in LEFT_OUT_SUBGROUPS
        and emoji["name"] not in LEFT_OUT_NAMES
        and emoji["has_img_google"]
    ]


def caption_of(emoji: dict, names: Counter) -> str:
    """Take the Unicode name in lower case, or the short name where two emoji share one."""
    name = emoji["name"].lower()
    return name if names[name] == 1 else emoji["short_name"].replace("_", " ")


def shrink(content: bytes) -> np.ndarray:
    """Put a picture file on white and make it small: uint8 [32, 32, 3].

    Each pixel is the mean of a block (BOX). LANCZOS is hardly sharper here, and rings: it leaves a pale
    halo on the white around the emoji.
    """
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(as_rgb(picture).resize((SIZE, SIZE), Image.Resampling.BOX))


def make_arrays(table: list[dict], files: dict[str, bytes]) -> dict[str, np.ndarray]:
    """Make the arrays of data/emoji.npz; of several equal pictures the first is kept."""
    chosen = choose_emoji(table)
    names = Counter(emoji["name"].lower() for emoji in chosen)
    kept = {}
    for emoji in chosen:
        try:
            image = shrink(files[emoji["image"]])
        except (KeyError, *CORRUPT) as error:
            raise ValueError(f"cannot read the picture {emoji['image']} of the package: {error}") from error
        kept.setdefault(image.tobytes(), (image, emoji["category"], caption_of(emoji, names)))
    images, groups, captions = zip(*kept.values(), strict=True)
    class_names = tuple(dict.fromkeys(groups))
    return {
        "images": np.stack(images),
        "labels": np.array([class_names.index(group) for group in groups], dtype=np.int64),
        "captions": np.array(captions),
        "class_names": np.array(class_names),
        "version": np.array(VERSION),
    }


def spread(labels: np.ndarray, label: int, count: int) -> np.ndarray:
    """Positions of `count` pictures of one group, evenly spread over it."""
    positions = np.flatnonzero(labels == label)
    return positions[np.linspace(0, len(positions) - 1, count).astype(int)]


def data_card_table(arrays: dict[str, np.ndarray]) -> str:
    """Make the Markdown table of the data card."""
    labels = arrays["labels"]
    test = labels[split_indices(labels, "test")]
    lines = ["| group | emoji | of them in `test` | for instance |", "| --- | --- | --- | --- |"]
    for label, name in enumerate(arrays["class_names"]):
        examples = ", ".join(arrays["captions"][spread(labels, label, 5)])
        lines.append(f"| {name} | {(labels == label).sum()} | {(test == label).sum()} | {examples} |")
    return "\n".join([*lines, f"| all | {len(labels):,} | {len(test)} | |"])


def write_all(package: Path, output: Path) -> str:
    """Write the data, the contact sheet and the card's figures; return a line that says so."""
    arrays = make_arrays(*read_package(package))
    content = pack(arrays)
    write_file(output / "emoji.npz", content)
    rows = [spread(arrays["labels"], label, 14) for label in range(len(arrays["class_names"]))]
    sheet = io.BytesIO()
    contact_sheet(arrays["images"][np.concatenate(rows)], scale=2).save(sheet, "png", optimize=True)
    write_file(output / "sheets" / "emoji.png", sheet.getvalue())
    stamp(output / "README.md", "emoji counts", data_card_table(arrays))
    stamp(output / "README.md", "emoji checksum", checksum_text(content, arrays["images"], "emoji.npz"))
    return f"{len(arrays['images']):,} emoji, {len(content) / 1e6:.2f} MB, in {output / 'emoji.npz'}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--package", type=Path, help="the package's tarball; fetched with npm if not given")
    parser.add_argument("--output", type=Path, default=ROOT / "data", help="folder for emoji.npz and sheets")
    args = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            print(write_all(args.package or fetch_package(Path(scratch)), args.output))
    except (OSError, ValueError) as error:
        sys.exit(f"make_emoji: {error}")


if __name__ == "__main__":
    main()
