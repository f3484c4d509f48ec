"""The machines that a plan is to run on, as a person describes them."""

from dataclasses import dataclass
from typing import Annotated

from genieredux.config import FilePath
from genieredux.settings import Range, check_values


@dataclass(frozen=True)
class Machine:
    """So many equal machines. The few to set: machines, cores, gpus, gpu."""

    machines: Annotated[int, Range(1, 1_000_000)] = 1
    """Equal machines in one cluster."""
    cores: Annotated[int, Range(1, 100_000)] = 16
    """CPU cores of each; one plays one game."""
    gpus: Annotated[int, Range(0, 10_000)] = 0
    """GPUs of each; 0: networks run on the cores."""
    gpu: str = "h100"
    """Which: a name that the table of rates has."""
    gpu_tflops: Annotated[float, Range(0.01, 1e6)] | None = None
    """TFLOP a second of one, in bfloat16 without sparsity, instead of what the table says."""
    mfu: Annotated[float, Range(0.001, 1)] | None = None
    """The share of that which training gets; null: what the table says."""
    disk_mb_s: Annotated[float, Range(0.1, 1e6)] = 500.0
    """Megabytes a second that the disk of the data sets takes."""
    network_gbit_s: Annotated[float, Range(0.001, 1e6)] = 10.0
    """Between machines."""
    link_gb_s: Annotated[float, Range(0.01, 1e6)] = 25.0
    """Gigabytes a second between the GPUs of one machine."""
    games: Annotated[int, Range(0, 100_000)] = 2
    """Games that are explored and fine-tuned on, each by itself."""
    rates: FilePath | None = None
    """Another table of rates, in the form of the packaged one; null: that one."""
    plan: FilePath | None = None
    """Other commands to cost, in the form of the packaged plan; null: the published ones."""

    def __post_init__(self) -> None:
        check_values(Machine, vars(self), "")

    @property
    def players(self) -> int:
        """Games that are played at once."""
        return self.machines * self.cores

    @property
    def devices(self) -> int:
        """What networks run on: GPUs, or cores where there are none."""
        return self.machines * (self.gpus or self.cores)

    def together(self, devices: int) -> list[tuple[int, float]]:
        """In which numbers devices can share a training, with the bytes a second between those farthest apart: all of
        them, or those of one machine alone, where a slow network may make that the faster way.
        """
        one = devices // self.machines, self.link_gb_s * 1e9
        return [one] if self.machines == 1 else [(devices, self.network_gbit_s * 1e9 / 8), one]
