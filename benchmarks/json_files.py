"""What the programs that measure share: options, the real sprites' features, and files of results."""

import argparse
import json
from pathlib import Path

import torch

from helpers import RESULTS
from helpers.datasets import load_sprites
from helpers.evaluation import extract_features, real_halves
from helpers.files import describe_device, package_versions, write_file


def parse_options(doc: str, name: str, output: str, **options: tuple) -> argparse.Namespace:
    """Read options, each given as (default, help), and --output; also the `command` that repeats the run."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    for option, (default, words) in options.items():
        many = {"nargs": "+"} if isinstance(default, list) else {}
        parser.add_argument(f"--{option}", type=int, default=default, help=words, **many)
    parser.add_argument("--output", type=Path, default=RESULTS / output)
    args = parser.parse_args()
    values = {option: getattr(args, option) for option in options}
    words = [f"--{k} {' '.join(map(str, v)) if isinstance(v, list) else v}" for k, v in values.items()]
    args.command = " ".join([f"python benchmarks/{name}.py", *words])
    return args


def machine_facts() -> dict:
    """What a result has to say about where it was measured."""
    return {"device": describe_device(torch.device("cpu")), "versions": package_versions()}


def real_features() -> tuple[torch.Tensor, torch.Tensor]:
    """Features of real sprites: the half that drawn ones are compared with, and the other for the floor."""
    return real_halves(extract_features(load_sprites("all").as_tensor()))


def write_json(path: Path, content: dict) -> None:
    """Write results so that people can read them too."""
    write_file(path, (json.dumps(content, indent=1) + "\n").encode())


def read_or_begin(path: Path, command: str, **empty) -> dict:
    """Return what an earlier run of the same command has stored in the file, or else an empty result."""
    if path.is_file():
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["command"] == command:
            print(f"going on with {path}; delete it to measure everything again")
            return stored
    return {"command": command, **empty}
