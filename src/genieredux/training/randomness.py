"""Where every random number of training comes from: a pure function of (seed, purpose, step, micro-batch,
rank).

Nothing depends on what was drawn before, so a run that resumes at step k draws what an uninterrupted one
draws.
"""

import hashlib
import struct

import torch

PURPOSES = ("train", "validate", "sample")


def derive_seed(seed: int, purpose: str, step: int = 0, micro: int = 0, rank: int = 0) -> int:
    """A seed in [0, 2^63) for one place in a run; different places give unrelated ones."""
    key = struct.pack("<qqqqq", seed, PURPOSES.index(purpose), step, micro, rank)
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little") >> 1


def generator_for(
    device: torch.device, seed: int, purpose: str, step: int = 0, micro: int = 0, rank: int = 0
) -> torch.Generator:
    """A fresh generator for one micro-batch. Also reseeds torch's global one, for dropout and its like."""
    value = derive_seed(seed, purpose, step, micro, rank)
    torch.manual_seed(value)
    return torch.Generator(device=device).manual_seed(value)
