"""What each action does: from one prompt, every action held all along. It knows a world only through its
protocol.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from genieredux.evaluation.clips import Clips
from genieredux.frames import to_bytes
from genieredux.models.world.protocol import World


@dataclass(frozen=True)
class ControlGrid:
    """Dreams of held actions. action_names: (A,).

    frames: uint8 (R, A, P + N, S, S, 3): R prompts, each dreamed on under every action; the prompt comes
    first.
    """

    action_names: tuple[str, ...]
    prompt_frames: int
    frames: np.ndarray


@torch.inference_mode()
def control_grid(
    world: World,
    clips: Clips,
    rows: Sequence[int],
    prompt_frames: int = 2,
    steps: int = 12,
    seed: int = 0,
    sampling: Any = None,
) -> ControlGrid:
    """Hold every action for `steps` frames after the prompts of the clips with indices `rows`.

    All dreams share one seed, so that what differs in a row is what the actions did.
    """
    count = len(world.action_names)
    grid = []
    for row in rows:
        frames, actions = clips.batch(row, row + 1)
        prompt = frames[:, :prompt_frames].expand(count, -1, -1, -1, -1)
        given = actions[:, : prompt_frames - 1].expand(count, -1)
        held = torch.arange(count)[:, None].expand(-1, steps)
        rollout = world.rollout(prompt, torch.cat([given, held], 1), seed, sampling)
        grid.append(to_bytes(torch.cat([prompt, rollout.frames.cpu()], 1)))
    return ControlGrid(tuple(world.action_names), prompt_frames, np.stack(grid))
