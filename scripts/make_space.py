"""Write the page as a Space, a folder that Hugging Face runs as it is, and upload it if there is a name.

python scripts/make_space.py build/space [--push-to you/sprites]
"""

import argparse
import re
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

from helpers.files import write_folder
from helpers.sharing import push_to_hub

ROOT = Path(__file__).resolve().parents[1]
MODELS = ("unconditional", "sprite_classifier", "sprite_clip", "text_to_sprite")  # what the page loads
# What helpers.demo imports; torchvision, since diffusers' pipelines look for it.
NEEDED = ("torch", "torchvision", "diffusers", "transformers", "safetensors", "huggingface-hub", "datasets",
          "accelerate", "numpy", "scipy", "scikit-learn", "pillow", "matplotlib", "tqdm")  # fmt: skip
APP = '''"""The page of this Space: sprites by words, by colour, by class."""

from helpers.demo import launch_options, make_demo

options = launch_options()
del options["server_name"]  # the Space's own settings say where it listens
make_demo().launch(**options)
'''
CARD = """---
title: Sprites on demand
emoji: 🧪
colorFrom: red
colorTo: purple
sdk: gradio
sdk_version: {gradio}
python_version: "3.11"
app_file: app.py
license: {license}
short_description: Two small diffusion models draw what you say
---

# Sprites on demand

Two models of 16×16 sprites. The first, of the tab "guidance", is an unconditional diffusion model, steered
while it draws: by words, by colour, by class. It was never trained for any of them. A small CLIP says how far
a picture is from the words, and the gradient of this distance pushes each step. The second, of the tab "text
to sprite", is a Stable Diffusion in miniature, trained with captions.

Both know the words of the sprites' captions only: hero, slime, potion, apple, sword, hat, and their
colours. They draw on two CPU cores in seconds. Nothing that a visitor types is kept.
"""


def list_requirements() -> str:
    """The lines of requirements.txt that the page needs, without their comments; the Space adds Gradio."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    stated = {re.split("[<>=]", line)[0]: line.split("#")[0].strip() for line in lines if line[:1].isalpha()}
    return "".join(stated[name] + "\n" for name in NEEDED)


def make_space(folder: Path) -> Path:
    """Write the Space: README.md, app.py, requirements.txt, helpers and weights; all of it or nothing.

    Raises
    ------
    FileNotFoundError
        If weights are missing.
    ValueError
        If the folder holds something else than a Space.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / "app.py").is_file():
        raise ValueError(f"{folder} holds other files, which would be lost: choose a new folder")
    if missing := [name for name in MODELS if not (ROOT / "weights" / name).is_dir()]:
        raise FileNotFoundError(f"no weights/{missing[0]}: get it with `git checkout weights`")

    def write(temporary: Path) -> None:
        card = CARD.format(gradio=version("gradio"), license="mit")
        texts = {"README.md": card, "app.py": APP, "requirements.txt": list_requirements()}
        for name, text in texts.items():
            (temporary / name).write_text(text, encoding="utf-8")
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "helpers", temporary / "helpers", ignore=ignore)
        for name in MODELS:
            shutil.copytree(ROOT / "weights" / name, temporary / "weights" / name)

    write_folder(folder, write)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "build" / "space")
    parser.add_argument(
        "--push-to", metavar="USER/NAME", help="upload it; without a token, say what would go"
    )
    parser.add_argument("--private", action="store_true", help="hide it from others")
    args = parser.parse_args()
    try:
        folder = make_space(args.folder)
        print(f"{folder}: try it with `cd {folder} && python app.py`")
        if args.push_to and (address := push_to_hub(folder, args.push_to, private=args.private, space=True)):
            print(address)
    except (OSError, ValueError) as error:
        sys.exit(f"make_space: {error}")


if __name__ == "__main__":
    main()
