"""Seeded damage to files: their bytes, or the values in them. Knows nothing of who reads them."""

import io
import json
import random
from collections.abc import Mapping
from typing import Any

ODD = (
    *(None, True, -1, 0, 1, 10**18, -(10**18), 0.5, float("nan"), float("inf"), "", "x", "../../x", "x" * 3000),
    *([], {}, [1, 2], [[[]]], {"a": 1}, "<script>alert(1)</script>", "=1+1", "\u0000", "\ud800"),
)


def damage_bytes(content: bytes, draw: random.Random) -> bytes:
    """Flip, cut, zero, repeat or insert."""
    data = bytearray(content)
    at = draw.randrange(len(data) + 1) if data else 0
    width = draw.choice((1, 4, 64, 1024))
    match draw.randrange(6):
        case 0:
            del data[at:]
        case 1:
            data[at : at + width] = bytes(len(data[at : at + width]))
        case 2:
            data[at:at] = draw.randbytes(width)
        case 3:
            data[at:at] = data[at : at + width]
        case 4:
            data[at : at + width] = draw.randbytes(len(data[at : at + width]))
        case _:
            for _ in range(draw.choice((1, 3, 30))):
                if data:
                    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(data)


def damage_json(content: bytes, draw: random.Random) -> bytes:
    """One value is another, is gone, or the whole is deep."""
    try:
        values = json.loads(content)
    except ValueError:
        return damage_bytes(content, draw)
    if draw.random() < 0.05:
        return b"[" * 100_000
    holder = {"": values}
    change_value(holder, draw)
    return json.dumps(holder.get("")).encode(errors="surrogatepass")


def change_value(values: Any, draw: random.Random) -> None:
    """Somewhere in nested mappings and lists."""
    place = values
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = draw.choice(keys)
        if isinstance(place[key], dict | list) and place[key] and draw.random() < 0.8:
            place = place[key]
            continue
        if draw.random() < 0.25 and place is not values:
            del place[key]
        else:
            place[key] = draw.choice(ODD)
        return


def damage_parquet(content: bytes, draw: random.Random) -> bytes:
    """A column is gone, of another type, null, doubled or of odd values."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(content))
    at = draw.randrange(table.num_columns)
    name, kind = table.column_names[at], table.schema.field(at).type
    match draw.randrange(5):
        case 0:
            table = table.drop_columns([name])
        case 1:
            table = table.set_column(at, name, pa.nulls(len(table), kind))
        case 2:
            table = table.set_column(at, name, pa.array([draw.choice(("x", "../../x", ""))] * len(table)))
        case 3:
            table = pa.concat_tables([table, table]) if draw.random() < 0.5 else table.slice(0, len(table) // 2)
        case _:
            odd = draw.choice((-1, 0, 2**31 - 1, 2**62))
            numbers = pa.array([odd] * len(table), pa.int64())
            table = table.set_column(at, name, numbers.cast(kind, safe=False) if pa.types.is_integer(kind) else numbers)
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def damage_checkpoint(content: bytes, draw: random.Random) -> bytes:
    """One value of a saved dictionary is odd, one tensor of another shape, type or not finite."""
    import torch

    values = torch.load(io.BytesIO(content), weights_only=True)
    tensors: list[tuple[Any, Any]] = []
    _collect(values, tensors)
    if tensors and draw.random() < 0.4:
        holder, key = draw.choice(tensors)
        holder[key] = _odd_tensor(holder[key], draw)
    else:
        change_value(values, draw)
    file = io.BytesIO()
    torch.save(values, file)
    return file.getvalue()


def _collect(values: Any, into: list[tuple[Any, Any]]) -> None:
    import torch

    for key in list(values) if isinstance(values, Mapping) else range(len(values)):
        if isinstance(values[key], torch.Tensor):
            into.append((values, key))
        elif isinstance(values[key], dict | list):
            _collect(values[key], into)


def _odd_tensor(tensor: Any, draw: random.Random) -> Any:
    import torch

    way = draw.randrange(6)
    if tensor.dtype == torch.bool and way in (2, 3):
        return ~tensor
    match way:
        case 0:
            return tensor.flatten()[: tensor.numel() // 2].clone()
        case 1:
            return tensor.double() if tensor.is_floating_point() else tensor.float()
        case 2:
            return torch.full_like(tensor, float("nan")) if tensor.is_floating_point() else tensor - 10**6
        case 3:
            return tensor * 1e30 if tensor.is_floating_point() else tensor + 10**6
        case 4:
            return torch.zeros(0)
        case _:
            return tensor[None].clone()
