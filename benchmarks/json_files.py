"""Files of results: written whole, and gone on with by the next run of the same command."""

import json
from pathlib import Path

from helpers.files import write_file


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
