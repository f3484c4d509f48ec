"""Dreams of several owners, a frame on in one pass of the networks: joined for a step, and parted again.

What each draws is what it draws alone: its tokens exactly, its pixels to float rounding (protocol.Dream). Dreams that
cannot be joined go on one after the other. Knows no owner, no thread and no page.
"""

import dataclasses
from collections.abc import Hashable, Sequence
from typing import Any, Protocol, Self, TypeVar, cast, runtime_checkable

import torch
from torch import Tensor

from genieredux.models.world.protocol import Dream, DreamStep

T = TypeVar("T")


@runtime_checkable
class Joinable(Protocol):
    """A Dream, or what one knows, that can be joined with others."""

    @property
    def company(self) -> Hashable | None:
        """Those of equal company can be joined; None: this one with none."""
        ...

    def joined(self, others: Sequence[Self]) -> Self:
        """All dreams of this one and of the others in one, in that order; no original changes."""
        ...

    def parted(self, into: Sequence[Self]) -> None:
        """These, which were joined to this one, become what their dreams are here now."""
        ...


def step_together(dreams: Sequence[Dream], actions: Sequence[Tensor]) -> list[DreamStep | Exception]:
    """Take a step in each dream; actions: int64 (B,) of each. What one raises is its own answer: the others' steps are
    taken all the same."""
    groups: dict[Hashable, list[int]] = {}
    for index, dream in enumerate(dreams):
        company = dream.company if isinstance(dream, Joinable) else None
        groups.setdefault(("alone", index) if company is None else ("joined", company), []).append(index)
    answers: dict[int, DreamStep | Exception] = {}
    for indices in groups.values():
        mine, taken = [dreams[index] for index in indices], [torch.as_tensor(actions[index]) for index in indices]
        answers.update(zip(indices, _steps(mine, taken), strict=True))
    return [answers[index] for index in range(len(dreams))]


def concatenated(values: Sequence[T], dim: int = 0) -> T:
    """Tensors one after the other along `dim`; records of tensors, field by field. What is no tensor is the first's."""
    first = values[0]
    if isinstance(first, Tensor):
        return cast(T, torch.cat(list(cast(Sequence[Tensor], values)), dim))
    if dataclasses.is_dataclass(first) and not isinstance(first, type):
        names = [field.name for field in dataclasses.fields(first)]
        return dataclasses.replace(first, **{name: concatenated([getattr(v, name) for v in values]) for name in names})
    return first


def divided(value: T, sizes: Sequence[int], dim: int = 0) -> list[T]:
    """The reverse of `concatenated`; every part has memory of its own."""
    if isinstance(value, Tensor):
        return [cast(T, part.clone()) for part in value.split(list(sizes), dim)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts: dict[str, list[Any]] = {
            field.name: divided(getattr(value, field.name), sizes) for field in dataclasses.fields(value)
        }
        return [
            dataclasses.replace(value, **{name: part[k] for name, part in parts.items()}) for k in range(len(sizes))
        ]
    return [value] * len(sizes)


def _steps(dreams: Sequence[Dream], actions: Sequence[Tensor]) -> list[DreamStep | Exception]:
    """Of dreams that can be joined, or of one."""
    if len(dreams) > 1:
        try:
            return list(_joint_steps(cast(Sequence[Any], dreams), actions))
        except Exception:  # noqa: BLE001  # somebody's: each alone says whose
            pass
    return [_own_step(dream, taken) for dream, taken in zip(dreams, actions, strict=True)]


def _joint_steps(dreams: Sequence[Any], actions: Sequence[Tensor]) -> list[DreamStep]:
    joined = dreams[0].joined(dreams[1:])
    step = joined.step(torch.cat(list(actions)))
    joined.parted(dreams)
    return divided(step, [len(taken) for taken in actions])


def _own_step(dream: Dream, actions: Tensor) -> DreamStep | Exception:
    try:
        return dream.step(actions)
    except Exception as error:  # noqa: BLE001  # it is raised where the step was asked for
        return error
