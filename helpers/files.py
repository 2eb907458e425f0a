"""Files that are written whole or not at all, and what a result has to say about its machine."""

import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def write_file(path: str | os.PathLike, content: bytes) -> None:
    """Write a file under a temporary name, then rename it: whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)  # mkstemp makes it private
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_folder(path: str | os.PathLike, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary folder, then put it in the place of `path`.

    A reader finds the old folder or the new one, never a half. What is in its place already is moved aside
    first and comes back if the new one cannot take it; a run killed just then leaves it in `.NAME-old-…`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        write(temporary)
        temporary.chmod(0o755)  # mkdtemp makes it private
        if not path.exists():
            temporary.rename(path)
            return
        old = Path(tempfile.mkdtemp(prefix=f".{path.name}-old-", dir=path.parent))
        path.rename(old / path.name)
        try:
            temporary.rename(path)
        except BaseException:
            (old / path.name).rename(path)
            old.rmdir()
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def describe_device(device) -> str:
    """Name a torch.device in words, for the model card."""
    import torch  # here, since what only writes files starts without it

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return f"Apple GPU ({platform.machine()})"
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{torch.get_num_threads()} CPU threads ({platform.machine()}, {capability})"


def package_versions(names: Iterable[str] = ("torch", "diffusers")) -> dict[str, str]:
    """Versions of the packages that results depend on."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
