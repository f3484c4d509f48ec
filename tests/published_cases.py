"""Numbers that the published code computed: the cut ones in tests/fixtures, the full ones where ../shared has them.

`cases(name)` gives what a test is run with, `["cut"]` or `["cut", "full"]`; `read(name, which)` gives the dict of
tensors and plain values. tests/fixtures/README.md says what they are. A file `<name>.npz.xz` holds a JSON of the plain
values and every tensor as the planes of its bytes (all first bytes, all second bytes, ...), which compress better.
"""

import io
import json
import lzma
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

FIXTURES = Path(__file__).parent / "fixtures"
SHARED = Path(__file__).resolve().parents[2] / "shared"
STEPS = {"channels": 1, "pixels": 1}
"""Of a full case: every channel, every pixel is there. A cut case says how far apart the kept ones are."""


def cases(name: str) -> list[str]:
    """Which versions of a case this checkout has."""
    return ["cut", "full"] if (SHARED / "fixtures" / f"{name}.pt").is_file() else ["cut"]


def folders(below: str) -> list[Path]:
    """Where a folder of published data lies: cut in tests/fixtures, and whole in ../shared where that is there."""
    return [path for path in (FIXTURES / below, SHARED / "fixtures" / below) if path.is_dir()]


def read(name: str, which: str = "cut") -> dict[str, Any]:
    """A case: nested dicts of tensors and plain values."""
    if which == "full":
        whole = torch.load(SHARED / "fixtures" / f"{name}.pt", weights_only=False)
        return {**STEPS, **whole} if name == "tokenizer" else whole
    return unpack((FIXTURES / f"{name}.npz.xz").read_bytes())


def pack(values: dict[str, Any]) -> bytes:
    """The bytes of a file."""
    arrays: dict[str, np.ndarray] = {}
    plain = _taken_apart(values, arrays)
    kinds = sorted({array.dtype.str for array in arrays.values()})
    flat = {kind: [array.ravel() for array in arrays.values() if array.dtype.str == kind] for kind in kinds}
    planes = {kind: _planes(np.concatenate(parts)) for kind, parts in flat.items()}
    facts = {key: [array.dtype.str, list(array.shape)] for key, array in arrays.items()}
    text = json.dumps({"plain": plain, "arrays": facts}).encode()
    file = io.BytesIO()
    np.savez(file, facts=np.frombuffer(text, np.uint8), **planes)
    return lzma.compress(file.getvalue(), preset=9 | lzma.PRESET_EXTREME)


def _planes(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.frombuffer(values.tobytes(), np.uint8).reshape(-1, values.itemsize).T)


def unpack(content: bytes) -> dict[str, Any]:
    """What was packed, to the bit."""
    with np.load(io.BytesIO(lzma.decompress(content))) as planes:
        text = json.loads(planes["facts"].tobytes())
        flat = {kind: np.frombuffer(planes[kind].T.tobytes(), kind) for kind in planes.files if kind != "facts"}
    arrays, place = {}, dict.fromkeys(flat, 0)
    for key, (kind, shape) in text["arrays"].items():
        begin, place[kind] = place[kind], place[kind] + math.prod(shape)
        arrays[key] = torch.from_numpy(flat[kind][begin : place[kind]].reshape(shape).copy())
    return _put_together(text["plain"], arrays)


def _taken_apart(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, torch.Tensor):
        key = f"a{len(arrays)}"
        arrays[key] = np.ascontiguousarray(value.numpy()).reshape(tuple(value.shape))
        return {"tensor": key}
    if isinstance(value, dict):
        return {"dict": [[key, _taken_apart(item, arrays)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return {"list": [_taken_apart(item, arrays) for item in value]}
    return {"plain": value}


def _put_together(value: dict[str, Any], arrays: dict[str, torch.Tensor]) -> Any:
    ((kind, of),) = value.items()
    if kind == "tensor":
        return arrays[of]
    if kind == "dict":
        return {tuple(key) if isinstance(key, list) else key: _put_together(item, arrays) for key, item in of}
    return [_put_together(item, arrays) for item in of] if kind == "list" else of
