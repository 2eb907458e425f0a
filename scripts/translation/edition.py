"""The edition in one language: its catalogues, and what is made from them."""

from pathlib import Path

import polib

from scripts.translation import TranslationError, name_file
from scripts.translation.blocks import kind_of, map_markdown, shape
from scripts.translation.catalogue import (
    COMMON,
    MARK,
    Key,
    catalogue_bytes,
    gone,
    look_up,
    name_entry,
    new_catalogue,
    read_catalogue,
    update,
)
from scripts.translation.documents import (
    README,
    Change,
    documents,
    english_path,
    map_notebook,
    move_links,
    notebook_text,
    read_notebook,
    translated_path,
    translated_places,
)
from scripts.translation.words import check_block


class Edition:
    """The series in one language.

    Parameters
    ----------
    root : Path
        The repository.
    language : str
        The name of a folder of `translations/`, such as "fr".
    """

    def __init__(self, root: Path, language: str):
        self.root, self.language = root, language
        self.folder = root / "translations" / language
        self.english = documents(root)
        stems = [path.stem for path in sorted(self.folder.glob("*.po"))]
        self.names = sorted(stem for stem in stems if stem != COMMON)
        for name in self.names:
            if name not in self.english:
                where = name_file(english_path(root, name), root)
                raise TranslationError(f"{self.where(name)}: its English text, {where}, is not there")

    def path(self, name: str) -> Path:
        """Return where a document's catalogue is."""
        return self.folder / f"{name}.po"

    def where(self, name: str) -> str:
        """Return how messages name a document's catalogue."""
        return name_file(self.path(name), self.root)

    def catalogue(self, name: str) -> polib.POFile:
        """Return a document's catalogue, an empty one where there is none."""
        path = self.path(name)
        return read_catalogue(path, self.root) if path.exists() else new_catalogue(self.language)

    def mark(self) -> str:
        """Return what stands behind a block that is not translated."""
        words = look_up(self.catalogue(COMMON)).get(MARK, MARK[1])
        return f" [{words}]"

    def rewrite(self, name: str, change: Change) -> str:
        """Return the file text of a document with other words."""
        path = english_path(self.root, name)
        if name != README:
            made = map_notebook(read_notebook(path, self.root), change, name_file(path, self.root))
            places = translated_places(self.root, self.language, self.names)
            target = translated_path(self.root, self.language, name)
            for cell in made["cells"]:
                if cell["cell_type"] == "markdown":
                    text = move_links("".join(cell["source"]), path, target, places)
                    cell["source"] = text.splitlines(keepends=True)
            return notebook_text(made)
        text = path.read_text(encoding="utf-8")
        try:
            made = map_markdown(text, lambda block: change(README, block))
        except SyntaxError as error:
            raise TranslationError(f"{path.name} holds no readable Python: {error}") from error
        if shape(made) != shape(text):
            raise TranslationError(f"{self.where(name)}: its outline is not that of {path.name}")
        places = translated_places(self.root, self.language, self.names)
        return move_links(made, path, translated_path(self.root, self.language, name), places)

    def keys(self, name: str) -> list[Key]:
        """Return cell and text of each English block of a document, in order."""
        found: dict[Key, None] = {}
        self.rewrite(name, lambda cell, text: found.setdefault((cell, text)))
        return list(found)

    def build(self, name: str) -> tuple[str, list[str]]:
        """Make a translated document.

        Returns
        -------
        str
            Its file text.
        list of str
            A line for each block that is not translated, and for each entry whose English text is gone.

        Raises
        ------
        TranslationError
            If a translated block has lost a formula, a link, code or a number.
        """
        catalogue, mark, keys = self.catalogue(name), self.mark(), []
        known, missing = look_up(catalogue), []

        def change(cell: str, text: str) -> str:
            key = cell, text
            keys.append(key)
            if key not in known:
                missing.append(key)
                return text if kind_of(text) == "formula" else text + mark
            wrong = check_block(text, known[key])
            if not wrong and kind_of(known[key]) != kind_of(text):
                wrong = f"it begins a {kind_of(known[key])}, expected a {kind_of(text)}"
            if wrong:
                raise TranslationError(f"{self.where(name)}: {name_entry(key)}: {wrong}")
            return known[key]

        text, where = self.rewrite(name, change), self.where(name)
        lines = [f"{where}: {name_entry(key)} is not translated" for key in dict.fromkeys(missing)]
        lines += [f"{where}: {name_entry(key)}: its English is gone" for key in gone(catalogue, keys)]
        return text, lines

    def build_all(self) -> tuple[dict[Path, bytes], list[str]]:
        """Return the content of every translated file, and what `build` says about them."""
        made, lines = {}, []
        for name in self.names:
            text, said = self.build(name)
            made[translated_path(self.root, self.language, name)] = text.encode()
            lines += said
        return made, lines

    def update(self, names: list[str]) -> tuple[dict[Path, bytes], list[str]]:
        """Return the content of catalogues that are brought up to date, and a line on each.

        Parameters
        ----------
        names : list of str
            Documents that get a catalogue where they have none. Where the language has none at all, and none
            is named, all documents do.
        """
        if unknown := [name for name in names if name not in self.english]:
            raise TranslationError(f"no document is called {unknown[0]}, expected {', '.join(self.english)}")
        made = {self.path(COMMON): update(self.catalogue(COMMON), [MARK], self.language)}
        lines = []
        for name in sorted({*self.names, *names} or self.english):
            old, keys = self.catalogue(name), self.keys(name)
            left, where = [name_entry(key) for key in gone(old, keys)], self.where(name)
            new = made[self.path(name)] = update(old, keys, self.language)
            lines.append(f"{where}: {len(keys)} blocks, {len(keys) - len(look_up(new))} to translate")
            lines += [f"{where}: {entry}: its English is gone" for entry in left]
        return {path: catalogue_bytes(catalogue) for path, catalogue in made.items()}, lines

    def status(self) -> list[str]:
        """Return a line on each document, and on each block that is missing or gone."""
        lines = []
        for name in self.english:
            if name not in self.names:
                lines.append(f"{self.language} {name}: no catalogue")
                continue
            _, said = self.build(name)
            missing = sum(line.endswith("is not translated") for line in said)
            lines.append(f"{self.language} {name}: {missing} of {len(self.keys(name))} blocks missing")
            lines += [f"  {line}" for line in said]
        return lines
