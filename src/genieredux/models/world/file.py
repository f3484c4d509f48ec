"""A world to give away: one file with tokenizer, dynamics, action names, sampling and prompts to begin from.

It is a checkpoint of a dynamics (`checkpoint.py`), so `WorldModel.load` opens it, with one section more.
"""

import dataclasses
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genieredux.errors import UserError
from genieredux.models.checkpoint import Section, load_model, save_model
from genieredux.models.sampling import Sampling
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


def load_world(path: str | Path, device: str = "cpu", latent: bool = False) -> tuple[WorldModel, list[Prompt]]:
    """A world and the prompts that travel with it (none in a plain checkpoint, nor where `latent` asks for codes
    instead of the buttons of the prompts). Raises UserError."""
    data = load_model(path, expect=WORLD_KINDS)
    world = WorldModel.of(data, device, latent)
    if "prompts" not in data.sections or (latent and "action_mapping" in data.metadata):
        return world, []
    held = data.sections["prompts"].state_dict
    frames, actions = held.get("frames"), held.get("actions")
    if frames is None or actions is None or frames.dim() != 5 or actions.shape != (len(frames), frames.shape[1] - 1):
        raise UserError(f"{path} holds prompts that are none (frames and the actions between); make the world again")
    return world, list(zip(frames.numpy(), actions.numpy(), strict=True))


def find_world(name: str | Path) -> Path:
    """The file of a world by the name of one that ships with the package, such as "coinrun", or by its own path."""
    return shipped_world() if str(name) == Path(SHIPPED).stem and not Path(name).is_file() else Path(name)


def shipped_world() -> Path:
    """The world that ships with the package. Raises UserError where it was left out."""
    path = Path(str(files("genieredux") / "worlds" / SHIPPED))
    if not path.is_file():
        raise UserError(f"this installation ships no world ({path}); make one with `genieredux demo`")
    return path
