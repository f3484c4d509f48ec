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
from genieredux.models.checkpoint import CheckpointData, Section, load_model, save_model
from genieredux.models.sampling import Sampling
from genieredux.models.world.heads import HEADS, OutcomeHeads, read_heads
from genieredux.models.world.model import WORLD_KINDS, WorldModel

Prompt = tuple[np.ndarray, np.ndarray]
"""frames uint8 (P, H, W, 3) and actions int64 (P - 1,)."""

SHIPPED = "coinrun.pt"


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
class Opened:
    """What a world's file holds. prompts: none in a plain checkpoint. heads: what steps earn and when dreams end."""

    world: WorldModel
    prompts: list[Prompt]
    heads: OutcomeHeads | None


def open_world(path: str | Path, device: str = "cpu", latent: bool = False) -> Opened:
    """A world with what travels in its file. latent: codes instead of the buttons that stand for them; prompts, which
    are of buttons, are left out then, and heads too. Raises UserError."""
    data = load_model(path, expect=WORLD_KINDS)
    world = WorldModel.of(data, device, latent)
    if latent and "action_mapping" in data.metadata:
        return Opened(world, [], None)
    heads = read_heads(data.sections[HEADS], path).to(device) if HEADS in data.sections else None
    if heads is not None and heads.config.num_actions != len(world.action_names):
        raise UserError(f"{path} holds heads of {heads.config.num_actions} actions; train heads for this world again")
    return Opened(world, _prompts(data), heads)


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


def find_world(name: str | Path | None) -> Path:
    """The file of a world by the name of one that ships with the package, such as "coinrun" (which None means), or by
    its own path."""
    named = name is None or (str(name) == Path(SHIPPED).stem and not Path(name).is_file())
    return shipped_world() if named else Path(str(name))


def shipped_world() -> Path:
    """The world that ships with the package. Raises UserError where it was left out."""
    path = Path(str(files("genieredux") / "worlds" / SHIPPED))
    if not path.is_file():
        raise UserError(f"this installation ships no world ({path}); make one with `genieredux demo`")
    return path
