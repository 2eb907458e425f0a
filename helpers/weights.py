"""Find the shipped weights, and say in words what is wrong with them if they cannot be used."""

from pathlib import Path

from safetensors import SafetensorError, safe_open

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"


def find_weights(name: str, root: Path | str | None = None) -> Path:
    """Return the folder of a shipped pipeline, after a look at its files.

    Parameters
    ----------
    name : str
        For example "unconditional"; then `DDPMPipeline.from_pretrained(find_weights(name))`.
    root : path-like, optional
        The folder that holds the weights' folders; by default the series' own.

    Raises
    ------
    FileNotFoundError
        If the folder, or the weights in it, are missing.
    ValueError
        If a safetensors file is truncated or damaged; the message names it.
    """
    folder = Path(root or WEIGHTS) / name
    files = sorted(folder.rglob("*.safetensors"))
    if not (folder / "model_index.json").is_file() or not files:
        raise FileNotFoundError(
            f"no weights in {folder}: expected model_index.json and *.safetensors; "
            "get them with `git checkout weights`, or train them with `make weights`"
        )
    for file in files:
        try:
            with safe_open(file, framework="pt") as tensors:  # reads the header, and checks the length
                tensors.keys()
        except (SafetensorError, OSError) as error:
            raise ValueError(
                f"{file} is damaged ({error}); restore it with `git checkout weights`, or train it "
                "with `make weights`"
            ) from error
    return folder
