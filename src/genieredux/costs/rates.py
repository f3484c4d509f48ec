"""The table of rates: how fast one core or one GPU does each kind of work, and how that is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from genieredux.checking import above, nearest, one_of, require
from genieredux.config import from_plain
from genieredux.errors import UserError, reason

KNOWN = ("measured", "stated", "assumed")
"""How a rate is known: measured with this program, stated by who makes the hardware, or guessed."""


@dataclass(frozen=True)
class Rate:
    """One number of the table."""

    value: float
    known: str
    """measured, stated or assumed."""
    source: str
    """The command that measures it, or who states it."""

    def __post_init__(self) -> None:
        above("value", self.value, 0)
        one_of("known", self.known, KNOWN)
        require(bool(self.source.strip()), "source", self.source, "where the number is from")


@dataclass(frozen=True)
class Play:
    """One core that plays games of one kind. frames_s: kept frames a second; bytes: of a kept frame on the disk;
    open_s: seconds until a game is open."""

    frames_s: Rate
    bytes: Rate
    open_s: Rate


@dataclass(frozen=True)
class Model:
    """One kind of model at the published size. tflop: of a clip of 16 frames, forward and backward, attention
    included; parameters: trained ones."""

    tflop: Rate
    parameters: Rate


@dataclass(frozen=True)
class Rates:
    """All of them. play: by kind of game; models: by kind of model; gpus: TFLOP a second by name."""

    play: Mapping[str, Play]
    models: Mapping[str, Model]
    gpus: Mapping[str, Rate]
    core_tflops: Rate
    """TFLOP a second of one CPU core's matrix products."""
    core_mfu: Rate
    """The share of that which training gets."""
    gpu_mfu: Rate
    """The share of a GPU's TFLOP that training gets."""
    acting_mfu: Rate
    """The same where a world draws one frame after the other for a few environments."""
    store_ms: Rate
    """Milliseconds of the one process that stores episodes, for each."""
    acting_ms: Rate
    """Milliseconds of a core until an agent's network has chosen an action."""
    read_frames_s: Rate
    """Frames a second that one core reads and unpacks."""
    sums_ms: Rate
    """Milliseconds of the one process that sums an evaluation up, for each clip."""

    def tflops(self, gpu: str) -> float:
        """Of a GPU. Raises UserError, which names the nearest, where the table has no such one."""
        if gpu not in self.gpus:
            raise UserError(
                f"gpu is '{gpu}'; did you mean '{nearest(gpu, self.gpus)}'? The table has {', '.join(self.gpus)}; "
                "gpu_tflops=... says the speed of another"
            )
        return self.gpus[gpu].value

    def playing(self, kind: str) -> Play:
        """Of games of a kind. Raises UserError where the table has none."""
        if kind not in self.play:
            raise UserError(f"the table of rates has no games of kind '{kind}'; it has {', '.join(self.play)}")
        return self.play[kind]

    def model(self, kind: str) -> Model:
        """Of a kind of model. Raises UserError where the table has none."""
        if kind not in self.models:
            raise UserError(f"the table of rates has no model '{kind}'; it has {', '.join(self.models)}")
        return self.models[kind]


def read_rates(path: str | None) -> Rates:
    """The packaged table, or another. Raises UserError for a file that is none."""
    return from_plain(Rates, read_table(path, "rates"), path or "rates")


def read_table(path: str | None, name: str) -> Any:
    """The plain values of a YAML file, by default the packaged `<name>.yaml`. Raises UserError where there is none."""
    packaged = Path(str(files("genieredux.costs") / f"{name}.yaml"))
    try:
        return yaml.safe_load((Path(path) if path else packaged).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{name}={path}: cannot be read ({reason(error)}); {packaged} is one to copy") from error
