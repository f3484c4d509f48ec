"""A steered dream: one action all along, from the prompts of a few clips. There is no truth to compare with, for the
game did something else; it is set beside the dream under the true actions, of the same noise.
"""

from collections.abc import Sequence

import torch

from genieredux.checking import nearest
from genieredux.errors import UserError
from genieredux.evaluation.clips.counterfactual import clip_seed
from genieredux.evaluation.config import REPLICATE
from genieredux.evaluation.rows import ACTIONS, HELD, MODEL
from genieredux.evaluation.subjects.drawn import Batch, Drawn
from genieredux.evaluation.subjects.world import WorldSubject


class SteeredDream:
    """Rows: `held`, the dream under the action; `model`, the one under the true actions, which is not measured."""

    main, baseline = HELD, MODEL
    static: frozenset[str] = frozenset()
    offers = frozenset({HELD, MODEL, ACTIONS})

    def __init__(self, world: WorldSubject, action: int) -> None:
        self._world, self._action = world, action

    @torch.inference_mode()
    def draw(self, batch: Batch, seed: int, number: int = 0) -> Drawn:
        """See Subject."""
        held = batch.taken.clone()
        held[:, batch.prompt_frames - 1 :] = self._action
        seeds = [clip_seed(seed, clip) for clip in batch.indices]
        dreams = {
            row: self._world.roll(batch.prompt, of, seeds).frames for row, of in ((HELD, held), (MODEL, batch.taken))
        }
        return Drawn(batch, dreams, (HELD,), actions={HELD: held}, number=number)


def action_index(action: int | str, action_names: Sequence[str]) -> int:
    """The index of an action given by index or name. Raises UserError, naming the nearest, where there is none."""
    count = len(action_names)
    numbered = ", ".join(f"{index} {name}" for index, name in enumerate(action_names))
    if isinstance(action, str) and action.lstrip("-").isdigit():
        action = int(action)
    if isinstance(action, int):
        if 0 <= action < count:
            return action
        near = min(max(action, 0), count - 1)
        raise UserError(
            f"eval.action_to_take={action} is no action of this world; the nearest is {near} ({action_names[near]}), "
            f"and {REPLICATE} replays the true ones (there are: {numbered})"
        )
    by_name = {name.upper(): index for index, name in enumerate(action_names)}
    if action.upper() in by_name:
        return by_name[action.upper()]
    raise UserError(
        f"eval.action_to_take={action} is no action of this world; the nearest is "
        f"{action_names[by_name[nearest(action.upper(), by_name)]]} (there are: {numbered})"
    )
