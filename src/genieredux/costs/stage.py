"""One piece of long work: how long it takes with so many workers, what bounds it, and where more stop helping.

Work is divided into units that no two workers share; beside it one part is done once for all, whoever works: a process
that stores what comes, a disk, a link between GPUs. Both go on at the same time, so the longer one counts.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """name: for people. amount: of what, for people. work_s: seconds of one worker for all of it. units: parts
    that it divides into, each called `unit`. shared_s: seconds of the part that more workers do not shorten, called
    `shared`. start_s: seconds of every worker before it begins. gib: left on the disk. times: how often it is done.
    """

    name: str
    amount: str
    worker: str
    workers: int
    work_s: float
    units: int
    unit: str
    shared_s: float = 0.0
    shared: str = ""
    start_s: float = 0.0
    gib: float = 0.0
    times: int = 1

    def seconds(self, workers: int | None = None) -> float:
        """Of doing it once with so many workers (None: those there are)."""
        rounds = math.ceil(self.units / min(workers or self.workers, self.units))
        return self.start_s + max(self.work_s * rounds / self.units, self.shared_s)

    @property
    def total_s(self) -> float:
        """Of doing it as often as it is done."""
        return self.times * self.seconds()

    @property
    def stops_at(self) -> int:
        """More workers than these make it no faster."""
        if self.shared_s * self.units <= self.work_s:
            return self.units
        rounds = max(1, math.floor(self.shared_s * self.units / self.work_s))
        return min(self.units, math.ceil(self.units / rounds))

    @property
    def bound(self) -> str:
        """What its time is spent on."""
        if self.shared_s >= self.seconds() - self.start_s and self.shared:
            return self.shared
        return f"{min(self.workers, self.units):,} {self.worker}"

    @property
    def limit(self) -> str:
        """Why it stops there."""
        return self.unit if self.stops_at == self.units else self.shared
