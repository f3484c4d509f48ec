"""How much memory there is, whether what is freed stays with the process, and files that are seen as memory. Knows no
model."""

import ctypes
import mmap
import os
import resource
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

_MEMINFO = Path("/proc/meminfo")
_mapped: "weakref.WeakSet[mmap.mmap]" = weakref.WeakSet()
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
_USUAL_TRIM, _LARGEST_MMAP, _NEVER = 64 * 2**20, 32 * 2**20, 2**31 - 1
"""glibc comes to the first two by itself once tensors were freed."""


def is_mapped(memory: mmap.mmap) -> mmap.mmap:
    """Note that this is a file seen as memory, of which pages can be let go of at any time. Returns it."""
    _mapped.add(memory)
    return memory


def let_go_of_mapped() -> None:
    """No page of what `is_mapped` noted need be in memory now. Whoever reads through a lot of it calls this between."""
    for memory in list(_mapped):
        memory.madvise(mmap.MADV_DONTNEED)


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Within, glibc keeps what is freed for what is allocated next, and gives it back at the end.

    Otherwise the large tensors of every step are new memory, page by page of which the system fills with zeros first.
    Nothing changes with another C library.
    """
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt") or not hasattr(libc, "malloc_trim"):
        yield
        return
    libc.mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP)
    libc.mallopt(_TRIM_THRESHOLD, _NEVER)
    try:
        yield
    finally:
        libc.mallopt(_TRIM_THRESHOLD, _USUAL_TRIM)
        libc.malloc_trim(0)


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
