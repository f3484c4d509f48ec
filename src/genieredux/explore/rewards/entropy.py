"""How unsure the world says it is: the papers' reward, and its form that knows the whole past."""

from genieredux.explore.reward import entropy_reward
from genieredux.explore.rewards.protocol import Settled, Values, unrated
from genieredux.explore.rollout import Rollout


class AheadEntropy(Settled):
    """P25 4 and A.3: two real frames, then n_preds dreamed under the actions really taken; the last one's tokens."""

    def rate(self, rollout: Rollout) -> Values:
        """From 0 to 2."""
        values = unrated(rollout)
        for rows in self.watcher.look_ahead(rollout):
            rows.put(entropy_reward(rows.step.logits, self.config.top), values)
        return values


class NextEntropy(Settled):
    """The same of the very next frame, when all frames before it are known: a third of the work, and no dream of the
    world's own in between."""

    def rate(self, rollout: Rollout) -> Values:
        """From 0 to 2."""
        values = unrated(rollout)
        for rows in self.watcher.watch(rollout):
            rows.put(entropy_reward(rows.said.logits, self.config.top), values)
        return values
