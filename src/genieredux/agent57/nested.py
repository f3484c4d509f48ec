"""Arrays in nested values as tensors, which files hold, and back."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch


def as_tensors(value: Any) -> Any:
    """Arrays in nested dicts and lists as tensors."""
    if isinstance(value, np.ndarray | np.generic):
        return torch.from_numpy(np.array(value))
    if isinstance(value, Mapping):
        return {key: as_tensors(item) for key, item in value.items()}
    return [as_tensors(item) for item in value] if isinstance(value, list) else value


def as_arrays(value: Any) -> Any:
    """The reverse."""
    if isinstance(value, torch.Tensor):
        return value.numpy()
    if isinstance(value, Mapping):
        return {key: as_arrays(item) for key, item in value.items()}
    return [as_arrays(item) for item in value] if isinstance(value, list) else value
