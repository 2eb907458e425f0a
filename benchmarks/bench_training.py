"""Train recipes in turns by the clock, and keep snapshots of them that a later run can trust."""

import hashlib
import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from benchmarks.bench_recipes import RECIPES, Recipe
from helpers.files import package_versions, write_file

ROOT = Path(__file__).resolve().parents[1]

PACKAGES = (
    "torch",
    "diffusers",
    "accelerate",
    "denoising-diffusion-pytorch",
    "ema-pytorch",
    "smalldiffusion",
)
TURN = 10.0  # seconds that a recipe trains before the next one does


class Clock:
    """Adds up the seconds of training steps; a step that was suspended counts like the median one."""

    def __init__(self):
        self.seconds, self.steps = 0.0, []

    def add(self, seconds: float) -> None:
        """Count one step."""
        self.steps.append(seconds)
        usual = statistics.median(self.steps[-100:])
        self.seconds += seconds if seconds < 5 * usual else usual


@dataclass
class Entry:
    """One training from the start: a recipe, and the moments (seconds, ascending) when it is kept.

    A recipe whose learning rate fades out has an entry for each moment, others have one for all.
    """

    recipe: Recipe
    name: str
    moments: list[float]
    folder: Path
    fingerprint: str

    def path(self, moment: float) -> Path:
        """Where the snapshot of a moment is."""
        return self.folder / f"{self.name}-{moment:g}.safetensors"

    def steps_at(self, moment: float) -> int | None:
        """Steps that a snapshot has behind it, or None where there is none that this code wrote."""
        try:
            with safe_open(self.path(moment), "pt") as file:
                metadata = file.metadata() or {}
        except (OSError, SafetensorError):
            return None
        return int(metadata["steps"]) if metadata.get("fingerprint") == self.fingerprint else None

    def keep(self, moment: float, steps: int) -> None:
        """Write the weights to score later; scores of what stood there before are deleted."""
        self.path(moment).with_suffix(".json").unlink(missing_ok=True)
        tensors = {key: value.contiguous() for key, value in self.recipe.snapshot().items()}
        write_file(self.path(moment), save(tensors, {"steps": str(steps), "fingerprint": self.fingerprint}))


def code_fingerprint() -> str:
    """Hash what a training depends on: the recipes, the training code, the packages' versions."""
    files = [
        ROOT / "benchmarks" / "bench_recipes.py",
        ROOT / "helpers" / "models.py",
        ROOT / "data" / "sprites.npz",
    ]
    files += sorted((ROOT / "helpers" / "training").glob("*.py"))
    parts = [file.read_bytes() for file in files] + [json.dumps(package_versions(PACKAGES)).encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def seconds_per_step(name: str, dataset, repeats: int = 15) -> float:
    """Time a recipe's training step: how many steps fit into a budget decides how its rate fades."""
    recipe, clock = RECIPES[name](dataset, 0, 1000), Clock()
    for _ in range(repeats):
        begun = time.perf_counter()
        recipe.train_step()
        clock.add(time.perf_counter() - begun)
    return statistics.median(clock.steps)


def make_entries(
    names: list[str], moments: dict, dataset, seed: int, folder: Path, per_step: dict
) -> list[Entry]:
    """Make what is to be trained for one seed.

    Parameters
    ----------
    moments : dict of str to list of float
        Seconds of training, ascending, for each recipe.
    per_step : dict of str to float
        Seconds of a training step.
    """
    entries, fingerprint = [], code_fingerprint()
    for name in names:
        kind = RECIPES[name]
        for group in [[moment] for moment in moments[name]] if kind.fades_out else [list(moments[name])]:
            recipe = kind(dataset, seed, max(1, round(group[-1] / per_step[name])))
            entries.append(Entry(recipe, name, group, folder, fingerprint))
    return entries


def train_in_turns(entries: list[Entry], log) -> None:
    """Train all entries turn by turn; those whose snapshots are all there already are left out.

    A recipe that fails is given up, with what was kept of it; the others go on.
    """
    clocks = {id(entry): Clock() for entry in entries}
    due = {id(e): [] if all(map(e.steps_at, e.moments)) else list(e.moments) for e in entries}
    for entry in entries:
        if not due[id(entry)]:
            log(f"{entry.name} {entry.moments}: trained in an earlier run")
    while any(due.values()):
        for entry in [entry for entry in entries if due[id(entry)]]:
            try:
                _take_turn(entry, clocks[id(entry)], due[id(entry)], log)
            except Exception as error:
                log(f"{entry.name} failed after {clocks[id(entry)].seconds:.0f} s: {error!r}")
                due[id(entry)].clear()


def _take_turn(entry: Entry, clock: Clock, due: list[float], log) -> None:
    """Train one recipe for a turn, and keep it at the moments that come."""
    stop = clock.seconds + TURN
    entry.recipe.model.train()
    while clock.seconds < stop and due:
        begun = time.perf_counter()
        entry.recipe.train_step()
        clock.add(time.perf_counter() - begun)
        if clock.seconds >= due[0]:
            entry.keep(due.pop(0), len(clock.steps))
            log(f"{entry.name}: {len(clock.steps)} steps in {clock.seconds:.0f} s")
