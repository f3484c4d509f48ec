"""Which backend a collection uses: the keys `collect.backend` and `collect.ray_address`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from genieredux.collect.backends import Backend, LocalBackend
from genieredux.collect.backends.ray_backend import RayBackend
from genieredux.collect.config import MAX_GB
from genieredux.runs.backends.ray_cluster import connected


@dataclass(frozen=True)
class BackendConfig:
    """Where workers run, and how much they may write. It never changes what is collected."""

    backend: Literal["local", "ray"] = "local"
    """`local`: processes of this machine; `ray`: actors of a Ray cluster."""
    ray_address: str = "auto"
    """`auto` (the cluster that this machine belongs to), the head's `HOST:PORT`, or `local` (one started for this
    command).
    """
    max_gb: float = MAX_GB
    """A plan that may take more than so many gigabytes (10^9 bytes) on the disk is refused."""


@contextmanager
def chosen(cfg: BackendConfig, n_workers: int | None) -> Iterator[Callable[[int], Backend]]:
    """What `collect` makes its backend with. n_workers: None = one per CPU, of the whole cluster if it is Ray.

    Raises `UserError` where Ray is not installed or its cluster cannot be reached.
    """
    if cfg.backend == "local":
        yield LocalBackend
        return
    with connected(cfg.ray_address, n_workers) as workers:
        yield lambda _: RayBackend(workers)
