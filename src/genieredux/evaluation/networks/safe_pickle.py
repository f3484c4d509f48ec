"""Reads a pickle of nested dicts of numpy arrays, and nothing else. A pickle can call anything; this one can build
arrays.
"""

import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from genieredux.errors import UserError

# numpy 1 called it numpy.core, numpy 2 numpy._core; a file may carry either name.
_RECONSTRUCT = {("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")}
_TYPES: dict[tuple[str, str], Any] = {("numpy", "ndarray"): np.ndarray, ("numpy", "dtype"): np.dtype}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _RECONSTRUCT:
            return _empty_array
        if (module, name) in _TYPES:
            return _TYPES[module, name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, and arrays need no such thing")


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a pickled tree of dicts, by their keys joined with '|'.

    Raises UserError where the file is missing, is no pickle, holds anything but dicts of numeric arrays, or asks for
    any function but numpy's array constructor (nothing is called in that case).
    """
    try:
        with open(path, "rb") as file:
            tree = _ArraysOnly(file).load()
        return dict(_leaves(tree, ()))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; give the weights file of the package") from error
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, IndexError, KeyError, AttributeError) as error:
        raise UserError(f"{path}: not a pickle of arrays alone ({error}); give the file the package ships") from error


def _empty_array(kind: Any, shape: Any, dtype: Any) -> np.ndarray:
    """What pickle begins an array with; its state (shape, dtype, bytes) follows."""
    if kind is not np.ndarray:
        raise pickle.UnpicklingError(f"an array of kind {kind!r}")
    return np.ndarray.__new__(np.ndarray, (0,), np.uint8)


def _leaves(tree: Any, keys: tuple[str, ...]) -> Iterator[tuple[str, np.ndarray]]:
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _leaves(value, (*keys, str(key)))
    elif isinstance(tree, np.ndarray) and tree.dtype.kind in "fiu":
        yield "|".join(keys), tree
    else:
        raise TypeError(f"{'|'.join(keys) or 'the file'} is a {type(tree).__name__}")
