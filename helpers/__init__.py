"""What the notebooks share: data, models, training, sampling, scores, plots, widgets; small modules to open.

Importing this package imports no library; each module is loaded when a notebook asks for it.
"""

import json
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results"


def load_results(name: str) -> dict:
    """Read measurements that are stored in the repository.

    Parameters
    ----------
    name : str
        For example "samplers" or "evaluation-unconditional".

    Returns
    -------
    dict
        What the program wrote that its "command" names.

    Raises
    ------
    FileNotFoundError
        If there are none of that name; the message lists those there are.
    """
    path = RESULTS / f"{name}.json"
    if not path.is_file():
        stored = ", ".join(sorted(file.stem for file in RESULTS.glob("*.json"))) or "none"
        raise FileNotFoundError(f"no stored results {name!r} in {RESULTS}; stored are: {stored}")
    return json.loads(path.read_text(encoding="utf-8"))
