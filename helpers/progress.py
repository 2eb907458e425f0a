"""Progress bars for terminals and notebooks."""

import sys

from tqdm import tqdm


class _DisplayFile:
    """A file that tqdm writes to and that shows the last line in place, as plain text in a notebook."""

    def __init__(self):
        from IPython.display import display

        self.handle = display({"text/plain": ""}, raw=True, display_id=True)

    def write(self, text: str) -> None:
        if text.strip():
            self.handle.update({"text/plain": text.strip("\r\n ")}, raw=True)

    def flush(self) -> None:
        pass


def progress_bar(total: int, initial: int = 0, desc: str = "training", disable: bool = False) -> tqdm:
    """Progress bar for terminals (stderr) and notebooks (one line of text that stays in the output)."""
    # A process can import ipykernel without being a kernel, as pytest with nbval does.
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    in_notebook = hasattr(shell, "kernel")
    where = {"disable": disable}
    if in_notebook and not disable:
        where |= {"file": _DisplayFile(), "ncols": 80, "ascii": " ▏▎▍▌▋▊▉█"}
    return tqdm(total=total, initial=initial, desc=desc, mininterval=0.5, **where)
