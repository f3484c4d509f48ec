"""Where every random number of training comes from: a pure function of (seed, purpose, step, place in the batch).

Nothing depends on what was drawn before, so a run that resumes at step k draws what an uninterrupted one draws; nor on
how a batch is cut, so N micro-batches or processes draw what one does.
"""

import hashlib
import struct
from dataclasses import dataclass

import torch

from genieredux.nn.draws import ClipGenerator

PURPOSES = ("train", "validate", "sample")


def derive_seed(seed: int, purpose: str, step: int = 0, micro: int = 0, rank: int = 0) -> int:
    """A seed in [0, 2^63) for one place in a run; different places give unrelated ones."""
    key = struct.pack("<qqqqq", seed, PURPOSES.index(purpose), step, micro, rank)
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little") >> 1


@dataclass(frozen=True)
class Part:
    """Which part of a step's batch: micro-batch `micro` of `micros` of process `rank` of `ranks`, each of `clips`.

    Clips are counted micro-batch by micro-batch, in each of them process by process, as window samplers hand them out.
    """

    clips: int
    micro: int = 0
    micros: int = 1
    rank: int = 0
    ranks: int = 1


def generator_for(device: torch.device, seed: int, purpose: str, step: int, part: Part) -> ClipGenerator:
    """A fresh generator for one part of a batch. Also reseeds torch's global one, for dropout and its like, which
    differs from part to part."""
    torch.manual_seed(derive_seed(seed, purpose, step, part.micro, part.rank))
    generator = ClipGenerator(device)
    generator.manual_seed(derive_seed(seed, purpose, step))
    first = (part.micro * part.ranks + part.rank) * part.clips
    return generator.of(first, part.clips, part.micros * part.ranks * part.clips)
