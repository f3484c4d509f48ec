"""What is freed within stays with the process, and is given back afterwards."""

import ctypes
from pathlib import Path

import pytest
import torch

from genieredux.nn.memory import freed_memory_kept


def resident() -> int:
    """MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) // 1024


def use_and_free() -> None:
    tensors = [torch.ones(4 * 2**20) for _ in range(12)]  # 16 MiB each
    tensors.clear()


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="another C library than glibc")
def test_freed_memory_is_kept_within_and_given_back_afterwards():
    use_and_free()
    before = resident()
    with freed_memory_kept():
        use_and_free()
        assert resident() > before + 100
    assert resident() < before + 50


def test_an_error_within_passes():
    with pytest.raises(KeyError), freed_memory_kept():
        raise KeyError
