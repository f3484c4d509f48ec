"""A world to give away: one file with tokenizer, dynamics, action names, sampling and prompts to begin from.

It is a checkpoint of a dynamics (`checkpoint.py`), so `WorldModel.load` opens it, with a section more for the prompts
and one for heads, where it has some.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genieredux.errors import UserError
from genieredux.frames import to_float
from genieredux.models.checkpoint import CheckpointData, Section, load_model, save_model
from genieredux.models.sampling import Sampling
from genieredux.models.world.card import Card, card_path, read_card
from genieredux.models.world.heads import HEADS, OutcomeHeads, read_heads
from genieredux.models.world.hub import fetch, is_repository
from genieredux.models.world.model import WORLD_KINDS, WorldModel
from genieredux.models.world.protocol import World

Prompt = tuple[np.ndarray, np.ndarray]
"""frames uint8 (P, H, W, 3) and actions int64 (P - 1,)."""

SHIPPED = "coinrun"
"""The name of the world that is meant where none is named."""
_SHIPPED_FOLDER = Path(str(files("genieredux") / "worlds"))


def write_world(
    path: str | Path,
    checkpoint: str | Path,
    prompts: Sequence[Prompt],
    *,
    sampling: Sampling | None = None,
    precision: str = "float32",
    about: dict[str, Any] | None = None,
) -> Path:
    """Make a world's file from a dynamics checkpoint.

    prompts: all of one length. precision: of the stored weights (float16 halves the file). about: plain values
    that say how the world was made. Raises UserError.
    """
    data = load_model(checkpoint, expect=WORLD_KINDS)
    metadata = {**data.metadata, **(about or {})}
    if sampling is not None:
        metadata["sampling"] = dataclasses.asdict(sampling)
    held = {
        "frames": torch.from_numpy(np.stack([frames for frames, _ in prompts])),
        "actions": torch.from_numpy(np.stack([actions for _, actions in prompts])),
    }
    sections = {**data.sections, "prompts": Section("prompts", {}, held)}
    return save_model(
        path,
        data.kind,
        data.config,
        data.state_dict,
        step=data.step,
        metadata=metadata,
        sections=sections,
        precision=precision,
    )


@dataclass(frozen=True)
class Companions:
    """What travels with a world. prompts: none in a plain checkpoint. heads: what steps earn and when dreams end."""

    prompts: list[Prompt]
    heads: OutcomeHeads | None


@dataclass(frozen=True)
class Opened(Companions):
    """What a world's file holds."""

    world: WorldModel


def open_world(path: str | Path, device: str = "cpu", latent: bool = False) -> Opened:
    """A world with what travels in its file. latent: codes instead of the buttons that stand for them; the actions of
    prompts are codes too then, read off their frames, and heads, which are of buttons, are left out. Raises
    UserError."""
    data = load_model(path, expect=WORLD_KINDS)
    world = WorldModel.of(data, device, latent)
    beside = _companions(data, world)
    return Opened(beside.prompts, beside.heads, world)


def companions(world: World) -> Companions:
    """What travels in the file of a world that is in memory; nothing where it is of none. Raises UserError."""
    path = getattr(world, "path", None)
    return Companions([], None) if path is None else _companions(load_model(path, expect=WORLD_KINDS), world)


def _companions(data: CheckpointData, world: World) -> Companions:
    if world.takes == "codes" and "action_mapping" in data.metadata:
        return Companions([(frames, _codes(world, frames)) for frames, _ in _prompts(data)], None)
    heads = read_heads(data.sections[HEADS], data.path) if HEADS in data.sections else None
    if heads is not None and heads.config.num_actions != len(world.action_names):
        raise UserError(
            f"{data.path} holds heads of {heads.config.num_actions} actions; train heads for this world again"
        )
    return Companions(_prompts(data), heads)


def load_world(path: str | Path, device: str = "cpu", latent: bool = False) -> tuple[WorldModel, list[Prompt]]:
    """The world of `open_world` and its prompts. Raises UserError."""
    opened = open_world(path, device, latent)
    return opened.world, opened.prompts


def write_with_heads(
    out: str | Path, world: str | Path, heads: Section, about: Mapping[str, Any] | None = None
) -> Path:
    """A world's file once more, with heads (instead of those that it has). about: what its file says of them."""
    data = load_model(world, expect=WORLD_KINDS)
    return save_model(
        out,
        data.kind,
        data.config,
        data.state_dict,
        step=data.step,
        metadata={**data.metadata, HEADS: about or {}},
        sections={**data.sections, HEADS: heads},
        precision=data.precision,
    )


def _prompts(data: CheckpointData) -> list[Prompt]:
    if "prompts" not in data.sections:
        return []
    held = data.sections["prompts"].state_dict
    frames, actions = held.get("frames"), held.get("actions")
    if frames is None or actions is None or frames.dim() != 5 or actions.shape != (len(frames), frames.shape[1] - 1):
        raise UserError(
            f"{data.path} holds prompts that are none (frames and the actions between); make the world again"
        )
    return list(zip(frames.numpy(), actions.numpy(), strict=True))


def _codes(world: World, frames: np.ndarray) -> np.ndarray:
    """What the world reads off the frames of a prompt, int64 (P - 1,)."""
    codes = world.actions_of(to_float(frames)[None]) if len(frames) > 1 else None
    return np.zeros(0, np.int64) if codes is None else codes[0].cpu().numpy()


def find_world(name: str | Path | None, revision: str | None = None, local_files_only: bool = False) -> Path:
    """The file or folder of a world: by the name of one that ships with the package, such as "coinrun" (which None
    means), by its own path, or by the name of a repository on the Hub, "org/name" (hub.py), at a revision.

    Raises UserError where there is no such repository; a path that leads nowhere is for the opening to name.
    """
    path = Path(SHIPPED if name is None else str(name))
    shipped = _SHIPPED_FOLDER / f"{path}.pt"
    if name is None:
        found = shipped_world()
    elif not path.is_file() and shipped.is_file() and len(path.parts) == 1:
        found = shipped
    elif is_repository(path):
        return fetch(str(path), revision, local_files_only)
    else:
        found = path
    if revision is not None:
        raise UserError(f"revision is {revision!r}, but {found} is no repository on the Hub; leave it out")
    return found


@dataclass(frozen=True)
class ShippedWorld:
    """A world that ships with the package. card: what there is to know of it, where it has one."""

    name: str
    path: Path
    card: Card | None


def shipped_worlds() -> list[ShippedWorld]:
    """All of them, by name. Raises UserError for a card that cannot be read."""
    paths = sorted(_SHIPPED_FOLDER.glob("*.pt"))
    return [ShippedWorld(path.stem, path, read_card(card_path(path))) for path in paths]


def shipped_world() -> Path:
    """The world that is meant where none is named. Raises UserError where it was left out."""
    path = _SHIPPED_FOLDER / f"{SHIPPED}.pt"
    if not path.is_file():
        raise UserError(f"this installation ships no world ({path}); make one with `genieredux demo`")
    return path
