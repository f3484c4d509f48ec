"""What is freed within stays with the process, and is given back afterwards."""

import ctypes
import subprocess
import sys

import pytest

from genieredux.nn.memory import freed_memory_kept

ALONE = """
import torch
from pathlib import Path
from genieredux.nn.memory import freed_memory_kept

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) // 1024

def use_and_free():
    tensors = [torch.ones(4 * 2**20) for _ in range(12)]
    tensors.clear()

use_and_free()
before = resident()
with freed_memory_kept():
    use_and_free()
    within = resident()
print(within - before, resident() - before)
"""
"""In MiB. Twelve tensors of 16 MiB, in a process of its own: one in which other tests ran has room left over."""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="another C library than glibc")
def test_freed_memory_is_kept_within_and_given_back_afterwards():
    said = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=True).stdout
    within, afterwards = map(int, said.split())
    assert within > 100
    assert afterwards < 50


def test_an_error_within_passes():
    with pytest.raises(KeyError), freed_memory_kept():
        raise KeyError
