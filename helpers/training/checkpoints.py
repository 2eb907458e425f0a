"""Training state on disk: safetensors for tensors, JSON for numbers, written whole or not at all."""

import json
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save, save_file
from torch import nn

from ..files import write_file, write_folder

PREFIX = "checkpoint-"


def save_checkpoint(
    folder: str | os.PathLike, step: int, tensors: dict, info: dict, keep: int | None = 2
) -> Path:
    """Write tensors by name, and what JSON can hold as `info`, to `folder/checkpoint-00001234`.

    It and the `keep` - 1 before it stay, with None all of them. Later ones belong to a run that was started
    anew, and go as well.
    """
    path = Path(folder) / f"{PREFIX}{step:08d}"

    def write(temporary: Path) -> None:
        # A copy each: safetensors refuses tensors that share memory, as tied weights do.
        copies = {k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}
        save_file(copies, temporary / "state.safetensors")
        (temporary / "state.json").write_text(json.dumps({"step": step, **info}), encoding="utf-8")

    write_folder(path, write)
    complete = list_checkpoints(folder)
    position = complete.index(path) + 1
    for old in complete[: max(0, position - (keep or position))] + complete[position:]:
        # Without this file it is no checkpoint: a run that is killed here leaves no half of one.
        (old / "state.json").unlink()
        shutil.rmtree(old, ignore_errors=True)
    for leftover in Path(folder).glob(f".{PREFIX}*"):  # of a run that was killed while writing
        shutil.rmtree(leftover, ignore_errors=True)
    return path


def list_checkpoints(folder: str | os.PathLike) -> list[Path]:
    """Return the complete checkpoints in `folder`, oldest first; an empty list if there is none."""
    return sorted(path for path in Path(folder).glob(f"{PREFIX}*") if (path / "state.json").is_file())


def load_checkpoint(path: str | os.PathLike) -> tuple[dict[str, torch.Tensor], dict]:
    """Read (tensors, info) of one checkpoint; a ValueError says which folder to delete if it is damaged."""
    try:
        info = json.loads((Path(path) / "state.json").read_text(encoding="utf-8"))
        return load_file(Path(path) / "state.safetensors"), info
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(
            f"checkpoint {path} is damaged ({error}); delete this folder to resume from the one before it, "
            "or pass resume=False to start anew"
        ) from error


def save_average(folder: str | os.PathLike, step: int, modules: nn.Module, averages: Iterable) -> None:
    """Write the averaged weights to `folder/average-00001234.safetensors`.

    Names are those of `ModuleList([unet])`, or of `ModuleList([unet, condition])` if that is trained too;
    `averages` are in the order of the parameters of `modules`.
    """
    parts = nn.ModuleList(modules.children())
    names = [name for name, _ in parts.named_parameters()]
    tensors = parts.state_dict() | dict(zip(names, averages, strict=True))
    copies = {k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}
    write_file(Path(folder) / f"average-{step:08d}.safetensors", save(copies))


def list_averages(folder: str | os.PathLike) -> dict[int, Path]:
    """Return the files that `save_average` wrote to `folder`, by their steps, in order."""
    found = [(re.fullmatch(r"average-(\d+)\.safetensors", p.name), p) for p in Path(folder).glob("average-*")]
    return dict(sorted((int(match[1]), path) for match, path in found if match))


def drop_averages(folder: str | os.PathLike, after: int) -> None:
    """Delete averaged weights of later steps than `after`."""
    for step, path in list_averages(folder).items():
        if step > after:
            path.unlink(missing_ok=True)


def load_average(path: str | os.PathLike, *modules: nn.Module) -> None:
    """Load averaged weights into the UNet, and into the condition if that was trained too.

    Raises
    ------
    ValueError
        If the file is damaged, or these are not the modules that were trained.
    """
    try:
        nn.ModuleList(modules).load_state_dict(load_file(path))
    except (SafetensorError, OSError, RuntimeError) as error:
        raise ValueError(f"{path} is damaged, or holds other modules than these ({error})") from error
