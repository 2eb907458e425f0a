"""Find and change the links of Markdown, and leave code and formulas alone."""

import re
from collections.abc import Callable

CODE = re.compile(
    r"^(`{3,}|~{3,}).*?^\1[^\n]*$|`+[^`\n]+`+|\$\$.*?\$\$|\$[^$\n]+\$", re.DOTALL | re.MULTILINE
)
LINK = re.compile(r'(!?)\[((?:[^\[\]]|!\[[^\]]*\]\([^)]*\))*)\]\(([^()\s]+)((?:\s+"[^"]*")?)\)')


def map_links(text: str, place: Callable[[str], str | None]) -> str:
    """Return Markdown with other links.

    Parameters
    ----------
    text : str
        Markdown. What stands in code or in a formula is no link.
    place : callable
        Takes where a link or a picture leads, and returns where it shall lead; None leaves the label alone.
    """
    kept: list[str] = []

    def keep(match: re.Match) -> str:
        kept.append(match[0])
        return f"\0{len(kept) - 1}\0"

    def change(match: re.Match) -> str:
        label = LINK.sub(change, match[2])
        where = place(match[3])
        return label if where is None else f"{match[1]}[{label}]({where}{match[4]})"

    text = LINK.sub(change, CODE.sub(keep, text))
    return re.sub("\0(\\d+)\0", lambda match: kept[int(match[1])], text)
