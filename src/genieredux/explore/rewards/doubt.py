"""Two signs of doubt that need no logits, each divided by how much moved: after MMBench2 (arXiv 2606.27326), where both
follow the true error of a rollout and are always the better for the division.
"""

from collections.abc import Iterator

import torch

from genieredux.errors import UserError
from genieredux.explore.reward import per_motion
from genieredux.explore.rewards.protocol import RewardConfig, Settled, Values, Watcher, unrated
from genieredux.explore.rollout import Rollout
from genieredux.explore.watching import Expected
from genieredux.models.sampling import Sampling


class RoundTrip(Settled):
    """|z - Enc(Dec(z))| in pixels: how far the expected frame moves when it is encoded and decoded once more. A frame
    that the tokenizer knows stays where it is."""

    def __init__(self, config: RewardConfig, watcher: Watcher) -> None:
        """Raises UserError for a world whose tokens say only what changes: it has no such thing."""
        super().__init__(config, watcher)
        assert watcher.world is not None
        side = watcher.world.image_size
        try:
            watcher.world.decode(watcher.world.encode(torch.zeros(1, 1, 3, side, side)))
        except UserError as error:
            raise UserError(f"reward.kind=round_trip: {error}; choose another reward.kind for this world") from error

    def rate(self, rollout: Rollout) -> Values:
        """0 and more."""
        values, world = unrated(rollout), self.watcher.world
        assert world is not None
        for rows in self.watcher.look(rollout):
            expected = rows.step.frames
            again = world.decode(world.encode(expected[:, None]))[:, 0].to(expected.device)
            moved = (again - expected).abs().mean((-3, -2, -1))
            rows.put(per_motion(moved.cpu(), rows.before, rows.after), values)
        return values


class SeedVariance(Settled):
    """How much the next frame differs from draw to draw: the mean deviation of its pixels over reward.seeds draws, each
    dreamed from the two real frames before."""

    def __init__(self, config: RewardConfig, watcher: Watcher) -> None:
        super().__init__(config, watcher)
        self._sampling = _drawing(watcher)

    def rate(self, rollout: Rollout) -> Values:
        """0 and more."""
        values = unrated(rollout)
        for first, *others in zip(*(self._draws(rollout, k) for k in range(self.config.seeds)), strict=True):
            drawn = torch.stack([rows.step.frames for rows in (first, *others)])
            spread = drawn.std(0, correction=0).mean((-3, -2, -1))
            first.put(per_motion(spread.cpu(), first.before, first.after), values)
        return values

    def _draws(self, rollout: Rollout, number: int) -> Iterator[Expected]:
        watcher = self.watcher
        seeded = Watcher(
            watcher.world, lanes=watcher.lanes, ahead=1, sampling=self._sampling, seed=number * 1_000_000_007
        )
        return seeded.look_ahead(rollout)


def _drawing(watcher: Watcher) -> Sampling | None:
    """The world's sampling, changed so that seeds matter: several steps, with noise on the likeliest token."""
    own = watcher.sampling or (watcher.world.sampling if watcher.world else None)
    return None if own is None else own.changed(steps=max(own.steps, 2), temperature=1.0, choice="mode")
