"""Make the notebooks and the README in other languages from the English ones and gettext catalogues.

    python scripts/translate.py build              make notebooks/fr/*.ipynb and README.fr.md
    python scripts/translate.py update [NAME ...]  bring new and changed English blocks into the catalogues
    python scripts/translate.py status             say what is missing

A catalogue is translations/LANGUAGE/NAME.po, with an entry for each block of text, comment, docstring and
alternative text. Nothing is executed. Files are written all or, if anything is wrong, none.
"""

import argparse
import re
import sys
from pathlib import Path

from helpers.files import write_file
from scripts.translation import TranslationError, name_file
from scripts.translation.edition import Edition

ROOT = Path(__file__).resolve().parent.parent


def languages(root: Path) -> list[str]:
    """Return the languages that have catalogues."""
    return sorted(path.name for path in (root / "translations").glob("[a-z]*") if path.is_dir())


def check_language(root: Path, command: str, code: str) -> None:
    """Raise TranslationError if a name is no language's, or has no catalogues to work with."""
    if not re.fullmatch(r"[a-z]{2,3}(_[A-Z]{2})?", code):
        raise TranslationError(f"{code!r} is no language's code, expected one such as fr or pt_BR")
    if command != "update" and code not in languages(root):
        raise TranslationError(f"translations/{code} is not there: `update --language {code}` makes it")


def run(root: Path, command: str, codes: list[str], names: list[str]) -> None:
    """Do what the command line asks for in each language."""
    files: dict[Path, bytes] = {}
    for code in codes:
        edition, lines = Edition(root, code), []
        if command == "status":
            lines = edition.status()
        else:
            made, lines = edition.build_all() if command == "build" else edition.update(names)
            files |= made
        for line in lines:
            print(line)
    for path, content in files.items():
        if not path.is_file() or path.read_bytes() != content:
            write_file(path, content)
            print(f"wrote {name_file(path, root)}")


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Build, update or tell the state; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=("build", "update", "status"))
    parser.add_argument("names", nargs="*", metavar="NAME", help="with update: make catalogues for these too")
    parser.add_argument("--language", help="a folder of translations/ (default: each of them)")
    options = parser.parse_intermixed_args(arguments)
    try:
        codes = [options.language] if options.language else languages(root)
        for code in codes:
            check_language(root, options.command, code)
        run(root, options.command, codes, options.names)
    except (TranslationError, OSError) as error:
        print(f"translate: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
