"""Find weights, shipped or on the Hub, and say in words what is wrong if they cannot be used."""

import json
import re
from pathlib import Path

from safetensors import SafetensorError, safe_open

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"


def find_weights(name: str, root: Path | str | None = None) -> Path:
    """Return the folder of a trained pipeline, after a look at its files.

    Parameters
    ----------
    name : str or path-like
        A shipped one, e.g. "unconditional", the path of a pipeline's folder, or "user/name" on the Hub.
    root : path-like, optional
        The folder that holds the weights' folders; by default the series' own.

    Raises
    ------
    FileNotFoundError
        If the folder, or the weights in it, are missing.
    ValueError
        If a safetensors file is truncated or damaged; the message names it.
    ConnectionError
        Within 5 seconds, if a model on the Hub is asked for and there is no network.
    """
    folder, name = Path(root or WEIGHTS) / name, str(name)
    if not folder.exists() and (Path(name) / "model_index.json").is_file():
        folder = Path(name).resolve()
    advice = "shipped weights: get them with `git checkout weights`, or train them with `make weights`"
    if not folder.exists() and re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        folder, advice = _download(name), f"{name} on the Hub may have pickled weights, which are not loaded"
    files = sorted(folder.rglob("*.safetensors"))
    if not (folder / "model_index.json").is_file() or not files:
        raise FileNotFoundError(f"no weights in {folder}: expected model_index.json, *.safetensors; {advice}")
    for file in files:
        try:
            with safe_open(file, framework="pt") as tensors:  # reads the header, and checks the length
                tensors.keys()
        except (SafetensorError, OSError) as error:
            raise ValueError(
                f"{file} is damaged ({error}); get it again: shipped weights with `git checkout weights`, "
                "a model of the Hub by deleting its folder, your own by training"
            ) from error
    return folder


def load_pipeline(name: str, root: Path | str | None = None, **kwargs):
    """Load a trained pipeline of whichever class its folder names, this project's own among them.

    See `find_weights` for name, root and errors; `from_pretrained` takes ``**kwargs``, e.g. `torch_dtype`.
    """
    from diffusers import DiffusionPipeline

    folder = find_weights(name, root)
    kind = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))["_class_name"]
    if kind == "ConditionalDDPMPipeline":  # diffusers looks for pipelines among its own only
        from .pipelines import ConditionalDDPMPipeline as DiffusionPipeline
    # A part that has no safetensors would else be read from a pickle.
    return DiffusionPipeline.from_pretrained(folder, **{"use_safetensors": True} | kwargs)


def _download(repo_id: str) -> Path:
    """Fetch a pipeline from the Hub, or find it among what was fetched before."""
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError

    from .datasets.online import ask_server

    offline = constants.HF_HUB_OFFLINE or not ask_server(constants.ENDPOINT)()
    patterns = ["*.json", "*.safetensors"]  # nothing pickled is fetched, so nothing pickled can be loaded
    try:
        return Path(snapshot_download(repo_id, allow_patterns=patterns, local_files_only=offline))
    except LocalEntryNotFoundError as error:
        raise ConnectionError(
            f"offline: cannot fetch {repo_id} from the Hub; the shipped folder weights/unconditional needs "
            'no network: find_weights("unconditional")'
        ) from error
    except RepositoryNotFoundError as error:
        raise FileNotFoundError(f"there is no model {repo_id} on the Hub: check the name") from error
