"""Pack the classroom kit: notebooks for students and for the teacher, data, weights, a checker, the guide.

    python scripts/make_class.py [--format plain|nbgrader] [--output build/class.zip]

The zip is written whole or not at all. Everything in it but the folder ``teacher`` is for students.
"""

import argparse
import io
import sys
import zipfile
from pathlib import Path

import nbformat

from helpers.files import write_file
from scripts.class_notebooks import NotebookError, make_nbgrader, make_student, make_teacher

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("helpers", "data", "weights", "scripts", "benchmarks")
FILES = ("requirements.txt", "pyproject.toml", "LICENSE", "NOTICE")
STORED = {".npz", ".png", ".safetensors"}  # compressed already
READ_ME = """# Diffusion models, hands on: the classroom kit

1. Python 3.11 or newer. In this folder: `python -m venv .venv`, then activate it
   (`.venv\\Scripts\\activate` on Windows, `source .venv/bin/activate` elsewhere).
2. `pip install -r requirements.txt`, or without a network
   `pip install --no-index --find-links=wheelhouse -r requirements.txt`.
3. `python check_setup.py` says in under half a minute whether all is well, and what to do if not.
4. {open_line}

Each notebook stands alone: it needs the folders beside it and no network.
"""
OPEN = "`jupyter lab notebooks`, and begin with 01."
OPEN_NBGRADER = """For the teacher: `pip install nbgrader`, then in this folder
   `nbgrader generate_assignment NAME` for each folder of `source/`, and `nbgrader autograde NAME` for what
   lies in `submitted/`. Hand out `release/` with all that is here, except `source/` and `teacher/`."""
CONFIG = """# Settings of nbgrader for this folder, which is the course.
c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "diffusion"
# A notebook trains for minutes, and an answer's open lines stay above this one.
c.ExecutePreprocessor.timeout = 1200
c.ClearSolutions.code_stub = {"python": "# Replace each ... above by your answer."}
"""


class ClassError(Exception):
    """What stops the kit, in one line."""


def find_notebooks(root: Path) -> list[Path]:
    """Return the notebooks of the series, in all languages."""
    paths = sorted((root / "notebooks").rglob("*.ipynb"))
    found = [path for path in paths if ".ipynb_checkpoints" not in path.parts]
    if not found:
        raise ClassError(f"there is no notebook in {root / 'notebooks'}")
    return found


def shared_files(root: Path) -> list[Path]:
    """Return what notebooks need beside themselves."""
    missing = [name for name in (*FOLDERS, *FILES, "docs/teaching.md") if not (root / name).exists()]
    if missing:
        raise ClassError(f"missing in {root}: {', '.join(missing)}; get it with `git checkout {missing[0]}`")
    inside = [path for folder in FOLDERS for path in sorted((root / folder).rglob("*")) if path.is_file()]
    pictures = [p for p in sorted((root / "notebooks").rglob("*")) if p.is_file() and p.suffix != ".ipynb"]
    paths = [root / name for name in FILES] + inside + pictures
    hidden = ("__pycache__", ".")
    return [p for p in paths if not any(part.startswith(hidden) for part in p.relative_to(root).parts)]


def read_notebook(path: Path):
    """Read a notebook; say which one if that is impossible."""
    try:
        return nbformat.read(path, as_version=4)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, UnicodeDecodeError) as error:
        raise ClassError(f"{path} is no notebook: {str(error).splitlines()[0]}") from error


def collect(root: Path, kind: str = "plain") -> dict[str, bytes]:
    """Make the contents of the kit.

    Parameters
    ----------
    root : path
        The repository.
    kind : {"plain", "nbgrader"}
        Students' notebooks as they are handed out, or sources for nbgrader.

    Returns
    -------
    dict of str to bytes
        Names inside the kit, and what the files hold.

    Raises
    ------
    ClassError
        If something is missing or a notebook cannot be taken apart.
    """
    found = {str(p.relative_to(root).as_posix()): p.read_bytes() for p in shared_files(root)}
    found["check_setup.py"] = found["scripts/check_setup.py"]
    found["teacher/teaching.md"] = (root / "docs" / "teaching.md").read_bytes()
    nbgrader = kind == "nbgrader"
    found["README.md"] = READ_ME.format(open_line=OPEN_NBGRADER if nbgrader else OPEN).encode()
    if nbgrader:
        found["nbgrader_config.py"] = CONFIG.encode()
    for path in find_notebooks(root):
        notebook, name = read_notebook(path), path.relative_to(root / "notebooks")
        assignment = "-".join([name.stem, *name.parts[:-1]])
        place = f"source/{assignment}/{assignment}.ipynb" if nbgrader else f"notebooks/{name.as_posix()}"
        try:
            versions = {
                place: (make_nbgrader if nbgrader else make_student)(notebook),
                f"teacher/notebooks/{name.as_posix()}": make_teacher(notebook),
            }
        except (NotebookError, SyntaxError) as error:
            raise ClassError(f"{path}: {error}") from error
        for place, version in versions.items():
            found[place] = (nbformat.writes(version) + "\n").encode()
    return found


def pack(contents: dict[str, bytes], folder: str = "class") -> bytes:
    """Return a zip of the contents: the same bytes for the same contents, whatever the clock says."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in sorted(contents.items()):
            entry = zipfile.ZipInfo(f"{folder}/{name}", date_time=(2020, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            stored = Path(name).suffix in STORED
            entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return buffer.getvalue()


def main(arguments: list[str] | None = None) -> str | int:
    """Run the command line; return 0, or what stopped it in one line."""
    parser = argparse.ArgumentParser(prog="make_class", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--format", choices=("plain", "nbgrader"), default="plain")
    parser.add_argument("--output", type=Path, help="default: build/class.zip, or build/class-nbgrader.zip")
    options = parser.parse_args(arguments)
    name = "class.zip" if options.format == "plain" else "class-nbgrader.zip"
    output = options.output or ROOT / "build" / name
    try:
        contents = collect(ROOT, options.format)
        content = pack(contents)
        write_file(output, content)
    except ClassError as error:
        return f"class: {error}"
    except OSError as error:
        return f"class: cannot write {output} ({error.strerror}): name another place with --output"
    print(f"{output}: {len(content) / 1e6:.0f} MB, {len(contents)} files; teacher/ is not for students")
    return 0


if __name__ == "__main__":
    sys.exit(main())
