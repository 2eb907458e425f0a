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
from benchmarks.process import ROOT
from helpers.files import package_versions, write_file

PEERS = ("denoising-diffusion-pytorch", "ema-pytorch", "smalldiffusion")
PACKAGES = ("torch", "diffusers", "accelerate", *PEERS, "scipy")
TURN = 10.0  # seconds that a recipe trains before the next one does


class Clock:
    """Adds up the seconds of training steps; a step that was suspended counts like the median one."""

    def __init__(self):
        self.seconds, self.steps = 0.0, []

    def take(self, step) -> None:
        """Take one step, and count it."""
        begun = time.perf_counter()
        step()
        self.add(time.perf_counter() - begun)

    def add(self, seconds: float) -> None:
        """Count one step."""
        self.steps.append(seconds)
        usual = statistics.median(self.steps[-100:])
        self.seconds += seconds if seconds < 5 * usual else usual


@dataclass
class Training:
    """One training from the start: a recipe, and the moments (seconds, ascending) when it is scored.

    A recipe that anneals its learning rate has a training for each moment, others have one for all.
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

    def save_snapshot(self, moment: float, steps: int) -> None:
        """Write the weights to score later; scores of what stood there before are deleted."""
        self.path(moment).with_suffix(".json").unlink(missing_ok=True)
        tensors = {key: value.contiguous() for key, value in self.recipe.snapshot().items()}
        write_file(self.path(moment), save(tensors, {"steps": str(steps), "fingerprint": self.fingerprint}))


def code_fingerprint(root: Path = ROOT) -> str:
    """Hash what snapshots and scores depend on: all code, the sprites, the classifier, packages' versions."""
    patterns = ("helpers/**/*.py", "benchmarks/*.py", "data/sprites.npz", "weights/sprite_classifier/*")
    files = [file for pattern in patterns for file in sorted(root.glob(pattern))]
    parts = [file.read_bytes() for file in files] + [json.dumps(package_versions(PACKAGES)).encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def seconds_per_step(name: str, dataset, repeats: int = 15) -> float:
    """Time a recipe's training step: how many fit into a budget decides how its rate anneals."""
    recipe, clock = RECIPES[name](dataset, 0, 1000), Clock()
    for _ in range(repeats):
        clock.take(recipe.train_step)
    return statistics.median(clock.steps)


def make_trainings(
    moments: dict[str, list[float]], dataset, seed: int, folder: Path, per_step: dict, fingerprint: str
) -> list[Training]:
    """Make what is to be trained for one seed, of the moments and the seconds per step of each recipe."""
    trainings = []
    for name, seconds in moments.items():
        kind = RECIPES[name]
        for group in [[moment] for moment in seconds] if kind.anneals_learning_rate else [seconds]:
            recipe = kind(dataset, seed, max(1, round(group[-1] / per_step[name])))
            trainings.append(Training(recipe, name, group, folder, fingerprint))
    return trainings


def train_in_turns(trainings: list[Training], log) -> None:
    """Train all of them turn by turn; those whose snapshots are all there already are left out.

    A recipe that fails is given up, with the snapshots that it has; the others go on.
    """
    waiting = []  # (training, its clock, the moments to come)
    for training in trainings:
        if all(map(training.steps_at, training.moments)):
            log(f"{training.name} {training.moments}: trained in an earlier run")
        else:
            waiting.append((training, Clock(), list(training.moments)))
    while waiting:
        for training, clock, due in waiting:
            try:
                _take_turn(training, clock, due, log)
            except Exception as error:
                log(f"{training.name} failed after {clock.seconds:.0f} s: {error!r}")
                due.clear()
        waiting = [(training, clock, due) for training, clock, due in waiting if due]


def _take_turn(training: Training, clock: Clock, due: list[float], log) -> None:
    """Train one recipe for a turn, with a snapshot at each moment that comes."""
    stop = clock.seconds + TURN
    training.recipe.model.train()
    while clock.seconds < stop and due:
        clock.take(training.recipe.train_step)
        if clock.seconds >= due[0]:
            training.save_snapshot(due.pop(0), len(clock.steps))
            log(f"{training.name}: {len(clock.steps)} steps in {clock.seconds:.0f} s")
