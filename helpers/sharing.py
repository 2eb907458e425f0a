"""Keep a trained pipeline with a model card, and share it on the Hub."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from diffusers import DDIMPipeline, DDPMPipeline
from huggingface_hub import HfApi, ModelCard, ModelCardData, constants, get_token
from huggingface_hub.errors import HTTPError
from huggingface_hub.utils import filter_repo_objects, logging, validate_repo_id

from .datasets.online import ask_server
from .files import write_folder

# Nothing pickled leaves the machine, and no state of the training.
SENT = ["*.json", "*.safetensors", "README.md", "*.png"]
SENT_TO_SPACE = [*SENT, "*.py", "*.txt"]
KEPT = ["*checkpoint-*/*", ".*", "*/.*"]
CARD = """
# {repo_id}
{description}

![Pictures that this model draws](samples.png)
## How to load it
```python
import torch
from diffusers import {kind}

pipeline = {kind}.from_pretrained("{repo_id}", use_safetensors=True)
generator = torch.Generator().manual_seed(0)
images = pipeline(batch_size=4, num_inference_steps={steps}, generator=generator).images
```
## Data
{data}
## What it is not for
{limits}
## Training
| | |
| --- | --- |
{training}
"""


def save_with_card(
    pipeline: DDPMPipeline | DDIMPipeline,
    folder: str | os.PathLike,
    *,
    repo_id: str,
    description: str,
    data: str,
    limits: str,
    license: str,
    picture,
    training: Mapping,
    **metadata,
) -> Path:
    """Save an unconditional pipeline as safetensors, with a model card: all of it or nothing.

    What a card should say: Mitchell et al., "Model Cards for Model Reporting", arXiv 1810.03993.

    Parameters
    ----------
    folder : path-like
        New or empty, or a pipeline's folder, which is replaced.
    repo_id, license : str
        Its name on the Hub, "user/name" or "name", and the Hub's short name of its license, such as "mit".
    description, data, limits : str
        What it draws; what it learnt from, and whose that is; what it is not for. Markdown.
    picture : matplotlib Figure or PIL image
        Saved as samples.png.
    training : mapping
        How it was trained, e.g. {"started from": "weights/unconditional", "steps": 500}: a table.
    **metadata
        Further fields of `huggingface_hub.ModelCardData`, such as `tags`, `base_model` and `datasets`.

    Raises
    ------
    TypeError
        If the pipeline is of another kind: the card's snippet would not run.
    ValueError
        If `repo_id` is no name for a repository, or the folder holds something else than a pipeline.
    """
    _check_name(repo_id)
    folder, kind = Path(folder), type(pipeline).__name__
    if not isinstance(pipeline, DDPMPipeline | DDIMPipeline):
        raise TypeError(f"expected a DDPMPipeline or a DDIMPipeline, got {kind}: use its own save_pretrained")
    if folder.exists() and any(folder.iterdir()) and not (folder / "model_index.json").is_file():
        raise ValueError(f"{folder} holds other files, which would be lost: choose a new folder")
    kept = {"library_name": "diffusers", "pipeline_tag": "unconditional-image-generation"}
    front = ModelCardData(license=license, **kept | metadata)
    text = CARD.format(
        repo_id=repo_id if "/" in repo_id else f"user/{repo_id}",
        kind=kind,
        steps=pipeline.scheduler.config.num_train_timesteps,
        description=description,
        data=data,
        limits=limits,
        training="\n".join(f"| {name} | {value} |" for name, value in training.items()),
    )

    def write(temporary: Path) -> None:
        pipeline.save_pretrained(temporary)
        save = picture.savefig if hasattr(picture, "savefig") else picture.save
        save(temporary / "samples.png")
        ModelCard(f"---\n{front}\n---\n{text}").save(temporary / "README.md")

    write_folder(folder, write)
    return folder


def push_to_hub(
    folder: str | os.PathLike,
    repo_id: str,
    *,
    token: str | None = None,
    private: bool = False,
    space: bool = False,
) -> str | None:
    """Send a pipeline's folder, or a Space, to the Hub; without a token, only list what would be sent.

    Configurations, safetensors, README.md and PNG pictures go, in one commit; pickles and checkpoints stay.
    Of a Space the program goes as well: ``*.py`` and ``*.txt``.

    Parameters
    ----------
    folder : path-like
        From `save_with_card` or `scripts/make_space.py`. It is only read.
    repo_id : str
        "user/name", or "name" for one of your own. It is created if it is not there, hidden if `private`.
    token : str, optional
        An access token with the role "write"; by default that of `HF_TOKEN` or of `hf auth login`.
    space : bool
        The folder is a Gradio Space: a page that runs on the Hub.

    Returns
    -------
    str or None
        The address of the page on the Hub; None if there is no token.

    Raises
    ------
    ValueError
        If `repo_id` is no name for a repository, before anything is sent; if the Hub refuses the card.
    FileNotFoundError, PermissionError
        If the folder holds no pipeline, or no Space; if the Hub refuses the token.
    ConnectionError
        Within 5 seconds if the Hub does not answer, in about half a minute if the connection breaks.
    """
    _check_name(repo_id)
    what, first, maker = ("pipeline", "model_index.json", "save_with_card")
    if space:
        what, first, maker = ("Space", "app.py", "scripts/make_space.py")
    if not (Path(folder) / first).is_file():
        raise FileNotFoundError(f"no {what} in {folder}: make it with {maker} first")
    sent = SENT_TO_SPACE if space else SENT
    token = (token or get_token() or "").strip()
    if not token:
        return _list_files(Path(folder), repo_id, sent)
    call = f'push_to_hub("{folder}", "{repo_id}"{", space=True" if space else ""})'
    again = f"{folder} is as it was; to try again: {call}"
    if not re.fullmatch("[!-~]+", token):  # as a header it would be shown in the client's error
        raise PermissionError(f"a token is one word of ASCII characters, and this is none. {again}")
    if constants.HF_HUB_OFFLINE or not ask_server(constants.ENDPOINT)():
        why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else f"{constants.ENDPOINT} does not answer"
        raise ConnectionError(f"nothing was sent: {why}. {again}")
    verbosity, no_xet = logging.get_verbosity(), constants.HF_HUB_DISABLE_XET
    logging.set_verbosity_error()  # the client reports its every attempt; one line is enough
    constants.HF_HUB_DISABLE_XET = True  # which sends in several commits, and hangs when a connection breaks
    try:
        kind = {"repo_type": "space", "space_sdk": "gradio"} if space else {}
        url = HfApi().create_repo(repo_id, token=token, private=private, exist_ok=True, **kind)
        kind.pop("space_sdk", None)
        patterns = {"allow_patterns": sent, "ignore_patterns": list(KEPT)}
        HfApi().upload_folder(repo_id=url.repo_id, folder_path=folder, token=token, **kind, **patterns)
    except (OSError, HTTPError, RuntimeError, ValueError) as error:
        raise _in_words(error, repo_id, again) from error
    finally:
        logging.set_verbosity(verbosity)
        constants.HF_HUB_DISABLE_XET = no_xet
    return str(url)


def _check_name(repo_id: str) -> None:
    """Refuse what cannot be the name of a repository."""
    try:
        validate_repo_id(repo_id if repo_id and repo_id.isascii() else "")  # older clients let é pass
    except ValueError as error:
        expected = '"user/name" or "name", of letters, digits, "-", "_" and "."'
        raise ValueError(f"expected {expected}; got {repo_id!r}") from error


def _list_files(folder: Path, repo_id: str, sent: list[str]) -> None:
    """Say what would be sent, and how to send it."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    print(f"There is no token, so nothing was sent. To {repo_id} on the Hub would go:")
    for name in filter_repo_objects(names, allow_patterns=sent, ignore_patterns=KEPT):
        print(f"{(folder / name).stat().st_size:>12,} bytes  {name}")
    print(
        'To send it: make a token with the role "write" at https://huggingface.co/settings/tokens, '
        "run `hf auth login` in a terminal (or pass token=...), and call push_to_hub again."
    )


def _in_words(error: Exception, repo_id: str, again: str) -> Exception:
    """Turn an error of the Hub's client into one line."""
    if isinstance(error, RuntimeError):  # the client's wrapper around what happened to one file
        error = error.__cause__ or error
    status = getattr(getattr(error, "response", None), "status_code", 0)
    if status in (401, 403):
        need = 'a token with the role "write"'
        return PermissionError(f"{repo_id} needs {need}; the Hub refuses this one. {again}")
    reason = " ".join(str(error).split()).rstrip(".")
    if isinstance(error, ValueError) or status in (400, 404, 409, 413, 422):
        return ValueError(f"the Hub refuses {repo_id}: {reason}. {again}")
    return ConnectionError(f"the connection to the Hub broke: {reason}. {again}")
