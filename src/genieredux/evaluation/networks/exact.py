"""Float32 that is float32: on a GPU, cuDNN would otherwise round the inputs of convolutions to TF32's ten bits."""

from contextlib import AbstractContextManager

import torch


def exact_convolutions() -> AbstractContextManager[None]:
    """A context in which convolutions are full float32 and give the same numbers each time. On a CPU they do anyway."""
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
