"""How much memory there is. Knows no model."""

import os
import resource
from pathlib import Path

import torch

_MEMINFO = Path("/proc/meminfo")


def free_memory() -> int:
    """Bytes of main memory that are free or can be freed; all there are where the system does not say more."""
    if _MEMINFO.is_file():
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def memory_of(device: torch.device) -> int:
    """Bytes that a process may have on a device in all: of a GPU its size, else what is free and what it has taken."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return free_memory() + resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def gib(size: float) -> str:
    """Bytes as GiB (or MiB) for people."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
