"""How much of a frame the world had not been shown in this episode: what it would have had to make up. In a game that
scrolls that is new land, and going back earns nothing as long as the world remembers it.
"""

from genieredux.errors import UserError
from genieredux.explore.rewards.protocol import Settled, Values, unrated
from genieredux.explore.rollout import Rollout


class Unseen(Settled):
    """The share of the frame's pixels."""

    def rate(self, rollout: Rollout) -> Values:
        """From 0 to 1. Raises UserError where the world keeps no record of what it was shown."""
        values = unrated(rollout)
        for rows in self.watcher.watch(rollout, whole=True):
            if rows.said.unseen is None:
                raise UserError(
                    "reward.kind=unseen needs a world that carries over what was seen (dynamics.architecture=canvas); "
                    "for this one take next_entropy"
                )
            rows.put(rows.said.unseen.mean((-2, -1)), values)
        return values
